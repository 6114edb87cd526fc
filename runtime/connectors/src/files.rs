//! Rows from CSV, JSON and JSONL files, read in a stream.
//!
//! Reading blocks: call it where blocking is allowed. At most one row and one block of the file are held at a time. A
//! cursor holds a place in the file and a fingerprint of it, so that a file that changes under a running flow is a clear
//! failure instead of rows that are lost or read twice.

mod csv;
mod cursor;
mod input;
mod json;
mod row;

pub use cursor::Fingerprint;

use crate::{BadRow, Page};
use cursor::Cursor;
use pmflow_plan::patterns::Patterns;
use pmflow_plan::schema::TokenCount;
use pmflow_plan::{BadRow as Policy, Failure, FailureClass, FileFormat, Type, Value};
use row::RowType;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest row, in bytes of its UTF-8 form.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Bad rows told of in one page at most; a page ends there.
const SKIPPED_MAX: usize = 1_000;

/// A file being read.
pub struct FileReader {
    path: PathBuf,
    fingerprint: Fingerprint,
    rows: Rows,
    row_type: RowType,
    on_bad_row: Policy,
    /// Rows taken so far, bad ones too, from the beginning of the file.
    row: u64,
    exhausted: bool,
}

/// What of a format differs.
enum Rows {
    Csv(Box<csv::CsvRows>),
    Json(json::JsonRows),
}

/// One row as it stands in the file.
enum RawRow {
    Values(Value),
    Bad(BadRow),
    End,
}

/// What a reader needs besides the file's name.
#[derive(Clone)]
pub struct FileOptions<'a> {
    pub format: &'a FileFormat,
    pub row: &'a Type,
    pub types: &'a BTreeMap<String, Type>,
    /// For bounds in tokens; none: they are not checked.
    pub tokens: Option<Arc<dyn TokenCount + Send + Sync>>,
    pub patterns: Patterns,
}

impl std::fmt::Debug for FileOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileOptions").field("format", self.format).field("row", self.row).finish_non_exhaustive()
    }
}

impl<'a> FileOptions<'a> {
    pub fn new(format: &'a FileFormat, row: &'a Type, types: &'a BTreeMap<String, Type>) -> FileOptions<'a> {
        FileOptions { format, row, types, tokens: None, patterns: Patterns::default() }
    }
}

impl FileReader {
    /// Opens a file at its beginning, or where a cursor of an earlier page says. Fails with `invalid_input` when the file is
    /// missing, unreadable, of another shape than the row type, or not the one that the cursor was made for.
    pub fn open(path: &Path, options: &FileOptions<'_>, cursor: Option<&str>) -> Result<FileReader, Failure> {
        let cursor = cursor.map(|text| Cursor::parse(path, text)).transpose()?;
        let fingerprint = Fingerprint::of(path)?;
        if let Some(cursor) = &cursor {
            cursor.fingerprint.require(path, &fingerprint)?;
        }
        let mut row_type = RowType::new(options);
        let start = cursor.unwrap_or_else(|| Cursor::at_start(fingerprint.clone()));
        let (rows, on_bad_row) = match options.format {
            FileFormat::Csv { on_bad_row, .. } => {
                let rows = csv::CsvRows::open(path, options.format, &mut row_type, &start)?;
                (Rows::Csv(Box::new(rows)), *on_bad_row)
            }
            FileFormat::Json => (Rows::Json(json::JsonRows::open(path, true, &start)?), Policy::Fail),
            FileFormat::Jsonl => (Rows::Json(json::JsonRows::open(path, false, &start)?), Policy::Fail),
        };
        Ok(FileReader { path: path.to_owned(), fingerprint, rows, row_type, on_bad_row, row: start.row, exhausted: false })
    }

    /// The next rows, at most so many. Also ends after many bad rows, so that progress can be kept. Fails with
    /// `invalid_input` on a bad row that must not be skipped, and when the file has changed.
    pub fn next_rows(&mut self, rows_max: u64) -> Result<Page, Failure> {
        self.fingerprint.require_unchanged(&self.path)?;
        let mut page = Page::default();
        while !self.exhausted && (page.rows.len() as u64) < rows_max && page.skipped.len() < SKIPPED_MAX {
            let raw = match &mut self.rows {
                Rows::Csv(rows) => rows.next(&self.path, &self.row_type)?,
                Rows::Json(rows) => rows.next(&self.path, &self.row_type)?,
            };
            match raw {
                RawRow::End => self.exhausted = true,
                RawRow::Values(value) => page.rows.push(value),
                RawRow::Bad(bad) if self.on_bad_row == Policy::Skip => page.skipped.push(bad),
                RawRow::Bad(bad) => return Err(self.bad_row(&bad)),
            }
        }
        page.read = (page.rows.len() + page.skipped.len()) as u64;
        self.row += page.read;
        page.exhausted = self.exhausted;
        page.cursor = self.cursor();
        Ok(page)
    }

    /// The place behind the last row of the last page.
    pub fn cursor(&self) -> String {
        let (offset, line) = match &self.rows {
            Rows::Csv(rows) => rows.place(),
            Rows::Json(rows) => rows.place(),
        };
        Cursor { fingerprint: self.fingerprint.clone(), row: self.row, offset, line }.to_text()
    }

    fn bad_row(&self, bad: &BadRow) -> Failure {
        let fix = match &self.rows {
            Rows::Csv(_) => "; correct the file, or read it with `on_bad_row: skip`",
            Rows::Json(_) => "; correct the file",
        };
        failure(&self.path, format!("line {}: {}{fix}", bad.line, bad.reason))
    }
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").field("path", &self.path).field("row", &self.row).finish_non_exhaustive()
    }
}

/// A failure about a file: always before anything was sent.
fn failure(path: &Path, message: impl std::fmt::Display) -> Failure {
    let message = message.to_string();
    let joint = if message.starts_with("line ") { ", " } else { " " };
    Failure::not_sent(FailureClass::InvalidInput, format!("`{}`{joint}{message}", path.display()))
}
