//! The first, cheap look at a text: one pass over its bytes that finds comments, texts, patterns and brackets.
//!
//! The result is a masked copy of the same length, in which comments are blanks and the inside of texts cannot be
//! mistaken for anything else, so that the grammar stays small and both agree on where a text ends.

use super::ast::Comment;
use super::{FileId, Span};
use crate::problems::{Problem, Problems};
use ecow::EcoString;

/// How deep brackets, and how long chains of `if … then`, `=>` and operators, may nest.
pub const DEPTH_MAX: usize = 128;

/// Stands for the inside of a text in the masked copy.
pub const INSIDE: u8 = 1;
/// The last byte of a text in the masked copy.
const LAST: u8 = 2;
/// A text that is only its opening quote.
const LONE_QUOTE: u8 = 3;

/// What one pass over a text finds; all positions are bytes of the file.
#[derive(Debug, Default)]
pub struct Scan {
    /// As long as the text that was scanned.
    pub masked: String,
    pub comments: Vec<Comment>,
    pub docs: Vec<Doc>,
    /// Where the nesting passes [`DEPTH_MAX`].
    pub too_deep: Vec<u32>,
    pub marks: Vec<Mark>,
    pub problems: Problems,
}

/// The `///` lines above a token.
#[derive(Debug)]
pub struct Doc {
    /// Where the token starts.
    pub target: u32,
    pub text: EcoString,
    pub lines: Vec<Comment>,
}

/// What the division of a file into items needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    Open {
        bracket: u8,
    },
    Close {
        bracket: u8,
    },
    /// A word that may start an item; `at_line_start`: in the first column.
    ItemWord {
        at: u32,
        known: bool,
        at_line_start: bool,
    },
}

/// Scans `text`, which starts at the byte `base` of the file.
pub fn scan(file: FileId, text: &str, base: u32) -> Scan {
    let mut scanner = Scanner {
        file,
        text,
        bytes: text.as_bytes(),
        base,
        at: 0,
        masked: text.as_bytes().to_vec(),
        found: Scan::default(),
        doc_lines: Vec::new(),
        brackets: Vec::new(),
        chain: 0,
        line_has_token: false,
        previous: Previous::Other,
    };
    scanner.run();
    scanner.finish()
}

/// The end of the text literal that starts at `start` with a quote, in bytes, and whether it is closed.
pub fn text_end(bytes: &[u8], start: usize) -> (usize, bool) {
    if bytes.get(start..).is_some_and(|rest| rest.starts_with(b"\"\"\"")) {
        return multiline_end(bytes, start + 3);
    }
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n') => return (trim_carriage_return(bytes, at), false),
            Some(b'"') => return (at + 1, true),
            Some(b'\\') => at += if matches!(bytes.get(at + 1), None | Some(b'\n')) { 1 } else { 2 },
            Some(b'{') if bytes.get(at + 1) == Some(&b'{') => at = hole_end(bytes, at, false).unwrap_or(at + 2),
            Some(_) => at += 1,
        }
    }
}

/// The end of the hole that starts at `start` with `{{`: behind its `}}`. A hole holds no other hole outside of
/// quotes, may hold texts, and ends on its line unless the text has several.
pub fn hole_end(bytes: &[u8], start: usize, multiline: bool) -> Option<usize> {
    let mut at = start + 2;
    let mut braces = 0usize;
    loop {
        match bytes.get(at)? {
            b'\n' if !multiline => return None,
            b'}' if braces > 0 => {
                braces -= 1;
                at += 1;
            }
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            b'{' if bytes.get(at + 1) == Some(&b'{') => return None,
            b'{' => {
                braces += 1;
                at += 1;
            }
            b'"' => at = quoted_end(bytes, at)?,
            _ => at += 1,
        }
    }
}

/// The end of a text inside a hole, on the same line.
fn quoted_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\n' => return None,
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn multiline_end(bytes: &[u8], mut at: usize) -> (usize, bool) {
    loop {
        match bytes.get(at) {
            None => return (bytes.len(), false),
            Some(b'\\') if bytes.get(at + 1).is_some() => at += 2,
            Some(b'"') if bytes.get(at..).is_some_and(|rest| rest.starts_with(b"\"\"\"")) => return (at + 3, true),
            Some(_) => at += 1,
        }
    }
}

fn trim_carriage_return(bytes: &[u8], at: usize) -> usize {
    if at > 0 && bytes.get(at - 1) == Some(&b'\r') { at - 1 } else { at }
}

