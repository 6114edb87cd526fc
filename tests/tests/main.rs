//! The tests that are data, run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod documents;
mod editor;
mod examples;
mod lang;
mod levels;
mod problems;
mod slips;
