//! The compiler's world in an editor: open documents as they are typed, other files from the disk.

use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SOURCE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One look at the workspace; made anew for every check, so that files on the disk are read as they are.
#[derive(Debug)]
pub struct Documents<'a> {
    open: &'a BTreeMap<PathBuf, Arc<str>>,
    read: RefCell<Vec<(PathBuf, Arc<str>)>>,
}

impl<'a> Documents<'a> {
    pub fn new(open: &'a BTreeMap<PathBuf, Arc<str>>) -> Documents<'a> {
        Documents { open, read: RefCell::default() }
    }

    pub fn load(&self, path: &Path) -> Result<FileId, String> {
        let known = self.read.borrow().iter().position(|(known, _)| known == path);
        let index = match known {
            Some(index) => index,
            None => {
                let text = match self.open.get(path) {
                    Some(text) => text.clone(),
                    None => read_text(path)?.into(),
                };
                let mut read = self.read.borrow_mut();
                read.push((path.to_owned(), text));
                read.len() - 1
            }
        };
        u32::try_from(index).map(FileId).map_err(|_| "there are too many files".to_owned())
    }

    pub fn path(&self, file: FileId) -> Option<PathBuf> {
        self.read.borrow().get(file.0 as usize).map(|(path, _)| path.clone())
    }

    fn beside(&self, from: FileId, relative: &str) -> Result<PathBuf, String> {
        let path = self.path(from).ok_or("it is not a file of this workspace")?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        folder.join(relative).canonicalize().map_err(|error| error.to_string())
    }
}

impl World for Documents<'_> {
    fn import(&self, from: FileId, relative: &str) -> Result<FileId, String> {
        self.load(&self.beside(from, relative)?)
    }

    fn source(&self, file: FileId) -> Source {
        let read = self.read.borrow();
        let (path, text) = read.get(file.0 as usize).cloned().unwrap_or_default();
        Source { path: path.to_string_lossy().into(), text }
    }

    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
        let mut head = Vec::new();
        let file = open_regular(&self.beside(from, relative)?)?;
        file.take(bytes_max as u64).read_to_end(&mut head).map_err(|error| error.to_string())?;
        Ok(head)
    }

    fn today(&self) -> i32 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.ok().and_then(|since| i32::try_from(since.as_secs() / 86_400).ok()).unwrap_or(i32::MAX)
    }
}

fn open_regular(path: &Path) -> Result<std::fs::File, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > SOURCE_BYTES_MAX && path.extension().is_some_and(|ending| ending == "pmflow") {
        return Err("it is too large for a source file".to_owned());
    }
    std::fs::File::open(path).map_err(|error| error.to_string())
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    open_regular(path)?.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}
