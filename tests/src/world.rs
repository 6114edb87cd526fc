//! A project as a table of files.

use crate::sections::SectionFile;
use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World};

/// 2026-11-22, so that dated prices and shutdowns stay what the tests say.
pub const TODAY: i32 = 20_779;

/// Files by name; the first one is the root.
#[derive(Clone, Debug)]
pub struct TableWorld {
    pub files: Vec<SectionFile>,
}

impl TableWorld {
    pub const ROOT: FileId = FileId(0);

    pub fn file(&self, id: FileId) -> Option<&SectionFile> {
        self.files.get(usize::try_from(id.0).ok()?)
    }

    fn find(&self, from: FileId, relative: &str) -> Result<usize, String> {
        let folder = self.file(from).and_then(|file| file.name.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in relative.split('/') {
            match part {
                "." | "" => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let name = parts.join("/");
        self.files.iter().position(|file| file.name == name).ok_or_else(|| format!("there is no file `{name}`"))
    }
}

impl World for TableWorld {
    fn import(&self, from: FileId, relative: &str) -> Result<FileId, String> {
        let index = self.find(from, relative)?;
        u32::try_from(index).map(FileId).map_err(|_| "the project has too many files".to_owned())
    }

    fn source(&self, file: FileId) -> Source {
        match self.file(file) {
            Some(file) => Source { path: file.name.as_str().into(), text: file.text.as_str().into() },
            None => Source { path: format!("file {}", file.0).into(), text: "".into() },
        }
    }

    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
        let index = self.find(from, relative)?;
        let text = self.files.get(index).map_or("", |file| file.text.as_str());
        Ok(text.bytes().take(bytes_max).collect())
    }

    fn today(&self) -> i32 {
        TODAY
    }
}
