//! Making up an answer that fits a type.

use super::{Dice, SimulatedOutput};
use crate::request::{Answer, Request};
use crate::tokens;
use pmflow_plan::{Money, Type, types::TextBounds, value::time};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;
use std::collections::BTreeMap;

const WORDS: [&str; 48] = [
    "the",
    "team",
    "asked",
    "for",
    "a",
    "clear",
    "summary",
    "of",
    "recent",
    "work",
    "and",
    "its",
    "result",
    "while",
    "new",
    "orders",
    "arrived",
    "from",
    "three",
    "regions",
    "with",
    "short",
    "notes",
    "on",
    "price",
    "quality",
    "delivery",
    "that",
    "help",
    "to",
    "plan",
    "next",
    "steps",
    "in",
    "detail",
    "because",
    "each",
    "customer",
    "expects",
    "quick",
    "answers",
    "about",
    "open",
    "questions",
    "before",
    "Friday",
    "at",
    "noon",
];
/// Deeper types are answered by the shortest value that ends them.
const DEPTH_MAX: usize = 32;
const DAY_MICROS: i64 = 86_400_000_000;

/// The text of an answer: plain for [`Answer::Text`], JSON otherwise. The same dice give the same answer.
pub(super) fn answer(request: &Request, size: SimulatedOutput, dice: &mut Dice) -> String {
    let encoding = request.model.encoding.as_deref().unwrap_or("o200k_base");
    let mut maker = Maker { types: &request.types, encoding, size, tokens_max: request.output_tokens_max, dice };
    match &request.answer {
        Answer::Text => maker.text(bounds(&request.answer_type)),
        Answer::Json { .. } => {
            let mut out = String::new();
            maker.write(&request.answer_type, 0, &mut out);
            out
        }
    }
}

/// An answer that does not fit: JSON of another shape, or nothing where a text was wanted.
pub(super) fn unfit(answer: &Answer, text: &str) -> String {
    match answer {
        Answer::Text => String::new(),
        Answer::Json { .. } => {
            format!("Here is the answer: {}", text.get(..text.floor_char_boundary(text.len() / 2)).unwrap_or_default())
        }
    }
}

fn bounds(ty: &Type) -> &TextBounds {
    const NONE: &TextBounds = &TextBounds { tokens_max: None, chars_max: None, matches: None };
    match ty {
        Type::Text(bounds) => bounds,
        Type::Optional(inner) => bounds(inner),
        _ => NONE,
    }
}

struct Maker<'a> {
    types: &'a BTreeMap<String, Type>,
    encoding: &'a str,
    size: SimulatedOutput,
    tokens_max: u64,
    dice: &'a mut Dice,
}

