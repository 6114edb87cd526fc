mod columns;
mod parquet;
mod rows;

use crate::exit::{Code, Result};
use crate::format::parse_moment;
use crate::project::Project;
use crate::store::{AnyStore, block_on, failed, open_existing};
use crate::terminal::Terminal;
use columns::{LEDGER, Movement, RUNS, USAGE};
use pmflow_engine::Time;
use pmflow_store::{RunCursor, RunFilter, RunSummary, Store as _};
use rows::{Rows, Target};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything about runs, calls or budgets, row by row
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow export runs --since 30d > runs.csv
  pmflow export usage --since 2026-11-01 --until 2026-12-01 --format jsonl > november.jsonl
  pmflow export usage --format parquet --output usage.parquet
  pmflow export ledger > ledger.csv

`runs` has one row for each run, `usage` one for each movement of money of its calls (a hold, what
it came to), `ledger` one for each movement in a shared budget. Money is in dollars, times are UTC;
in Parquet, money is decimal(38, 12), times are timestamps in microseconds, counts are int64.
Rows come as they are read: nothing grows with the number of rows.")]
pub struct Arguments {
    what: What,

    /// Runs that began since: 2026-11-22, 2026-11-22T16:45:00Z, 2h, 7d. For the ledger: movements since.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<Time>,

    /// Before.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Time>,

    /// Simulated runs as well.
    #[arg(long)]
    simulated: bool,

    #[arg(long, value_enum, default_value = "csv")]
    format: Format,

    /// Writes to this file, which is replaced once everything is in the new one; else to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Runs,
    Usage,
    Ledger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Parquet,
}

const PAGE: u32 = 500;

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    if arguments.format == Format::Parquet && arguments.output.is_none() {
        rows::refuse_terminal()?;
    }
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let target = Target::open(arguments.output.as_deref(), terminal)?;
        match arguments.what {
            What::Runs => arguments.runs(&store, target).await?,
            What::Usage => arguments.usage(&store, target).await?,
            What::Ledger => arguments.ledger(&store, target).await?,
        }
        Ok(Code::Fine)
    })
}

impl Arguments {
    async fn runs(&self, store: &AnyStore, target: Target<'_>) -> Result<()> {
        let mut rows = Rows::new(self.format, RUNS, target)?;
        let mut pages = Pages::new(self);
        while let Some(page) = pages.next(store).await? {
            for run in &page {
                rows.write(run)?;
            }
        }
        rows.end()
    }

    async fn usage(&self, store: &AnyStore, target: Target<'_>) -> Result<()> {
        let mut rows = Rows::new(self.format, USAGE, target)?;
        let mut pages = Pages::new(self);
        while let Some(page) = pages.next(store).await? {
            for run in page {
                movements(store, Arc::new(run), &mut rows).await?;
            }
        }
        rows.end()
    }

    async fn ledger(&self, store: &AnyStore, target: Target<'_>) -> Result<()> {
        let mut rows = Rows::new(self.format, LEDGER, target)?;
        let in_span = |at: Time| self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until);
        let mut after = 0;
        loop {
            let page = store.budget_ledger(None, after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return rows.end() };
            after = last.line;
            for line in page.iter().filter(|line| in_span(line.at)) {
                rows.write(line)?;
            }
        }
    }
}

async fn movements(store: &AnyStore, run: Arc<RunSummary>, rows: &mut Rows<'_, Movement>) -> Result<()> {
    let mut after = 0;
    loop {
        let page = store.usage(&run.id, after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.line;
        for line in page {
            rows.write(&Movement { run: run.clone(), line })?;
        }
    }
}

/// The runs that are asked for, page by page.
struct Pages<'a> {
    arguments: &'a Arguments,
    after: Option<RunCursor>,
}

impl Pages<'_> {
    fn new(arguments: &Arguments) -> Pages<'_> {
        Pages { arguments, after: None }
    }

    async fn next(&mut self, store: &AnyStore) -> Result<Option<Vec<RunSummary>>> {
        let filter = RunFilter { from: self.arguments.since, until: self.arguments.until, ..RunFilter::default() };
        let mut page = store.runs(&filter, self.after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = Some(last.cursor);
        page.retain(|run| self.arguments.simulated || !run.simulated);
        Ok(Some(page))
    }
}
