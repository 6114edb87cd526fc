use super::outputs::formula_safe;
use crate::exit::{Code, Failed, Result};
use crate::format::{moment, parse_moment};
use crate::project::Project;
use crate::store::{AnyStore, block_on, failed, open_existing};
use crate::terminal::Terminal;
use pmflow_engine::Time;
use pmflow_store::{RunFilter, RunSummary, Store as _, UsageRow};
use serde_json::{Value, json};

/// Everything about runs, calls or budgets, row by row
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow export runs --since 30d > runs.csv
  pmflow export usage --since 2026-11-01 --until 2026-12-01 --format jsonl > november.jsonl
  pmflow export ledger > ledger.csv

`runs` has one row for each run, `usage` one for each movement of money of its calls (a hold, what
it came to), `ledger` one for each movement in a shared budget. Money is in dollars, times are UTC.
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
}

const PAGE: u32 = 500;

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let mut rows = Rows { format: arguments.format, terminal, headed: false };
        match arguments.what {
            What::Runs | What::Usage => arguments.runs(&store, &mut rows).await?,
            What::Ledger => arguments.ledger(&store, &mut rows).await?,
        }
        Ok(Code::Fine)
    })
}

impl Arguments {
    async fn runs(&self, store: &AnyStore, rows: &mut Rows<'_>) -> Result<()> {
        let filter = RunFilter { from: self.since, until: self.until, ..RunFilter::default() };
        let mut after = None;
        loop {
            let page = store.runs(&filter, after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.cursor);
            for run in page.iter().filter(|run| self.simulated || !run.simulated) {
                if self.what == What::Runs {
                    rows.write(run_row(run))?;
                } else {
                    usage(store, run, rows).await?;
                }
            }
        }
    }

    async fn ledger(&self, store: &AnyStore, rows: &mut Rows<'_>) -> Result<()> {
        let mut after = 0;
        loop {
            let page = store.budget_ledger(None, after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.line;
            let in_span = |at: Time| self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until);
            for line in page.iter().filter(|line| in_span(line.at)) {
                rows.write(json!({
                    "line": line.line,
                    "at": moment(line.at),
                    "budget": line.key.name,
                    "scope": line.key.scope.name(),
                    "subject": line.key.subject,
                    "period": line.key.period.name(),
                    "period_start": line.start,
                    "kind": pmflow_store::tables::rows::entry_kind_name(line.entry.kind),
                    "held": line.entry.held.to_decimal(),
                    "charged": line.entry.charged.to_decimal(),
                    "breach": line.entry.breach,
                    "run": line.run.as_ref().map(ToString::to_string),
                    "by": line.by,
                }))?;
            }
        }
    }
}

async fn usage(store: &AnyStore, run: &RunSummary, rows: &mut Rows<'_>) -> Result<()> {
    let mut after = 0;
    loop {
        let page = store.usage(&run.id, after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.line;
        for line in &page {
            rows.write(usage_row(run, line))?;
        }
    }
}

fn run_row(run: &RunSummary) -> Value {
    json!({
        "run": run.id.to_string(),
        "flow": run.flow,
        "plan": run.plan.0,
        "status": run.status.name(),
        "simulated": run.simulated,
        "created_at": moment(run.created_at),
        "ended_at": run.ended_at.map(moment),
        "items_done": run.counters.items_done,
        "items_failed": run.counters.items_failed,
        "outputs": run.counters.outputs,
        "model_calls": run.counters.model_calls,
        "cache_hits": run.counters.cache_hits,
        "input_tokens": run.counters.input_tokens,
        "output_tokens": run.counters.output_tokens,
        "limit": run.account.limit.map(|limit| limit.to_decimal()),
        "settled": run.account.settled.to_decimal(),
        "unknown": run.account.unknown.to_decimal(),
        "held": run.account.held.to_decimal(),
        "breaches": run.account.breaches,
        "failure": run.failure.as_ref().map(|failure| failure.message.clone()),
    })
}

fn usage_row(run: &RunSummary, line: &UsageRow) -> Value {
    let usage = line.usage.as_ref();
    json!({
        "run": run.id.to_string(),
        "line": line.line,
        "at": moment(line.at),
        "flow": run.flow,
        "call": line.call.as_ref().map(ToString::to_string),
        "prompt": line.prompt,
        "model": line.model,
        "kind": pmflow_store::tables::rows::entry_kind_name(line.entry.kind),
        "held": line.entry.held.to_decimal(),
        "charged": line.entry.charged.to_decimal(),
        "breach": line.entry.breach,
        "input_tokens": usage.and_then(|usage| usage.input_tokens),
        "cache_read_tokens": usage.and_then(|usage| usage.cache_read_tokens),
        "cache_write_tokens": usage.and_then(|usage| usage.cache_write_tokens),
        "output_tokens": usage.and_then(|usage| usage.output_tokens),
        "reasoning_tokens": usage.and_then(|usage| usage.reasoning_tokens),
        "idempotency_key": line.idempotency_key,
    })
}

/// Writes each row as it comes; all rows of one export have the same fields.
struct Rows<'a> {
    format: Format,
    terminal: &'a Terminal,
    headed: bool,
}

impl Rows<'_> {
    fn write(&mut self, row: Value) -> Result<()> {
        if self.format == Format::Jsonl {
            self.terminal.line(&row.to_string());
            return Ok(());
        }
        let wrong = |error: &dyn std::fmt::Display| Failed::new(format!("cannot be written as CSV: {error}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fields = row.as_object().map(|fields| fields.iter().collect::<Vec<_>>()).unwrap_or_default();
        if !std::mem::replace(&mut self.headed, true) {
            writer.write_record(fields.iter().map(|(name, _)| name.as_str())).map_err(|error| wrong(&error))?;
        }
        writer.write_record(fields.iter().map(|(_, value)| formula_safe(&cell(value)))).map_err(|error| wrong(&error))?;
        let bytes = writer.into_inner().map_err(|error| wrong(&error))?;
        self.terminal.print(&String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