impl Maker<'_> {
    /// Writes a JSON value of the type.
    fn write(&mut self, ty: &Type, depth: usize, out: &mut String) {
        match ty {
            Type::Text(bounds) => {
                let text = self.text(bounds);
                push_text(&text, out);
            }
            Type::Int { min, max } => out.push_str(&self.int(*min, *max).to_string()),
            Type::Float => out.push_str(&format!("{:.2}", self.dice.below(101) as f64 / 100.0)),
            Type::Bool => out.push_str(if self.dice.below(2) == 1 { "true" } else { "false" }),
            Type::Enum(values) => {
                let value = self.choose(values).cloned().unwrap_or_default();
                push_text(&value, out);
            }
            Type::List { of, max } => self.list(of, *max, depth, out),
            Type::Map(of) => self.map(of, depth, out),
            Type::Optional(inner) => self.optional(inner, depth, out),
            Type::Record(fields) => {
                self.object(fields.iter().map(|field| (field.name.as_str(), &field.ty)), depth, out);
            }
            Type::Named(name) => match self.types.get(name) {
                Some(ty) if depth < DEPTH_MAX => self.write(ty, depth + 1, out),
                _ => out.push_str("null"),
            },
            Type::Json => out.push_str("{\"simulated\":true}"),
            Type::Money | Type::Date | Type::Datetime | Type::Duration | Type::Secret => {
                let text = self.moment(ty);
                push_text(&text, out);
            }
        }
    }

    fn moment(&mut self, ty: &Type) -> String {
        // 2026 and 2027.
        let day = 20_454 + i32::try_from(self.dice.below(730)).unwrap_or(0);
        let micros = i64::from(day) * DAY_MICROS + i64::try_from(self.dice.below(86_400)).unwrap_or(0) * 1_000_000;
        match ty {
            Type::Money => Money::from_pico(i128::from(self.dice.below(100_000)) * 10_000_000_000).to_decimal(),
            Type::Date => time::date_text(day).unwrap_or_default(),
            Type::Datetime => time::datetime_text(micros).unwrap_or_default(),
            Type::Duration => time::duration_text(i64::try_from(1 + self.dice.below(240)).unwrap_or(1) * 60_000_000),
            _ => String::new(),
        }
    }

    fn int(&mut self, min: Option<i64>, max: Option<i64>) -> i64 {
        let (least, most) = match (min, max) {
            (Some(min), Some(max)) => (min, max),
            (Some(min), None) => (min, min.saturating_add(100)),
            (None, Some(max)) => (max.saturating_sub(100), max),
            (None, None) => (0, 100),
        };
        let span = most.abs_diff(least);
        if most < least {
            return least;
        }
        least.saturating_add_unsigned(if span == u64::MAX { self.dice.next() } else { self.dice.below(span + 1) })
    }

    /// The shortest value for the smallest answer, so that a cap that holds it is enough.
    fn choose<'v>(&mut self, values: &'v [String]) -> Option<&'v String> {
        match self.size {
            SimulatedOutput::Min => values.iter().min_by_key(|value| (tokens::count(self.encoding, value), value.len())),
            _ => self.dice.pick(values),
        }
    }

    fn list(&mut self, of: &Type, max: Option<u64>, depth: usize, out: &mut String) {
        let most = match self.size {
            _ if depth >= DEPTH_MAX => 0,
            SimulatedOutput::Min => 0,
            SimulatedOutput::Typical => 1 + self.dice.below(3),
            SimulatedOutput::Max => max.unwrap_or(10).min(1_000),
        };
        out.push('[');
        for at in 0..most.min(max.unwrap_or(u64::MAX)) {
            if at > 0 {
                out.push(',');
            }
            self.write(of, depth + 1, out);
        }
        out.push(']');
    }

    fn map(&mut self, of: &Type, depth: usize, out: &mut String) {
        let names: &[&str] = match self.size {
            _ if depth >= DEPTH_MAX => &[],
            SimulatedOutput::Min => &[],
            SimulatedOutput::Typical => &["first", "second"],
            SimulatedOutput::Max => &["first", "second", "third", "fourth"],
        };
        self.object(names.iter().map(|name| (*name, of)), depth, out);
    }

    fn object<'t>(&mut self, fields: impl Iterator<Item = (&'t str, &'t Type)>, depth: usize, out: &mut String) {
        out.push('{');
        for (at, (name, ty)) in fields.enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_text(name, out);
            out.push(':');
            if depth >= DEPTH_MAX {
                out.push_str("null");
            } else {
                self.write(ty, depth + 1, out);
            }
        }
        out.push('}');
    }

    fn optional(&mut self, inner: &Type, depth: usize, out: &mut String) {
        let absent = match self.size {
            _ if depth >= DEPTH_MAX => true,
            SimulatedOutput::Min => true,
            SimulatedOutput::Typical => self.dice.below(4) == 0,
            SimulatedOutput::Max => false,
        };
        if absent {
            out.push_str("null");
        } else {
            self.write(inner, depth + 1, out);
        }
    }

    /// A text within its bounds: from the pattern where there is one, else of words.
    fn text(&mut self, bounds: &TextBounds) -> String {
        if let Some(text) = bounds.matches.as_deref().and_then(|pattern| matching(pattern, self.size, self.dice)) {
            return text;
        }
        let words = match self.size {
            SimulatedOutput::Min => 1,
            SimulatedOutput::Typical => 6 + self.dice.below(10),
            SimulatedOutput::Max => self.tokens_max.min(4_000),
        };
        let mut text = String::new();
        for at in 0..words {
            let word = self.dice.pick(&WORDS).copied().unwrap_or("work");
            if at > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        if text.chars().next().is_some_and(|first| first.is_ascii_lowercase()) && self.size != SimulatedOutput::Min {
            text = text.chars().take(1).map(|first| first.to_ascii_uppercase()).chain(text.chars().skip(1)).collect();
            text.push('.');
        }
        self.shorten(text, bounds)
    }

    fn shorten(&self, text: String, bounds: &TextBounds) -> String {
        let mut text = match bounds.chars_max.and_then(|most| usize::try_from(most).ok()) {
            Some(most) if text.chars().count() > most => text.chars().take(most).collect(),
            _ => text,
        };
        let most = bounds.tokens_max.unwrap_or(u64::MAX).min(if bounds.matches.is_some() { u64::MAX } else { self.tokens_max });
        text.truncate(tokens::cut(self.encoding, &text, most).len());
        text
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

/// A text that the whole of the pattern matches; none where the pattern cannot be met this way (look at a word's edge).
fn matching(pattern: &str, size: SimulatedOutput, dice: &mut Dice) -> Option<String> {
    let tree = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write_match(&tree, size, dice, &mut text);
    Some(text)
}

/// The parser bounds the depth of its tree, so the recursion is bounded.
fn write_match(tree: &Hir, size: SimulatedOutput, dice: &mut Dice, out: &mut String) {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => out.extend(member(class, dice)),
        HirKind::Repetition(repetition) => {
            let least = repetition.min;
            let most =
                repetition.max.unwrap_or(u32::MAX).min(least.saturating_add(if size == SimulatedOutput::Min { 0 } else { 6 }));
            let times = least + u32::try_from(dice.below(u64::from(most - least) + 1)).unwrap_or(0);
            for _ in 0..times {
                write_match(&repetition.sub, size, dice, out);
            }
        }
        HirKind::Capture(capture) => write_match(&capture.sub, size, dice, out),
        HirKind::Concat(pieces) => pieces.iter().for_each(|piece| write_match(piece, size, dice, out)),
        HirKind::Alternation(choices) => {
            if let Some(choice) = dice.pick(choices) {
                write_match(choice, size, dice, out);
            }
        }
    }
}

/// A printable ASCII member where the class has one.
fn member(class: &Class, dice: &mut Dice) -> Option<char> {
    let Class::Unicode(class) = class else {
        return class.literal().and_then(|bytes| bytes.first().map(|byte| char::from(*byte)));
    };
    let plain: Vec<char> = ('a'..='z')
        .chain('0'..='9')
        .chain('A'..='Z')
        .chain(' '..='/')
        .filter(|c| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(c)))
        .collect();
    dice.pick(&plain).copied().or_else(|| class.ranges().first().map(|range| range.start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_met() {
        let patterns = [
            r"[A-Z]{2}-\d{4}",
            r"^(spam|ham)$",
            r"[^@\s]+@[a-z]+\.(com|org)",
            r"https?://\S+",
            r"\p{Greek}+",
            r"a*b?c+",
            ".",
            r"(?i)abc",
            "",
        ];
        for pattern in patterns {
            let whole = regex_lite_match(pattern);
            for seed in 0..50_u64 {
                for size in [SimulatedOutput::Min, SimulatedOutput::Typical, SimulatedOutput::Max] {
                    let text = matching(pattern, size, &mut Dice::new(&[&seed.to_le_bytes()])).unwrap();
                    assert!(whole.is_match(&text), "{pattern}: {text}");
                }
            }
        }
        assert_eq!(matching("(", SimulatedOutput::Min, &mut Dice::new(&[])), None);
    }

    fn regex_lite_match(pattern: &str) -> regex::Regex {
        regex::Regex::new(&format!("^(?:{pattern})$")).unwrap()
    }
}
