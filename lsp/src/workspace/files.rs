//! Which files there are: open documents as they are typed, others from the disk, each read and parsed once per change.
//!
//! Regular files only. A link is followed when it stays below the root that the file belongs to.

use super::Project;
use pmflow_compiler::cost::Catalog;
use pmflow_compiler::syntax::{Before, Parsed, parse, parse_again};
use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tower_lsp_server::ls_types::Uri;

const SOURCE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Entries that a search for flow files looks at, so that a home folder as a root ends soon.
const ENTRIES_MAX: usize = 50_000;
const FLOW_FILES_MAX: usize = 10_000;
const FOLDERS_DEEP_MAX: usize = 32;

/// What a path held when it was looked at; equal marks mean that nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Open in the editor, at this change of all changes.
    Open(u64),
    Disk {
        modified: Option<SystemTime>,
        bytes: u64,
        /// Which file it is, whatever its name; none where the system does not say.
        identity: Option<(u64, u64)>,
    },
    /// Why it cannot be read.
    Unreadable(String),
}

#[derive(Debug)]
struct OpenFile {
    uri: Uri,
    version: i32,
    change: u64,
    text: Arc<str>,
}

/// A text, and what was read in it.
type Read = (Arc<str>, Arc<Parsed>);

#[derive(Debug, Default)]
pub struct Files {
    roots: Vec<PathBuf>,
    paths: RefCell<Vec<Arc<Path>>>,
    ids: RefCell<HashMap<Arc<Path>, FileId>>,
    /// What a path that is written in a file leads to.
    beside: RefCell<HashMap<(FileId, String), FileId>>,
    /// Paths as messages show them.
    shown: RefCell<HashMap<FileId, Arc<str>>>,
    open: BTreeMap<FileId, OpenFile>,
    disk: RefCell<BTreeMap<FileId, (Mark, Arc<str>)>>,
    parsed: RefCell<BTreeMap<FileId, Read>>,
    /// Files that were found to lie where they may be read.
    inside: RefCell<HashMap<FileId, Mark>>,
    changes: u64,
}

impl Files {
    pub fn set_roots(&mut self, roots: Vec<PathBuf>) {
        self.roots = roots.into_iter().map(|root| tidy(&root)).collect();
        self.roots.sort();
        self.roots.dedup();
        self.inside.borrow_mut().clear();
        self.shown.borrow_mut().clear();
    }

    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    pub fn open(&mut self, uri: &Uri, version: i32, text: Arc<str>) -> FileId {
        let file = self.id(&path_of(uri));
        self.changes += 1;
        self.open.insert(file, OpenFile { uri: uri.clone(), version, change: self.changes, text });
        file
    }

    /// The new text of an open document; one that is not open is opened by it.
    pub fn change(&mut self, uri: &Uri, version: i32, text: Arc<str>) -> FileId {
        self.open(uri, version, text)
    }

    pub fn close(&mut self, uri: &Uri) -> FileId {
        let file = self.id(&path_of(uri));
        self.open.remove(&file);
        file
    }

    pub fn is_open(&self, file: FileId) -> bool {
        self.open.contains_key(&file)
    }

    pub fn open_files(&self) -> Vec<FileId> {
        self.open.keys().copied().collect()
    }

    pub fn version(&self, file: FileId) -> Option<i32> {
        self.open.get(&file).map(|open| open.version)
    }

    /// Of a document by its URI, whether it is open or not.
    pub fn id_of(&self, uri: &Uri) -> FileId {
        self.id(&path_of(uri))
    }

    pub fn id(&self, path: &Path) -> FileId {
        if let Some(known) = self.ids.borrow().get(path) {
            return *known;
        }
        let mut paths = self.paths.borrow_mut();
        let file = FileId(u32::try_from(paths.len()).unwrap_or(u32::MAX / 2));
        let path: Arc<Path> = path.into();
        paths.push(path.clone());
        self.ids.borrow_mut().insert(path, file);
        file
    }

    pub fn path(&self, file: FileId) -> Option<Arc<Path>> {
        self.paths.borrow().get(file.0 as usize).cloned()
    }

    /// The file that a path leads to which is written in another one.
    fn beside(&self, from: FileId, relative: &str) -> Result<FileId, String> {
        let written = (from, relative.to_owned());
        if let Some(known) = self.beside.borrow().get(&written) {
            return Ok(*known);
        }
        let path = self.path(from).ok_or("it is not a file of this workspace")?;
        if !path.is_absolute() {
            return Err("this document is not saved yet, so it stands beside no file".to_owned());
        }
        let file = self.id(&tidy(&path.parent().unwrap_or(Path::new("/")).join(relative)));
        self.beside.borrow_mut().insert(written, file);
        Ok(file)
    }

