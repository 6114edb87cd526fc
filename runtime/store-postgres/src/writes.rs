//! One statement for all rows of a table that a group of transitions writes, and one for the tables that nearly each of them writes.

use crate::columns::{column, optional_texts, texts};
use crate::faults::Place;
use crate::text::stored;
use pmflow_store::StoreError;
use pmflow_store::tables::HistoryAddition;
use pmflow_store::tables::fold::{ApprovalChange, Changes};
use pmflow_store::tables::rows::{
    BindingPut, CachePut, InstanceEnding, InstanceKey, InstancePut, RequestTaken, RunChange, RunInsertion, TagInsertion,
    UsageAppend,
};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, query_file};

/// A statement that appends lines of the ledger, with what it is given before their columns and after them.
macro_rules! query_with_usage {
    ($file:literal, { $($before:tt)* }, $usage:ident, { $($after:tt)* }) => {
        query_file!(
            $file,
            $($before)*
            column($usage, |row| row.kind) as _,
            column($usage, |row| row.held_pico) as _,
            column($usage, |row| row.charged_pico) as _,
            column($usage, |row| row.breach) as _,
            optional_texts($usage, |row| row.instance) as _,
            optional_texts($usage, |row| row.step) as _,
            column($usage, |row| row.attempt.map(i64::from)) as _,
            column($usage, |row| row.prompt) as _,
            column($usage, |row| row.model) as _,
            column($usage, |row| row.usage.input_tokens) as _,
            column($usage, |row| row.usage.cache_read_tokens) as _,
            column($usage, |row| row.usage.cache_write_tokens) as _,
            column($usage, |row| row.usage.output_tokens) as _,
            column($usage, |row| row.usage.reasoning_tokens) as _,
            column($usage, |row| row.usage.has_usage) as _,
            optional_texts($usage, |row| row.idempotency_key) as _,
            column($usage, |row| row.at) as _,
            $($after)*
        )
    };
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Whether the runs still stood as they were found.
pub(crate) enum Changed {
    /// With the transaction's number, where anything was written that asks for it.
    All(Option<i64>),
    Fewer,
}

pub(crate) async fn write(
    connection: &mut PgConnection,
    place: &Place,
    runs: &[RunChange<'_>],
    changes: &Changes<'_>,
) -> Result<Changed, StoreError> {
    let changed = transitions(connection, place, runs, changes).await?;
    if matches!(changed, Changed::Fewer) || is_one_statement(changes) {
        return Ok(changed);
    }
    let mut table = Tables { connection, place };
    table.rows(&changes.instances_put(), instances_put).await?;
    table.rows(&changes.instances_ended(), instances_end).await?;
    table.rows(changes.unbound(), bindings_drop).await?;
    table.rows(&changes.bindings(), bindings_put).await?;
    table.rows(&changes.tags, output_tags_insert).await?;
    table.rows(&changes.taken, requests_take).await?;
    // Approvals are rare: one statement each, in order.
    for change in &changes.approvals {
        table.done(approval(change)).await?;
    }
    // Rows that other groups write as well come last, for they are locked from here to the commit.
    table.rows(&changes.cache(), cache_put).await?;
    table.rows(&changes.history.rows(), history_add).await?;
    Ok(changed)
}

/// Whether nothing is to be written but what [`transitions`] does.
pub(crate) fn is_one_statement(changes: &Changes<'_>) -> bool {
    changes.is_plain() && changes.history.is_empty()
}

struct Tables<'c> {
    connection: &'c mut PgConnection,
    place: &'c Place,
}

impl Tables<'_> {
    async fn rows<'r, R>(&mut self, rows: &'r [R], statement: fn(&'r [R]) -> Statement<'r>) -> Result<(), StoreError> {
        if rows.is_empty() { Ok(()) } else { self.done(statement(rows)).await }
    }

    async fn done(&mut self, statement: Statement<'_>) -> Result<(), StoreError> {
        statement.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }
}