/// The token before, as far as `/` needs it.
#[derive(Clone, Copy, PartialEq)]
enum Previous {
    Matches,
    Else,
    Other,
}

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    bytes: &'a [u8],
    base: u32,
    at: usize,
    masked: Vec<u8>,
    found: Scan,
    doc_lines: Vec<Comment>,
    brackets: Vec<u8>,
    /// Prefixes (`if`, `=>`, `->`) since the last token that ends an expression.
    chain: usize,
    line_has_token: bool,
    previous: Previous,
}

impl Scanner<'_> {
    fn run(&mut self) {
        if self.bytes.starts_with("\u{feff}".as_bytes()) {
            self.mask(0, 3, b' ');
            self.at = 3;
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.line_has_token = false;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'/' if self.peek(1) == Some(b'/') => self.comment(),
                _ => self.token(byte),
            }
        }
    }

    fn finish(mut self) -> Scan {
        self.found.comments.append(&mut self.doc_lines);
        self.found.masked = String::from_utf8(self.masked).unwrap_or_else(|_| " ".repeat(self.text.len()));
        self.found
    }

    fn token(&mut self, byte: u8) {
        let start = self.at;
        let previous = std::mem::replace(&mut self.previous, Previous::Other);
        self.attach_doc();
        match byte {
            b'"' => self.text_literal(),
            b'/' if previous == Previous::Matches => self.pattern(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(previous),
            b'(' | b'[' | b'{' => {
                if byte == b'(' && previous == Previous::Matches {
                    self.previous = Previous::Matches;
                }
                self.open(byte);
            }
            b')' | b']' | b'}' => self.close(byte),
            b'=' | b'-' if self.peek(1) == Some(b'>') => {
                self.at += 2;
                self.prefix(start);
            }
            b',' | b':' => {
                self.chain = 0;
                self.at += 1;
            }
            b'=' if self.peek(1) == Some(b'=') => self.at += 2,
            b'=' => {
                self.chain = 0;
                self.at += 1;
            }
            b'0'..=b'9' => self.skip_word(),
            0x80.. => self.foreign(),
            0..=0x1f | 0x7f => self.control(byte),
            _ => self.at += 1,
        }
        self.line_has_token = true;
    }

    fn word(&mut self, previous: Previous) {
        let start = self.at;
        let at_line_start = start == 0 || self.bytes.get(start - 1) == Some(&b'\n');
        self.skip_word();
        let word = self.text.get(start..self.at).unwrap_or_default();
        match word {
            "matches" => self.previous = Previous::Matches,
            "else" => self.previous = Previous::Else,
            "let" | "do" => self.chain = 0,
            "if" if previous != Previous::Else => self.prefix(start),
            _ => {}
        }
        if self.brackets.is_empty() || at_line_start {
            let known = is_item_start(word, self.bytes.get(self.at..).unwrap_or_default());
            let unknown = !known && at_line_start && is_unknown_item_start(word, self.bytes.get(self.at..).unwrap_or_default());
            if known || unknown {
                self.found.marks.push(Mark::ItemWord { at: start as u32, known, at_line_start });
            }
        }
    }

    /// Passes over letters, digits and `_`; other letters are reported once per word and masked.
    fn skip_word(&mut self) {
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => self.at += 1,
                0x80.. if self.foreign_letter().is_some() => {
                    self.foreign_word(start);
                    return;
                }
                _ => return,
            }
        }
    }

    fn foreign_letter(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next().filter(|character| character.is_alphanumeric())
    }

    fn foreign_word(&mut self, start: usize) {
        while let Some(character) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            if !(character.is_alphanumeric() || character == '_') {
                break;
            }
            let end = self.at + character.len_utf8();
            if !character.is_ascii() {
                self.mask(self.at, end, b'_');
            }
            self.at = end;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        let message = format!("`{word}` is not a name: names are made of the letters a–z, A–Z, digits and `_`");
        self.report(Problem::new("E0009", self.span(start, self.at), message));
    }

    /// A character that stands for nothing in the language.
    fn foreign(&mut self) {
        let start = self.at;
        let Some(character) = self.text.get(start..).and_then(|rest| rest.chars().next()) else {
            self.at += 1;
            return;
        };
        if character.is_alphabetic() {
            return self.foreign_word(start);
        }
        self.at += character.len_utf8();
        self.mask(start, self.at, b' ');
        let span = self.span(start, self.at);
        if is_bidi_control(character) {
            return self.report(bidi_problem(span, character));
        }
        let problem =
            Problem::new("E0009", span, format!("the character `{character}` (U+{:04X}) means nothing here", character as u32));
        let problem = match character {
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' => {
                problem.help("texts stand in straight quotes").fix("write `\"`", span, "\"")
            }
            _ if character.is_whitespace() => problem.fix("write a plain space", span, " "),
            '\u{2212}' | '\u{2013}' => problem.fix("write `-`", span, "-"),
            _ => problem.help("take it away, or put it into a text"),
        };
        self.report(problem);
    }

    fn control(&mut self, byte: u8) {
        let start = self.at;
        self.at += 1;
        self.mask(start, self.at, b' ');
        let span = self.span(start, self.at);
        let message = format!("the control character U+{byte:04X} means nothing here");
        self.report(Problem::new("E0009", span, message).fix("take it away", span, ""));
    }

    fn open(&mut self, bracket: u8) {
        if bracket == b'{' {
            self.chain = 0;
        }
        self.brackets.push(bracket);
        self.found.marks.push(Mark::Open { bracket });
        self.check_depth(self.at);
        self.at += 1;
    }

    fn close(&mut self, bracket: u8) {
        if bracket == b'}' {
            self.chain = 0;
        }
        let opening = match bracket {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        // A bracket that nobody closed ends with the one around it.
        if let Some(position) = self.brackets.iter().rposition(|&open| open == opening || open == b'{')
            && self.brackets.get(position) == Some(&opening)
        {
            self.brackets.truncate(position);
        }
        self.found.marks.push(Mark::Close { bracket });
        self.at += 1;
    }

    fn prefix(&mut self, start: usize) {
        self.chain += 1;
        self.check_depth(start);
    }

    fn check_depth(&mut self, at: usize) {
        if self.brackets.len() + self.chain == DEPTH_MAX + 1 {
            self.found.too_deep.push(self.base + at as u32);
        }
    }

    fn text_literal(&mut self) {
        let start = self.at;
        let (end, closed) = text_end(self.bytes, start);
        let end = if closed { end } else { self.meant_end(start, end) };
        self.check_bidi(start, end);
        if end - start == 1 {
            self.mask(start, end, LONE_QUOTE);
        } else {
            self.mask(start + 1, end - 1, INSIDE);
            self.mask(end - 1, end, LAST);
        }
        self.at = end;
        if !closed {
            self.report_unclosed_text(start, end);
        }
    }

    /// Where a text of one line that is never closed was meant to end: before the bracket that closes the one around it, or
    /// that opens a block.
    fn meant_end(&self, start: usize, end: usize) -> usize {
        let inside = self.bytes.get(start + 1..end).unwrap_or_default();
        if let Some(before) = inside.trim_ascii_end().strip_suffix(b" {") {
            return start + 1 + before.len();
        }
        let line =
            self.bytes.get(..start).and_then(|before| before.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
        let mut open = Vec::new();
        for byte in self.masked.get(line..start).unwrap_or_default() {
            match byte {
                b'(' => open.push(b')'),
                b'[' => open.push(b']'),
                b'{' => open.push(b'}'),
                b')' | b']' | b'}' => drop(open.pop()),
                _ => {}
            }
        }
        let Some(closing) = open.last() else { return end };
        inside.iter().position(|byte| byte == closing).map_or(end, |at| start + 1 + at)
    }

    fn report_unclosed_text(&mut self, start: usize, end: usize) {
        let multiline = self.bytes.get(start..).is_some_and(|rest| rest.starts_with(b"\"\"\""));
        let quotes = if multiline { "\"\"\"" } else { "\"" };
        let opening = self.span(start, start + quotes.len());
        let behind = self.span(end, end);
        let problem = Problem::new("E0005", opening, format!("this text is never closed: its `{quotes}` is missing"))
            .label("the text starts here")
            .fix(format!("close it with `{quotes}`"), behind, quotes);
        self.report(if multiline {
            problem
        } else {
            problem.help("a text in `\"` ends on its line; a longer one stands in `\"\"\"`")
        });
    }

    /// `/re/`, on one line; a slash inside is written `\/`.
    fn pattern(&mut self) {
        let start = self.at;
        let mut end = start + 1;
        let closed = loop {
            match self.bytes.get(end) {
                None | Some(b'\n') => break false,
                Some(b'\\') if !matches!(self.bytes.get(end + 1), None | Some(b'\n')) => end += 2,
                Some(b'/') => break true,
                Some(_) => end += 1,
            }
        };
        if !closed || end == start + 1 {
            self.at += 1;
            let span = self.span(start, start + 1);
            return self.report(
                Problem::new("E0017", span, "this pattern is never closed: its second `/` is missing")
                    .help("a pattern stands between two slashes on one line: `matches /[a-z]+/`"),
            );
        }
        self.check_bidi(start, end);
        self.mask(start + 1, end, INSIDE);
        self.mask(end, end + 1, LAST);
        self.at = end + 1;
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(self.bytes.len(), |length| start + length);
        let end = trim_carriage_return(self.bytes, end);
        self.check_bidi(start, end);
        self.mask(start, end, b' ');
        self.at = end;
        let text = self.text.get(start..end).unwrap_or_default();
        let comment = Comment { span: self.span(start, end), text: EcoString::from(text.trim_end()) };
        let documents = !self.line_has_token && text.starts_with("///") && !text.starts_with("////");
        if documents { self.doc_lines.push(comment) } else { self.found.comments.push(comment) }
    }

    fn attach_doc(&mut self) {
        if self.doc_lines.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.doc_lines);
        let text: Vec<&str> = lines.iter().map(|line| doc_text(&line.text)).collect();
        let text = EcoString::from(text.join("\n"));
        self.found.docs.push(Doc { target: self.base + self.at as u32, text, lines });
    }

    fn check_bidi(&mut self, start: usize, end: usize) {
        let Some(text) = self.text.get(start..end) else { return };
        if text.is_ascii() {
            return;
        }
        let found: Vec<(usize, char)> = text.char_indices().filter(|(_, character)| is_bidi_control(*character)).collect();
        for (offset, character) in found {
            let span = self.span(start + offset, start + offset + character.len_utf8());
            self.report(bidi_problem(span, character));
        }
    }

    fn mask(&mut self, start: usize, end: usize, with: u8) {
        if let Some(range) = self.masked.get_mut(start..end) {
            range.fill(with);
        }
    }

    fn report(&mut self, problem: Problem) {
        self.found.problems.push(problem);
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start: self.base + start as u32, end: self.base + end as u32 }
    }
}

