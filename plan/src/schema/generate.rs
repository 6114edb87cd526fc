//! Made-up values that are valid for a type: what the simulated model answers.

mod pattern;

use super::{TYPE_DEPTH_MAX, Types, cast};
use crate::types::TextBounds;
use crate::{Field, Money, Type, Value};

/// A valid value of the type, the same for the same seed and varied over seeds.
///
/// Bounds hold: ranges, lengths, tokens (as the counter counts them) and patterns. Limitation: for a type that hardly
/// any value has (a pattern with word boundaries that nearly exclude each other, a pattern whose shortest match is
/// longer than the text may be) the value may not fit; whoever must be sure validates it. A secret is none.
pub fn generate(ty: &Type, types: &Types<'_>, seed: u64) -> Value {
    Generator { types, random: Random(seed) }.value(ty, 0)
}

/// SplitMix64: small, well mixed from the first number on, and the same on every machine.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; zero when the bound is.
    pub fn below(&mut self, bound: u64) -> u64 {
        let next = self.next();
        if bound == 0 { 0 } else { next % bound }
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let place = self.below(of.len() as u64);
        of.get(usize::try_from(place).unwrap_or_default())
    }
}

const WORDS: [&str; 40] = [
    "the",
    "team",
    "asked",
    "for",
    "a",
    "short",
    "answer",
    "about",
    "this",
    "order",
    "and",
    "we",
    "found",
    "clear",
    "signs",
    "of",
    "interest",
    "in",
    "new",
    "plan",
    "customer",
    "reports",
    "good",
    "results",
    "after",
    "last",
    "week",
    "with",
    "open",
    "questions",
    "on",
    "price",
    "quality",
    "time",
    "support",
    "is",
    "ready",
    "to",
    "help",
    "today",
];
const WORDS_MAX: u64 = 24;
/// Of a text with a bound; a longer one would only take time.
const BOUNDED_WORDS_MAX: u64 = 2_000;
const ITEMS_MAX: u64 = 4;
const TRIES: u64 = 24;

struct Generator<'a> {
    types: &'a Types<'a>,
    random: Random,
}

impl Generator<'_> {
    fn value(&mut self, ty: &Type, depth: usize) -> Value {
        if depth > TYPE_DEPTH_MAX {
            return Value::None;
        }
        match ty {
            Type::Text(bounds) => Value::text(self.text(ty, bounds)),
            Type::Int { min, max } => Value::Int(self.int(*min, *max)),
            Type::Float => Value::Float(self.random.below(10_000) as f64 / 100.0),
            Type::Bool => Value::Bool(self.random.below(2) == 1),
            Type::Money => Value::Money(Money::from_pico(i128::from(self.random.below(100_000)) * 10_000_000_000)),
            // The years 2020 to 2030.
            Type::Date => Value::Date(18_262 + i32::try_from(self.random.below(3_650)).unwrap_or_default()),
            Type::Datetime => Value::Datetime(1_577_836_800_000_000 + self.whole(315_360_000) * 1_000_000),
            Type::Duration => Value::Duration((1 + self.whole(86_400)) * 1_000_000),
            Type::Json => Value::record([("note", Value::text(self.words(4))), ("count", Value::Int(self.whole(100)))]),
            Type::Secret => Value::None,
            Type::List { of, max } => {
                let count = self.count(*max);
                Value::list((0..count).map(|_| self.value(of, depth + 1)).collect())
            }
            Type::Map(of) => {
                let count = self.count(None);
                Value::record(
                    (0..count).map(|place| (format!("key_{}", place + 1), self.value(of, depth + 1))).collect::<Vec<_>>(),
                )
            }
            Type::Optional(_) if self.random.below(4) == 0 => Value::None,
            Type::Optional(of) => self.value(of, depth + 1),
            Type::Record(fields) => self.record(fields, depth),
            Type::Enum(names) => self.random.pick(names).map_or(Value::None, |name| Value::text(name.as_str())),
            Type::Named(name) => match self.types.named.get(name) {
                Some(named) => self.value(named, depth + 1),
                None => Value::None,
            },
        }
    }

    fn record(&mut self, fields: &[Field], depth: usize) -> Value {
        Value::record(fields.iter().map(|field| (field.name.as_str(), self.value(&field.ty, depth + 1))).collect::<Vec<_>>())
    }

    fn whole(&mut self, below: u64) -> i64 {
        i64::try_from(self.random.below(below)).unwrap_or_default()
    }

    fn int(&mut self, min: Option<i64>, max: Option<i64>) -> i64 {
        let (low, high) = match (min, max) {
            (Some(min), Some(max)) => (min, max.max(min)),
            (Some(min), None) => (min, min.saturating_add(100)),
            (None, Some(max)) => (max.saturating_sub(100), max),
            (None, None) => (0, 100),
        };
        let width = high.abs_diff(low);
        let step = if width == u64::MAX { self.random.next() } else { self.random.below(width + 1) };
        low.saturating_add_unsigned(step)
    }

    fn count(&mut self, max: Option<u64>) -> u64 {
        // Empty lists are valid and rare.
        let wanted = if self.random.below(12) == 0 { 0 } else { 1 + self.random.below(ITEMS_MAX) };
        wanted.min(max.unwrap_or(wanted))
    }

    fn text(&mut self, ty: &Type, bounds: &TextBounds) -> String {
        let mut text = String::new();
        for attempt in 0..TRIES {
            text = match &bounds.matches {
                Some(pattern) => pattern::matching(pattern, &mut self.random, attempt + 1 == TRIES).unwrap_or_default(),
                None => self.bounded_words(bounds, attempt),
            };
            if cast(ty, self.types, Value::text(text.as_str())).is_ok() {
                return text;
            }
        }
        text
    }

    /// Fewer words with every attempt, so that a bound in tokens is met whatever counts them.
    fn bounded_words(&mut self, bounds: &TextBounds, attempt: u64) -> String {
        // Who is told a length writes most of it; who is not writes a sentence or two.
        let told = bounds.tokens_max.map(|tokens| (tokens.saturating_mul(3) / 4).min(BOUNDED_WORDS_MAX));
        let most = told.unwrap_or(WORDS_MAX) >> attempt.min(8);
        let least = if told.is_some() { most / 2 } else { 0 };
        let count = if most == 0 { 0 } else { 1 + least + self.random.below(most - least) };
        let text = if count == 0 && attempt == 0 { "yes".to_owned() } else { self.words(count) };
        let chars_max = usize::try_from(bounds.chars_max.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let cut: String = text.chars().take(chars_max).collect();
        cut.trim_end().to_owned()
    }

    fn words(&mut self, count: u64) -> String {
        let words: Vec<&str> = (0..count).filter_map(|_| self.random.pick(&WORDS).copied()).collect();
        let mut text = words.join(" ");
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text
    }
}
