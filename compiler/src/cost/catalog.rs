//! The price catalog: which models exist, what they cost, how much they take, and where each fact comes from.

use pmflow_plan::{Model, Rates};
use std::fmt;

/// All models of all providers, by `provider/id`.
#[derive(Debug)]
pub struct Catalog {}

/// One model with every fact that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `openai/gpt-6.1-terra`
    pub id: String,
    pub provider: String,
    pub aliases: Vec<String>,
    /// Days since 1970-01-01 on which the provider ends it.
    pub shutdown_day: Option<i32>,
}

/// What a `model` item may add to a catalog entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelOptions {
    pub base_url: Option<String>,
    /// Declared by the author, in pico-dollars per token; makes an unknown id a self-hosted model.
    pub price: Option<Rates>,
    /// `us`, `eu`: adds the provider's uplift for processing in that region.
    pub region: Option<String>,
    /// Declared limits of a self-hosted model.
    pub context_tokens_max: Option<u64>,
    pub output_tokens_max: Option<u64>,
}

/// Why an id is no model that can be paid for. `Display` is the message, [`Unresolved::help`] the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No such id; the nearest ids, best first.
    Unknown { id: String, nearest: Vec<String> },
    /// A name without its provider; all ids that it may mean.
    WithoutProvider { name: String, candidates: Vec<String> },
    /// Known to exist, but no price was ever found.
    Unpriced { id: String },
    /// Priced, but spoken to only through an address of the author's (`base_url`).
    NeedsAddress { id: String },
    /// The model has no price for that region.
    UnknownRegion { id: String, region: String, known: Vec<String> },
}

impl Catalog {
    /// The catalog that is built in; each provider's file is read when it is first asked for.
    pub fn builtin() -> &'static Catalog {
        static BUILTIN: Catalog = Catalog {};
        &BUILTIN
    }

    /// The model that `provider/id` names, with the catalog's facts copied in.
    pub fn resolve(&self, id: &str) -> Result<Model, Unresolved> {
        self.resolve_with(id, &ModelOptions::default())
    }

    pub fn resolve_with(&self, id: &str, _options: &ModelOptions) -> Result<Model, Unresolved> {
        Err(Unresolved::Unknown { id: id.into(), nearest: Vec::new() })
    }

    /// By provider, then by id.
    pub fn entries(&self) -> Vec<&Entry> {
        Vec::new()
    }

    /// The day (since 1970-01-01) on which the provider ends the model, where one is announced.
    pub fn shutdown(&self, _id: &str) -> Option<i32> {
        None
    }

    /// SHA-256 of the catalog's content, in hexadecimal.
    pub fn hash(&self) -> &str {
        ""
    }
}

impl Unresolved {
    pub fn help(&self) -> Option<String> {
        None
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Unresolved {}
