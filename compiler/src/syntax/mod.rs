//! From text to a tree that is always whole.

mod again;
pub mod ast;
mod build;
mod closing;
mod consequences;
mod keywords;
mod parse;
pub(crate) mod scan;
pub(crate) mod shift;
mod shorten;
pub mod walk;

pub use again::Before;
pub(crate) use again::Reading;
pub use parse::{FILE_BYTES_MAX, Parsed, parse, parse_again};

use serde::{Deserialize, Serialize};

/// A source file; given out by the [`crate::World`]. The prelude is [`FileId::PRELUDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

impl FileId {
    pub const PRELUDE: FileId = FileId(u32::MAX);
}

/// Bytes `start..end` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// From the start of this span to the end of the other.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[cfg(test)]
pub(crate) mod again_tests;
#[cfg(test)]
mod parse_tests;
