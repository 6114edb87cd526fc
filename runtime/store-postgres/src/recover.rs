//! Reading a run back whole.

use crate::faults::Place;
use crate::text::{path, read, stored};
use pmflow_engine::{BindingRow, Counters, InstanceRow, RunId, RunRow, Stored};
use pmflow_ledger::Account;
use pmflow_plan::PlanId;
use pmflow_store::tables::decode::{self, Detail, money, unsigned};
use pmflow_store::{StoreError, StoredRun};
use sqlx::{PgConnection, query_file};

/// To be called within one transaction, so that the rows belong together.
pub(crate) async fn run(connection: &mut PgConnection, place: &Place, id: &RunId) -> Result<StoredRun, StoreError> {
    let run_text = &*stored(&id.0);
    let read = query_file!("queries/run_recover.sql", run_text).fetch_optional(&mut *connection).await;
    let Some(row) = read.map_err(|error| place.error(error))? else {
        return Err(StoreError::NoSuchRun { run: id.to_string(), place: place.address.clone() });
    };
    let unreadable = |detail: Detail| place.unreadable(detail);
    let pruned = || StoreError::Pruned { run: id.to_string(), place: place.address.clone() };
    let mut instances = instances(connection, place, row.execution_id).await?;
    if let Some(state) = row.root_state.filter(|state| !state.is_empty()) {
        let status = row.root_status.as_deref().unwrap_or_default();
        instances.push(decode::root(&row.flow, status, state, row.created_at).map_err(unreadable)?);
    }
    let bindings = bindings(connection, place, row.execution_id).await?;
    let run = RunRow {
        id: id.clone(),
        plan: PlanId(row.plan_id),
        flow: row.flow,
        status: decode::run_status(&row.status).map_err(unreadable)?,
        sequence: unsigned(row.sequence),
        created_at: row.created_at,
        changed_at: row.changed_at,
        ended_at: row.ended_at,
        failure: decode::failure(row.failure).map_err(unreadable)?,
        account: Account {
            limit: row.limit_pico.map(money),
            held: money(row.held_pico),
            settled: money(row.settled_pico),
            unknown: money(row.unknown_pico),
            breaches: unsigned(row.breaches),
        },
        counters: Counters {
            items_started: unsigned(row.items_started),
            items_done: unsigned(row.items_done),
            items_failed: unsigned(row.items_failed),
            rows_read: unsigned(row.rows_read),
            outputs: unsigned(row.outputs),
            model_calls: unsigned(row.model_calls),
            cache_hits: unsigned(row.cache_hits),
            input_tokens: unsigned(row.input_tokens),
            output_tokens: unsigned(row.output_tokens),
        },
        input: decode::kept_value(&row.input).map_err(unreadable)?.ok_or_else(pruned)?,
        state: row.state,
    };
    Ok(StoredRun { stored: Stored { run, instances, bindings }, simulated: row.simulated, setup: row.setup })
}

async fn instances(connection: &mut PgConnection, place: &Place, execution: i64) -> Result<Vec<InstanceRow>, StoreError> {
    let read = query_file!("queries/instances_live.sql", execution).fetch_all(connection).await;
    let mut instances = Vec::new();
    for row in read.map_err(|error| place.error(error))? {
        instances.push(InstanceRow {
            path: path(row.path),
            parent: row.parent.map(path),
            parent_step: row.parent_step.map(path),
            index: unsigned(row.position),
            status: decode::instance_status(&row.status).map_err(|detail| place.unreadable(detail))?,
            state: row.state.unwrap_or_default(),
            started_at: row.started_at,
        });
    }
    Ok(instances)
}

async fn bindings(connection: &mut PgConnection, place: &Place, execution: i64) -> Result<Vec<BindingRow>, StoreError> {
    let rows = query_file!("queries/bindings_live.sql", execution).fetch_all(connection).await;
    let mut bindings = Vec::new();
    for row in rows.map_err(|error| place.error(error))? {
        let value = decode::value(&row.value).map_err(|detail| place.unreadable(detail))?;
        bindings.push(BindingRow { instance: path(row.instance), name: read(row.name), value });
    }
    Ok(bindings)
}
