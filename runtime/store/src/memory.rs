//! The reference: what every store does, in the plainest way that does it. Nothing survives the process.

mod apply;
mod budgets;
mod deliveries;
mod listing;
mod prune;
mod triggers;

use crate::lease::{Claim, Claimed, Holder, LEASE, Lease, Process, Renewal};
use crate::request::{Answer, Ask, Request, RequestId};
use crate::trigger::{Deployed, Deployment, Recorded, Recording, Trigger, TriggerChange};
use crate::{
    AlertDelivery, Approval, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, CachedAnswer, CallSample, Committed,
    Created, Draw, Drawn, FailedItem, Gates, HistoryRow, Kept, LocalGates, NewRun, OutputCursor, OutputFilter, Prunable, Prune,
    Pruned, RunCommit, RunCursor, RunFilter, RunSummary, SpendingRow, StepCursor, Stepped, Store, StoreError, StoredOutput,
    StoredPlan, StoredRun, StoredStep, UsageRow,
};
use pmflow_engine::{
    ApprovalRow, BindingRow, Gather, GatherOf, InstanceEnd, InstanceRow, OutputRow, Path, RunId, RunRow, RunStatus, StepRow,
    StepStatus, Stored, Time,
};
use pmflow_ledger::gate::Step;
use pmflow_plan::{Money, PlanId, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Runs in memory. Clones share them. The clock stands still until it is moved.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    gates: LocalGates,
}

#[derive(Debug, Default)]
struct Tables {
    now: Time,
    plans: BTreeMap<String, StoredPlan>,
    /// Of each flow the plan that was stored last.
    present: BTreeMap<String, PlanId>,
    /// By the order in which they were created, from 1.
    runs: BTreeMap<i64, StoredExecution>,
    numbers: BTreeMap<RunId, i64>,
    /// By key, with the flow that asked.
    cache: BTreeMap<String, (String, CachedAnswer)>,
    requests: Vec<WaitingRequest>,
    lines: u64,
    budgets: budgets::Budgets,
    triggers: triggers::Triggers,
    deliveries: deliveries::Deliveries,
}

#[derive(Debug)]
struct StoredExecution {
    row: RunRow,
    root: Path,
    simulated: bool,
    started_by: String,
    setup: String,
    origin: Option<RunId>,
    kept: Kept,
    epoch: u64,
    held_by: Option<(Process, Time, Time)>,
    /// Times in a row that it was lost, and the steps recorded at the last of them.
    lost: (u32, usize),
    /// The root while it lives, and all others.
    root_row: Option<InstanceRow>,
    instances: BTreeMap<Path, StoredInstance>,
    bindings: BTreeMap<(Path, String), Value>,
    steps: BTreeMap<(Path, u32), StepRow>,
    outputs: BTreeMap<(Path, String), OutputRow>,
    usage: Vec<UsageRow>,
    approvals: BTreeMap<Path, StoredApproval>,
}

#[derive(Debug)]
struct StoredInstance {
    row: InstanceRow,
    end: Option<InstanceEnd>,
}

#[derive(Debug)]
struct StoredApproval {
    row: ApprovalRow,
    /// Set once closed: the decision, unless there was none.
    closed: Option<Option<(bool, String)>>,
}

#[derive(Debug)]
struct WaitingRequest {
    request: Request,
    taken: bool,
}

impl MemoryStore {
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Moves the store's clock.
    pub fn set_now(&self, now: Time) {
        self.tables().now = now;
    }

    pub fn now(&self) -> Time {
        self.tables().now
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic while holding the lock is a failed test; what it left is still the best there is.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn execution(&self, run: &RunId) -> Result<(i64, &StoredExecution), StoreError> {
        let number = self.numbers.get(run).copied();
        let found = number.and_then(|number| self.runs.get(&number).map(|execution| (number, execution)));
        found.ok_or_else(|| no_such_run(run))
    }

    fn execution_mut(&mut self, run: &RunId) -> Result<&mut StoredExecution, StoreError> {
        let number = self.numbers.get(run).copied();
        number.and_then(|number| self.runs.get_mut(&number)).ok_or_else(|| no_such_run(run))
    }

    fn waiting<'t>(&'t self, run: &'t RunId) -> impl Iterator<Item = &'t Request> {
        self.requests
            .iter()
            .filter(|waiting| !waiting.taken)
            .map(|waiting| &waiting.request)
            .filter(move |request| request.run == *run)
    }

    fn lease_end(&self) -> Time {
        self.now.saturating_add(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX))
    }
}

impl StoredExecution {
    /// Before it is claimed anew: a lease that was never given back was lost.
    fn count_death(&mut self) {
        let recorded = self.steps.values().filter(|step| step.status != StepStatus::Retried).count();
        self.lost = match (&self.held_by, self.lost) {
            (None, _) => (0, recorded),
            (Some(_), (times, at)) if at == recorded => (times.saturating_add(1), recorded),
            (Some(_), _) => (1, recorded),
        };
    }

