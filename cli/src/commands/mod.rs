//! One file per command.

mod check;
mod completions;
mod cost;
mod explain;
mod fmt;
mod init;
mod models;
mod plan;

use crate::exit::{Code, Result};
use crate::terminal::Terminal;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Init(init::Arguments),
    Check(check::Arguments),
    Fmt(fmt::Arguments),
    Explain(explain::Arguments),
    Cost(cost::Arguments),
    Models(models::Arguments),
    Plan(plan::Arguments),
    Completions(completions::Arguments),
}

pub fn run(command: Command, terminal: &Terminal) -> Result<Code> {
    match command {
        Command::Init(arguments) => init::run(&arguments, terminal),
        Command::Check(arguments) => check::run(&arguments, terminal),
        Command::Fmt(arguments) => fmt::run(&arguments, terminal),
        Command::Explain(arguments) => explain::run(&arguments, terminal),
        Command::Cost(arguments) => cost::run(&arguments, terminal),
        Command::Models(arguments) => models::run(&arguments, terminal),
        Command::Plan(arguments) => plan::run(&arguments, terminal),
        Command::Completions(arguments) => completions::run(&arguments, terminal),
    }
}
