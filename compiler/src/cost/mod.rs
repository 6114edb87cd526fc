//! Cost: what is proved, what is expected, and what both rest on.
//!
//! [`catalog`] knows prices and limits of models, [`tokens`] counts, [`answer`] bounds what a type may hold, and
//! [`estimate`] turns a plan into floor, expected cost and ceiling. `docs/cost.md` states the theorem.

pub mod answer;
pub mod catalog;
pub mod diff;
pub mod domain;
pub mod estimate;
pub mod expectations;
pub mod findings;
#[cfg(test)]
mod fixtures;
pub mod history;
mod known;
pub mod policy;
mod prompt;
pub mod recommend;
pub mod render;
pub mod schedule;
mod spread;
mod template;
pub mod tokens;
pub mod verdict;
pub mod what_if;

pub use answer::{derived_output_tokens_max, least_output_tokens};
pub use catalog::{Catalog, CatalogError, Day, ModelOptions, Unresolved};
pub use diff::{CostChange, diff, diff_with};
pub use domain::{Cost, Count, Figure, Origin, Symbol};
pub use estimate::{Estimate, Node, PromptCost, Rule, estimate, estimate_with, price, price_expecting, price_with};
pub use expectations::{Expectations, ExpectedCount, ExpectedTokens, SeenCalls};
pub use findings::Finding;
pub use history::History;
pub use policy::Policy;
pub use prompt::PromptFacts;
pub use recommend::{Recommendation, recommendations};
pub use spread::Interval;
pub use template::TemplateText;
pub use verdict::{Assumption, Standing, Verdict};
pub use what_if::what_if;
