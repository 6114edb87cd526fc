//! Runners for tests that are data: a case is a section of a file, and adding one takes no Rust.

pub mod editor;
pub mod lang;
pub mod sections;
pub mod world;
