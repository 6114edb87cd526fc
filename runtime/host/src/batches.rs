//! What providers have of a run, for a person.

use crate::{HostError, Setup, clock, options};
use pmflow_engine::{ProviderBatch, Run, RunId};
use pmflow_plan::Plan;
use pmflow_store::Store;
use std::sync::Arc;

/// The batches whose answers a stored run awaits. Nothing is changed or sent.
pub async fn of_run(store: &impl Store, id: &RunId) -> Result<Vec<ProviderBatch>, HostError> {
    let stored = store.recover(id).await?;
    let plan = store.plan(&stored.stored.run.plan).await?;
    let plan = Arc::new(Plan::decode(&plan.bytes, Some(&plan.id))?);
    let setup: Setup = serde_json::from_str(&stored.setup).map_err(|error| HostError::Setup(error.to_string()))?;
    let (run, _) = Run::recover(plan, stored.stored, options(None, &setup), clock::now())?;
    Ok(run.batches())
}
