//! Whose turn it is, for all processes on one server.

use crate::faults::Place;
use pmflow_ledger::gate::{Gate, Step};
use pmflow_store::{Gates, Stepped, StoreError};
use sqlx::{PgPool, query, query_file, query_file_scalar};
use std::collections::BTreeMap;

pub(crate) async fn step(pool: &PgPool, place: &Place, name: &str, step: &Step) -> Result<Stepped, StoreError> {
    let failed = |error| place.error(error);
    let mut transaction = pool.begin().await.map_err(failed)?;
    // Lost with the server, it is learnt again: nobody waits for the disk.
    query("SET LOCAL synchronous_commit TO off").execute(&mut *transaction).await.map_err(failed)?;
    query_file!("queries/gate_make.sql", name).execute(&mut *transaction).await.map_err(failed)?;
    let stored = query_file_scalar!("queries/gate_locked.sql", name).fetch_one(&mut *transaction).await.map_err(failed)?;
    let now = query_file_scalar!("queries/budget_now.sql").fetch_one(&mut *transaction).await.map_err(failed)?;
    let mut gate = gate(&stored);
    let said = gate.step(step, now);
    query_file!("queries/gate_put.sql", name, text(&gate)).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Stepped { said, gate, now })
}

pub(crate) async fn read(pool: &PgPool, place: &Place, names: &[String]) -> Result<Gates, StoreError> {
    let rows = query_file!("queries/gates_list.sql", names).fetch_all(pool).await.map_err(|error| place.error(error))?;
    let now = rows.first().map_or(0, |row| row.now);
    let gates: BTreeMap<String, Gate> = rows.into_iter().map(|row| (row.name, gate(&row.state))).collect();
    Ok(Gates { now, gates })
}

/// Of another version it is learnt again.
fn gate(text: &str) -> Gate {
    serde_json::from_str(text).unwrap_or_default()
}

fn text(gate: &Gate) -> String {
    serde_json::to_string(gate).unwrap_or_default()
}
