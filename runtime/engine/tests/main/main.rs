//! Runs driven by hand, event by event.

mod batches;
mod blocks;
mod budgets;
mod calls;
mod control;
mod items;
mod recall;
mod schedule;
mod sleep;
mod table;
mod turns;
