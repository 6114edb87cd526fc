//! Reading runs back whole.

use crate::columns::texts;
use crate::faults::Place;
use crate::text::{path, read};
use pmflow_engine::{BindingRow, Counters, InstanceRow, RunId, RunRow, Stored};
use pmflow_ledger::Account;
use pmflow_plan::PlanId;
use pmflow_store::tables::decode::{self, Detail, money, unsigned};
use pmflow_store::{StoreError, StoredRun};
use sqlx::{PgConnection, query_file};
use std::collections::BTreeMap;

/// To be called within one transaction, so that the rows belong together. Runs that are not there are left out.
pub(crate) async fn runs(
    connection: &mut PgConnection,
    place: &Place,
    ids: &[RunId],
) -> Result<BTreeMap<RunId, Result<StoredRun, StoreError>>, StoreError> {
    let read = query_file!("queries/run_recover.sql", texts(ids, |id| &id.0) as _).fetch_all(&mut *connection).await;
    let rows = read.map_err(|error| place.error(error))?;
    let executions: Vec<i64> = rows.iter().map(|row| row.execution_id).collect();
    let mut instances = instances(connection, place, &executions).await?;
    let mut bindings = bindings(connection, place, &executions).await?;
    let mut runs = BTreeMap::new();
    for row in rows {
        let id = RunId(row.run_id.clone().into());
        let live = (instances.remove(&row.execution_id), bindings.remove(&row.execution_id));
        let (live, bound) = (live.0.unwrap_or_else(|| Ok(Vec::new())), live.1.unwrap_or_else(|| Ok(Vec::new())));
        let run = || -> Result<StoredRun, StoreError> {
            let unreadable = |detail: Detail| place.unreadable(detail);
            let pruned = || StoreError::Pruned { run: id.to_string(), place: place.address.clone() };
            let mut instances = live.map_err(unreadable)?;
            if let Some(state) = row.root_state.filter(|state| !state.is_empty()) {
                let status = row.root_status.as_deref().unwrap_or_default();
                instances.push(decode::root(&row.flow, status, state, row.created_at).map_err(unreadable)?);
            }
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
            let stored = Stored { run, instances, bindings: bound.map_err(unreadable)? };
            Ok(StoredRun { stored, simulated: row.simulated, setup: row.setup })
        };
        let run = run();
        runs.insert(id, run);
    }
    Ok(runs)
}

/// By run; what cannot be read is the fault of one.
type ByRun<T> = BTreeMap<i64, Result<Vec<T>, Detail>>;

fn add<T>(all: &mut ByRun<T>, execution: i64, one: Result<T, Detail>) {
    let of_run = all.entry(execution).or_insert_with(|| Ok(Vec::new()));
    match (of_run, one) {
        (Ok(rows), Ok(row)) => rows.push(row),
        (of_run, Err(detail)) => *of_run = Err(detail),
        (Err(_), Ok(_)) => {}
    }
}

async fn instances(connection: &mut PgConnection, place: &Place, executions: &[i64]) -> Result<ByRun<InstanceRow>, StoreError> {
    let read = query_file!("queries/instances_live.sql", executions).fetch_all(connection).await;
    let mut all = ByRun::new();
    for row in read.map_err(|error| place.error(error))? {
        let instance = decode::instance_status(&row.status).map(|status| InstanceRow {
            path: path(row.path),
            parent: Some(path(row.parent)),
            parent_step: row.parent_step.map(path),
            index: unsigned(row.position),
            status,
            state: row.state.unwrap_or_default(),
            started_at: row.started_at,
        });
        add(&mut all, row.execution_id, instance);
    }
    Ok(all)
}

async fn bindings(connection: &mut PgConnection, place: &Place, executions: &[i64]) -> Result<ByRun<BindingRow>, StoreError> {
    let rows = query_file!("queries/bindings_live.sql", executions).fetch_all(connection).await;
    let mut all = ByRun::new();
    for row in rows.map_err(|error| place.error(error))? {
        let value = decode::value(&row.value);
        let binding = value.map(|value| BindingRow { instance: path(row.instance), name: read(row.name), value });
        add(&mut all, row.execution_id, binding);
    }
    Ok(all)
}
