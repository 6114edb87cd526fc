//! The simulator's own runs.

mod boundaries;
mod seeds;
mod window;
