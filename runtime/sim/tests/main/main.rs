//! The simulator's own runs.

mod seeds;
