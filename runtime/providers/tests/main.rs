//! Real HTTP on loopback: the client against the scripted server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::type_complexity, reason = "a table of cases names its columns in place")]

mod answers;
mod batches;
mod failures;
mod requests;
mod setting;
mod simulated;
