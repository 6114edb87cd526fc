//! Tests of the plan crate from outside.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod money;
mod values;