/// The words that start an item, for suggestions too.
pub const ITEM_WORDS: [&str; 10] = ["import", "type", "enum", "model", "prompt", "fn", "connector", "budget", "flow", "test"];

/// Whether an item starts with this word, judged by what follows it.
fn is_item_start(word: &str, rest: &[u8]) -> bool {
    if !ITEM_WORDS.contains(&word) {
        return false;
    }
    let after_blank = skip_blanks(rest);
    match word {
        "test" => after_blank.first() == Some(&b'"'),
        "import" => after_blank.first() == Some(&b'"') || (after_blank.len() < rest.len() && starts_word(after_blank)),
        _ if after_blank.len() == rest.len() || !starts_word(after_blank) => false,
        _ => {
            let after_name = skip_blanks(skip_name(after_blank));
            let next = after_name.first().copied();
            match word {
                "type" | "enum" | "connector" | "budget" => next == Some(b'{'),
                "model" => next == Some(b'=') && after_name.get(1) != Some(&b'='),
                _ => matches!(next, Some(b'(' | b'{' | b'<')),
            }
        }
    }
}

/// `flwo x(`, `promt y(` in the first column.
fn is_unknown_item_start(word: &str, rest: &[u8]) -> bool {
    let after_blank = rest.iter().position(|byte| *byte != b' ').map_or(rest, |blanks| rest.get(blanks..).unwrap_or_default());
    if ITEM_WORDS.contains(&word) {
        return !matches!(after_blank.first(), Some(b':' | b'.' | b'('));
    }
    if after_blank.len() == rest.len() {
        return false;
    }
    if after_blank.first() == Some(&b'"') {
        return true;
    }
    starts_word(after_blank) && matches!(skip_blanks(skip_name(after_blank)).first(), Some(b'(' | b'{' | b'='))
}

fn starts_word(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(bytes.len());
    bytes.get(length..).unwrap_or_default()
}

fn skip_name(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_')).unwrap_or(bytes.len());
    bytes.get(length..).unwrap_or_default()
}

fn doc_text(line: &str) -> &str {
    let text = line.strip_prefix("///").unwrap_or(line);
    text.strip_prefix(' ').unwrap_or(text)
}

/// The characters that make text read in another order than it is stored (Unicode's bidirectional embeddings,
/// overrides and isolates).
pub fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn bidi_problem(span: Span, character: char) -> Problem {
    let code = character as u32;
    Problem::new(
        "E0004",
        span,
        format!("the invisible character U+{code:04X} makes this line read differently from what it does"),
    )
    .label(format!("U+{code:04X} stands here"))
    .help(format!("take it away; where a text really needs it, write `\\u{{{code:04X}}}`"))
    .fix("take it away", span, "")
}
