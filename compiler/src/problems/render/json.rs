//! Problems for a program. One object:
//!
//! ```text
//! {
//!   "version": 1,                 raised when a field changes its meaning or goes away; new fields may come at any time
//!   "problems": [{
//!     "code": "E0201",
//!     "severity": "error",        or "warning", "hint"
//!     "title": "…",               of the code, as in `pmflow explain`; absent when the code has no page
//!     "message": "…",
//!     "label": "…",               what stands under the place; may be empty
//!     "file": "flows/lead.pmflow",
//!     "start": { "line": 3, "column": 7, "offset": 41 },
//!     "end":   { "line": 3, "column": 12, "offset": 46 },
//!     "related": [{ "message": "…", "file": "…", "start": {…}, "end": {…} }],
//!     "help": "…" or null,
//!     "fix": null or { "title": "…", "edits": [{ "file": "…", "start": {…}, "end": {…}, "text": "…" }] }
//!   }],
//!   "summary": { "errors": 1, "warnings": 0, "hints": 0, "files": 1 }
//! }
//! ```
//!
//! Lines and columns count from 1, columns in characters; offsets count bytes of the UTF-8 text from 0. An `end` is the
//! place after the last character. All edits of a fix refer to the text as it is now.

use super::super::position::{Files, Position};
use super::super::{Problem, Problems, explain};
use super::{Summary, in_order};
use crate::world::Source;
use crate::{FileId, Span};
use serde::Serialize;

/// The version of the object that [`json`] writes.
pub const JSON_VERSION: u32 = 1;

/// All problems as one JSON object, indented, ending in a line break.
pub fn json(problems: &Problems, read: &dyn Fn(FileId) -> Source) -> String {
    let mut files = Files::new(read);
    let report = Report {
        version: JSON_VERSION,
        problems: in_order(problems).iter().map(|problem| entry(problem, &mut files)).collect(),
        summary: Summary::of(problems),
    };
    serde_json::to_string_pretty(&report).expect("a report has only text keys and finite numbers") + "\n"
}

#[derive(Serialize)]
struct Report {
    version: u32,
    problems: Vec<Entry>,
    summary: Summary,
}

#[derive(Serialize)]
struct Entry {
    code: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'static str>,
    message: String,
    label: String,
    #[serde(flatten)]
    place: Place,
    related: Vec<Related>,
    help: Option<String>,
    fix: Option<Fix>,
}

#[derive(Serialize)]
struct Place {
    file: String,
    start: Point,
    end: Point,
}

#[derive(Serialize)]
struct Point {
    line: usize,
    column: usize,
    offset: usize,
}

#[derive(Serialize)]
struct Related {
    message: String,
    #[serde(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Fix {
    title: String,
    edits: Vec<Edit>,
}

#[derive(Serialize)]
struct Edit {
    #[serde(flatten)]
    place: Place,
    text: String,
}

fn entry(problem: &Problem, files: &mut Files<'_>) -> Entry {
    Entry {
        code: problem.code,
        severity: problem.severity().name(),
        title: explain(problem.code).map(|explanation| explanation.title),
        message: problem.message.clone(),
        label: problem.label.clone(),
        place: place(problem.span, files),
        related: problem
            .related
            .iter()
            .map(|related| Related { message: related.message.clone(), place: place(related.span, files) })
            .collect(),
        help: problem.help.clone(),
        fix: problem.fix.as_ref().map(|fix| Fix {
            title: fix.title.clone(),
            edits: fix.edits.iter().map(|edit| Edit { place: place(edit.span, files), text: edit.text.clone() }).collect(),
        }),
    }
}

fn place(span: Span, files: &mut Files<'_>) -> Place {
    let (start, end) = files.range(span);
    Place { file: files.lines(span.file).path().to_owned(), start: point(start), end: point(end) }
}

fn point(position: Position) -> Point {
    Point { line: position.line, column: position.column, offset: position.offset }
}
