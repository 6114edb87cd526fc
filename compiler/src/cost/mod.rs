//! Cost: what is proved, what is expected, and what both rest on.
//!
//! [`catalog`] knows prices and limits of models, [`tokens`] counts, [`answer`] bounds what a type may hold, and
//! [`estimate`] turns a plan into floor, expected cost and ceiling. `docs/cost.md` states the theorem.

pub mod catalog;

pub use catalog::{Catalog, CatalogError, Day, ModelOptions, Unresolved};
