//! The `pmflow` command as a user meets it: a real process, real files, a real database, real HTTP on this machine.

mod directory;
mod examples;
mod kills;
mod moderation;
mod process;
