//! Types at work: the JSON Schema of an answer, checks of what enters, conversions, and made-up values.

mod answer;
mod convert;
mod describe;
mod generate;
mod json;

pub use answer::parse_answer;
pub use convert::{cast, convert_text, validate};
pub use describe::describe;
pub use generate::generate;
pub use json::{AnswerSchema, SchemaTooLarge, json_schema, needs_schema};

use crate::Type;
use crate::patterns::Patterns;
use std::collections::BTreeMap;
use std::fmt;

/// Types inside each other, at most; deeper ones are refused by whatever walks them.
pub const TYPE_DEPTH_MAX: usize = 64;

/// Counts the tokens of a text, for the bound `text(max N tokens)`.
pub trait TokenCount {
    fn count(&self, text: &str) -> u64;
}

impl<F: Fn(&str) -> u64> TokenCount for F {
    fn count(&self, text: &str) -> u64 {
        self(text)
    }
}

/// Counts no token at all, so that token bounds never refuse: for places that check shapes only.
#[derive(Clone, Copy, Debug)]
pub struct Uncounted;

impl TokenCount for Uncounted {
    fn count(&self, _text: &str) -> u64 {
        0
    }
}

/// What checking a value against a type needs besides the type.
#[derive(Clone)]
pub struct Types<'a> {
    /// The plan's named types.
    pub named: &'a BTreeMap<String, Type>,
    pub tokens: &'a (dyn TokenCount + Sync),
    pub patterns: Patterns,
}

impl<'a> Types<'a> {
    /// Without a token counter: bounds in tokens are not checked.
    pub fn new(named: &'a BTreeMap<String, Type>) -> Types<'a> {
        Types { named, tokens: &Uncounted, patterns: Patterns::default() }
    }

    pub fn counting(mut self, tokens: &'a (dyn TokenCount + Sync)) -> Types<'a> {
        self.tokens = tokens;
        self
    }

    /// Uses patterns compiled before.
    pub fn with_patterns(mut self, patterns: Patterns) -> Types<'a> {
        self.patterns = patterns;
        self
    }

    /// The type behind a name, names of names followed; none when it is missing or stands for itself.
    pub fn resolve<'t>(&'t self, ty: &'t Type) -> Option<&'t Type> {
        let mut ty = ty;
        for _ in 0..TYPE_DEPTH_MAX {
            match ty {
                Type::Named(name) => ty = self.named.get(name)?,
                other => return Some(other),
            }
        }
        None
    }
}

impl fmt::Debug for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Types").field("named", self.named).finish_non_exhaustive()
    }
}

/// A value that is not of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the value: `leads[3].score`; empty for the value itself.
    pub path: String,
    /// `an int from 1 to 10`
    pub expected: String,
    /// `the int 12`
    pub found: String,
}

impl Mismatch {
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Mismatch {
        Mismatch { path: String::new(), expected: expected.into(), found: found.into() }
    }

    fn in_field(mut self, name: &str) -> Mismatch {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    fn at(mut self, index: usize) -> Mismatch {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Mismatch {}
