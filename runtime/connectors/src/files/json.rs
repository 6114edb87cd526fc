//! JSON arrays and JSON lines, one element at a time.

use super::cursor::Cursor;
use super::input::Input;
use super::row::RowType;
use super::{ROW_BYTES_MAX, RawRow, failure};
use crate::BadRow;
use pmflow_plan::{Failure, Value};
use std::path::Path;

pub(super) struct JsonRows {
    input: Input,
    array: bool,
    line: u64,
    element: Vec<u8>,
    /// An element of the array was read, so a comma or the end comes next.
    between: bool,
    ended: bool,
}

impl JsonRows {
    pub fn open(path: &Path, array: bool, start: &Cursor) -> Result<JsonRows, Failure> {
        let input = Input::open(path, None, 0)?;
        let mut rows = JsonRows { input, array, line: 1, element: Vec::new(), between: false, ended: false };
        if start.row > 0 && rows.input.is_utf8() {
            rows.input = Input::open(path, None, start.offset)?;
            rows.line = start.line;
            rows.between = array;
            return Ok(rows);
        }
        if array {
            rows.begin_array(path)?;
        }
        for _ in 0..start.row {
            rows.read(path)?;
        }
        Ok(rows)
    }

    pub fn place(&self) -> (u64, u64) {
        (self.input.offset(), self.line)
    }

    pub fn next(&mut self, path: &Path, row_type: &RowType) -> Result<RawRow, Failure> {
        let Some(line) = self.read(path)? else {
            return Ok(RawRow::End);
        };
        let bad = |reason: String| Ok(RawRow::Bad(BadRow { line, reason }));
        let missing_comma = "a `,` is missing before the row that begins here";
        let Ok(text) = std::str::from_utf8(&self.element) else {
            return bad("the row holds bytes that are no UTF-8".to_owned());
        };
        match Value::parse_json(text) {
            Err(error) => match self.second_row(&error.to_string()) {
                Some(lines) => Ok(RawRow::Bad(BadRow { line: line + lines, reason: missing_comma.to_owned() })),
                None => bad(self.within_row(&error.to_string())),
            },
            Ok(value) => match row_type.cast(value) {
                Ok(row) => Ok(RawRow::Values(row)),
                Err(mismatch) => bad(mismatch.to_string()),
            },
        }
    }

    /// How many lines further down something follows the row where a comma should stand.
    fn second_row(&self, reason: &str) -> Option<u64> {
        let (_, place) = reason.split_once("trailing characters at line ").filter(|_| self.array)?;
        place.split(' ').next()?.parse::<u64>().ok()?.checked_sub(1)
    }

    /// The reason without a line that counts from the row's own beginning.
    fn within_row(&self, reason: &str) -> String {
        match reason.rsplit_once(" at line ") {
            Some((what, place)) => match place.split_once(" column ") {
                Some(("1", column)) if !self.array => format!("{what} at column {column}"),
                _ => what.to_owned(),
            },
            None => reason.to_owned(),
        }
    }

    /// The bytes of the next row into `element`; its line, or none at the end.
    fn read(&mut self, path: &Path) -> Result<Option<u64>, Failure> {
        self.element.clear();
        if self.array { self.read_element(path) } else { self.read_line(path) }
    }

    fn begin_array(&mut self, path: &Path) -> Result<(), Failure> {
        match self.next_mark(path)? {
            Some(b'[') => {
                self.take();
                Ok(())
            }
            Some(_) => Err(failure(path, "is no JSON array; rows are the elements of one array, `[ … ]`")),
            None => Err(failure(path, "is empty; an array without rows is `[]`")),
        }
    }

    fn read_element(&mut self, path: &Path) -> Result<Option<u64>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let mark = self.next_mark(path)?.ok_or_else(|| self.cut_off(path))?;
        match (mark, self.between) {
            (b']', _) => {
                self.take();
                self.ended = true;
                match self.next_mark(path)? {
                    None => return Ok(None),
                    Some(_) => return Err(failure(path, format!("line {}: something follows the array", self.line))),
                }
            }
            (b',', true) => {
                self.take();
                self.next_mark(path)?.filter(|mark| *mark != b']').ok_or_else(|| self.cut_off(path))?;
            }
            (_, true) => return Err(failure(path, format!("line {}: a comma is missing between two rows", self.line))),
            (_, false) => {}
        }
        self.between = true;
        let line = self.line;
        self.scan_element(path)?;
        Ok(Some(line))
    }

    /// Up to the comma or bracket that ends the element, which stays.
    fn scan_element(&mut self, path: &Path) -> Result<(), Failure> {
        let mut scan = Scan::default();
        while self.input.fill(path)? {
            let bytes = self.input.bytes();
            let end = bytes.iter().position(|byte| scan.ends_before(*byte));
            let taken = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            self.line += newlines(taken);
            self.element.extend_from_slice(taken);
            let length = taken.len();
            self.input.consume(length);
            self.check_length(path)?;
            if end.is_some() {
                return Ok(());
            }
        }
        Err(self.cut_off(path))
    }

    /// The next line that is not blank.
    fn read_line(&mut self, path: &Path) -> Result<Option<u64>, Failure> {
        loop {
            let line = self.line;
            let found = self.scan_line(path)?;
            if self.element.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(line));
            }
            if !found {
                return Ok(None);
            }
            self.element.clear();
        }
    }

    /// False when the file ended before the line did.
    fn scan_line(&mut self, path: &Path) -> Result<bool, Failure> {
        while self.input.fill(path)? {
            let bytes = self.input.bytes();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            self.element.extend_from_slice(taken);
            let length = taken.len() + usize::from(end.is_some());
            self.input.consume(length);
            self.check_length(path)?;
            if end.is_some() {
                self.line += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check_length(&self, path: &Path) -> Result<(), Failure> {
        if self.element.len() <= ROW_BYTES_MAX {
            return Ok(());
        }
        Err(failure(path, format!("line {}: the row is longer than {} MB", self.line, ROW_BYTES_MAX >> 20)))
    }

    /// The next byte that is no white space; it stays.
    fn next_mark(&mut self, path: &Path) -> Result<Option<u8>, Failure> {
        while self.input.fill(path)? {
            let bytes = self.input.bytes();
            let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let mark = bytes.get(blank).copied();
            self.line += newlines(bytes.get(..blank).unwrap_or_default());
            self.input.consume(blank);
            if mark.is_some() {
                return Ok(mark);
            }
        }
        Ok(None)
    }

    fn take(&mut self) {
        self.input.consume(1);
    }

    fn cut_off(&self, path: &Path) -> Failure {
        failure(path, format!("line {}: the array is cut off; its closing `]` or a row is missing", self.line))
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Where in an element the scan stands.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// True on the byte behind the element.
    fn ends_before(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b',' | b']' | b'}' if self.depth == 0 => return true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        false
    }
}
