//! The ledger against random histories.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod account;
mod gate;
mod shared;
