//! One statement for all rows of a table that a group of transitions writes, and one for the tables that nearly each of them writes.

use crate::columns::{column, texts};
use crate::faults::Place;
use crate::records::records;
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
    let inserted = query_file!("queries/runs_insert.sql", lease_us, records(runs) as _, records(usage) as _);
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
    let all = i64::try_from(runs.len()).unwrap_or(i64::MAX);
    let done = query_file!(
        "queries/transitions_write.sql",
        records(runs) as _,
        records(steps) as _,
        records(usage) as _,
        records(outputs) as _,
        all
    );
    let done = done.fetch_one(connection).await.map_err(|error| place.error(error))?;
    Ok(if done.changed == all { Changed::All(Some(done.transaction)) } else { Changed::Fewer })
}

fn instances_put<'r>(rows: &'r [InstancePut<'_>]) -> Statement<'r> {
    query_file!("queries/instances_put.sql", records(rows) as _)
}

fn instances_end<'r>(rows: &'r [InstanceEnding<'_>]) -> Statement<'r> {
    query_file!("queries/instances_end.sql", records(rows) as _)
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
    query_file!("queries/history_add.sql", records(rows) as _)
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
