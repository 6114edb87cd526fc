//! Tasks of the workspace that are no part of the product: `cargo run -p xtask -- catalog --help`.

mod amounts;
mod catalog;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the price catalog, `stdlib/models/*.json`, from a merged price table.
    Catalog {
        /// The merged price table (`prices.json`).
        prices: PathBuf,
        /// Where the sources of the table differ (`prices_disagreements.json`).
        disagreements: PathBuf,
        /// Where the files are written.
        #[arg(long, default_value = "stdlib/models")]
        out: PathBuf,
    },
    /// Print what random usages of every model cost, for `compare_genai_prices.py`.
    Amounts,
}

fn main() -> ExitCode {
    let Arguments { task } = Arguments::parse();
    let done = match task {
        Task::Catalog { prices, disagreements, out } => catalog::write(&prices, &disagreements, &out),
        Task::Amounts => amounts::write(),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
