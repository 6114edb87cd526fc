//! How long an answer of a type can be, and must be, written as JSON.
//!
//! The longest form is the canonical one with a blank after `:` and `,`, in which a character takes at most four bytes
//! (control characters other than a line's end and a tab aside). It serves to derive a cap; the ceiling never rests on it,
//! for the cap is sent whatever it is, and an answer that was cut off is a failure, not an overspend.

use pmflow_plan::types::TextBounds;
use pmflow_plan::{Field, Type};
use std::collections::BTreeMap;

/// Bytes and tokens of a type's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerSize {
    pub bytes_min: u64,
    pub bytes_expected: u64,
    /// None: something in it has no bound.
    pub bytes_max: Option<u64>,
    /// Enough for every answer: a text's own bound in tokens, doubled for escapes, and bytes for all else.
    pub tokens_max: Option<u64>,
    /// Bytes of the type's JSON Schema, at most.
    pub schema_bytes_max: u64,
}

/// What an unbounded text is taken to hold when nothing is known: about sixty tokens.
const TEXT_BYTES_EXPECTED: u64 = 240;
const JSON_BYTES_EXPECTED: u64 = 400;
/// How many elements a list without a bound is taken to have.
const LIST_ITEMS_EXPECTED: u64 = 5;
/// Around an answer that is no record.
const WRAPPING: &str = r#"{"value": }"#;
/// There are providers that take no smaller cap.
const OUTPUT_TOKENS_MIN: u64 = 16;
/// A type nested deeper is taken to be unbounded; no answer of use comes near.
const DEPTH_MAX: u32 = 64;

/// The size of an answer of this type; `types` holds the named ones.
pub fn answer_size(ty: &Type, types: &BTreeMap<String, Type>) -> AnswerSize {
    match ty {
        // A lone text is answered as it is, without quotes.
        Type::Text(bounds) => AnswerSize { schema_bytes_max: 0, ..unquoted(bounds) },
        Type::Record(_) | Type::Named(_) => Sizes { types, known: BTreeMap::new() }.of(ty, 0),
        _ => wrapped(Sizes { types, known: BTreeMap::new() }.of(ty, 0)),
    }
}

/// Providers take schemas of objects only, so any other answer is asked for as `{"value": …}`.
fn wrapped(size: AnswerSize) -> AnswerSize {
    let around = WRAPPING.len() as u64;
    AnswerSize {
        bytes_expected: size.bytes_expected.saturating_add(around),
        bytes_max: add(size.bytes_max, Some(around)),
        tokens_max: add(size.tokens_max, Some(around)),
        ..size
    }
}

/// The output cap that is enough for every answer of this type, thinking not included; none when the type has no bound.
pub fn derived_output_tokens_max(ty: &Type, types: &BTreeMap<String, Type>) -> Option<u64> {
    answer_size(ty, types).tokens_max.map(|tokens| tokens.max(OUTPUT_TOKENS_MIN))
}

/// The smallest cap that a request is shrunk to, thinking not included: the shortest answer fits into it, for no token has
/// less than a byte, and a quarter of what the prompt declares is left, for an answer that is cut off is paid for nothing.
pub fn least_output_tokens(ty: &Type, types: &BTreeMap<String, Type>, declared: u64) -> u64 {
    let shortest = answer_size(ty, types).bytes_min.saturating_add(WRAPPING.len() as u64);
    shortest.max(declared.div_ceil(4)).max(OUTPUT_TOKENS_MIN).min(declared)
}

struct Sizes<'a> {
    types: &'a BTreeMap<String, Type>,
    known: BTreeMap<&'a str, AnswerSize>,
}

impl<'a> Sizes<'a> {
    fn of(&mut self, ty: &'a Type, depth: u32) -> AnswerSize {
        if depth > DEPTH_MAX {
            return AnswerSize { bytes_max: None, tokens_max: None, ..fixed(1, 1, 32) };
        }
        match ty {
            Type::Text(bounds) => quoted(bounds),
            Type::Int { min, max } => integer(*min, *max),
            Type::Float => fixed(1, 24, 64),
            Type::Bool => fixed(4, 5, 64),
            Type::Money => fixed(1, 34, 128),
            Type::Date => fixed(12, 12, 128),
            Type::Datetime => fixed(22, 37, 128),
            Type::Duration => fixed(3, 26, 128),
            Type::Secret => fixed(2, 2, 64),
            Type::Json => {
                AnswerSize { bytes_expected: JSON_BYTES_EXPECTED, bytes_max: None, tokens_max: None, ..fixed(1, 1, 16) }
            }
            Type::List { of, max } => list(self.of(of, depth + 1), *max),
            Type::Map(of) => AnswerSize { bytes_max: None, tokens_max: None, ..list(self.of(of, depth + 1), None) },
            Type::Optional(of) => optional(self.of(of, depth + 1)),
            Type::Record(fields) => self.record(fields, depth),
            Type::Enum(values) => enumeration(values),
            Type::Named(name) => self.named(name, depth),
        }
    }

