//! The engine in a world made by chance: a virtual clock, faults at every boundary, and checkers that look only at what
//! was stored and seen. The same machine drives the offline tests of a flow ([`drive`] with stand-ins as its [`World`]).
//!
//! A seed is a bug report: what failed once is kept and run for ever.

pub mod builder;
pub mod check;
pub mod driver;
pub mod faults;
pub mod random;
pub mod random_plan;
mod refusals;
pub mod rows;
pub mod world;

pub use driver::{Around, Seen, Simulation, drive, simulate, start, start_among};
pub use faults::Faults;
pub use rows::Rows;
pub use world::{Decision, ModelAnswer, Reply, SeededWorld, Troubles, World};
