//! CSV: delimiter, quotes or none, header or none.

use super::cursor::Cursor;
use super::input::Input;
use super::row::RowType;
use super::{ROW_BYTES_MAX, RawRow, failure};
use crate::BadRow;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use pmflow_plan::{Failure, FileFormat};
use std::path::Path;

const CELLS_MAX: usize = 100_000;

pub(super) struct CsvRows {
    input: Input,
    reader: Reader,
    /// The cells of the current row, one after the other, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// How many cells a row has.
    width: Option<usize>,
    builder: ReaderBuilder,
    /// As declared.
    encoding: Option<String>,
    /// Rows read since the beginning of the file, the header too.
    rows: u64,
}

/// How reading one row ended.
enum Outcome {
    Row {
        line: u64,
        cells: usize,
    },
    TooLong {
        line: u64,
    },
    /// A quote that opens on this line is never closed; the rows below it come next.
    Unclosed {
        line: u64,
    },
    End,
}

impl CsvRows {
    pub fn open(path: &Path, format: &FileFormat, row_type: &mut RowType, start: &Cursor) -> Result<CsvRows, Failure> {
        let FileFormat::Csv { delimiter, quote, header, encoding, .. } = format else {
            return Err(failure(path, "is read as CSV, but its format is another"));
        };
        let mut builder = ReaderBuilder::new();
        builder.delimiter(single_byte(path, "delimiter", *delimiter)?);
        match quote {
            Some(quote) => builder.quote(single_byte(path, "quote", *quote)?),
            None => builder.quoting(false),
        };
        let reader = builder.build();
        let input = Input::open(path, encoding.as_deref(), 0)?;
        let (cells, ends, encoding) = (vec![0; 4 << 10], vec![0; 64], encoding.clone());
        let mut rows = CsvRows { input, reader, cells, ends, width: None, builder, encoding, rows: 0 };
        let first = rows.first_row(path)?;
        let width = first.as_ref().map_or(0, Vec::len);
        if first.is_some() || *header {
            let names = if *header { Some(first.as_deref().unwrap_or_default()) } else { None };
            row_type.bind_columns(path, names, width)?;
            rows.width = Some(width);
        }
        rows.go_to(path, *header, start)?;
        Ok(rows)
    }

    /// The first row, which names the columns or shows how many there are.
    fn first_row(&mut self, path: &Path) -> Result<Option<Vec<String>>, Failure> {
        match self.read(path)? {
            Outcome::End => Ok(None),
            Outcome::TooLong { line } => Err(failure(path, format!("line {line}: {}", too_long()))),
            Outcome::Unclosed { line } => Err(failure(path, format!("line {line}: {UNCLOSED}"))),
            Outcome::Row { line, cells } => {
                let text = self.text(cells).map_err(|reason| failure(path, format!("line {line}: {reason}")))?;
                Ok(Some(self.split(text, cells).map(str::to_owned).collect()))
            }
        }
    }

    /// From behind the first row to where the rows, or the rest of them, begin.
    fn go_to(&mut self, path: &Path, header: bool, start: &Cursor) -> Result<(), Failure> {
        let at_header = header && start.row == 0;
        if at_header || (start.row == 0 && self.width.is_none()) {
            return Ok(());
        }
        if start.row > 0 && self.input.is_utf8() {
            return self.reopen(path, start.offset, start.line);
        }
        self.read_again(path, start.row + u64::from(header))
    }

    fn reopen(&mut self, path: &Path, offset: u64, line: u64) -> Result<(), Failure> {
        self.input = Input::open(path, self.encoding.as_deref(), offset)?;
        self.reader = self.builder.build();
        self.reader.set_line(line);
        Ok(())
    }

    fn read_again(&mut self, path: &Path, rows: u64) -> Result<(), Failure> {
        self.reopen(path, 0, 1)?;
        self.rows = 0;
        for _ in 0..rows {
            self.read(path)?;
        }
        Ok(())
    }

    pub fn place(&self) -> (u64, u64) {
        (self.input.offset(), self.reader.line())
    }

    pub fn next(&mut self, path: &Path, row_type: &RowType) -> Result<RawRow, Failure> {
        let (line, cells) = match self.read(path)? {
            Outcome::End => return Ok(RawRow::End),
            Outcome::TooLong { line } => return Ok(RawRow::Bad(BadRow { line, reason: too_long() })),
            Outcome::Unclosed { line } => return Ok(RawRow::Bad(BadRow { line, reason: UNCLOSED.to_owned() })),
            Outcome::Row { line, cells } => (line, cells),
        };
        let value = self.check_width(cells).and_then(|()| {
            let text = self.text(cells)?;
            row_type.of_cells(|place| self.cell(text, place)).map_err(|mismatch| mismatch.to_string())
        });
        Ok(match value {
            Ok(value) => RawRow::Values(value),
            Err(reason) => RawRow::Bad(BadRow { line, reason }),
        })
    }

    fn check_width(&self, cells: usize) -> Result<(), String> {
        match self.width {
            Some(width) if width != cells => Err(format!("the row has {cells} cells instead of {width}")),
            _ => Ok(()),
        }
    }

