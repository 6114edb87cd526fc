//! One statement per table for all rows that a group of transitions writes.

use crate::columns::{column, optional_texts, texts};
use crate::faults::Place;
use crate::text::stored;
use pmflow_store::StoreError;
use pmflow_store::tables::HistoryAddition;
use pmflow_store::tables::fold::{ApprovalChange, Changes};
use pmflow_store::tables::rows::{
    BindingPut, CachePut, InstanceEnding, InstanceKey, InstancePut, OutputInsertion, RequestTaken, StepRecord, TagInsertion,
    UsageAppend,
};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, query_file};

type Statement<'q> = Query<'q, Postgres, PgArguments>;

pub(crate) async fn write(connection: &mut PgConnection, place: &Place, changes: &Changes<'_>) -> Result<(), StoreError> {
    let mut table = Tables { connection, place };
    table.rows(&changes.instances_put(), instances_put).await?;
    table.rows(&changes.instances_ended(), instances_end).await?;
    table.rows(changes.unbound(), bindings_drop).await?;
    table.rows(&changes.bindings(), bindings_put).await?;
    table.rows(&changes.steps, steps_record).await?;
    table.rows(&changes.outputs, outputs_insert).await?;
    table.rows(&changes.tags, output_tags_insert).await?;
    table.rows(&changes.usage, usage_append).await?;
    table.rows(&changes.taken, requests_take).await?;
    // Approvals are rare: one statement each, in order.
    for change in &changes.approvals {
        table.done(approval(change)).await?;
    }
    // Rows that other groups write as well come last, for they are locked from here to the commit.
    table.rows(&changes.cache(), cache_put).await?;
    table.rows(&changes.history.rows(), history_add).await
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

fn steps_record<'r>(rows: &'r [StepRecord<'_>]) -> Statement<'r> {
    query_file!(
        "queries/steps_record.sql",
        column(rows, |row| row.execution_id) as _,
        texts(rows, |row| row.instance) as _,
        texts(rows, |row| row.step) as _,
        column(rows, |row| row.place) as _,
        column(rows, |row| i64::from(row.attempt)) as _,
        column(rows, |row| row.kind) as _,
        column(rows, |row| row.target) as _,
        column(rows, |row| row.status) as _,
        column(rows, |row| row.started_at) as _,
        column(rows, |row| row.ended_at) as _,
        column(rows, |row| row.result.as_deref()) as _,
        column(rows, |row| row.failure.as_deref()) as _,
        column(rows, |row| row.model) as _,
        column(rows, |row| row.usage.input_tokens) as _,
        column(rows, |row| row.usage.cache_read_tokens) as _,
        column(rows, |row| row.usage.cache_write_tokens) as _,
        column(rows, |row| row.usage.output_tokens) as _,
        column(rows, |row| row.usage.reasoning_tokens) as _,
        column(rows, |row| row.usage.has_usage) as _,
        column(rows, |row| row.cost_pico) as _,
        column(rows, |row| row.from_cache) as _,
        column(rows, |row| row.input_key) as _,
    )
}

fn outputs_insert<'r>(rows: &'r [OutputInsertion<'_>]) -> Statement<'r> {
    query_file!(
        "queries/outputs_insert.sql",
        column(rows, |row| row.execution_id) as _,
        texts(rows, |row| row.owner) as _,
        texts(rows, |row| row.position) as _,
        texts(rows, |row| row.instance) as _,
        texts(rows, |row| row.step) as _,
        column(rows, |row| row.value.as_str()) as _,
        column(rows, |row| row.tags.as_str()) as _,
        column(rows, |row| row.at) as _,
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

fn usage_append<'r>(rows: &'r [UsageAppend<'_>]) -> Statement<'r> {
    query_file!(
        "queries/usage_append.sql",
        column(rows, |row| row.execution_id) as _,
        column(rows, |row| row.kind) as _,
        column(rows, |row| row.held_pico) as _,
        column(rows, |row| row.charged_pico) as _,
        column(rows, |row| row.breach) as _,
        optional_texts(rows, |row| row.instance) as _,
        optional_texts(rows, |row| row.step) as _,
        column(rows, |row| row.attempt.map(i64::from)) as _,
        column(rows, |row| row.prompt) as _,
        column(rows, |row| row.model) as _,
        column(rows, |row| row.usage.input_tokens) as _,
        column(rows, |row| row.usage.cache_read_tokens) as _,
        column(rows, |row| row.usage.cache_write_tokens) as _,
        column(rows, |row| row.usage.output_tokens) as _,
        column(rows, |row| row.usage.reasoning_tokens) as _,
        column(rows, |row| row.usage.has_usage) as _,
        optional_texts(rows, |row| row.idempotency_key) as _,
        column(rows, |row| row.at) as _,
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
