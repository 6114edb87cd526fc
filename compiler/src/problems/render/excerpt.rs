//! The few lines of a file that a message shows. Lines keep their numbers and are cut to the width of the terminal around
//! what they are about, so that a line of ten thousand columns costs no more than a short one.

use super::super::position::Lines;
use super::visible::{columns_of, visible_char};
use std::collections::BTreeMap;
use std::ops::Range;

/// A text with the lines to be shown at their numbers and empty lines elsewhere.
pub(super) struct Excerpt {
    pub text: String,
    lines: BTreeMap<usize, ShownLine>,
}

struct ShownLine {
    /// The bytes of the file that are shown.
    bytes: Range<usize>,
    /// Whether a `…` stands before them.
    cut_left: bool,
    text: String,
    /// Characters of the excerpt before this line.
    chars_before: usize,
}

impl Excerpt {
    /// `spans` are bytes of the file; where a line cannot show all of them, the first one wins.
    pub fn new(lines: &Lines, spans: &[Range<usize>], columns_max: usize) -> Excerpt {
        let mut shown: BTreeMap<usize, ShownLine> = BTreeMap::new();
        for span in spans {
            for (line, part) in end_lines(lines, span) {
                shown.entry(line).or_insert_with(|| shown_line(lines, line, part, columns_max));
            }
        }
        let text = joined(&mut shown);
        Excerpt { text, lines: shown }
    }

    /// The characters of the excerpt that stand for bytes of the file; at least one, so that there is something to underline.
    pub fn chars(&self, lines: &Lines, span: &Range<usize>) -> Range<usize> {
        let shown_start = visible_start(lines, span);
        let shown_end = if shown_start < span.start { shown_start } else { span.end };
        let (start, end) = (self.char_at(lines, shown_start), self.char_at(lines, shown_end));
        start..end.max(start + 1)
    }

    fn char_at(&self, lines: &Lines, offset: usize) -> usize {
        let line = lines.position(offset).line;
        let shown = self.lines.get(&line).or_else(|| self.lines.range(..line).next_back().map(|(_, shown)| shown));
        let Some(shown) = shown else { return 0 };
        let lead = usize::from(shown.cut_left);
        let inside = match offset {
            offset if offset < shown.bytes.start => 0,
            offset if offset > shown.bytes.end => shown.text.chars().count().saturating_sub(2),
            offset => lead + lines.text().get(shown.bytes.start..offset).map_or(0, |text| text.chars().count()),
        };
        shown.chars_before + inside
    }

    /// The columns that a line of the excerpt takes.
    pub fn line_columns(&self, line: usize) -> usize {
        self.lines.get(&line).map_or(0, |shown| shown.text.chars().map(columns_of).sum())
    }

    /// The columns of the excerpt's line before a place.
    pub fn columns_before(&self, lines: &Lines, offset: usize) -> usize {
        let line = lines.position(offset).line;
        let Some(shown) = self.lines.get(&line) else { return 0 };
        let chars = self.char_at(lines, offset).saturating_sub(shown.chars_before);
        shown.text.chars().take(chars).map(columns_of).sum()
    }
}

/// Where a span is shown to start: a place after the last line break belongs to the line before, so that "something is
/// missing at the end of the file" points at text.
pub(super) fn visible_start(lines: &Lines, span: &Range<usize>) -> usize {
    let text = lines.text();
    let at_empty_end = span.start >= text.len() && text.ends_with('\n');
    if at_empty_end { text.trim_end().len() } else { text.floor_char_boundary(span.start) }
}

/// The first and the last line of a span, each with the bytes of the span in it.
fn end_lines(lines: &Lines, span: &Range<usize>) -> Vec<(usize, Range<usize>)> {
    let start = visible_start(lines, span);
    let first = lines.position(start).line;
    let last_byte = span.end.saturating_sub(1).max(start);
    let last = lines.position(last_byte).line;
    let first_part = start..span.end.clamp(start, lines.line_range(first).end.max(start));
    if first == last {
        return vec![(first, first_part)];
    }
    let last_start = lines.line_range(last).start;
    vec![(first, first_part), (last, last_byte.max(last_start)..span.end)]
}

fn shown_line(lines: &Lines, line: usize, about: Range<usize>, columns_max: usize) -> ShownLine {
    let whole = lines.line_range(line);
    let bytes = window(lines.text(), &whole, &about, columns_max);
    let (cut_left, cut_right) = (bytes.start > whole.start, bytes.end < whole.end);
    let mut text = String::new();
    text.extend(cut_left.then_some('…'));
    text.extend(lines.text().get(bytes.clone()).unwrap_or("").chars().map(visible_char));
    text.extend(cut_right.then_some('…'));
    // Something to point at when the line's end is what the message is about.
    text.push(' ');
    ShownLine { bytes, cut_left, text, chars_before: 0 }
}

/// The part of a line that is shown: all of it, or what stands around the start of `about`.
fn window(text: &str, whole: &Range<usize>, about: &Range<usize>, columns_max: usize) -> Range<usize> {
    let start = text.floor_char_boundary(about.start.clamp(whole.start, whole.end));
    let before = text.get(whole.start..start).unwrap_or("");
    let after = text.get(start..whole.end).unwrap_or("");
    let right_wanted = reach(after.chars(), columns_max);
    let left_room = columns_max.saturating_sub(right_wanted.1).max(columns_max / 3);
    let left = reach(before.chars().rev(), left_room);
    let right = reach(after.chars(), columns_max.saturating_sub(left.1));
    start - left.0..start + right.0
}

/// How many bytes and columns of the characters fit.
fn reach(characters: impl Iterator<Item = char>, columns_max: usize) -> (usize, usize) {
    let (mut bytes, mut columns) = (0, 0);
    for c in characters {
        let width = columns_of(visible_char(c));
        if columns + width > columns_max {
            break;
        }
        bytes += c.len_utf8();
        columns += width;
    }
    (bytes, columns)
}

fn joined(shown: &mut BTreeMap<usize, ShownLine>) -> String {
    let mut text = String::new();
    let mut chars = 0;
    let mut line_now = 1;
    for (line, shown) in shown.iter_mut() {
        let breaks = line - line_now;
        text.extend(std::iter::repeat_n('\n', breaks));
        shown.chars_before = chars + breaks;
        text.push_str(&shown.text);
        chars = shown.chars_before + shown.text.chars().count();
        line_now = *line;
    }
    text
}
