//! Tests of the plan crate from outside.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod evaluation;
mod money;
mod plans;
mod samples;
mod schemas;
mod shrinking;
mod values;
