//! The tests that are data, run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod documents;
mod editor;
mod examples;
mod formatting;
mod lang;
mod levels;
mod problems;
mod slips;
