//! Flows in force: what is kept for the runs that nobody starts by hand, and how one of them is started.

use crate::{Host, HostError, Setup, clock, input, options, setup_text, stored_plan};
use pmflow_engine::{Origin, Run, RunId, RunOptions, Time};
use pmflow_plan::{Plan, PlanId, SourceMap, Value};
use pmflow_store::{Created, Deployment, NewRun, Store, Trigger, TriggerKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What every run of a flow in force begins with. No secret is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    pub setup: Setup,
    /// Parameters of the flow; those that are left out take their defaults at the time of each run.
    pub input: Value,
    /// Runs of a schedule start up to so much later than their time.
    #[serde(default)]
    pub jitter_ms: u64,
}

impl InForce {
    pub fn of(deployment: &Deployment) -> Result<InForce, HostError> {
        let unreadable = |error| HostError::Setup(format!("what is in force of `{}` cannot be read: {error}", deployment.flow));
        serde_json::from_str(&deployment.body).map_err(unreadable)
    }
}

impl<S: Store> Host<S> {
    /// Puts a flow in force, or its new definition.
    pub async fn deploy(&self, plan: &Plan, source_map: SourceMap, in_force: &InForce) -> Result<(), HostError> {
        let stored = stored_plan(plan, source_map);
        let body = serde_json::to_string(in_force).map_err(|error| HostError::Setup(error.to_string()))?;
        let (flow, by) = (plan.flow.clone(), in_force.setup.user.clone());
        let deployment = Deployment { flow, plan: stored.id.clone(), body, by };
        self.store.put_plan(stored).await?;
        Ok(self.store.deploy(deployment).await?)
    }

    pub async fn plan_of(&self, id: &PlanId) -> Result<Arc<Plan>, HostError> {
        Ok(self.plans.read(&*self.store, id).await?.plan.clone())
    }

    /// Starts the run of a trigger and leaves it to the workers. Doing it again changes nothing: the run has the same id.
    pub(crate) async fn start_triggered(
        &self,
        plan: &Arc<Plan>,
        trigger: &Trigger,
        setup: Setup,
        input: Value,
    ) -> Result<RunId, HostError> {
        let id = run_id(trigger);
        let setup_text = setup_text(&setup)?;
        let mut options = options(setup.cost_max, &setup);
        if trigger.kind != TriggerKind::Webhook {
            options = at_nominal_time(options, &id, trigger.at);
        }
        let first = Run::left(plan.clone(), plan.id(), id.clone(), input, options, clock::now());
        let new = NewRun {
            process: self.process.clone(),
            writes: first.writes.into(),
            simulated: setup.simulate.is_some(),
            started_by: setup.user,
            setup: setup_text,
            origin: None,
        };
        if let Created::Run { lease, .. } = self.store.create(new).await? {
            // Should this process die here, the run is free when its lease is over.
            self.store.release(&lease).await?;
        }
        Ok(id)
    }
}

/// `now()` of the run is the time that it is for, not the one at which it starts.
fn at_nominal_time(options: RunOptions, id: &RunId, at: Time) -> RunOptions {
    RunOptions { origin: Some(Origin { first: id.clone(), clock: at, from: None }), ..options }
}

/// `20261122-070000-3f9a51c2d4e5`: the nominal time, and a digest of what the trigger is.
pub fn run_id(trigger: &Trigger) -> RunId {
    let moment = chrono::DateTime::from_timestamp_micros(trigger.at).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [trigger.flow.as_str(), trigger.kind.name(), trigger.key.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digits: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    RunId(format!("{}-{digits}", moment.format("%Y%m%d-%H%M%S")).into())
}

/// The input of a flow in force, from texts; `besides` is given with each run.
pub fn read_input(plan: &Plan, given: &BTreeMap<String, String>, besides: Option<&str>) -> Result<Value, input::InputError> {
    input::read_part(plan, given, besides)
}
