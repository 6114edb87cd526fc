//! Where rows come from and where actions go: files, and services over HTTP.
//!
//! Everything here is driven from outside: no retry, no schedule, no state that outlives a process but what the caller
//! keeps as a cursor. Memory follows the size of a page, never that of a file or of a listing.

pub mod files;
pub mod http;
pub mod secrets;

pub use files::FileReader;
pub use http::{Client, ClientBuilder, Invocation};
pub use secrets::Secrets;

use pmflow_plan::Value;

/// Some rows of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub rows: Vec<Value>,
    /// Rows taken from the source for this page: `rows` and `skipped` together.
    pub read: u64,
    /// Where the next page begins; opaque, and valid for the same source only.
    pub cursor: String,
    /// Nothing follows.
    pub exhausted: bool,
    /// Rows that were passed over, as the source declares with `on_bad_row: skip`.
    pub skipped: Vec<BadRow>,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
    pub reason: String,
}
