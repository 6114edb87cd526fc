//! What a worker does besides executing runs: it starts those of schedules and backfills when they are due. Any number of workers
//! may do so at once; each start is recorded under a key that it has once.

use crate::deploy::InForce;
use crate::{Host, HostError};
use pmflow_engine::schedule::{self, Due, Firing, PassedOver, Past, jitter_ms};
use pmflow_engine::{RunId, Time};
use pmflow_plan::{Money, Plan, PlanId};
use pmflow_store::{Batch, Deployed, Recorded, Recording, Store, StoreError, Trigger, TriggerKind, TriggerState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often schedules are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Triggers that one look goes through.
const OPEN_MAX: u32 = 10_000;
/// Of the times that one decision passes over, so many of the newest are recorded.
const PASSED_OVER_MAX: usize = 100;

pub(crate) struct Schedules<S> {
    host: Arc<Host<S>>,
    plans: BTreeMap<String, Arc<Plan>>,
    /// What ended runs of backfills have cost.
    spent: BTreeMap<RunId, Money>,
}

impl<S: Store> Schedules<S> {
    pub fn new(host: Arc<Host<S>>) -> Schedules<S> {
        Schedules { host, plans: BTreeMap::new(), spent: BTreeMap::new() }
    }

    /// Until `stop` is true.
    pub async fn keep(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "schedules cannot be looked at");
            }
            tokio::select! {
                // An error says that nobody can tell it to stop any more.
                changed = stop.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let deployments = self.host.store.deployments().await?;
        for deployed in &deployments {
            if let Err(error) = self.decide(deployed).await {
                store_only(error, &deployed.deployment.flow)?;
            }
        }
        if deployments.is_empty() {
            return Ok(());
        }
        let open = self.host.store.triggers(None, true, OPEN_MAX).await?;
        for deployed in &deployments {
            let own: Vec<&Trigger> = open.iter().filter(|trigger| trigger.flow == deployed.deployment.flow).collect();
            if let Err(error) = self.start_due(deployed, &own).await {
                store_only(error, &deployed.deployment.flow)?;
            }
        }
        Ok(())
    }

    /// Records what became of the times since the last decision.
    async fn decide(&mut self, deployed: &Deployed) -> Result<(), HostError> {
        let deployment = &deployed.deployment;
        let plan = self.plan(&deployment.plan).await?;
        let Some(declared) = plan.flows.get(&plan.flow).and_then(|flow| flow.settings.schedule.as_ref()) else { return Ok(()) };
        let running = deployed.running + deployed.waiting;
        let past = Past { decided_until: deployed.decided_until, paused: deployed.paused, running };
        let due = schedule::due(declared, &past, deployed.now).map_err(|error| HostError::Setup(error.to_string()))?;
        if due.fire.is_empty() && due.queue.is_empty() && due.passed_over.is_empty() {
            return Ok(());
        }
        let in_force = InForce::of(deployment)?;
        let recording = Recording {
            flow: deployment.flow.clone(),
            decided: Some((deployed.decided_until, deployed.now)),
            triggers: triggers(&deployment.flow, due, in_force.jitter_ms),
            per_day_max: None,
        };
        match self.host.store.record_triggers(recording).await? {
            // Somebody else was faster, or took the flow out of force; either way it is settled.
            Recorded::Done | Recorded::Overtaken | Recorded::NotDeployed | Recorded::Known(_) | Recorded::Full(_) => Ok(()),
        }
    }

    async fn start_due(&mut self, deployed: &Deployed, open: &[&Trigger]) -> Result<(), HostError> {
        let of = |kind: TriggerKind, state: TriggerState| {
            open.iter().filter(move |trigger| trigger.kind == kind && trigger.state == state).copied()
        };
        let mut due: Vec<Trigger> = of(TriggerKind::Schedule, TriggerState::Due).cloned().collect();
        if due.is_empty()
            && of(TriggerKind::Schedule, TriggerState::Started).next().is_none()
            && let Some(next) = of(TriggerKind::Schedule, TriggerState::Queued).next()
            && self.host.store.change_trigger(next.change(TriggerState::Due)).await?
        {
            due.push(Trigger { state: TriggerState::Due, ..next.clone() });
        }
        for trigger in due.iter().filter(|trigger| trigger.start_at <= deployed.now) {
            self.start(deployed, trigger, None).await?;
        }
        let mut batches: BTreeMap<&str, (&Trigger, &Batch)> = BTreeMap::new();
        for trigger in of(TriggerKind::Backfill, TriggerState::Due) {
            if let Some(batch) = &trigger.batch {
                batches.entry(&batch.name).or_insert((trigger, batch));
            }
        }
        let is_under_way = |batch: &Batch| {
            of(TriggerKind::Backfill, TriggerState::Started)
                .any(|trigger| trigger.batch.as_ref().is_some_and(|of| of.name == batch.name))
        };
        for (trigger, batch) in batches.into_values().filter(|(_, batch)| !is_under_way(batch)) {
            self.go_on_with(deployed, trigger, batch).await?;
        }
        Ok(())
    }

    /// The next run of a backfill, within what is left of its budget: one after the other, so that it is never overrun.
    async fn go_on_with(&mut self, deployed: &Deployed, next: &Trigger, batch: &Batch) -> Result<(), HostError> {
        let spent = self.spent_by(&next.flow, batch).await?;
        let left = batch.budget.checked_sub(spent).unwrap_or(Money::ZERO);
        let ceiling = self.plan(&deployed.deployment.plan).await?.ceiling;
        let one_run = [ceiling, InForce::of(&deployed.deployment)?.setup.cost_max].into_iter().flatten().min();
        if one_run.map_or(left > Money::ZERO, |one_run| one_run <= left) {
            return self.start(deployed, next, Some(left)).await;
        }
        let need = one_run.map_or_else(String::new, |one_run| format!(", and a run may cost {one_run}"));
        let mut past = next.change(TriggerState::PassedOver);
        past.reason = Some(format!("{left} is left of the backfill's budget of {}{need}", batch.budget));
        self.host.store.change_trigger(past).await?;
        Ok(())
    }

    async fn spent_by(&mut self, flow: &str, batch: &Batch) -> Result<Money, StoreError> {
        let all = self.host.store.triggers(Some(flow), false, OPEN_MAX).await?;
        let own = all.into_iter().filter(|trigger| trigger.batch.as_ref().is_some_and(|of| of.name == batch.name));
        let mut sum = Money::ZERO;
        for run in own.filter(|trigger| trigger.state == TriggerState::Ended).filter_map(|trigger| trigger.run) {
            let spent = match self.spent.get(&run) {
                Some(spent) => *spent,
                None => self.host.store.run(&run).await?.account.committed(),
            };
            self.spent.insert(run, spent);
            sum = sum.checked_add(spent).unwrap_or(batch.budget);
        }
        Ok(sum)
    }

    async fn start(&mut self, deployed: &Deployed, trigger: &Trigger, left: Option<Money>) -> Result<(), HostError> {
        let plan = self.plan(&deployed.deployment.plan).await?;
        let InForce { mut setup, input, .. } = InForce::of(&deployed.deployment)?;
        setup.cost_max = [setup.cost_max, left].into_iter().flatten().min();
        let run = self.host.start_triggered(&plan, trigger, setup, input).await?;
        let mut started = trigger.change(TriggerState::Started);
        started.run = Some(run.clone());
        if self.host.store.change_trigger(started).await? {
            tracing::info!(%run, flow = trigger.flow, kind = trigger.kind.name(), at = trigger.local, "run started");
        }
        Ok(())
    }

    async fn plan(&mut self, id: &PlanId) -> Result<Arc<Plan>, HostError> {
        if let Some(plan) = self.plans.get(&id.0) {
            return Ok(plan.clone());
        }
        let plan = self.host.plan_of(id).await?;
        self.plans.insert(id.0.clone(), plan.clone());
        Ok(plan)
    }
}

