//! The `pmflow` command.

mod alerts;
mod breaches;
mod commands;
mod disk;
mod exit;
mod format;
mod loading;
mod monitoring;
mod progress;
mod project;
mod retention;
mod shrunk;
mod store;
mod terminal;
mod testing;

use clap::Parser as _;
use commands::Command;
use std::process::ExitCode;

/// What one task allocates another frees, all the time: a run takes a third less of the processor with it than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Declarative AI workflows with a proven cost ceiling.
#[derive(Debug, clap::Parser)]
#[command(name = "pmflow", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// When to use colour; `NO_COLOR` is respected.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: terminal::Color,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pmflow init hello                          a first flow with its test, in the folder hello/
  pmflow check flows/                        every mistake of every file, in one go
  pmflow cost flows/leads.pmflow             what a run can cost at most, and why
  pmflow run flows/leads.pmflow --simulate   offline, with a simulated model
  pmflow show last                           the steps of the last run

Exit codes: 0 fine, 1 problems in the source or failed tests, 2 a policy or budget was broken,
3 could not run or the run failed, 130 interrupted.";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let terminal = terminal::Terminal::new(arguments.color);
    match commands::run(arguments.command, &terminal) {
        Ok(code) => code.into(),
        Err(error) => {
            terminal.error(&error);
            exit::Code::CouldNotRun.into()
        }
    }
}

/// Help and version are fine; a wrong call could not run (2 means a broken policy here).
fn usage(error: &clap::Error) -> ExitCode {
    // Writing help to a closed pipe is not worth a message.
    let _ = error.print();
    if error.use_stderr() { exit::Code::CouldNotRun.into() } else { exit::Code::Fine.into() }
}
