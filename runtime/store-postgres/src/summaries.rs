//! Runs as lists show them.

use crate::faults::Place;
use crate::text::stored;
use pmflow_engine::{Counters, RunId};
use pmflow_ledger::Account;
use pmflow_plan::PlanId;
use pmflow_store::tables::decode::{self, Detail, LeaseColumns, money, unsigned};
use pmflow_store::{RunCursor, RunFilter, RunSummary, StoreError};
use sqlx::{PgPool, query_file_as};

/// The columns of `runs_list.sql` and `run_one.sql`.
struct SummaryColumns {
    execution_id: i64,
    run_id: String,
    plan_id: String,
    flow: String,
    status: String,
    sequence: i64,
    created_at: i64,
    changed_at: i64,
    ended_at: Option<i64>,
    failure: Option<String>,
    limit_pico: Option<i64>,
    held_pico: i64,
    settled_pico: i64,
    unknown_pico: i64,
    breaches: i64,
    items_started: i64,
    items_done: i64,
    items_failed: i64,
    rows_read: i64,
    outputs: i64,
    model_calls: i64,
    cache_hits: i64,
    input_tokens: i64,
    output_tokens: i64,
    simulated: bool,
    setup: String,
    lease_epoch: i64,
    lease_process: Option<String>,
    lease_host: Option<String>,
    lease_number: Option<i64>,
    lease_since: Option<i64>,
    lease_until: Option<i64>,
    now: i64,
    cancel_requested: bool,
    kept: i64,
}

pub(crate) async fn list(
    readers: &PgPool,
    place: &Place,
    filter: &RunFilter,
    after: Option<RunCursor>,
    rows_max: u32,
) -> Result<Vec<RunSummary>, StoreError> {
    let before = after.map_or(i64::MAX, |cursor| cursor.0);
    let status = filter.status.map(|status| status.name());
    let (flow, from, until) = (filter.flow.as_deref(), filter.from, filter.until);
    let columns = query_file_as!(SummaryColumns, "queries/runs_list.sql", before, flow, status, from, until, i64::from(rows_max))
        .fetch_all(readers)
        .await;
    let columns = columns.map_err(|error| place.error(error))?;
    columns.into_iter().map(|columns| summary(columns).map_err(|detail| place.unreadable(detail))).collect()
}

pub(crate) async fn one(readers: &PgPool, place: &Place, run: &RunId) -> Result<RunSummary, StoreError> {
    let run_text = &*stored(&run.0);
    let columns = query_file_as!(SummaryColumns, "queries/run_one.sql", run_text).fetch_optional(readers).await;
    match columns.map_err(|error| place.error(error))? {
        Some(columns) => summary(columns).map_err(|detail| place.unreadable(detail)),
        None => Err(StoreError::NoSuchRun { run: run.to_string(), place: place.address.clone() }),
    }
}

fn summary(columns: SummaryColumns) -> Result<RunSummary, Detail> {
    let lease = LeaseColumns {
        epoch: columns.lease_epoch,
        process: columns.lease_process,
        host: columns.lease_host,
        number: columns.lease_number,
        since: columns.lease_since,
        until: columns.lease_until,
        now: columns.now,
    };
    Ok(RunSummary {
        cursor: RunCursor(columns.execution_id),
        id: RunId(columns.run_id.into()),
        plan: PlanId(columns.plan_id),
        flow: columns.flow,
        status: decode::run_status(&columns.status)?,
        sequence: unsigned(columns.sequence),
        created_at: columns.created_at,
        changed_at: columns.changed_at,
        ended_at: columns.ended_at,
        failure: decode::failure(columns.failure)?,
        account: Account {
            limit: columns.limit_pico.map(money),
            held: money(columns.held_pico),
            settled: money(columns.settled_pico),
            unknown: money(columns.unknown_pico),
            breaches: unsigned(columns.breaches),
        },
        counters: Counters {
            items_started: unsigned(columns.items_started),
            items_done: unsigned(columns.items_done),
            items_failed: unsigned(columns.items_failed),
            rows_read: unsigned(columns.rows_read),
            outputs: unsigned(columns.outputs),
            model_calls: unsigned(columns.model_calls),
            cache_hits: unsigned(columns.cache_hits),
            input_tokens: unsigned(columns.input_tokens),
            output_tokens: unsigned(columns.output_tokens),
        },
        simulated: columns.simulated,
        setup: columns.setup,
        holder: lease.holder(),
        cancel_requested: columns.cancel_requested,
        kept: decode::kept(columns.kept),
    })
}