    fn named(&mut self, name: &'a str, depth: u32) -> AnswerSize {
        if let Some(size) = self.known.get(name) {
            return *size;
        }
        let size = match self.types.get(name) {
            Some(ty) => self.of(ty, depth + 1),
            None => AnswerSize { bytes_max: None, tokens_max: None, ..fixed(1, 1, 32) },
        };
        self.known.insert(name, size);
        size
    }

    fn record(&mut self, fields: &'a [Field], depth: u32) -> AnswerSize {
        // {"type":"object","properties":{},"required":[],"additionalProperties":false}
        let mut sum = fixed(2, 2, 96);
        for field in fields {
            let value = self.of(&field.ty, depth + 1);
            let name = escaped(&field.name) + 2;
            // With a comma, and in the longest form a blank after it and after the colon.
            let leave_out = matches!(field.ty, Type::Optional(_));
            let least = if leave_out { 0 } else { name.saturating_add(2).saturating_add(value.bytes_min) };
            sum.bytes_min = sum.bytes_min.saturating_add(least);
            sum.bytes_expected = sum.bytes_expected.saturating_add(name + 4).saturating_add(value.bytes_expected);
            sum.bytes_max = add(sum.bytes_max, add(value.bytes_max, Some(name + 4)));
            sum.tokens_max = add(sum.tokens_max, add(value.tokens_max, Some(name + 4)));
            let told = field.doc.as_ref().map_or(0, |doc| escaped(doc) + 20);
            sum.schema_bytes_max =
                sum.schema_bytes_max.saturating_add(2 * (name + 2) + told).saturating_add(value.schema_bytes_max);
        }
        sum
    }
}

fn unquoted(bounds: &TextBounds) -> AnswerSize {
    let by_chars = bounds.chars_max.map(|chars| chars.saturating_mul(4));
    let by_tokens = bounds.tokens_max.map(|tokens| tokens.saturating_mul(2));
    let expected = [bounds.chars_max.map(|chars| chars / 2), bounds.tokens_max.map(|tokens| tokens.saturating_mul(2))];
    AnswerSize {
        bytes_min: 0,
        bytes_expected: expected.into_iter().flatten().min().unwrap_or(TEXT_BYTES_EXPECTED),
        bytes_max: by_chars,
        tokens_max: [by_chars, by_tokens].into_iter().flatten().min(),
        schema_bytes_max: 64 + bounds.matches.as_ref().map_or(0, |pattern| escaped(pattern) + 16),
    }
}

fn quoted(bounds: &TextBounds) -> AnswerSize {
    let text = unquoted(bounds);
    AnswerSize {
        bytes_min: 2,
        bytes_expected: text.bytes_expected + 2,
        bytes_max: add(text.bytes_max, Some(2)),
        tokens_max: add(text.tokens_max, Some(2)),
        ..text
    }
}

fn integer(min: Option<i64>, max: Option<i64>) -> AnswerSize {
    let digits = |value: i64| value.to_string().len() as u64;
    let (low, high) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
    let longest = digits(low).max(digits(high));
    // Between ends of different sign stands a number of one digit.
    let shortest = if low <= 9 && high >= 0 { 1 } else { digits(low).min(digits(high)) };
    AnswerSize { bytes_expected: longest.min(4), ..fixed(shortest, longest, 96) }
}

fn enumeration(values: &[String]) -> AnswerSize {
    let lengths = || values.iter().map(|value| escaped(value) + 2);
    let schema = lengths().fold(32u64, |sum, length| sum.saturating_add(length + 1));
    let shortest = lengths().min().unwrap_or(2);
    AnswerSize { bytes_expected: shortest, ..fixed(shortest, lengths().max().unwrap_or(2), schema) }
}

