//! The tokens of a file, comments among them, each with how much space stood before it.

use crate::syntax::ast::Comment;
use crate::syntax::scan::{self, Scan};
use crate::{FileId, Span};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Word,
    Number,
    Text,
    Pattern,
    Sign,
    Comment,
}

#[derive(Clone, Debug)]
pub struct Token<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
    pub start: u32,
    /// Line breaks between the token before and this one.
    pub breaks: u32,
    /// Whether anything blank stands before it.
    pub spaced: bool,
}

impl Token<'_> {
    pub fn is(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign && self.text == sign
    }

    pub fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text == word
    }
}

const SIGNS_OF_TWO: [&str; 9] = ["->", "=>", "==", "!=", "<=", ">=", "??", "?.", ".."];

/// All tokens, in order.
pub fn tokens(file: FileId, text: &str) -> Vec<Token<'_>> {
    let scan = scan::scan(file, text, 0);
    let mut comments: Vec<Span> = comment_spans(&scan);
    comments.sort();
    comments.reverse();
    let masked = scan.masked.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut last) = (0usize, 0usize);
    while at < masked.len() {
        let comment = comments.pop_if(|comment| comment.start as usize <= at);
        let (kind, end) = match comment {
            Some(comment) => (TokenKind::Comment, comment.end as usize),
            None => match token_at(masked, at) {
                Some(found) => found,
                None => {
                    at += 1;
                    continue;
                }
            },
        };
        let before = text.get(last..at).unwrap_or_default();
        let breaks = before.bytes().filter(|&byte| byte == b'\n').count() as u32;
        let content = text.get(at..end).unwrap_or_default();
        let content = if kind == TokenKind::Comment { content.trim_end() } else { content };
        tokens.push(Token { kind, text: content, start: at as u32, breaks, spaced: at > last });
        (at, last) = (end, end);
    }
    tokens
}

fn comment_spans(scan: &Scan) -> Vec<Span> {
    let docs = scan.docs.iter().flat_map(|doc| &doc.lines);
    scan.comments.iter().chain(docs).map(|comment: &Comment| comment.span).collect()
}

fn token_at(masked: &[u8], at: usize) -> Option<(TokenKind, usize)> {
    let rest = masked.get(at..)?;
    let end_of = |is_part: fn(u8) -> bool| at + rest.iter().position(|&byte| !is_part(byte)).unwrap_or(rest.len());
    Some(match rest.first()? {
        b' ' | b'\t' | b'\r' | b'\n' => return None,
        b'"' if rest.get(1) == Some(&1) || rest.get(1) == Some(&2) => (TokenKind::Text, masked_end(masked, at)),
        3 => (TokenKind::Text, at + 1),
        b'/' if rest.get(1) == Some(&1) => (TokenKind::Pattern, masked_end(masked, at)),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => (TokenKind::Word, end_of(is_word)),
        b'0'..=b'9' => (TokenKind::Number, number_end(masked, at)),
        b'$' if rest.get(1).is_some_and(u8::is_ascii_digit) => (TokenKind::Number, number_end(masked, at + 1)),
        first => (TokenKind::Sign, at + sign_length(rest, *first)),
    })
}

fn sign_length(rest: &[u8], first: u8) -> usize {
    if SIGNS_OF_TWO.iter().any(|sign| rest.starts_with(sign.as_bytes())) {
        return 2;
    }
    // What is not ASCII is one character.
    1 + if first < 0x80 { 0 } else { rest.iter().skip(1).take_while(|byte| (0x80..0xc0).contains(*byte)).count() }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Behind the last masked byte.
fn masked_end(masked: &[u8], at: usize) -> usize {
    let rest = masked.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte == 2).map_or(rest.len(), |last| last + 1)
}

/// Digits, a fraction, a unit or a per cent sign.
fn number_end(masked: &[u8], start: usize) -> usize {
    let digits = |from: usize| {
        let rest = masked.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count()
    };
    let mut at = digits(start);
    if masked.get(at) == Some(&b'.') && masked.get(at + 1).is_some_and(u8::is_ascii_digit) {
        at = digits(at + 1);
    }
    if masked.get(at) == Some(&b'%') {
        return at + 1;
    }
    let rest = masked.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_word(**byte)).count()
}