    /// As messages show it: relative to its root.
    fn shown(&self, file: FileId) -> Arc<str> {
        if let Some(known) = self.shown.borrow().get(&file) {
            return known.clone();
        }
        let path = self.path(file).unwrap_or_else(|| Path::new("").into());
        let shown: Arc<str> = shown(self, &path).into();
        self.shown.borrow_mut().insert(file, shown.clone());
        shown
    }

    pub fn uri(&self, file: FileId) -> Option<Uri> {
        match self.open.get(&file) {
            Some(open) => Some(open.uri.clone()),
            None => Uri::from_file_path(self.path(file)?),
        }
    }

    /// The nearest root around a path.
    pub fn root_of(&self, path: &Path) -> Option<&PathBuf> {
        self.roots.iter().filter(|root| path.starts_with(root)).max_by_key(|root| root.components().count())
    }

    pub fn mark(&self, file: FileId) -> Mark {
        match self.open.get(&file) {
            Some(open) => Mark::Open(open.change),
            None => match self.regular(file) {
                Ok(metadata) => mark_of(&metadata),
                Err(reason) => Mark::Unreadable(reason),
            },
        }
    }

    pub fn text(&self, file: FileId) -> Result<Arc<str>, String> {
        self.text_at(file, self.mark(file))
    }

    /// `mark`: what the file was found to be just now.
    fn text_at(&self, file: FileId, mark: Mark) -> Result<Arc<str>, String> {
        if let Some(open) = self.open.get(&file) {
            return Ok(open.text.clone());
        }
        if let Some((known, text)) = self.disk.borrow().get(&file)
            && *known == mark
        {
            return Ok(text.clone());
        }
        let text: Arc<str> = self.read_text(file)?.into();
        self.disk.borrow_mut().insert(file, (mark, text.clone()));
        Ok(text)
    }

    pub fn parsed(&self, file: FileId, text: &Arc<str>) -> Arc<Parsed> {
        if let Some((known, parsed)) = self.parsed.borrow().get(&file)
            && (Arc::ptr_eq(known, text) || known == text)
        {
            return parsed.clone();
        }
        let before = self.parsed.borrow_mut().remove(&file);
        let (old, before) = before.unzip();
        let before = old.as_deref().zip(before).map(|(text, parsed)| Before { text, parsed });
        let parsed = Arc::new(parse_again(file, text, before));
        self.parsed.borrow_mut().insert(file, (text.clone(), parsed.clone()));
        parsed
    }

    /// Every flow file below the roots, and every open one; sorted by path.
    pub fn all(&self) -> Vec<FileId> {
        let mut found: Vec<PathBuf> =
            self.open.keys().filter_map(|file| self.path(*file)).map(|path| path.to_path_buf()).collect();
        let mut entries_left = ENTRIES_MAX;
        for root in &self.roots {
            collect(root, 0, &mut entries_left, &mut found);
        }
        found.sort();
        found.dedup();
        found.iter().map(|path| self.id(path)).collect()
    }

    /// Metadata of a regular file that may be read.
    fn regular(&self, file: FileId) -> Result<std::fs::Metadata, String> {
        let path = self.path(file).ok_or("it is not a file of this workspace")?;
        let metadata = std::fs::metadata(&path).map_err(|error| reason(&error))?;
        if metadata.is_dir() {
            return Err("it is a folder".to_owned());
        }
        if !metadata.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        let mark = mark_of(&metadata);
        // The same file as before is where it was before.
        let is_known = matches!(mark, Mark::Disk { identity: Some(_), .. }) && self.inside.borrow().get(&file) == Some(&mark);
        if !is_known {
            self.stays_inside(&path)?;
            self.inside.borrow_mut().insert(file, mark);
        }
        Ok(metadata)
    }

    fn stays_inside(&self, path: &Path) -> Result<(), String> {
        let inside = |root: &PathBuf| {
            let (Ok(root), Ok(target)) = (root.canonicalize(), path.canonicalize()) else { return false };
            target.starts_with(root)
        };
        // A file outside of every root is guarded by its own folder.
        let guard = self.root_of(path).cloned().or_else(|| path.parent().map(Path::to_owned)).unwrap_or_default();
        if inside(&guard) { Ok(()) } else { Err("it is a link to a place outside of the workspace".to_owned()) }
    }

    fn read_text(&self, file: FileId) -> Result<String, String> {
        let metadata = self.regular(file)?;
        let path = self.path(file).ok_or("it is not a file of this workspace")?;
        if metadata.len() > SOURCE_BYTES_MAX {
            return Err(format!("it has {} bytes; a source file may have {SOURCE_BYTES_MAX}", metadata.len()));
        }
        let bytes = std::fs::read(path).map_err(|error| reason(&error))?;
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
            format!("it is not UTF-8 text: line {line}, byte {at} of the file; save it as UTF-8")
        })
    }
}

