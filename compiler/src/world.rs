//! The compiler's only input.

use crate::FileId;
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

    /// The first bytes of a data file named in a flow (`csv("leads.csv")`), at most `bytes_max`, for its header.
    fn data_head(&self, from: FileId, relative: &str, bytes_max: usize) -> Result<Vec<u8>, String>;

    /// Days since 1970-01-01, for dated prices and shutdowns.
    fn today(&self) -> i32;
}
