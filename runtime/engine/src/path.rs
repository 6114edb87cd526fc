//! Names of runs, instances and steps.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// Given by the host when a run is created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub Arc<str>);

/// Where an instance or a step stands in its run: names from the flow down, `daily/lead[john@acme.com]/fit`. A loop's item
/// carries its key, a pass of a `repeat` its position (`draft[0]/write`), a flow called again after it failed its try
/// (`enrich#2/company`). Unique within a run, the same after every crash, and never made from a position where a key exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path(Arc<str>);

impl Path {
    /// The path of a run's first instance.
    pub fn root(flow: &str) -> Path {
        Path(Arc::from(&*escaped(flow)))
    }

    /// A path read back from a store.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Path {
        Path(text.into())
    }

    pub fn step(&self, name: &str) -> Path {
        self.below(&escaped(name))
    }

    /// A step by its path below this instance, whose names are escaped already.
    pub(crate) fn below(&self, local: &str) -> Path {
        Path([&self.0, "/", local].concat().into())
    }

    /// True of every instance and step under this one.
    pub(crate) fn holds(&self, other: &Path) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// An item of the loop at this path, or a pass of the repeat.
    pub fn item(&self, key: &str) -> Path {
        Path(format!("{}[{}]", self.0, escaped(key)).into())
    }

    /// The n-th try of a flow called at this path; the first carries no number.
    pub fn attempt(&self, number: u32) -> Path {
        match number {
            0 | 1 => self.clone(),
            number => Path(format!("{}#{number}", self.0).into()),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys are data: what has a meaning in a path, and what cannot be printed, is written as `%` and its code.
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    let is_special = |character: char| matches!(character, '/' | '[' | ']' | '#' | '%' | '!') || character.is_control();
    if !name.contains(is_special) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            special if is_special(special) => text.push_str(&format!("%{:02X}", u32::from(special))),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}