/// One check's look at the files. It remembers what it touched, so that its result can be kept until something changes.
#[derive(Debug)]
pub struct Look<'a> {
    pub files: &'a Files,
    touched: RefCell<BTreeMap<FileId, Mark>>,
    /// What files were found to be just before.
    seen: BTreeMap<FileId, Mark>,
    /// Texts that stand in for what there is.
    pretended: BTreeMap<FileId, Arc<str>>,
    project: Project,
    today: i32,
}

impl<'a> Look<'a> {
    /// `seen`: what files were found to be just before.
    pub fn new(files: &'a Files, today: i32, project: Project, seen: BTreeMap<FileId, Mark>) -> Look<'a> {
        let look = Look { files, touched: RefCell::default(), seen, pretended: BTreeMap::new(), project, today };
        look.project.files.iter().for_each(|path| drop(look.touch(files.id(path))));
        look
    }

    pub fn pretend(&mut self, file: FileId, text: Arc<str>) {
        self.pretended.insert(file, text);
    }

    /// What was touched, and the project that it was judged by.
    pub fn finish(self) -> (BTreeMap<FileId, Mark>, Project) {
        (self.touched.into_inner(), self.project)
    }

    fn touch(&self, file: FileId) -> Mark {
        let mark = || self.seen.get(&file).cloned().unwrap_or_else(|| self.files.mark(file));
        self.touched.borrow_mut().entry(file).or_insert_with(mark).clone()
    }

    fn text(&self, file: FileId) -> Result<Arc<str>, String> {
        self.files.text_at(file, self.touch(file))
    }
}

impl World for Look<'_> {
    fn import(&self, from: FileId, relative: &str) -> Result<FileId, String> {
        let file = self.files.beside(from, relative)?;
        self.text(file)?;
        Ok(file)
    }

    fn source(&self, file: FileId) -> Source {
        let text = self.text(file).ok();
        let text = self.pretended.get(&file).cloned().or(text).unwrap_or_else(|| "".into());
        Source { path: self.files.shown(file), text }
    }

    fn parsed(&self, file: FileId, text: &Arc<str>) -> Arc<Parsed> {
        match self.pretended.contains_key(&file) {
            true => Arc::new(parse(file, text)),
            false => self.files.parsed(file, text),
        }
    }

    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
        let file = self.files.beside(from, relative)?;
        self.touch(file);
        self.files.regular(file)?;
        let path = self.files.path(file).ok_or("it is not a file of this workspace")?;
        let mut head = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| reason(&error))?;
        file.take(bytes_max as u64).read_to_end(&mut head).map_err(|error| reason(&error))?;
        Ok(head)
    }

    fn today(&self) -> i32 {
        self.today
    }

    fn catalog(&self) -> &Catalog {
        self.project.catalog.as_ref().unwrap_or_else(|| Catalog::builtin())
    }
}

/// As messages show it: relative to its root.
pub fn shown(files: &Files, path: &Path) -> String {
    let relative = files.root_of(path).and_then(|root| path.strip_prefix(root).ok()).unwrap_or(path);
    relative.to_string_lossy().replace('\\', "/")
}

/// Where a document stands. One that is not saved has its URI for a path, which is relative and so never on the disk.
pub fn path_of(uri: &Uri) -> PathBuf {
    let saved = uri.as_str().starts_with("file:");
    match uri.to_file_path().filter(|path| saved && path.is_absolute()) {
        Some(path) => tidy(&path),
        None => PathBuf::from(uri.as_str()),
    }
}

/// `a/./b/../c` as `a/c`, by the text alone.
pub fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidied.pop();
            }
            other => tidied.push(other),
        }
    }
    tidied
}

/// The flow files below a folder; hidden ones, `target` and `node_modules` are left out, links are not followed.
fn collect(folder: &Path, depth: usize, entries_left: &mut usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if *entries_left == 0 || found.len() >= FLOW_FILES_MAX {
            return;
        }
        *entries_left -= 1;
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if kind.is_dir() && depth < FOLDERS_DEEP_MAX {
            collect(&entry.path(), depth + 1, entries_left, found);
        } else if kind.is_file() && name.ends_with(".pmflow") {
            found.push(entry.path());
        }
    }
}

fn mark_of(metadata: &std::fs::Metadata) -> Mark {
    Mark::Disk { modified: metadata.modified().ok(), bytes: metadata.len(), identity: identity(metadata) }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
