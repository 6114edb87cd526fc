//! Why an id is no model that can be paid for, said so that it can be mended.

use crate::{Problem, Span};
use std::fmt;

/// `Display` is the message, [`Unresolved::help`] the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No such id; the nearest ids, best first.
    Unknown { id: String, nearest: Vec<String> },
    /// A name without its provider; all ids that it may mean.
    WithoutProvider { name: String, candidates: Vec<String> },
    /// Known to exist, but no price was ever found.
    Unpriced { id: String, source: String },
    /// Priced, but reached only through an address of the author's (`base_url`).
    NeedsAddress { id: String, provider: String },
    /// The catalog has no price of the model for that region.
    UnknownRegion { id: String, region: String, known: Vec<String> },
}

impl Unresolved {
    /// The problem to show at the id, with a fix when only one id can be meant.
    pub fn problem(&self, span: Span) -> Problem {
        let problem = match self {
            Unresolved::Unknown { .. } => Problem::new("E0701", span, self.to_string()),
            Unresolved::WithoutProvider { .. } => Problem::new("E0702", span, self.to_string()),
            Unresolved::Unpriced { .. } => Problem::new("E0703", span, self.to_string()),
            Unresolved::NeedsAddress { .. } => Problem::new("E0704", span, self.to_string()),
            Unresolved::UnknownRegion { .. } => Problem::new("E0705", span, self.to_string()),
        };
        let problem = problem.help(self.help());
        match self {
            Unresolved::Unknown { nearest: ids, .. } | Unresolved::WithoutProvider { candidates: ids, .. } => {
                match ids.as_slice() {
                    [only] => problem.fix(format!("write `{only}`"), span, format!("\"{only}\"")),
                    _ => problem,
                }
            }
            _ => problem,
        }
    }

    pub fn help(&self) -> String {
        match self {
            Unresolved::Unknown { nearest, .. } if nearest.is_empty() => {
                "`pmflow models` lists them all; a model of your own needs a `price`".into()
            }
            Unresolved::Unknown { nearest, .. } => format!("did you mean {}?", either(nearest)),
            Unresolved::WithoutProvider { candidates, .. } => format!("write {}", either(candidates)),
            Unresolved::Unpriced { .. } => {
                "declare what it costs: { price: { input: $1.00, output: $5.00 } }, in dollars per million tokens".into()
            }
            Unresolved::NeedsAddress { .. } => {
                "give the address of a server that speaks Chat Completions: { base_url: \"https://…\" }".into()
            }
            Unresolved::UnknownRegion { known, .. } if known.is_empty() => "leave `region` out".into(),
            Unresolved::UnknownRegion { known, .. } => format!("its regions are {}", either(known)),
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::Unknown { id, .. } => write!(f, "the price catalog knows no model `{id}`"),
            Unresolved::WithoutProvider { name, .. } => write!(f, "the model `{name}` is named without its provider"),
            Unresolved::Unpriced { id, source } => {
                write!(f, "the model `{id}` has no known price ({source}), so nothing can be proved about its cost")
            }
            Unresolved::NeedsAddress { id, provider } => {
                write!(f, "the model `{id}` is reached through an address of your own: `{provider}` has none that fits everybody")
            }
            Unresolved::UnknownRegion { id, region, .. } => {
                write!(f, "the price of `{id}` in the region `{region}` is not known")
            }
        }
    }
}

impl std::error::Error for Unresolved {}

fn either(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
