//! Bytes of a text and the editor's lines and UTF-16 columns.

use tower_lsp_server::ls_types::{Position, Range};

pub fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let column = before.get(line_start..).unwrap_or("").encode_utf16().count();
    Position { line: u32::try_from(line).unwrap_or(u32::MAX), character: u32::try_from(column).unwrap_or(u32::MAX) }
}

pub fn range(text: &str, bytes: std::ops::Range<usize>) -> Range {
    Range { start: position(text, bytes.start), end: position(text, bytes.end) }
}

/// The byte of a position; one beyond the line's end stands for the end.
pub fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let line = text.get(start..).unwrap_or("").split('\n').next().unwrap_or("");
    let mut units = 0;
    for (at, character) in line.char_indices() {
        if units >= position.character {
            return start + at;
        }
        units += u32::try_from(character.len_utf16()).unwrap_or(1);
    }
    start + line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf16_units_and_survive_a_round_trip() {
        let text = "a\n漢字 😀 x\nend";
        for (at, _) in text.char_indices() {
            assert_eq!(offset(text, position(text, at)), at);
        }
        let emoji = text.find('x').expect("the text has an x");
        assert_eq!(position(text, emoji), Position { line: 1, character: 6 });
        assert_eq!(offset(text, Position { line: 9, character: 9 }), text.len());
    }
}