fn list(of: AnswerSize, items_max: Option<u64>) -> AnswerSize {
    let times = |size: Option<u64>| size?.checked_add(2)?.checked_mul(items_max?)?.checked_add(2);
    let expected = items_max.map_or(LIST_ITEMS_EXPECTED, |max| max.div_ceil(2));
    AnswerSize {
        bytes_min: 2,
        bytes_expected: of.bytes_expected.saturating_add(2).saturating_mul(expected).saturating_add(2),
        bytes_max: times(of.bytes_max),
        tokens_max: times(of.tokens_max),
        schema_bytes_max: of.schema_bytes_max.saturating_add(96),
    }
}

fn optional(of: AnswerSize) -> AnswerSize {
    AnswerSize {
        bytes_min: of.bytes_min.min(4),
        bytes_max: of.bytes_max.map(|bytes| bytes.max(4)),
        tokens_max: of.tokens_max.map(|tokens| tokens.max(4)),
        schema_bytes_max: of.schema_bytes_max.saturating_add(48),
        ..of
    }
}

fn fixed(bytes_min: u64, bytes_max: u64, schema_bytes_max: u64) -> AnswerSize {
    let bytes_expected = bytes_min.midpoint(bytes_max);
    AnswerSize { bytes_min, bytes_expected, bytes_max: Some(bytes_max), tokens_max: Some(bytes_max), schema_bytes_max }
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a?.checked_add(b?)
}

/// Bytes of a text within JSON's quotes, at most.
fn escaped(text: &str) -> u64 {
    let bytes = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8() as u64,
    };
    text.chars().map(bytes).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, ty: Type) -> Field {
        Field { name: name.into(), ty, doc: None }
    }

    fn fit() -> Type {
        let reason = Type::Text(TextBounds { tokens_max: Some(60), ..TextBounds::default() });
        let priority = Type::Enum(vec!["high".into(), "medium".into(), "low".into()]);
        Type::Record(vec![
            field("score", Type::Int { min: Some(1), max: Some(10) }),
            field("priority", priority),
            field("reason", reason),
        ])
    }

    #[test]
    fn a_bounded_answer_has_a_longest_form_and_a_shortest() {
        let size = answer_size(&fit(), &BTreeMap::new());
        assert!(size.bytes_min <= r#"{"score":1,"priority":"low","reason":""}"#.len() as u64 + 3);
        assert!(size.bytes_min >= 35);
        assert!(size.tokens_max.unwrap() >= 120 && size.tokens_max.unwrap() < 200, "{size:?}");
        assert_eq!(size.bytes_max, None, "a bound in tokens says nothing of bytes");
    }

    #[test]
    fn what_has_no_bound_has_no_cap() {
        let types = BTreeMap::from([("Fit".to_owned(), fit())]);
        let named = Type::Named("Fit".into());
        assert!(derived_output_tokens_max(&named, &types).is_some());
        assert_eq!(derived_output_tokens_max(&Type::list(named.clone()), &types), None);
        assert!(derived_output_tokens_max(&Type::List { of: Box::new(named), max: Some(3) }, &types).is_some());
        assert_eq!(derived_output_tokens_max(&Type::text(), &types), None);
        assert_eq!(derived_output_tokens_max(&Type::Json, &types), None);
    }

    #[test]
    fn types_that_share_or_contain_each_other_end() {
        let mut types = BTreeMap::from([("T0".to_owned(), Type::Bool)]);
        for level in 1..30 {
            let below = || Type::Named(format!("T{}", level - 1));
            types.insert(format!("T{level}"), Type::Record(vec![field("a", below()), field("b", below())]));
        }
        assert!(answer_size(&Type::Named("T29".into()), &types).bytes_max.is_some());
        types.insert("T0".into(), Type::Record(vec![field("again", Type::Named("T0".into()))]));
        assert_eq!(answer_size(&Type::Named("T0".into()), &types).bytes_max, None);
    }

    #[test]
    fn a_list_of_numbers_is_as_long_as_its_longest() {
        let ty = Type::List { of: Box::new(Type::Int { min: Some(-100), max: Some(7) }), max: Some(10) };
        let longest = format!("[{}]", ["-100"; 10].join(", ")).len() as u64;
        let size = answer_size(&ty, &BTreeMap::new());
        assert!(size.bytes_max.unwrap() >= longest + 10 && size.bytes_max.unwrap() <= longest + 13);
    }
}
