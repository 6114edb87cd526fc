//! The pmflow compiler: text in, problems and a plan out. It is offline and pure: its only input is a [`world::World`].
//!
//! ```text
//! text ─► syntax ─► types ─► emit ─► PLAN
//!                              └─► cost
//! ```

pub mod cost;
pub mod emit;
pub mod format;
pub mod lints;
pub mod problems;
pub mod stdlib;
pub mod syntax;
pub mod types;
pub mod world;

pub use problems::{Problem, Problems, Severity};
pub use syntax::{FileId, Span};
pub use world::World;
