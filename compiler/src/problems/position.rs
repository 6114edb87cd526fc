//! From byte offsets to the lines and columns that people count.

use crate::world::Source;
use crate::{FileId, Span};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters (Unicode scalar values).
    pub column: usize,
    /// From 0, in bytes.
    pub offset: usize,
}

/// A file's text with the table of its lines. A line ends at `\n`; a `\r` before it does not count.
#[derive(Debug)]
pub struct Lines {
    source: Source,
    starts: Vec<usize>,
    /// Characters before every [`BLOCK`]th byte, so that a place in a line of megabytes costs no walk through it.
    chars_before: Vec<usize>,
}

const BLOCK: usize = 1024;

impl Lines {
    pub fn new(source: Source) -> Lines {
        let bytes = source.text.as_bytes();
        let starts = std::iter::once(0).chain(bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
        let chars_before = bytes.chunks(BLOCK).scan(0, |chars, block| {
            let before = *chars;
            *chars += chars_in(block);
            Some(before)
        });
        Lines { starts: starts.collect(), chars_before: chars_before.collect(), source }
    }

    pub fn path(&self) -> &str {
        &self.source.path
    }

    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The place of a byte; one beyond the end stands for the end, one inside a character for its start.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.text().floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        Position { line, column: self.chars_before(offset) - self.chars_before(start) + 1, offset }
    }

    /// The bytes of a line (from 1) without its line break.
    pub fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let text = self.text();
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
        let end = self.starts.get(line).map_or(text.len(), |next| next - 1);
        let content = text.get(start..end).unwrap_or("");
        start..start + content.strip_suffix('\r').unwrap_or(content).len()
    }

    fn chars_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text().as_bytes().get(block * BLOCK..offset).unwrap_or(&[]);
        match self.chars_before.get(block) {
            Some(before) => before + chars_in(rest),
            None => self.chars_before.last().copied().unwrap_or(0) + self.chars_in_last_block(),
        }
    }

    fn chars_in_last_block(&self) -> usize {
        self.text().as_bytes().chunks(BLOCK).next_back().map_or(0, chars_in)
    }
}

/// Counted at the first byte of each character, so that a block may begin inside one.
fn chars_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0b1100_0000) != 0b1000_0000).count()
}

/// The files that a report speaks of, each read and measured once.
pub struct Files<'a> {
    read: &'a dyn Fn(FileId) -> Source,
    known: BTreeMap<FileId, Rc<Lines>>,
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Files").field("known", &self.known).finish_non_exhaustive()
    }
}

impl<'a> Files<'a> {
    /// `read` is asked for every file but the prelude, at most once each.
    pub fn new(read: &'a dyn Fn(FileId) -> Source) -> Files<'a> {
        Files { read, known: BTreeMap::new() }
    }

    pub fn lines(&mut self, file: FileId) -> Rc<Lines> {
        let read = self.read;
        self.known.entry(file).or_insert_with(|| Rc::new(Lines::new(read_or_prelude(read, file)))).clone()
    }

    /// Where a span starts and ends; the end is the place after its last character.
    pub fn range(&mut self, span: Span) -> (Position, Position) {
        let lines = self.lines(span.file);
        (lines.position(span.start as usize), lines.position(span.end.max(span.start) as usize))
    }
}

fn read_or_prelude(read: &dyn Fn(FileId) -> Source, file: FileId) -> Source {
    if file != FileId::PRELUDE {
        return read(file);
    }
    let text = crate::stdlib::file("prelude.pmflow").unwrap_or_default();
    Source { path: "std/prelude.pmflow".into(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        Lines::new(Source { path: "a.pmflow".into(), text: text.into() })
    }

    #[test]
    fn every_byte_has_the_place_that_a_plain_walk_finds() {
        let text = "a\r\n日本\tx\n\n".to_owned() + &"é".repeat(3000) + "\nend";
        let measured = lines(&text);
        let (mut line, mut column) = (1, 1);
        for (offset, c) in text.char_indices() {
            let position = measured.position(offset);
            assert_eq!((position.line, position.column, position.offset), (line, column, offset));
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        assert_eq!(measured.position(text.len()), Position { line, column, offset: text.len() });
        assert_eq!(measured.position(usize::MAX).offset, text.len());
    }

    #[test]
    fn the_end_of_a_text_of_whole_blocks_has_a_place() {
        let text = "x".repeat(2 * BLOCK);
        assert_eq!(lines(&text).position(text.len()).column, 2 * BLOCK + 1);
        assert_eq!(lines("").position(0), Position { line: 1, column: 1, offset: 0 });
    }

    #[test]
    fn lines_come_without_their_breaks() {
        let measured = lines("one\r\ntwo\n");
        assert_eq!((measured.line_range(1), measured.line_range(2), measured.line_range(3)), (0..3, 5..8, 9..9));
        assert_eq!(measured.line_range(9), 9..9);
    }
}
