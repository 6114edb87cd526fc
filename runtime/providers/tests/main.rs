//! Real HTTP on loopback: the client against the scripted server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::type_complexity)]

mod answers;
mod failures;
mod requests;
mod setting;
mod simulated;
