//! The masked text made short for the grammar, which takes a step for each byte: a run of blanks is one blank or one line
//! break, a name that is no word of the grammar is one byte, and a text is its two ends.

use super::scan::INSIDE;

/// A short text, and where its bytes stand in the text that it was made from.
#[derive(Debug)]
pub struct Short {
    pub text: String,
    /// For each byte of `text`, the stretch that it stands for.
    stretches: Vec<(u32, u32)>,
}

/// Stands for a name.
const NAME: u8 = 4;

impl Short {
    /// Shortens a text that [`super::scan`] has masked.
    pub fn of(masked: &str) -> Short {
        let bytes = masked.as_bytes();
        let mut short = Shortener { text: Vec::with_capacity(bytes.len() / 2), stretches: Vec::with_capacity(bytes.len() / 2) };
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let length = stretch_length(bytes.get(at..).unwrap_or_default(), byte);
            let stretch = bytes.get(at..at + length).unwrap_or_default();
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => short.one(blank(stretch), at, length),
                b'a'..=b'z' | b'A'..=b'Z' if !is_word_of_grammar(stretch) => short.one(NAME, at, length),
                INSIDE if bytes.get(at.wrapping_sub(1)) == Some(&b'"') => {}
                INSIDE => short.one(byte, at, length),
                _ => short.all(stretch, at),
            }
            at += length;
        }
        short.finish()
    }

    /// Where the stretch between two places of the short text stands in the longer one.
    pub fn range(&self, start: usize, end: usize) -> (usize, usize) {
        let behind_last = self.stretches.last().map_or(0, |(_, end)| *end as usize);
        let from = self.stretches.get(start).map_or(behind_last, |(start, _)| *start as usize);
        let to = end.checked_sub(1).and_then(|last| self.stretches.get(last)).map_or(0, |(_, end)| *end as usize);
        (from, to.max(from))
    }
}

struct Shortener {
    text: Vec<u8>,
    stretches: Vec<(u32, u32)>,
}

impl Shortener {
    fn one(&mut self, byte: u8, at: usize, length: usize) {
        self.text.push(byte);
        self.stretches.push((at as u32, (at + length) as u32));
    }

    fn all(&mut self, stretch: &[u8], at: usize) {
        self.text.extend_from_slice(stretch);
        self.stretches.extend((at..at + stretch.len()).map(|at| (at as u32, at as u32 + 1)));
    }

    fn finish(self) -> Short {
        let text = String::from_utf8(self.text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Short { text, stretches: self.stretches }
    }
}

/// How many bytes belong together: a word, a number with its unit, blanks, the inside of a text; else it is one.
fn stretch_length(rest: &[u8], first: u8) -> usize {
    let of_a_kind = match first {
        b' ' | b'\t' | b'\r' | b'\n' => |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_',
        INSIDE => |byte: u8| byte == INSIDE,
        _ => return 1,
    };
    rest.iter().position(|byte| !of_a_kind(*byte)).unwrap_or(rest.len())
}

fn blank(stretch: &[u8]) -> u8 {
    if stretch.iter().any(|byte| matches!(byte, b'\n' | b'\r')) { b'\n' } else { b' ' }
}

/// Whether the grammar knows the word; a test holds this list against it.
fn is_word_of_grammar(word: &[u8]) -> bool {
    let length = 1u16.checked_shl(word.len() as u32).unwrap_or(0);
    let lengths = word.first().and_then(|first| LENGTHS.get(*first as usize)).copied().unwrap_or(0);
    lengths & length != 0 && WORDS.binary_search_by(|known| known.as_bytes().cmp(word)).is_ok()
}

/// By first byte, the lengths that words of the grammar have, a bit for each: most names are told from them by this alone.
const LENGTHS: [u16; 128] = lengths();

#[allow(clippy::indexing_slicing, reason = "it runs when this is compiled")]
const fn lengths() -> [u16; 128] {
    let mut lengths = [0; 128];
    let mut at = 0;
    while at < WORDS.len() {
        let word = WORDS[at].as_bytes();
        lengths[word[0] as usize] |= 1 << word.len();
        at += 1;
    }
    lengths
}

#[rustfmt::skip]
const WORDS: [&str; 61] = [
    "action", "and", "approve", "as", "backoff", "budget", "by", "cache", "called", "connector", "do", "else", "enum",
    "example", "expect", "fail", "flow", "fn", "for", "given", "if", "import", "in", "key", "let", "likely", "limit", "match",
    "matches", "max", "model", "never", "not", "of", "on", "once", "or", "output", "parallel", "prompt", "repeat", "retry",
    "run", "set", "source", "stop", "tagged", "test", "then", "timeout", "times", "to", "trusted", "type", "until", "up",
    "wait", "was", "webhook", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_of_the_grammar_stays_as_it_is() {
        let grammar = include_str!("pmflow.pest");
        let code =
            grammar.lines().filter(|line| !line.starts_with("//")).map(|line| line.replace("\\\"", "")).collect::<Vec<_>>();
        let quoted = code.iter().flat_map(|line| line.split('"').skip(1).step_by(2));
        let words: BTreeSet<&str> =
            quoted.filter(|text| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).collect();
        assert_eq!(words.into_iter().collect::<Vec<_>>(), WORDS);
    }

    #[test]
    fn places_lead_back_to_the_longer_text() {
        let masked = "let  subject =\n\n  judge(\"\u{1}\u{1}\u{2}, 12.5%)";
        let short = Short::of(masked);
        assert_eq!(short.text, "let \u{4} =\n\u{4}(\"\u{2}, 12.5%)");
        let found = |part: &str| {
            let at = short.text.find(part).unwrap();
            let (start, end) = short.range(at, at + part.len());
            &masked[start..end]
        };
        assert_eq!(found("let"), "let");
        assert_eq!(found("\u{4} ="), "subject =");
        assert_eq!(found("\u{4}("), "judge(");
        assert_eq!(found("\"\u{2}"), "\"\u{1}\u{1}\u{2}");
        assert_eq!(found("12.5%"), "12.5%");
        assert_eq!(short.range(short.text.len(), short.text.len()), (masked.len(), masked.len()));
        assert_eq!(Short::of("").range(0, 0), (0, 0));
    }
}
