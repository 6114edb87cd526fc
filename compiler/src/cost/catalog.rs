//! The price catalog: which models exist, what they cost, how much they take, and where each fact comes from.

mod broken;
mod changes;
mod check;
pub mod facts;
mod resolve;
mod unresolved;

pub use broken::{BrokenFact, Fact};
pub use changes::{ModelChange, changes};
pub use facts::{Day, Entry, ProviderFacts, Rate};
pub use resolve::{DEFAULT_SIMULATED, ModelOptions, UNKNOWN_TOKENS_MAX};
pub use unresolved::Unresolved;

use crate::stdlib;
use pmflow_plan::Model;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// All models of all providers. A provider's facts are read when they are first asked for.
#[derive(Debug)]
pub struct Catalog {
    /// Sorted by name.
    shelves: Vec<Shelf>,
    /// What runs saw otherwise.
    broken: Vec<BrokenFact>,
    hash: OnceLock<String>,
}

#[derive(Debug)]
struct Shelf {
    provider: String,
    text: Option<&'static str>,
    facts: OnceLock<ProviderFacts>,
}

/// Why a text is no catalog: every broken rule, one per line, with the model that it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", reasons.join("\n"))]
pub struct CatalogError {
    pub reasons: Vec<String>,
}

/// A whole catalog in one file, as a project pins it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `format` and `providers`")]
struct Lock {
    format: u32,
    providers: Vec<ProviderFacts>,
}

impl Catalog {
    /// The catalog that is built in.
    pub fn builtin() -> &'static Catalog {
        static BUILTIN: OnceLock<Catalog> = OnceLock::new();
        BUILTIN.get_or_init(Catalog::unread)
    }

    /// The catalog that is built in, to be changed.
    pub fn unread() -> Catalog {
        let shelf = |(name, text): (&str, &'static str)| Shelf {
            provider: name.trim_end_matches(".json").to_owned(),
            text: Some(text),
            facts: OnceLock::new(),
        };
        let mut shelves: Vec<Shelf> = stdlib::files("models").into_iter().map(shelf).collect();
        shelves.sort_by(|a, b| a.provider.cmp(&b.provider));
        Catalog { shelves, broken: Vec::new(), hash: OnceLock::new() }
    }

    /// A catalog from a lock file. `today` (days since 1970-01-01) tells facts from promises: an entry from the future is
    /// refused, as is everything that is missing, unknown, negative, zero, duplicate or beyond all reason.
    pub fn from_json(text: &str, today: i32) -> Result<Catalog, CatalogError> {
        let lock: Lock = serde_json::from_str(text).map_err(|error| CatalogError { reasons: malformed(text, &error) })?;
        let mut reasons = Vec::new();
        if lock.format != facts::CATALOG_FORMAT {
            reasons.push(format!("the catalog has format {}, this pmflow reads format {}", lock.format, facts::CATALOG_FORMAT));
        }
        reasons.extend(lock.providers.iter().flat_map(|provider| check::broken_rules(provider, Day(today))));
        let mut names: Vec<&str> = lock.providers.iter().map(|provider| provider.provider.as_str()).collect();
        names.sort_unstable();
        let twice = names.iter().zip(names.iter().skip(1)).filter(|(name, next)| name == next);
        reasons.extend(twice.map(|(name, _)| format!("the provider `{name}` stands twice")));
        if reasons.is_empty() { Ok(Catalog::from_facts(lock.providers)) } else { Err(CatalogError { reasons }) }
    }

    /// A catalog of facts that were checked already.
    fn from_facts(mut providers: Vec<ProviderFacts>) -> Catalog {
        providers.sort_by(|a, b| a.provider.cmp(&b.provider));
        let shelf = |facts: ProviderFacts| Shelf { provider: facts.provider.clone(), text: None, facts: facts.into() };
        Catalog { shelves: providers.into_iter().map(shelf).collect(), broken: Vec::new(), hash: OnceLock::new() }
    }

    /// The text of a lock file that holds this catalog: one line per model, so that a change of one is a change of one.
    pub fn to_json(&self) -> String {
        let providers: Vec<String> = self.shelves.iter().map(|shelf| shelf.facts().to_json().trim_end().to_owned()).collect();
        format!("{{\n\"format\": {},\n\"providers\": [\n{}\n]\n}}\n", facts::CATALOG_FORMAT, providers.join(",\n"))
    }

    /// The model that `provider/id` names, with the catalog's facts copied in. `simulated/NAME` is the simulated model,
    /// priced like the catalog's `NAME`, or like [`DEFAULT_SIMULATED`] when there is none.
    pub fn resolve(&self, id: &str) -> Result<Model, Unresolved> {
        self.resolve_with(id, &ModelOptions::default())
    }

    pub fn resolve_with(&self, id: &str, options: &ModelOptions) -> Result<Model, Unresolved> {
        let mut model = resolve::resolve(self, id, options)?;
        self.correct(&mut model);
        Ok(model)
    }

    /// The facts of `provider/id` or of an alias.
    pub fn entry(&self, id: &str) -> Option<(&ProviderFacts, &Entry)> {
        let (provider, name) = id.split_once('/')?;
        let facts = self.provider(provider)?;
        let entry = facts.models.iter().find(|entry| entry.id == name || entry.aliases.iter().any(|alias| alias == name))?;
        Some((facts, entry))
    }

    pub fn provider(&self, name: &str) -> Option<&ProviderFacts> {
        self.shelves.iter().find(|shelf| shelf.provider == name).map(Shelf::facts)
    }

    /// Every model with its provider; by provider, then by id.
    pub fn entries(&self) -> impl Iterator<Item = (&ProviderFacts, &Entry)> {
        self.shelves.iter().map(Shelf::facts).flat_map(|facts| facts.models.iter().map(move |entry| (facts, entry)))
    }

    /// The day (since 1970-01-01) on which the provider ends the model, where one is announced. A simulated model never ends.
    pub fn shutdown(&self, id: &str) -> Option<i32> {
        self.entry(id)?.1.shutdown.map(|day| day.0)
    }

    /// SHA-256 of the catalog's content, in hexadecimal; what a plan names as the origin of its prices.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let mut hasher = Sha256::new();
            for shelf in &self.shelves {
                hasher.update(shelf.provider.as_bytes());
                hasher.update([0]);
                match shelf.text {
                    Some(text) => hasher.update(text.as_bytes()),
                    None => hasher.update(shelf.facts().to_json().as_bytes()),
                }
            }
            for broken in &self.broken {
                hasher.update(serde_json::to_string(broken).expect("facts hold nothing that JSON cannot say"));
            }
            hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }
}

