//! Tests of the connectors from outside: files on disk, and a real server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod files;
mod http;
mod server;
