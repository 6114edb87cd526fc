//! The `pmflow` command as a user meets it: a real process, real files, a real database, real HTTP on this machine.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod alerts;
mod bad_input;
mod batches;
mod breaches;
mod budgets;
mod care;
mod commands;
mod costs;
mod directory;
mod examples;
mod faults;
mod hooks;
mod kills;
mod listener;
mod mistakes;
mod moderation;
mod prices;
mod process;
mod prunes;
mod rate_limits;
mod schedules;
mod telemetry;
mod tightness;
mod workers;
