//! Runs driven by hand, event by event.

mod calls;
mod control;
mod items;
mod table;
