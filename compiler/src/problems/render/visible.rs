//! Text that may come from anywhere, made safe to print: a file or a message must not move the cursor, colour the
//! terminal, or turn the writing direction around.

use unicode_width::UnicodeWidthChar;

/// The text with control characters replaced by visible stand-ins, one for one; line breaks and tabs stay.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { visible_char(c) }).collect()
}

pub(super) fn visible_char(c: char) -> char {
    match c {
        '\t' => '\t',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or(REPLACEMENT),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => REPLACEMENT,
        // Marks and overrides of the writing direction.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => REPLACEMENT,
        // Invisible, and used to hide text.
        '\u{feff}' | '\u{200b}' | '\u{e0000}'..='\u{e007f}' => REPLACEMENT,
        PLACE_MARK => REPLACEMENT,
        _ => c,
    }
}

const REPLACEMENT: char = '\u{fffd}';

/// A private character that the renderer uses for itself; it never comes through [`visible`].
pub(super) const PLACE_MARK: char = '\u{e000}';

/// As wide as a terminal shows a tab here; tabs in excerpts count from the left edge of the excerpt.
pub(super) const TAB_COLUMNS: usize = 4;

/// Terminal columns of a character that has gone through [`visible`].
pub(super) fn columns_of(c: char) -> usize {
    if c == '\t' { TAB_COLUMNS } else { c.width().unwrap_or(1) }
}

pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Lines of at most `columns_max` columns, broken between words; a longer word is broken where it must be.
pub(super) fn wrap(text: &str, columns_max: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(line, columns_max.max(1))).collect()
}

fn wrap_line(line: &str, columns_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        let gap = usize::from(!current.is_empty());
        if !current.is_empty() && columns(&current) + gap + columns(word) > columns_max {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        push_broken(word, columns_max, &mut current, &mut lines);
    }
    lines.push(current);
    lines
}

fn push_broken(word: &str, columns_max: usize, current: &mut String, lines: &mut Vec<String>) {
    let mut used = columns(current);
    for c in word.chars() {
        if used + columns_of(c) > columns_max && !current.is_empty() {
            lines.push(std::mem::take(current));
            used = 0;
        }
        current.push(c);
        used += columns_of(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_comes_through() {
        assert_eq!(visible("a\u{1b}[31mb\rc\u{202e}d\u{7f}e\u{85}f\tg\nh"), "a␛[31mb␍c\u{fffd}d␡e\u{fffd}f\tg\nh");
    }

    #[test]
    fn words_are_broken_between_and_long_ones_within() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
    }
}
