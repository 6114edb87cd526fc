//! What stores on SQL databases have in common: judging transitions and folding many of them into rows for each table.
//! Their statements, connections and migrations are their own.

pub mod budgets;
pub mod decode;
pub mod fold;
pub mod group;
mod history;
pub mod judge;
pub mod known;
pub mod prune;
pub mod rows;
pub mod triggers;

pub use history::HistoryAddition;
