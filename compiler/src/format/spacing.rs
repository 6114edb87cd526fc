//! What stands between two tokens of a line.

use super::tokens::{Token, TokenKind};

/// Words after which an expression starts: a bracket behind them is not theirs.
const PREFIX_WORDS: [&str; 14] =
    ["if", "then", "else", "and", "or", "not", "in", "as", "while", "output", "yield", "do", "expect", "match"];

/// Whether a blank stands before the last of these tokens.
pub fn is_spaced(before: &[Token<'_>], next: &Token<'_>) -> bool {
    let Some(last) = before.last() else { return false };
    if next.kind == TokenKind::Sign {
        return sign_is_spaced(before, last, next);
    }
    follows_with_blank(before, last)
}

/// Whether what follows this token stands apart from it.
fn follows_with_blank(before: &[Token<'_>], last: &Token<'_>) -> bool {
    if last.kind != TokenKind::Sign {
        return true;
    }
    match last.text {
        "(" | "[" | "." | "?." | ".." => false,
        "-" => is_binary(before.get(..before.len() - 1).unwrap_or_default()),
        "<" => !opens_generics(before.get(..before.len() - 1).unwrap_or_default()),
        _ => true,
    }
}

fn sign_is_spaced(before: &[Token<'_>], last: &Token<'_>, next: &Token<'_>) -> bool {
    match next.text {
        ")" | "]" | "," | ":" | "?" | ".." => false,
        "}" => !last.is("{"),
        "?." => false,
        "." => dot_is_spaced(before, last, next),
        "(" | "[" => match last.kind {
            TokenKind::Sign => match last.text {
                ")" | "]" => next.spaced,
                ">" => !closes_generics(before),
                "?" | "}" => true,
                _ => follows_with_blank(before, last),
            },
            TokenKind::Word => PREFIX_WORDS.contains(&last.text) && !is_member(before) || next.spaced,
            _ => next.spaced,
        },
        "<" => !opens_generics(before),
        ">" => !in_generics(before),
        _ => follows_with_blank(before, last),
    }
}

/// `.name` behind a value has no blank; `.value` of an enum has one. On a new line it belongs to the value before.
fn dot_is_spaced(before: &[Token<'_>], last: &Token<'_>, next: &Token<'_>) -> bool {
    let value_before = match last.kind {
        TokenKind::Sign => matches!(last.text, ")" | "]" | "}"),
        TokenKind::Word => !PREFIX_WORDS.contains(&last.text) || is_member(before),
        _ => true,
    };
    if value_before { next.spaced && next.breaks == 0 } else { follows_with_blank(before, last) }
}

/// Whether the last token is a name behind a dot.
fn is_member(before: &[Token<'_>]) -> bool {
    before.len() > 1 && before.get(before.len() - 2).is_some_and(|token| token.is(".") || token.is("?."))
}

/// Whether a `-` behind these tokens subtracts.
fn is_binary(before: &[Token<'_>]) -> bool {
    before.last().is_some_and(|last| match last.kind {
        TokenKind::Word => !PREFIX_WORDS.contains(&last.text),
        TokenKind::Sign => matches!(last.text, ")" | "]" | "}"),
        _ => true,
    })
}

/// `source records<`, `fn map<`
fn opens_generics(before: &[Token<'_>]) -> bool {
    let declares = |token: &Token<'_>| ["source", "action", "fn"].iter().any(|word| token.is_word(word));
    before.len() >= 2
        && before.last().is_some_and(|name| name.kind == TokenKind::Word)
        && before.get(before.len() - 2).is_some_and(declares)
}

/// Only names and commas since a `<` that opens type parameters.
fn in_generics(before: &[Token<'_>]) -> bool {
    let open = before.iter().rposition(|token| !(token.kind == TokenKind::Word || token.is(",")));
    open.is_some_and(|open| {
        before.get(open).is_some_and(|token| token.is("<")) && opens_generics(before.get(..open).unwrap_or_default())
    })
}

fn closes_generics(before: &[Token<'_>]) -> bool {
    before.split_last().is_some_and(|(last, rest)| last.is(">") && in_generics(rest))
}