    /// The cells of the row read last, checked once for all of them.
    fn text(&self, cells: usize) -> Result<&str, String> {
        let end = cells.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        let bytes = self.cells.get(..end).unwrap_or_default();
        let encoding = self.input.encoding.name();
        match std::str::from_utf8(bytes) {
            // Decoding put this mark where it found what the encoding does not have.
            Ok(text) if !self.input.is_utf8() && text.contains(char::REPLACEMENT_CHARACTER) => {
                Err(format!("the row holds bytes that are no {encoding}"))
            }
            Ok(text) => Ok(text),
            Err(_) => Err(format!("the row holds bytes that are no {encoding}; declare the file's `encoding`")),
        }
    }

    fn cell<'t>(&self, text: &'t str, place: usize) -> Option<&'t str> {
        let start = place.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        text.get(start..*self.ends.get(place)?)
    }

    fn split<'t>(&self, text: &'t str, cells: usize) -> impl Iterator<Item = &'t str> {
        (0..cells).filter_map(move |place| self.cell(text, place))
    }

    /// Reads one row into `cells` and `ends`; of one that is too long only its end is looked for.
    fn read(&mut self, path: &Path) -> Result<Outcome, Failure> {
        let line = self.skip_line_ends(path)?;
        let (offset, before) = (self.input.offset(), self.rows);
        self.rows += 1;
        let (mut length, mut count) = (0usize, 0usize);
        let (mut too_long, mut begun) = (false, false);
        loop {
            let ended_inside = !self.input.fill(path)? && begun;
            let output = self.cells.get_mut(length..).unwrap_or_default();
            let ends = self.ends.get_mut(count..).unwrap_or_default();
            // The last line gets its end, which belongs to a cell only where a quote was left open.
            let bytes = if ended_inside { b"\n" } else { self.input.bytes() };
            let (result, read, written, ended) = self.reader.read_record(bytes, output, ends);
            if !ended_inside {
                self.input.consume(read);
            }
            begun |= read > 0;
            length += written;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty if ended_inside => {
                    let opened = if too_long { line } else { self.line_of_cell(count, length) };
                    self.pass_over_unclosed(path, (before, offset), (line, opened))?;
                    return Ok(Outcome::Unclosed { line: opened });
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record if too_long => return Ok(Outcome::TooLong { line }),
                ReadRecordResult::Record => return Ok(Outcome::Row { line, cells: count }),
                ReadRecordResult::End if too_long => return Ok(Outcome::TooLong { line }),
                ReadRecordResult::End => return Ok(Outcome::End),
                ReadRecordResult::OutputFull if self.cells.len() < ROW_BYTES_MAX => {
                    self.cells.resize((self.cells.len() * 2).min(ROW_BYTES_MAX), 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < CELLS_MAX => {
                    self.ends.resize((self.ends.len() * 2).min(CELLS_MAX), 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    (too_long, length, count) = (true, 0, 0);
                }
            }
        }
    }

    /// The line on which the cell begins that is being read, behind `count` whole ones.
    fn line_of_cell(&self, count: usize, length: usize) -> u64 {
        let start = count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        let lines = self.cells.get(start..length).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        self.reader.line().saturating_sub(lines as u64)
    }

    /// Back to the row that began on line `from` with what stood before it, and behind the line on which its quote opens, so
    /// that the quote does not take the rest of the file with it.
    fn pass_over_unclosed(&mut self, path: &Path, (rows, offset): (u64, u64), (from, opened): (u64, u64)) -> Result<(), Failure> {
        if self.input.is_utf8() {
            self.reopen(path, offset, from)?;
        } else {
            self.read_again(path, rows)?;
            self.skip_line_ends(path)?;
        }
        for _ in from..=opened {
            while self.input.fill(path)? {
                let line_end = self.input.bytes().iter().position(|byte| *byte == b'\n');
                self.input.consume(line_end.map_or(self.input.bytes().len(), |at| at + 1));
                if line_end.is_some() {
                    break;
                }
            }
        }
        self.reader.set_line(opened + 1);
        self.rows = rows + 1;
        Ok(())
    }

    /// Blank lines, and the second half of a line end that the row before left behind, so that the line said is the one
    /// on which the row begins.
    fn skip_line_ends(&mut self, path: &Path) -> Result<u64, Failure> {
        while self.input.fill(path)? {
            let blank = self.input.bytes().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank == 0 {
                break;
            }
            let newlines = self.input.bytes().iter().take(blank).filter(|byte| **byte == b'\n').count();
            self.reader.set_line(self.reader.line() + newlines as u64);
            self.input.consume(blank);
        }
        Ok(self.reader.line())
    }
}

const UNCLOSED: &str = "the quote that opens here is never closed, so it would take the rest of the file with it; close it, or declare \
                        `quote: none` where quotes mean nothing";

fn too_long() -> String {
    format!("the row is longer than {} MB or has more than {CELLS_MAX} cells; is a quote left open?", ROW_BYTES_MAX >> 20)
}

fn single_byte(path: &Path, what: &str, character: char) -> Result<u8, Failure> {
    let byte = u8::try_from(character).ok().filter(u8::is_ascii);
    byte.ok_or_else(|| failure(path, format!("has the {what} `{character}`, which is no ASCII character")))
}