    fn holder(&self, now: Time) -> Option<Holder> {
        let (process, since, until) = self.held_by.clone()?;
        (until > now).then_some(Holder { process, epoch: self.epoch, since, until })
    }
}

fn no_such_run(run: &RunId) -> StoreError {
    StoreError::NoSuchRun { run: run.to_string(), place: String::new() }
}

impl Store for MemoryStore {
    async fn step_gate(&self, name: &str, step: Step) -> Result<Stepped, StoreError> {
        Ok(self.gates.step(name, &step, self.tables().now))
    }

    async fn gates(&self, names: &[String]) -> Result<Gates, StoreError> {
        Ok(self.gates.read(names, self.tables().now))
    }

    async fn prune(&self, what: &Prune, _rows_max: u32) -> Result<Pruned, StoreError> {
        Ok(self.tables().prune(what))
    }

    async fn prunable(&self, what: &Prune) -> Result<Prunable, StoreError> {
        Ok(self.tables().prunable(what))
    }

    async fn clock(&self) -> Result<Time, StoreError> {
        Ok(self.tables().now)
    }

    async fn put_plan(&self, plan: StoredPlan) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.present.insert(plan.flow.clone(), plan.id.clone());
        tables.plans.insert(plan.id.0.clone(), plan);
        Ok(())
    }

    async fn plan(&self, id: &PlanId) -> Result<StoredPlan, StoreError> {
        let plan = self.tables().plans.get(&id.0).cloned();
        plan.ok_or_else(|| StoreError::NoSuchPlan { plan: id.0.clone(), place: String::new() })
    }

    async fn create(&self, run: NewRun) -> Result<Created, StoreError> {
        run.check()?;
        self.tables().create(run)
    }

    async fn commit(&self, batch: Vec<RunCommit>) -> Result<Vec<Committed>, StoreError> {
        let mut tables = self.tables();
        tables.check_amounts(&batch)?;
        tables.check_keys(&batch)?;
        let leases: Vec<Lease> = batch.iter().map(|commit| commit.lease.clone()).collect();
        let committed: Vec<Committed> = batch.into_iter().map(|commit| tables.commit(commit)).collect();
        for (lease, committed) in leases.iter().zip(&committed) {
            if matches!(committed, Committed::Stored { .. }) {
                tables.give_back(&lease.run);
            }
        }
        Ok(committed)
    }

    async fn claim(&self, run: &RunId, process: &Process, gone: Option<u64>) -> Result<Claim, StoreError> {
        let mut tables = self.tables();
        let (now, until) = (tables.now, tables.lease_end());
        let execution = tables.execution_mut(run)?;
        if let Some(holder) = execution.holder(now).filter(|holder| gone != Some(holder.epoch)) {
            return Ok(Claim::Held(holder));
        }
        execution.epoch += 1;
        execution.held_by = Some((process.clone(), now, until));
        // Somebody knows what they do.
        execution.lost.0 = 0;
        Ok(Claim::Granted(Lease { run: run.clone(), epoch: execution.epoch }))
    }

    async fn claim_free(&self, process: &Process, runs_max: u32) -> Result<Vec<Claimed>, StoreError> {
        let mut tables = self.tables();
        let (now, until) = (tables.now, tables.lease_end());
        let has_something_to_do = |execution: &StoredExecution| match execution.row.status {
            RunStatus::Running => true,
            RunStatus::Suspended => tables.waiting(&execution.row.id).any(|request| request.ask.kind() != "pause"),
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled => false,
        };
        let free = tables.runs.iter().filter(|(_, run)| run.holder(now).is_none() && has_something_to_do(run));
        let free: Vec<i64> = free.map(|(number, _)| *number).take(runs_max as usize).collect();
        let mut leases = Vec::with_capacity(free.len());
        for number in free {
            if let Some(execution) = tables.runs.get_mut(&number) {
                execution.count_death();
                execution.epoch += 1;
                execution.held_by = Some((process.clone(), now, until));
                let lease = Lease { run: execution.row.id.clone(), epoch: execution.epoch };
                leases.push(Claimed { lease, deaths: execution.lost.0 });
            }
        }
        Ok(leases)
    }

    async fn bury(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        if let Ok(execution) = tables.execution_mut(&lease.run)
            && execution.epoch == lease.epoch
            && let Some((_, _, until)) = &mut execution.held_by
        {
            *until = now;
        }
        Ok(())
    }

    async fn survived(&self, lease: &Lease) -> Result<(), StoreError> {
        if let Ok(execution) = self.tables().execution_mut(&lease.run)
            && execution.epoch > lease.epoch
        {
            execution.lost.0 = execution.lost.0.saturating_sub(1);
        }
        Ok(())
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Renewal>, StoreError> {
        let mut tables = self.tables();
        let end = tables.lease_end();
        let mut renew = |lease: &Lease| match tables.execution_mut(&lease.run) {
            Ok(execution) if execution.epoch == lease.epoch => match &mut execution.held_by {
                Some((_, _, until)) => {
                    *until = end;
                    Renewal::Held { until: end }
                }
                None => Renewal::Lost,
            },
            _ => Renewal::Lost,
        };
        Ok(leases.iter().map(&mut renew).collect())
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        if let Ok(execution) = self.tables().execution_mut(&lease.run)
            && execution.epoch == lease.epoch
        {
            execution.held_by = None;
        }
        Ok(())
    }

    async fn recover(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        let tables = self.tables();
        let (_, execution) = tables.execution(run)?;
        if execution.kept != Kept::Whole {
            return Err(StoreError::Pruned { run: run.to_string(), place: String::new() });
        }
        let live = execution.instances.values().filter(|instance| instance.end.is_none());
        let binding = |((instance, name), value): (&(Path, String), &Value)| BindingRow {
            instance: instance.clone(),
            name: name.clone(),
            value: value.clone(),
        };
        let stored = Stored {
            run: execution.row.clone(),
            instances: execution.root_row.iter().cloned().chain(live.map(|instance| instance.row.clone())).collect(),
            bindings: execution.bindings.iter().map(binding).collect(),
        };
        Ok(StoredRun { stored, simulated: execution.simulated, setup: execution.setup.clone() })
    }

    async fn ask(&self, run: &RunId, ask: Ask) -> Result<Answer, StoreError> {
        let mut tables = self.tables();
        let status = tables.execution(run)?.1.row.status;
        if !ask.suits(status) {
            return Ok(Answer::Ended(status));
        }
        let mut instance = None;
        if let Ask::Decide { step, .. } = &ask {
            match tables.execution(run)?.1.approvals.get(step) {
                Some(StoredApproval { row, closed: None }) => instance = Some(row.instance.clone()),
                Some(StoredApproval { closed: Some(Some((approved, by))), .. }) => {
                    return Ok(Answer::AlreadyDecided { approved: *approved, by: by.clone() });
                }
                Some(StoredApproval { closed: Some(None), .. }) | None => return Ok(Answer::NothingToDecide),
            }
        }
        let earlier = tables.waiting(run).find(|request| is_same_matter(&request.ask, &ask));
        if let Some(answer) = earlier.and_then(|earlier| ask.after(&earlier.ask, earlier.id)) {
            return Ok(answer);
        }
        let id = RequestId(i64::try_from(tables.requests.len()).unwrap_or(i64::MAX) + 1);
        let request = Request { id, run: run.clone(), ask, instance, at: tables.now };
        tables.requests.push(WaitingRequest { request, taken: false });
        Ok(Answer::Recorded(id))
    }

    async fn requests(&self, runs: &[RunId]) -> Result<Vec<Request>, StoreError> {
        let tables = self.tables();
        let waiting = tables.requests.iter().filter(|waiting| !waiting.taken).map(|waiting| &waiting.request);
        Ok(waiting.filter(|request| runs.contains(&request.run)).cloned().collect())
    }

    async fn cached(&self, key: &str, age_ms_max: u64) -> Result<Option<CachedAnswer>, StoreError> {
        let tables = self.tables();
        let age_us_max = i64::try_from(age_ms_max.saturating_mul(1000)).unwrap_or(i64::MAX);
        let oldest = tables.now.saturating_sub(age_us_max);
        let answer = tables.cache.get(key).map(|(_, answer)| answer);
        Ok(answer.filter(|answer| answer.at >= oldest).cloned())
    }

    async fn gather(&self, run: &RunId, gather: &Gather) -> Result<Vec<Value>, StoreError> {
        let tables = self.tables();
        Ok(match tables.execution(run) {
            Ok((_, execution)) => match &gather.of {
                GatherOf::Yields => execution.yields(gather),
                GatherOf::Outputs { owner } => execution.outputs_of(owner).map(|output| output.value.clone()).collect(),
            },
            Err(_) => Vec::new(),
        })
    }

    async fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, rows_max: u32) -> Result<Vec<RunSummary>, StoreError> {
        Ok(self.tables().list_runs(filter, after, rows_max))
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, StoreError> {
        let tables = self.tables();
        let (number, execution) = tables.execution(run)?;
        Ok(tables.summary(number, execution))
    }

    async fn steps(
        &self,
        run: &RunId,
        failed_only: bool,
        after: Option<&StepCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredStep>, StoreError> {
        Ok(self.tables().list_steps(run, failed_only, after, rows_max))
    }

    async fn failed_items(&self, run: &RunId, after: Option<&str>, rows_max: u32) -> Result<Vec<FailedItem>, StoreError> {
        Ok(self.tables().list_failed_items(run, after, rows_max))
    }

    async fn outputs(
        &self,
        filter: &OutputFilter,
        after: Option<&OutputCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredOutput>, StoreError> {
        self.tables().list_outputs(filter, after, rows_max)
    }

    async fn usage(&self, run: &RunId, after: u64, rows_max: u32) -> Result<Vec<UsageRow>, StoreError> {
        let tables = self.tables();
        let Ok((_, execution)) = tables.execution(run) else { return Ok(Vec::new()) };
        let behind = execution.usage.iter().filter(|line| line.line > after);
        Ok(behind.take(rows_max as usize).cloned().collect())
    }

    async fn approvals(&self, run: Option<&RunId>) -> Result<Vec<Approval>, StoreError> {
        Ok(self.tables().list_approvals(run))
    }

    async fn history(&self, flow: &str) -> Result<Vec<HistoryRow>, StoreError> {
        Ok(self.tables().list_history(flow))
    }

    async fn calls(&self, flow: &str, rows_max: u32) -> Result<Vec<CallSample>, StoreError> {
        Ok(self.tables().list_calls(flow, rows_max))
    }

    async fn draw(&self, draw: Draw) -> Result<Drawn, StoreError> {
        self.tables().draw(&draw)
    }

    async fn set_budget(&self, limit: BudgetLimit, by: &str) -> Result<(), StoreError> {
        self.tables().set_budget(limit, by)
    }

    async fn standing_budgets(&self) -> Result<Vec<BudgetLimit>, StoreError> {
        Ok(self.tables().budgets.standing.values().cloned().collect())
    }

    async fn raise_budget(
        &self,
        key: &BudgetKey,
        start: &str,
        limit: Money,
        by: &str,
    ) -> Result<Option<BudgetAccount>, StoreError> {
        self.tables().raise_budget(key, start, limit, by)
    }

    async fn budgets(&self, rows_max: u32) -> Result<Vec<BudgetAccount>, StoreError> {
        Ok(self.tables().list_budgets(rows_max))
    }

    async fn budget_ledger(
        &self,
        of: Option<(&BudgetKey, &str)>,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<BudgetLine>, StoreError> {
        Ok(self.tables().list_budget_lines(of, after, rows_max))
    }

    async fn budget_alerts(&self, open_only: bool, rows_max: u32) -> Result<Vec<BudgetAlert>, StoreError> {
        Ok(self.tables().list_alerts(open_only, rows_max))
    }

    async fn alert_delivered(&self, alert: i64) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let now = tables.now;
        let found = tables.budgets.alerts.iter_mut().find(|found| found.id == alert && found.delivered_at.is_none());
        if let Some(found) = found {
            found.delivered_at = Some(now);
        }
        Ok(())
    }

    async fn take_alerts(&self, destinations: &[String], hold: Duration) -> Result<Vec<AlertDelivery>, StoreError> {
        Ok(self.tables().take_alerts(destinations, hold))
    }

    async fn settle_alert(&self, alert: i64, destination: &str, failed: Option<(String, Duration)>) -> Result<(), StoreError> {
        self.tables().settle_alert(alert, destination, failed);
        Ok(())
    }

    async fn deploy(&self, deployment: Deployment) -> Result<(), StoreError> {
        self.tables().deploy(deployment);
        Ok(())
    }

    async fn undeploy(&self, flow: &str) -> Result<bool, StoreError> {
        Ok(self.tables().undeploy(flow))
    }

    async fn deployments(&self) -> Result<Vec<Deployed>, StoreError> {
        Ok(self.tables().deployments())
    }

    async fn pause_schedule(&self, flow: &str, paused: bool) -> Result<bool, StoreError> {
        Ok(self.tables().pause_schedule(flow, paused))
    }

    async fn record_triggers(&self, recording: Recording) -> Result<Recorded, StoreError> {
        Ok(self.tables().record_triggers(recording))
    }

    async fn triggers(&self, flow: Option<&str>, open_only: bool, rows_max: u32) -> Result<Vec<Trigger>, StoreError> {
        Ok(self.tables().list_triggers(flow, open_only, rows_max))
    }

    async fn change_trigger(&self, change: TriggerChange) -> Result<bool, StoreError> {
        Ok(self.tables().change_trigger(change))
    }

    async fn spending(&self, from: Time, until: Time, simulated: bool) -> Result<Vec<SpendingRow>, StoreError> {
        Ok(self.tables().list_spending(from, until, simulated))
    }
}

fn is_same_matter(left: &Ask, right: &Ask) -> bool {
    match (left, right) {
        (Ask::Decide { step, .. }, Ask::Decide { step: other, .. }) => step == other,
        _ => left.kind() == right.kind(),
    }
}
