//! Tests of the connectors from outside: files on disk, and a real server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod files;
mod http;
mod server;
