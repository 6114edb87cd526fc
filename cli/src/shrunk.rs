//! Which requests of a run asked for less than their prompts declare, because a budget had no room for more.

use crate::breaches::lines;
use crate::exit::Result;
use crate::store::{AnyStore, failed};
use pmflow_ledger::EntryKind;
use pmflow_plan::Plan;
use pmflow_store::{RunSummary, Store as _, UsageRow};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShrunkRequest {
    /// `flow/step#1`
    pub call: String,
    pub model: String,
    pub output_tokens_max: u64,
    /// What the prompt says.
    pub declared: u64,
}

/// In the order in which they were held. What was held tells what was asked for.
pub async fn of_run(store: &AnyStore, run: &RunSummary) -> Result<Vec<ShrunkRequest>> {
    let stored = store.plan(&run.plan).await.map_err(failed)?;
    // A plan of another version was not one that shrinks.
    let Ok(plan) = Plan::decode(&stored.bytes, Some(&stored.id)) else { return Ok(Vec::new()) };
    if !plan.flows.get(&plan.flow).is_some_and(|flow| flow.settings.budget.shrinks()) {
        return Ok(Vec::new());
    }
    let held = lines(store, &run.id, |row| row.entry.kind == EntryKind::Hold).await?;
    Ok(held.iter().filter_map(|row| request(&plan, row)).collect())
}

fn request(plan: &Plan, row: &UsageRow) -> Option<ShrunkRequest> {
    let (call, id) = (row.call.as_ref()?, row.model.as_ref()?);
    let (model, prompt) = (plan.models.get(id)?, plan.prompts.get(row.prompt.as_ref()?)?);
    let shrunk = prompt.shrunk(model, row.entry.held)?;
    let (output_tokens_max, declared) = (shrunk.output_tokens_max, prompt.output_tokens_max);
    Some(ShrunkRequest { call: call.to_string(), model: id.clone(), output_tokens_max, declared })
}
