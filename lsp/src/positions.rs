//! Byte offsets of the compiler, and lines and columns of the protocol in the unit that the editor chose.

use pmflow_compiler::Span;
use std::sync::Arc;
use tower_lsp_server::ls_types::{Position, PositionEncodingKind, Range};

/// What a column counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// What every editor knows; the default of the protocol.
    #[default]
    Utf16,
    /// Unicode scalar values.
    Utf32,
}

impl Encoding {
    /// The first unit of the editor's list that is known here.
    pub fn chosen(offered: &[PositionEncodingKind]) -> Encoding {
        let known = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];
        offered.iter().find_map(|kind| known.into_iter().find(|encoding| encoding.kind() == *kind)).unwrap_or_default()
    }

    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    pub fn length(self, text: &str) -> usize {
        match self {
            _ if text.is_ascii() => text.len(),
            Encoding::Utf8 => text.len(),
            Encoding::Utf16 => text.chars().map(char::len_utf16).sum(),
            Encoding::Utf32 => text.chars().count(),
        }
    }
}

/// A text with the table of its lines. A line ends at `\n`, `\r\n` or `\r`, as the protocol counts them.
#[derive(Clone, Debug)]
pub struct Lines {
    text: Arc<str>,
    starts: Vec<u32>,
    encoding: Encoding,
}

impl Lines {
    pub fn new(text: Arc<str>, encoding: Encoding) -> Lines {
        let bytes = text.as_bytes();
        let next = |at: usize| u32::try_from(at + 1).unwrap_or(u32::MAX);
        let ends = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\r'));
        let ends = ends.filter(|(at, byte)| **byte == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| next(at))).collect();
        Lines { text, starts, encoding }
    }

    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// A line that is not there, or a column behind the end of its line, stands for the end.
    pub fn offset(&self, position: Position) -> usize {
        let Some(start) = self.starts.get(position.line as usize) else { return self.text.len() };
        let line = self.line(position.line as usize);
        let content = line.trim_end_matches(['\n', '\r']);
        *start as usize + bytes_of(content, position.character as usize, self.encoding)
    }

    pub fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start as usize <= offset).saturating_sub(1);
        let start = self.starts.get(line).map_or(0, |start| *start as usize);
        let before = self.text.get(start..offset).unwrap_or_default();
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position { line: number(line), character: number(self.encoding.length(before)) }
    }

    pub fn range(&self, bytes: std::ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end.max(bytes.start)) }
    }

    pub fn span(&self, span: Span) -> Range {
        self.range(span.range())
    }

    /// The bytes that a range of the protocol names; one that runs backwards is empty.
    pub fn bytes(&self, range: Range) -> std::ops::Range<usize> {
        let (start, end) = (self.offset(range.start), self.offset(range.end));
        start..end.max(start)
    }

    /// The line with its end, from 0.
    pub fn line(&self, line: usize) -> &str {
        let start = self.starts.get(line).map_or(self.text.len(), |start| *start as usize);
        let end = self.starts.get(line + 1).map_or(self.text.len(), |end| *end as usize);
        self.text.get(start..end).unwrap_or_default()
    }

    pub fn line_start(&self, line: usize) -> usize {
        self.starts.get(line).map_or(self.text.len(), |start| *start as usize)
    }

    pub fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start as usize <= offset).saturating_sub(1)
    }
}

/// How many bytes the first `columns` units of a line take; a column inside a character stands for its start.
fn bytes_of(line: &str, columns: usize, encoding: Encoding) -> usize {
    if encoding == Encoding::Utf8 {
        return line.floor_char_boundary(columns.min(line.len()));
    }
    let mut left = columns;
    for (at, character) in line.char_indices() {
        let width = if encoding == Encoding::Utf16 { character.len_utf16() } else { 1 };
        if left < width {
            return at;
        }
        left -= width;
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_in_each_unit_and_come_back() {
        let text: Arc<str> = "a\r\n日本😀x\rend\n".into();
        let places = [(Encoding::Utf8, [3, 10, 11]), (Encoding::Utf16, [1, 4, 5]), (Encoding::Utf32, [1, 3, 4])];
        for (encoding, columns) in places {
            let lines = Lines::new(text.clone(), encoding);
            for (offset, column) in [(6, columns[0]), (13, columns[1]), (14, columns[2])] {
                let position = Position { line: 1, character: column };
                assert_eq!(lines.position(offset), position, "{encoding:?}");
                assert_eq!(lines.offset(position), offset, "{encoding:?}");
            }
            assert_eq!(lines.position(15), Position { line: 2, character: 0 });
        }
    }

    #[test]
    fn places_that_are_not_there_stand_for_the_nearest_one() {
        let lines = Lines::new("ab\r\n😀".into(), Encoding::Utf16);
        assert_eq!(lines.offset(Position { line: 0, character: 99 }), 2, "before the line's end");
        assert_eq!(lines.offset(Position { line: 9, character: 0 }), 8);
        assert_eq!(lines.offset(Position { line: 1, character: 1 }), 4, "inside a character");
        assert_eq!(lines.position(6), Position { line: 1, character: 0 });
    }
}
