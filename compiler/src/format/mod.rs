//! The one layout. It moves tokens and changes nothing else but commas: what is between two line breaks is decided by the
//! syntax tree ([`places`]), what is between two tokens by the tokens ([`spacing`]). Comments are tokens and never lost.

mod places;
mod render;
mod spacing;
pub mod tokens;

use crate::FileId;
use crate::syntax::Parsed;
use places::{Begin, BeginKind, Places};
use render::{Line, Renderer};
use tokens::{Token, TokenKind};

/// The longest line that is not broken, in characters.
pub const WIDTH: usize = 120;

/// The file in the one layout. Parts that do not parse stay as they are, byte for byte; so does a file that cannot be
/// read at all. Formatting a second time changes nothing.
pub fn format(file: FileId, text: &str) -> String {
    let parsed = crate::syntax::parse(file, text);
    if parsed.file.items.is_empty() && parsed.problems.has_errors() {
        return text.to_owned();
    }
    let fine = lay_out(file, text, &parsed, false);
    if parsed.problems.all.is_empty() || is_stable(file, &fine) {
        return fine;
    }
    // Brackets that do not match may read differently once lines have moved: then less is moved, or nothing.
    let coarse = lay_out(file, text, &parsed, true);
    if is_kept(file, &coarse) { coarse } else { text.to_owned() }
}

fn lay_out(file: FileId, text: &str, parsed: &Parsed, whole_items: bool) -> String {
    let places = places::places(parsed, text, whole_items);
    let tokens = tokens::tokens(file, text);
    let lines = divide(&tokens, &places);
    Renderer::new(text, &places).render(&lines)
}

fn is_stable(file: FileId, text: &str) -> bool {
    lay_out(file, text, &crate::syntax::parse(file, text), false) == text
}

/// Whether [`format`] would leave this text, which was laid out with whole items, as it is.
fn is_kept(file: FileId, text: &str) -> bool {
    let parsed = crate::syntax::parse(file, text);
    let fine = lay_out(file, text, &parsed, false);
    fine == text || (!is_stable(file, &fine) && lay_out(file, text, &parsed, true) == text)
}

/// Divides the tokens into the lines that must be.
fn divide<'t, 'a>(tokens: &'t [Token<'a>], places: &Places) -> Vec<Line<'t, 'a>> {
    let mut lines: Vec<Line<'t, 'a>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let begin = places.begins.get(&token.start).copied();
        let end = match begin {
            Some(Begin { kind: BeginKind::Kept { end }, .. }) => {
                tokens.iter().skip(at).position(|token| token.start >= end).map_or(tokens.len(), |count| at + count.max(1))
            }
            _ => line_end(tokens, at, places),
        };
        let indent = begin.map_or_else(|| comment_indent(tokens, at, places), |begin| begin.indent);
        let kind = begin.map(|begin| begin.kind);
        lines.push(Line { indent, kind, tokens: tokens.get(at..end).unwrap_or_default() });
        at = end;
    }
    lines
}

/// Where the line that starts at `at` ends: before the next token that begins one, and before the comments that stand
/// above that token. A comment line is a line of its own.
fn line_end(tokens: &[Token<'_>], at: usize, places: &Places) -> usize {
    if tokens.get(at).is_some_and(|token| token.kind == TokenKind::Comment) {
        return at + 1;
    }
    let mut end = at + 1;
    while let Some(token) = tokens.get(end) {
        if places.begins.contains_key(&token.start) {
            break;
        }
        end += 1;
    }
    // The comments above the next line belong to it.
    while end > at + 1 && tokens.get(end - 1).is_some_and(|token| token.kind == TokenKind::Comment && token.breaks > 0) {
        end -= 1;
    }
    end
}

/// A comment stands as deep as what follows it; before a `}`, as deep as what the brackets hold.
fn comment_indent(tokens: &[Token<'_>], at: usize, places: &Places) -> usize {
    let next = tokens.iter().skip(at).find_map(|token| places.begins.get(&token.start));
    match next {
        Some(Begin { indent, kind: BeginKind::Close }) => indent + 1,
        Some(begin) => begin.indent,
        None => 0,
    }
}

#[cfg(test)]
mod format_tests;
