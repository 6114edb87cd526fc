//! The compiler's world on a disk. Only regular files are read; nothing else is touched.

mod revision;

pub use revision::Revision;

use crate::exit::{Failed, Result};
use pmflow_compiler::cost::Catalog;
use pmflow_compiler::problems::nearest;
use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Larger sources are refused before they are read.
const SOURCE_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub struct DiskWorld {
    today: i32,
    files: RefCell<Files>,
    /// None: the one that is built in.
    catalog: Option<Catalog>,
    /// None: as the files are now.
    revision: Option<Revision>,
}

#[derive(Debug, Default)]
struct Files {
    sources: Vec<Source>,
    by_path: BTreeMap<PathBuf, FileId>,
}

impl DiskWorld {
    /// With the prices that the project pins, else those that are built in.
    pub fn new(catalog: Option<Catalog>) -> DiskWorld {
        DiskWorld { today: today(), files: RefCell::default(), catalog, revision: None }
    }

    /// The files as they were at a revision.
    pub fn at(revision: Revision, catalog: Option<Catalog>) -> DiskWorld {
        DiskWorld { revision: Some(revision), ..DiskWorld::new(catalog) }
    }

    /// Reads a file that the user named.
    pub fn open(&self, path: &Path) -> Result<FileId> {
        self.load(path).map_err(|reason| not_read(path, format!("cannot read `{}`: {reason}", path.display())))
    }

    fn load(&self, path: &Path) -> std::result::Result<FileId, String> {
        let canonical = match &self.revision {
            Some(_) => tidy(path),
            None => path.canonicalize().map_err(|error| reason(&error))?,
        };
        if let Some(known) = self.files.borrow().by_path.get(&canonical) {
            return Ok(*known);
        }
        let text = match &self.revision {
            Some(revision) => decoded(revision.read(path)?)?,
            None => read_text(&canonical)?,
        };
        let mut files = self.files.borrow_mut();
        let id = FileId(u32::try_from(files.sources.len()).map_err(|_| "too many files".to_owned())?);
        files.sources.push(Source { path: shown(path).into(), text: text.into() });
        files.by_path.insert(canonical, id);
        Ok(id)
    }

    fn beside(&self, from: FileId, relative: &str) -> std::result::Result<PathBuf, String> {
        let files = self.files.borrow();
        let source = files.sources.get(from.0 as usize).ok_or("it is not a file of this project")?;
        let folder = Path::new(&*source.path).parent().unwrap_or(Path::new(""));
        Ok(tidy(&folder.join(relative)))
    }
}

impl World for DiskWorld {
    fn import(&self, from: FileId, relative: &str) -> std::result::Result<FileId, String> {
        self.load(&self.beside(from, relative)?)
    }

    fn source(&self, file: FileId) -> Source {
        let files = self.files.borrow();
        files.sources.get(file.0 as usize).cloned().unwrap_or_else(|| Source { path: Arc::from("?"), text: Arc::from("") })
    }

    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> std::result::Result<Vec<u8>, String> {
        let path = self.beside(from, relative)?;
        if let Some(revision) = &self.revision {
            return revision.read(&path).map(|bytes| bytes.into_iter().take(bytes_max).collect());
        }
        let file = open_regular(&path)?;
        let mut head = Vec::new();
        file.take(bytes_max as u64).read_to_end(&mut head).map_err(|error| reason(&error))?;
        Ok(head)
    }

    fn today(&self) -> i32 {
        self.today
    }

    fn catalog(&self) -> &Catalog {
        self.catalog.as_ref().unwrap_or_else(|| Catalog::builtin())
    }
}

/// Days since 1970-01-01, UTC.
pub fn today() -> i32 {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i32::try_from(seconds / 86_400).unwrap_or(i32::MAX)
}

/// Reads a regular file as text, and says in the user's words why it cannot.
pub fn read_text(path: &Path) -> std::result::Result<String, String> {
    let mut file = open_regular(path)?;
    let length = file.metadata().map_err(|error| reason(&error))?.len();
    if length > SOURCE_BYTES_MAX {
        return Err(format!("it has {length} bytes; a source file may have {SOURCE_BYTES_MAX}"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    decoded(bytes)
}

fn decoded(bytes: Vec<u8>) -> std::result::Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        format!("it is not UTF-8 text: line {line}, byte {at} of the file; save it as UTF-8")
    })
}

/// A named pipe or a device would block or never end.
fn open_regular(path: &Path) -> std::result::Result<std::fs::File, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason(&error))?;
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    std::fs::File::open(path).map_err(|error| reason(&error))
}

/// A misspelt name comes with the one that was probably meant, any other with what there is.
fn not_read(path: &Path, message: String) -> Failed {
    let failed = Failed::new(message);
    let folder = match path.is_dir() {
        true => path,
        false if path.exists() => return failed,
        false => path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    };
    let Ok(names) = names_of_flows(folder) else { return failed };
    let shown_in_folder = |name: &str| shown(&folder.join(name));
    let wanted = path.file_name().and_then(|name| name.to_str()).filter(|_| !path.is_dir()).unwrap_or_default();
    if let Some(near) = nearest(wanted, names.iter().map(String::as_str)) {
        return failed.help(format!("did you mean `{}`?", shown_in_folder(near)));
    }
    let listed: Vec<String> = names.iter().take(LISTED_MAX).map(|name| format!("`{}`", shown_in_folder(name))).collect();
    match names.len().saturating_sub(LISTED_MAX) {
        _ if names.is_empty() => {
            failed.help("there is no .pmflow file in that folder; `pmflow init hello` makes a first one in `hello`")
        }
        0 => failed.help(format!("there is {}", listed.join(", "))),
        more => failed.help(format!("there is {} and {more} more", listed.join(", "))),
    }
}

/// Of a folder's flow files, in a message.
const LISTED_MAX: usize = 5;

fn names_of_flows(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".pmflow")).collect();
    names.sort_unstable();
    Ok(names)
}

pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn shown(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}

/// `a/./b/../c` as `a/c`, by the text alone.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if tidied.file_name().is_some() => {
                tidied.pop();
            }
            other => tidied.push(other),
        }
    }
    tidied
}

/// The `.pmflow` files that the paths name: files as they are, folders with all below them, hidden ones and `target` and
/// `node_modules` left out, links not followed. Sorted, each once.
pub fn flow_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, &mut files)?;
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(not_read(path, format!("there is no file or folder `{}`", path.display())));
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(Failed::new("there is no .pmflow file here").help("`pmflow init` writes a first one"));
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed =
        |error: &std::io::Error| Failed::new(format!("cannot read the folder `{}`: {}", folder.display(), reason(error)));
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
        if kind.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            collect(&path, files)?;
        } else if kind.is_file() && name.ends_with(".pmflow") && !name.starts_with('.') {
            files.push(path);
        }
    }
    Ok(())
}
