//! The ledger against random histories.

mod account;
mod shared;