impl Shelf {
    fn facts(&self) -> &ProviderFacts {
        self.facts.get_or_init(|| {
            let text = self.text.expect("a shelf without facts has their text");
            serde_json::from_str(text).expect("a test reads every file of the built-in catalog")
        })
    }
}

impl ProviderFacts {
    /// The file's text: one line per model, so that a change of one model is a change of one line.
    pub fn to_json(&self) -> String {
        let head = ProviderFacts { models: Vec::new(), unpriced: Vec::new(), ..self.clone() };
        let head = serde_json::to_string_pretty(&head).expect("facts hold nothing that JSON cannot say");
        let mut text = head.trim_end_matches("\"models\": []\n}").to_owned();
        text.push_str(&format!("\"models\": [\n{}\n  ]", lines(&self.models)));
        if !self.unpriced.is_empty() {
            text.push_str(&format!(",\n  \"unpriced\": [\n{}\n  ]", lines(&self.unpriced)));
        }
        text.push_str("\n}\n");
        text
    }
}

fn lines<T: Serialize>(list: &[T]) -> String {
    let line = |item: &T| serde_json::to_string(item).expect("facts hold nothing that JSON cannot say");
    list.iter().map(|item| format!("    {}", line(item))).collect::<Vec<_>>().join(",\n")
}

/// The reason with the model that it is about: the place alone says little in a file of long lines.
fn malformed(text: &str, error: &serde_json::Error) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<serde_json::Value>(text) else {
        return vec![format!("this is no JSON: {error}")];
    };
    let mut reasons = Vec::new();
    for provider in document.get("providers").and_then(|list| list.as_array()).into_iter().flatten() {
        let name = provider.get("provider").and_then(|name| name.as_str()).unwrap_or("?");
        for model in provider.get("models").and_then(|list| list.as_array()).into_iter().flatten() {
            let id = model.get("id").and_then(|id| id.as_str()).unwrap_or("?");
            let read: Result<Entry, _> = serde_json::from_value(model.clone());
            reasons.extend(read.err().map(|error| format!("model `{name}/{id}`: {error}")));
        }
    }
    if reasons.is_empty() {
        reasons.push(format!("this is no catalog: {error}"));
    }
    reasons
}

#[cfg(test)]
mod tests;