/// Makes runs, and gives those that were made: their names and numbers, and the transaction's. Lines of the ledger only with a single run.
pub(crate) async fn insert_runs(
    connection: &mut PgConnection,
    place: &Place,
    lease_us: i64,
    runs: &[RunInsertion<'_>],
    usage: &[UsageAppend<'_>],
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let inserted = query_with_usage!("queries/runs_insert.sql", {
        lease_us,
        column(runs, |row| row.change.run) as _,
        column(runs, |row| row.plan_id) as _,
        column(runs, |row| row.flow) as _,
        texts(runs, |row| row.root_path) as _,
        column(runs, |row| row.simulated) as _,
        column(runs, |row| row.started_by) as _,
        column(runs, |row| row.setup) as _,
        column(runs, |row| row.input.as_str()) as _,
        column(runs, |row| row.created_at) as _,
        column(runs, |row| row.lease_process) as _,
        column(runs, |row| row.lease_host) as _,
        column(runs, |row| i64::from(row.lease_number)) as _,
        column(runs, |row| row.change.status) as _,
        column(runs, |row| row.change.sequence) as _,
        column(runs, |row| row.change.changed_at) as _,
        column(runs, |row| row.change.ended_at) as _,
        column(runs, |row| row.change.failure.as_deref()) as _,
        column(runs, |row| row.change.state) as _,
        column(runs, |row| row.change.limit_pico) as _,
        column(runs, |row| row.change.held_pico) as _,
        column(runs, |row| row.change.settled_pico) as _,
        column(runs, |row| row.change.unknown_pico) as _,
        column(runs, |row| row.change.breaches) as _,
        column(runs, |row| row.change.items_started) as _,
        column(runs, |row| row.change.items_done) as _,
        column(runs, |row| row.change.items_failed) as _,
        column(runs, |row| row.change.rows_read) as _,
        column(runs, |row| row.change.outputs) as _,
        column(runs, |row| row.change.model_calls) as _,
        column(runs, |row| row.change.cache_hits) as _,
        column(runs, |row| row.change.input_tokens) as _,
        column(runs, |row| row.change.output_tokens) as _,
        column(runs, |row| row.origin) as _,
        column(runs, |row| row.change.root_status) as _,
        column(runs, |row| row.change.root_state) as _,
    }, usage, {});
    let inserted = inserted.fetch_all(connection).await.map_err(|error| place.error(error))?;
    Ok(inserted.into_iter().map(|row| (row.run_id, row.execution_id, row.transaction)).collect())
}

async fn transitions(
    connection: &mut PgConnection,
    place: &Place,
    runs: &[RunChange<'_>],
    changes: &Changes<'_>,
) -> Result<Changed, StoreError> {
    let Changes { steps, usage, outputs, .. } = changes;
    if runs.is_empty() && steps.is_empty() && usage.is_empty() && outputs.is_empty() {
        return Ok(Changed::All(None));
    }
    let done = query_with_usage!("queries/transitions_write.sql", {
        column(runs, |row| row.execution_id) as _,
        column(runs, |row| row.epoch) as _,
        column(runs, |row| row.base) as _,
        column(runs, |row| row.status) as _,
        column(runs, |row| row.sequence) as _,
        column(runs, |row| row.changed_at) as _,
        column(runs, |row| row.ended_at) as _,
        column(runs, |row| row.failure.as_deref()) as _,
        column(runs, |row| row.state) as _,
        column(runs, |row| row.limit_pico) as _,
        column(runs, |row| row.held_pico) as _,
        column(runs, |row| row.settled_pico) as _,
        column(runs, |row| row.unknown_pico) as _,
        column(runs, |row| row.breaches) as _,
        column(runs, |row| row.items_started) as _,
        column(runs, |row| row.items_done) as _,
        column(runs, |row| row.items_failed) as _,
        column(runs, |row| row.rows_read) as _,
        column(runs, |row| row.outputs) as _,
        column(runs, |row| row.model_calls) as _,
        column(runs, |row| row.cache_hits) as _,
        column(runs, |row| row.input_tokens) as _,
        column(runs, |row| row.output_tokens) as _,
        column(runs, |row| row.root_status) as _,
        column(runs, |row| row.root_state) as _,
        column(steps, |row| row.execution_id) as _,
        texts(steps, |row| row.instance) as _,
        texts(steps, |row| row.step) as _,
        column(steps, |row| row.place) as _,
        column(steps, |row| i64::from(row.attempt)) as _,
        column(steps, |row| row.kind) as _,
        column(steps, |row| row.target) as _,
        column(steps, |row| row.status) as _,
        column(steps, |row| row.started_at) as _,
        column(steps, |row| row.ended_at) as _,
        column(steps, |row| row.result.as_deref()) as _,
        column(steps, |row| row.failure.as_deref()) as _,
        column(steps, |row| row.model) as _,
        column(steps, |row| row.usage.input_tokens) as _,
        column(steps, |row| row.usage.cache_read_tokens) as _,
        column(steps, |row| row.usage.cache_write_tokens) as _,
        column(steps, |row| row.usage.output_tokens) as _,
        column(steps, |row| row.usage.reasoning_tokens) as _,
        column(steps, |row| row.usage.has_usage) as _,
        column(steps, |row| row.cost_pico) as _,
        column(steps, |row| row.from_cache) as _,
        column(steps, |row| row.input_key) as _,
        column(usage, |row| row.execution_id) as _,
    }, usage, {
        column(outputs, |row| row.execution_id) as _,
        texts(outputs, |row| row.owner) as _,
        texts(outputs, |row| row.position) as _,
        texts(outputs, |row| row.instance) as _,
        texts(outputs, |row| row.step) as _,
        column(outputs, |row| row.value.as_str()) as _,
        column(outputs, |row| row.tags.as_str()) as _,
        column(outputs, |row| row.at) as _,
        i64::try_from(runs.len()).unwrap_or(i64::MAX),
    });
    let done = done.fetch_one(connection).await.map_err(|error| place.error(error))?;
    let all = usize::try_from(done.changed).is_ok_and(|changed| changed == runs.len());
    Ok(if all { Changed::All(Some(done.transaction)) } else { Changed::Fewer })
}

fn instances_put<'r>(rows: &'r [InstancePut<'_>]) -> Statement<'r> {
    query_file!(
        "queries/instances_put.sql",
        column(rows, |row| row.execution_id) as _,
        texts(rows, |row| row.path) as _,
        optional_texts(rows, |row| row.parent) as _,
        optional_texts(rows, |row| row.parent_step) as _,
        column(rows, |row| row.position) as _,
        column(rows, |row| row.status) as _,
        column(rows, |row| row.state) as _,
        column(rows, |row| row.started_at) as _,
        column(rows, |row| row.ended_at) as _,
        column(rows, |row| row.failure.as_deref()) as _,
        column(rows, |row| row.yielded.as_deref()) as _,
        column(rows, |row| row.input.as_deref()) as _,
    )
}

fn instances_end<'r>(rows: &'r [InstanceEnding<'_>]) -> Statement<'r> {
    query_file!(
        "queries/instances_end.sql",
        column(rows, |row| row.execution_id) as _,
        texts(rows, |row| row.path) as _,
        column(rows, |row| row.status) as _,
        column(rows, |row| row.ended_at) as _,
        column(rows, |row| row.failure.as_deref()) as _,
        column(rows, |row| row.yielded.as_deref()) as _,
        column(rows, |row| row.input.as_deref()) as _,
    )
}

fn bindings_drop<'r>(rows: &'r [InstanceKey<'_>]) -> Statement<'r> {
    query_file!("queries/bindings_drop.sql", column(rows, |row| row.execution_id) as _, texts(rows, |row| row.path) as _)
}

fn bindings_put<'r>(rows: &'r [BindingPut<'_>]) -> Statement<'r> {
    query_file!(
        "queries/bindings_put.sql",
        column(rows, |row| row.execution_id) as _,
        texts(rows, |row| row.instance) as _,
        texts(rows, |row| row.name) as _,
        column(rows, |row| row.value.as_str()) as _,
    )
}

fn output_tags_insert<'r>(rows: &'r [TagInsertion<'_>]) -> Statement<'r> {
    query_file!(
        "queries/output_tags_insert.sql",
        texts(rows, |row| row.tag) as _,
        column(rows, |row| row.execution_id) as _,
        texts(rows, |row| row.position) as _,
    )
}

fn requests_take(rows: &[RequestTaken]) -> Statement<'_> {
    query_file!("queries/requests_take.sql", column(rows, |row| row.request_id) as _, column(rows, |row| row.execution_id) as _,)
}

fn cache_put<'r>(rows: &'r [&CachePut<'_>]) -> Statement<'r> {
    query_file!(
        "queries/cache_put.sql",
        texts(rows, |row| row.key) as _,
        column(rows, |row| row.value.as_str()) as _,
        column(rows, |row| row.flow) as _,
        column(rows, |row| row.prompt) as _,
        column(rows, |row| row.at) as _,
    )
}

fn history_add<'r>(rows: &'r [HistoryAddition<'_>]) -> Statement<'r> {
    query_file!(
        "queries/history_add.sql",
        column(rows, |row| row.flow) as _,
        column(rows, |row| row.place) as _,
        column(rows, |row| row.prompt) as _,
        column(rows, |row| row.plan_id) as _,
        column(rows, |row| row.model) as _,
        column(rows, |row| row.calls) as _,
        column(rows, |row| row.cache_hits) as _,
        column(rows, |row| row.failures) as _,
        column(rows, |row| row.input_tokens) as _,
        column(rows, |row| row.output_tokens) as _,
        column(rows, |row| row.latency_us) as _,
        column(rows, |row| row.cost_pico) as _,
    )
}

fn approval<'r>(change: &'r ApprovalChange<'_>) -> Statement<'r> {
    match change {
        ApprovalChange::Requested(execution, row) => query_file!(
            "queries/approval_put.sql",
            execution,
            stored(row.step.as_str()) as _,
            stored(row.instance.as_str()) as _,
            stored(&row.text) as _,
            row.by,
            row.until,
            row.at,
        ),
        ApprovalChange::Closed { execution, step, approved, by, at } => {
            query_file!("queries/approval_close.sql", at, *approved, by.map(stored) as _, execution, stored(step) as _)
        }
    }
}
