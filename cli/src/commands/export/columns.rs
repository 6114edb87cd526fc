//! What a row of each export has, once for all formats.

use pmflow_engine::Time;
use pmflow_plan::{Money, Usage};
use pmflow_store::tables::rows::entry_kind_name;
use pmflow_store::{BudgetLine, RunSummary, UsageRow};
use std::sync::Arc;

#[derive(Debug)]
pub struct Column<Row> {
    pub name: &'static str,
    pub read: Read<Row>,
}

/// How a value is read from a row, and so what it is. None: this row has none.
#[derive(Debug)]
pub enum Read<Row> {
    Text(fn(&Row) -> Option<String>),
    Flag(fn(&Row) -> Option<bool>),
    Count(fn(&Row) -> Option<u64>),
    Money(fn(&Row) -> Option<Money>),
    Time(fn(&Row) -> Option<Time>),
}

/// A movement of money of one call, with its run.
#[derive(Debug)]
pub struct Movement {
    pub run: Arc<RunSummary>,
    pub line: UsageRow,
}

pub static RUNS: &[Column<RunSummary>] = &[
    text("run", |run| Some(run.id.to_string())),
    text("flow", |run| Some(run.flow.clone())),
    text("plan", |run| Some(run.plan.0.to_string())),
    text("status", |run| Some(run.status.name().to_owned())),
    flag("simulated", |run| Some(run.simulated)),
    time("created_at", |run| Some(run.created_at)),
    time("ended_at", |run| run.ended_at),
    count("items_done", |run| Some(run.counters.items_done)),
    count("items_failed", |run| Some(run.counters.items_failed)),
    count("outputs", |run| Some(run.counters.outputs)),
    count("model_calls", |run| Some(run.counters.model_calls)),
    count("cache_hits", |run| Some(run.counters.cache_hits)),
    count("input_tokens", |run| Some(run.counters.input_tokens)),
    count("output_tokens", |run| Some(run.counters.output_tokens)),
    money("limit", |run| run.account.limit),
    money("settled", |run| Some(run.account.settled)),
    money("unknown", |run| Some(run.account.unknown)),
    money("held", |run| Some(run.account.held)),
    count("breaches", |run| Some(run.account.breaches)),
    text("failure", |run| run.failure.as_ref().map(|failure| failure.message.clone())),
];

pub static USAGE: &[Column<Movement>] = &[
    text("run", |row| Some(row.run.id.to_string())),
    count("line", |row| Some(row.line.line)),
    time("at", |row| Some(row.line.at)),
    text("flow", |row| Some(row.run.flow.clone())),
    text("call", |row| row.line.call.as_ref().map(ToString::to_string)),
    text("prompt", |row| row.line.prompt.clone()),
    text("model", |row| row.line.model.clone()),
    text("kind", |row| Some(entry_kind_name(row.line.entry.kind).to_owned())),
    money("held", |row| Some(row.line.entry.held)),
    money("charged", |row| Some(row.line.entry.charged)),
    flag("breach", |row| Some(row.line.entry.breach)),
    count("input_tokens", |row| tokens(row, |usage| usage.input_tokens)),
    count("cache_read_tokens", |row| tokens(row, |usage| usage.cache_read_tokens)),
    count("cache_write_tokens", |row| tokens(row, |usage| usage.cache_write_tokens)),
    count("output_tokens", |row| tokens(row, |usage| usage.output_tokens)),
    count("reasoning_tokens", |row| tokens(row, |usage| usage.reasoning_tokens)),
    text("idempotency_key", |row| row.line.idempotency_key.clone()),
];

pub static LEDGER: &[Column<BudgetLine>] = &[
    count("line", |line| Some(line.line)),
    time("at", |line| Some(line.at)),
    text("budget", |line| Some(line.key.name.clone())),
    text("scope", |line| Some(line.key.scope.name().to_owned())),
    text("subject", |line| Some(line.key.subject.clone())),
    text("period", |line| Some(line.key.period.name().to_owned())),
    text("period_start", |line| Some(line.start.clone())),
    text("kind", |line| Some(entry_kind_name(line.entry.kind).to_owned())),
    money("held", |line| Some(line.entry.held)),
    money("charged", |line| Some(line.entry.charged)),
    flag("breach", |line| Some(line.entry.breach)),
    text("run", |line| line.run.as_ref().map(ToString::to_string)),
    text("by", |line| line.by.clone()),
];

fn tokens(row: &Movement, count: fn(&Usage) -> Option<u64>) -> Option<u64> {
    row.line.usage.as_ref().and_then(count)
}

const fn text<Row>(name: &'static str, read: fn(&Row) -> Option<String>) -> Column<Row> {
    Column { name, read: Read::Text(read) }
}

const fn flag<Row>(name: &'static str, read: fn(&Row) -> Option<bool>) -> Column<Row> {
    Column { name, read: Read::Flag(read) }
}

const fn count<Row>(name: &'static str, read: fn(&Row) -> Option<u64>) -> Column<Row> {
    Column { name, read: Read::Count(read) }
}

const fn money<Row>(name: &'static str, read: fn(&Row) -> Option<Money>) -> Column<Row> {
    Column { name, read: Read::Money(read) }
}

const fn time<Row>(name: &'static str, read: fn(&Row) -> Option<Time>) -> Column<Row> {
    Column { name, read: Read::Time(read) }
}