/// One flow that cannot be started does not keep the others from it; a store that fails keeps all.
fn store_only(error: HostError, flow: &str) -> Result<(), StoreError> {
    match error {
        HostError::Store(error) => Err(error),
        other => {
            tracing::error!(flow, error = %other, "a flow in force cannot be started");
            Ok(())
        }
    }
}

fn triggers(flow: &str, due: Due, spread_ms: u64) -> Vec<Trigger> {
    let fire = due.fire.into_iter().map(|firing| (firing, TriggerState::Due, None));
    let queue = due.queue.into_iter().map(|firing| (firing, TriggerState::Queued, None));
    let skipped = due.passed_over.len().saturating_sub(PASSED_OVER_MAX);
    let past = due.passed_over.into_iter().skip(skipped);
    let past = past.map(|(firing, why)| (firing, TriggerState::PassedOver, Some(reason(why).to_owned())));
    let mut triggers: Vec<Trigger> = past
        .chain(fire)
        .chain(queue)
        .map(|(firing, state, reason)| Trigger { state, reason, ..at(flow, TriggerKind::Schedule, &firing, spread_ms) })
        .collect();
    triggers.sort_by_key(|trigger| trigger.at);
    triggers
}

fn reason(why: PassedOver) -> &'static str {
    match why {
        PassedOver::Missed => "no worker looked in time, and `catch_up` does not make up for it",
        PassedOver::Overlaps => "the run before it had not ended (`overlap: skip`)",
        PassedOver::Paused => "the schedule was paused",
    }
}

/// The trigger of one time of a schedule; its key is the moment in UTC.
fn at(flow: &str, kind: TriggerKind, firing: &Firing, spread_ms: u64) -> Trigger {
    let key = chrono::DateTime::from_timestamp_micros(firing.at).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let jitter = Time::try_from(jitter_ms(flow, firing.at, spread_ms).saturating_mul(1000)).unwrap_or(0);
    Trigger {
        flow: flow.to_owned(),
        kind,
        key,
        at: firing.at,
        local: firing.local.clone(),
        start_at: firing.at.saturating_add(jitter),
        batch: None,
        state: TriggerState::Due,
        reason: None,
        run: None,
        recorded_at: 0,
    }
}

/// The triggers of a backfill: one for each of these times, under the batch's name and budget.
pub fn backfill(flow: &str, firings: &[Firing], batch: &Batch) -> Recording {
    let of = |firing: &Firing| {
        let mut trigger = at(flow, TriggerKind::Backfill, firing, 0);
        trigger.key = format!("{}/{}", batch.name, trigger.key);
        Trigger { batch: Some(batch.clone()), ..trigger }
    };
    Recording { flow: flow.to_owned(), triggers: firings.iter().map(of).collect(), ..Recording::default() }
}
