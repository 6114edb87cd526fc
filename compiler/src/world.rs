//! The compiler's only input.

use crate::FileId;
use crate::cost::Catalog;
use crate::syntax::Parsed;
use std::sync::Arc;

/// A source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// As messages show it: relative to the project's root, `/` between folders.
    pub path: Arc<str>,
    pub text: Arc<str>,
}

/// What the compiler may ask for. The command line reads the disk, the editor its open documents, a test a table.
pub trait World {
    /// The file that `import "relative"` in `from` names; an error says why it cannot be read, in words for the author.
    fn import(&self, from: FileId, relative: &str) -> Result<FileId, String>;

    /// The text of a file, read once: the same id always gives the same text.
    fn source(&self, file: FileId) -> Source;

    /// The file read. A world that outlives one check may remember what it read: the same id and text always give the
    /// same tree.
    fn parsed(&self, file: FileId, text: &Arc<str>) -> Arc<Parsed> {
        Arc::new(crate::syntax::parse(file, text))
    }

    /// The first bytes of a data file named in a flow (`csv("leads.csv")`), at most `bytes_max`, for its header.
    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> Result<Vec<u8>, String>;

    /// Days since 1970-01-01, for dated prices and shutdowns.
    fn today(&self) -> i32;

    /// The prices and limits of models: what a project pins, else what is built in.
    fn catalog(&self) -> &Catalog {
        Catalog::builtin()
    }
}

/// A world of files in memory, for tests and for whatever has no disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryWorld {
    /// Source files by path; their ids are their positions.
    files: Vec<Source>,
    data: std::collections::BTreeMap<String, Vec<u8>>,
    today: i32,
}

impl MemoryWorld {
    /// `today` in days since 1970-01-01.
    pub fn new(today: i32) -> MemoryWorld {
        MemoryWorld { files: Vec::new(), data: std::collections::BTreeMap::new(), today }
    }

    pub fn add(&mut self, path: &str, text: &str) -> FileId {
        self.files.push(Source { path: path.into(), text: text.into() });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(0))
    }

    pub fn add_data(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.data.insert(path.to_owned(), bytes.into());
    }

    fn beside(&self, from: FileId, relative: &str) -> String {
        let folder =
            self.files.get(from.0 as usize).and_then(|source| source.path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        parts.join("/")
    }
}

impl World for MemoryWorld {
    fn import(&self, from: FileId, relative: &str) -> Result<FileId, String> {
        let path = self.beside(from, relative);
        let found = self.files.iter().position(|source| *source.path == *path);
        let found = found.and_then(|position| u32::try_from(position).ok());
        found.map(FileId).ok_or_else(|| "there is no such file".to_owned())
    }

    fn source(&self, file: FileId) -> Source {
        self.files.get(file.0 as usize).cloned().unwrap_or(Source { path: "".into(), text: "".into() })
    }

    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
        let bytes = self.data.get(&self.beside(from, relative)).ok_or_else(|| "there is no such file".to_owned())?;
        Ok(bytes.iter().take(bytes_max).copied().collect())
    }

    fn today(&self) -> i32 {
        self.today
    }
}
