use crate::exit::{Code, Failed, Result};
use crate::format::{count, plural, table};
use crate::project::Project;
use crate::store::{block_on, failed, open_existing};
use crate::terminal::Terminal;
use pmflow_plan::Money;
use pmflow_store::{SpendingRow, Store as _};
use serde_json::json;
use std::collections::BTreeMap;

/// What was spent: by day, flow, model or person
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow usage                              the last 30 days, by day
  pmflow usage --by model --since 7d
  pmflow usage --by flow --format bars
  pmflow usage --by member --format csv > usage.csv")]
pub struct Arguments {
    #[arg(long, value_enum, default_value = "day")]
    by: By,

    /// Since: 2026-11-22, 2026-11-22T16:45:00Z, 2h, 7d.
    #[arg(long, default_value = "30d", value_parser = crate::format::parse_moment)]
    since: i64,

    /// Count simulated runs as well, whose money is not real.
    #[arg(long)]
    simulated: bool,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// Of UTC.
    Day,
    Flow,
    Model,
    /// Who started the run.
    Member,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Bars,
    Csv,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    let rows = block_on(async {
        let store = open_existing(&project).await?;
        store.spending(arguments.since, i64::MAX, arguments.simulated).await.map_err(failed)
    })?;
    let sums = summed(&rows, arguments.by);
    match arguments.format {
        Format::Table => print_table(arguments.by, &sums, terminal),
        Format::Bars => bars(&sums, terminal),
        Format::Csv => csv(arguments.by, &sums, terminal)?,
        Format::Json => {
            let rows: Vec<_> = sums.iter().map(|(name, row)| as_json(arguments.by, name, row)).collect();
            terminal.line(&format!("{:#}", json!({ "version": 1, "usage": rows })));
        }
    }
    Ok(Code::Fine)
}

fn summed(rows: &[SpendingRow], by: By) -> BTreeMap<String, SpendingRow> {
    let mut sums: BTreeMap<String, SpendingRow> = BTreeMap::new();
    for row in rows {
        let name = match by {
            By::Day => &row.day,
            By::Flow => &row.flow,
            By::Model => &row.model,
            By::Member => &row.member,
        };
        let sum = sums.entry(name.clone()).or_default();
        sum.calls += row.calls;
        sum.breaches += row.breaches;
        sum.input_tokens += row.input_tokens;
        sum.output_tokens += row.output_tokens;
        sum.settled = sum.settled.checked_add(row.settled).unwrap_or(sum.settled);
        sum.unknown = sum.unknown.checked_add(row.unknown).unwrap_or(sum.unknown);
    }
    sums
}

fn name_of(by: By) -> &'static str {
    match by {
        By::Day => "day (UTC)",
        By::Flow => "flow",
        By::Model => "model",
        By::Member => "member",
    }
}

fn print_table(by: By, sums: &BTreeMap<String, SpendingRow>, terminal: &Terminal) {
    if sums.is_empty() {
        terminal.line("nothing was spent");
        return;
    }
    let mut rows: Vec<Vec<String>> = sums.iter().map(|(name, row)| cells(name, row)).collect();
    let mut all = SpendingRow::default();
    for row in sums.values() {
        all.calls += row.calls;
        all.breaches += row.breaches;
        all.input_tokens += row.input_tokens;
        all.output_tokens += row.output_tokens;
        all.settled = all.settled.checked_add(row.settled).unwrap_or(all.settled);
        all.unknown = all.unknown.checked_add(row.unknown).unwrap_or(all.unknown);
    }
    rows.push(cells("together", &all));
    terminal.print(&table(&[name_of(by), ">calls", ">tokens in", ">tokens out", ">spent", ">unknown"], &rows));
    if all.breaches > 0 {
        let breaches = plural(all.breaches, "call");
        terminal.line(&format!("{breaches} billed above what was held: `pmflow show RUN` names them"));
    }
}

fn cells(name: &str, row: &SpendingRow) -> Vec<String> {
    vec![
        name.to_owned(),
        count(row.calls),
        count(row.input_tokens),
        count(row.output_tokens),
        row.settled.to_string(),
        row.unknown.to_string(),
    ]
}

const BAR_WIDTH: i128 = 40;

fn bars(sums: &BTreeMap<String, SpendingRow>, terminal: &Terminal) {
    let spent = |row: &SpendingRow| row.settled.checked_add(row.unknown).unwrap_or(row.settled);
    let most = sums.values().map(spent).max().unwrap_or(Money::ZERO).pico().max(1);
    let width = sums.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, row) in sums {
        let eighths = usize::try_from(spent(row).pico() * BAR_WIDTH * 8 / most).unwrap_or(0);
        let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied().unwrap_or_default();
        let padding = " ".repeat(width - name.chars().count());
        terminal.line(&format!("{name}{padding} {}{part} {}", "█".repeat(eighths / 8), spent(row)));
    }
}

fn csv(by: By, sums: &BTreeMap<String, SpendingRow>, terminal: &Terminal) -> Result<()> {
    let problem = |error: &dyn std::fmt::Display| Failed::new(format!("cannot write CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let heads = [name_of(by), "calls", "tokens_in", "tokens_out", "spent_usd", "unknown_usd", "breaches"];
    writer.write_record(heads).map_err(|error| problem(&error))?;
    for (name, row) in sums {
        let counts = [row.calls, row.input_tokens, row.output_tokens].map(|count| count.to_string());
        let money = [row.settled.to_decimal(), row.unknown.to_decimal()];
        let cells = [super::outputs::formula_safe(name)].into_iter().chain(counts).chain(money).chain([row.breaches.to_string()]);
        writer.write_record(cells).map_err(|error| problem(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| problem(&error))?;
    terminal.print(&String::from_utf8_lossy(&bytes));
    Ok(())
}

fn as_json(by: By, name: &str, row: &SpendingRow) -> serde_json::Value {
    let by = match by {
        By::Day => "day",
        By::Flow => "flow",
        By::Model => "model",
        By::Member => "member",
    };
    json!({
        by: name,
        "calls": row.calls,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "spent": row.settled,
        "unknown": row.unknown,
        "breaches": row.breaches,
    })
}
