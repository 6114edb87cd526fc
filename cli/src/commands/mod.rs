//! One file per command.

mod budget;
mod cancel;
mod check;
mod completions;
mod cost;
mod decide;
mod deploy;
mod doctor;
mod explain;
mod export;
mod fmt;
mod init;
mod lsp;
mod migrate;
mod models;
mod outputs;
mod plan;
mod prices;
mod prune;
mod reconcile;
mod retry;
mod run;
mod runs;
mod schedule;
mod serve;
mod show;
mod test;
mod usage;
mod worker;

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
    Prices(prices::Arguments),
    Plan(plan::Arguments),
    Test(test::Arguments),
    Run(run::Arguments),
    Retry(retry::Arguments),
    Reconcile(reconcile::Arguments),
    Runs(runs::Arguments),
    Show(show::Arguments),
    Outputs(outputs::Arguments),
    Cancel(cancel::Arguments),
    /// Let a step go on that asks for a decision
    Approve(decide::Arguments),
    /// Refuse what a step asks for
    Reject(decide::Arguments),
    Budget(budget::Arguments),
    Usage(usage::Arguments),
    Deploy(deploy::Arguments),
    Schedule(schedule::Arguments),
    Export(export::Arguments),
    Prune(prune::Arguments),
    Doctor(doctor::Arguments),
    Worker(worker::Arguments),
    Serve(serve::Arguments),
    Migrate(migrate::Arguments),
    Completions(completions::Arguments),
    Lsp(lsp::Arguments),
}

pub fn run(command: Command, terminal: &Terminal) -> Result<Code> {
    match command {
        Command::Init(arguments) => init::run(&arguments, terminal),
        Command::Check(arguments) => check::run(&arguments, terminal),
        Command::Fmt(arguments) => fmt::run(&arguments, terminal),
        Command::Explain(arguments) => explain::run(&arguments, terminal),
        Command::Cost(arguments) => cost::run(&arguments, terminal),
        Command::Models(arguments) => models::run(&arguments, terminal),
        Command::Prices(arguments) => prices::run(&arguments, terminal),
        Command::Plan(arguments) => plan::run(&arguments, terminal),
        Command::Test(arguments) => test::run(&arguments, terminal),
        Command::Run(arguments) => run::run(&arguments, terminal),
        Command::Reconcile(arguments) => reconcile::run(&arguments, terminal),
        Command::Retry(arguments) => retry::run(&arguments, terminal),
        Command::Runs(arguments) => runs::run(&arguments, terminal),
        Command::Show(arguments) => show::run(&arguments, terminal),
        Command::Outputs(arguments) => outputs::run(&arguments, terminal),
        Command::Cancel(arguments) => cancel::run(&arguments, terminal),
        Command::Approve(arguments) => decide::run(&arguments, true, terminal),
        Command::Reject(arguments) => decide::run(&arguments, false, terminal),
        Command::Budget(arguments) => budget::run(&arguments, terminal),
        Command::Usage(arguments) => usage::run(&arguments, terminal),
        Command::Deploy(arguments) => deploy::run(&arguments, terminal),
        Command::Schedule(arguments) => schedule::run(&arguments, terminal),
        Command::Export(arguments) => export::run(&arguments, terminal),
        Command::Prune(arguments) => prune::run(&arguments, terminal),
        Command::Doctor(arguments) => doctor::run(&arguments, terminal),
        Command::Worker(arguments) => worker::run(&arguments, terminal),
        Command::Serve(arguments) => serve::run(&arguments, terminal),
        Command::Migrate(_) => migrate::run(terminal),
        Command::Completions(arguments) => completions::run(&arguments, terminal),
        Command::Lsp(_) => lsp::run(),
    }
}
