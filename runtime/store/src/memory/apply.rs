//! Transitions, applied one write after the other.

use super::{StoredApproval, StoredExecution, StoredInstance, Tables};
use crate::lease::Lease;
use crate::{CachedAnswer, Committed, Conflict, Created, Kept, NewRun, RunCommit, StoreError, UsageRow};
use pmflow_engine::{InstanceEnd, InstanceRow, LedgerRow, Path, RunId, RunRow, RunStatus, Write};
use pmflow_plan::Money;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Tables {
    pub(super) fn create(&mut self, new: NewRun) -> Result<Created, StoreError> {
        let Some(Write::PutRun(row)) = new.writes.first().cloned() else { return Ok(Created::Exists) };
        if self.numbers.contains_key(&row.id) {
            return Ok(Created::Exists);
        }
        if !self.plans.contains_key(&row.plan.0) {
            return Err(StoreError::NoSuchPlan { plan: row.plan.0, place: String::new() });
        }
        if let Some(origin) = &new.origin
            && !self.execution(origin).is_ok_and(|(_, execution)| execution.kept == Kept::Whole)
        {
            return Err(StoreError::Pruned { run: origin.to_string(), place: String::new() });
        }
        check_writes(&new.writes)?;
        let number = self.runs.last_key_value().map_or(0, |(last, _)| *last) + 1;
        let lease = Lease { run: row.id.clone(), epoch: 1 };
        let execution = StoredExecution {
            root: Path::root(&row.flow),
            row,
            simulated: new.simulated,
            started_by: new.started_by,
            setup: new.setup,
            origin: new.origin,
            kept: Kept::Whole,
            epoch: 1,
            held_by: Some((new.process, self.now, self.lease_end())),
            lost: (0, 0),
            root_row: None,
            instances: BTreeMap::new(),
            bindings: BTreeMap::new(),
            steps: BTreeMap::new(),
            outputs: BTreeMap::new(),
            usage: Vec::new(),
            approvals: BTreeMap::new(),
        };
        self.numbers.insert(lease.run.clone(), number);
        self.runs.insert(number, execution);
        let refused = self.write_all(number, new.writes);
        Ok(Created::Run { lease, refused })
    }

    /// An amount that no database holds fails the whole batch, before anything of it is stored.
    pub(super) fn check_amounts(&self, batch: &[RunCommit]) -> Result<(), StoreError> {
        batch.iter().try_for_each(|commit| check_writes(&commit.writes))
    }

    pub(super) fn commit(&mut self, commit: RunCommit) -> Committed {
        let (number, row) = match self.judge(&commit) {
            Ok(judged) => judged,
            Err(conflict) => return Committed::Conflict(conflict),
        };
        if let Some(execution) = self.runs.get_mut(&number) {
            let input = std::mem::replace(&mut execution.row.input, pmflow_plan::Value::None);
            execution.row = RunRow { input, ..row };
        }
        for waiting in self.requests.iter_mut().filter(|waiting| waiting.request.run == commit.lease.run) {
            waiting.taken |= commit.answered.contains(&waiting.request.id);
        }
        self.close_shares(number);
        Committed::Stored { refused: self.write_all(number, commit.writes) }
    }

    /// Behind a batch: who ended or stands still is held by nobody.
    pub(super) fn give_back(&mut self, run: &RunId) {
        if let Ok(execution) = self.execution_mut(run)
            && execution.row.status != RunStatus::Running
        {
            execution.held_by = None;
        }
    }

    /// A row whose key is taken fails the whole batch, before anything of it is stored.
    pub(super) fn check_keys(&self, batch: &[RunCommit]) -> Result<(), StoreError> {
        let mut standing = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for commit in batch {
            let run = &commit.lease.run;
            let Ok((_, execution)) = self.execution(run) else { continue };
            let standing = standing.entry(run).or_insert((execution.row.sequence, execution.row.status));
            let Ok((number, row)) = self.judge_against(commit, *standing) else { continue };
            *standing = (row.sequence, row.status);
            for key in commit.writes.iter().filter_map(unique_key) {
                if execution.has(&key) || !taken.insert((number, key.clone())) {
                    return Err(StoreError::RecordedBefore { run: run.to_string(), detail: format!("{key:?}") });
                }
            }
        }
        Ok(())
    }

    fn judge(&self, commit: &RunCommit) -> Result<(i64, RunRow), Conflict> {
        let standing = self.execution(&commit.lease.run).map(|(_, execution)| (execution.row.sequence, execution.row.status));
        self.judge_against(commit, standing.unwrap_or((0, RunStatus::Running)))
    }

    /// Whether the transition follows when the run stands at this sequence and status.
    fn judge_against(&self, commit: &RunCommit, (stored, status): (u64, RunStatus)) -> Result<(i64, RunRow), Conflict> {
        let run = &commit.lease.run;
        let Ok((number, execution)) = self.execution(run) else { return Err(Conflict::NoSuchRun { run: run.clone() }) };
        if execution.epoch != commit.lease.epoch {
            return Err(Conflict::TakenOver { run: run.clone(), epoch: execution.epoch });
        }
        let row = match commit.writes.first() {
            Some(Write::PutRun(row)) if row.id == *run => row,
            _ => return Err(Conflict::Shape { run: run.clone() }),
        };
        if row.sequence != stored + 1 {
            return Err(Conflict::Sequence { run: run.clone(), stored, given: row.sequence });
        }
        if matches!(status, RunStatus::Succeeded | RunStatus::Cancelled) && row.status != status {
            return Err(Conflict::Final { run: run.clone(), status });
        }
        Ok((number, row.clone()))
    }

    fn write_all(&mut self, number: i64, writes: Arc<Vec<Write>>) -> Vec<Path> {
        let mut refused = Vec::new();
        let mut left_out = BTreeSet::new();
        for write in Arc::unwrap_or_clone(writes) {
            match write {
                Write::CachePut { key, value, at, flow, .. } => {
                    self.cache.insert(key, (flow, CachedAnswer { value, at }));
                }
                Write::Ledger(row) => {
                    self.lines += 1;
                    let line = usage_row(self.lines, row);
                    self.alert_breach(number, &line);
                    if let Some(execution) = self.runs.get_mut(&number) {
                        execution.usage.push(line);
                    }
                }
                other => {
                    if let Some(execution) = self.runs.get_mut(&number) {
                        execution.write(other, &mut refused, &mut left_out);
                    }
                }
            }
        }
        refused
    }
}

/// What may be recorded once in a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum UniqueKey {
    Step(Path, u32),
    Output(Path, String),
}

fn unique_key(write: &Write) -> Option<UniqueKey> {
    match write {
        Write::RecordStep(row) => Some(UniqueKey::Step(row.step.clone(), row.attempt)),
        Write::Output(row) => Some(UniqueKey::Output(row.owner.clone(), row.order.clone())),
        _ => None,
    }
}

impl StoredExecution {
    fn has(&self, key: &UniqueKey) -> bool {
        match key {
            UniqueKey::Step(step, attempt) => self.steps.contains_key(&(step.clone(), *attempt)),
            UniqueKey::Output(owner, order) => self.outputs.contains_key(&(owner.clone(), order.clone())),
        }
    }

    fn write(&mut self, write: Write, refused: &mut Vec<Path>, left_out: &mut BTreeSet<Path>) {
        match write {
            Write::InsertInstance(row) if self.instances.contains_key(&row.path) => {
                left_out.insert(row.path.clone());
                refused.push(row.path);
            }
            Write::InsertInstance(row) => {
                left_out.remove(&row.path);
                self.put_instance(row);
            }
            Write::PutInstance(row) => self.put_instance(row),
            Write::EndInstance(end) => self.end_instance(end),
            Write::Bind(row) => {
                if !left_out.contains(&row.instance) {
                    self.bindings.insert((row.instance, row.name), row.value);
                }
            }
            Write::RecordStep(row) => {
                self.steps.insert((row.step.clone(), row.attempt), row);
            }
            Write::Output(row) => {
                self.outputs.insert((row.owner.clone(), row.order.clone()), row);
            }
            Write::ApprovalRequested(row) => {
                self.approvals.insert(row.step.clone(), StoredApproval { row, closed: None });
            }
            Write::ApprovalClosed { step, approved, by, .. } => {
                if let Some(approval) = self.approvals.get_mut(&step).filter(|approval| approval.closed.is_none()) {
                    approval.closed = Some(approved.map(|approved| (approved, by.unwrap_or_default())));
                }
            }
            // Kept elsewhere.
            Write::PutRun(_) | Write::Ledger(_) | Write::CachePut { .. } => {}
        }
    }

    fn put_instance(&mut self, row: InstanceRow) {
        if row.path == self.root {
            self.root_row = Some(row);
        } else {
            self.instances.insert(row.path.clone(), StoredInstance { row, end: None });
        }
    }

    fn end_instance(&mut self, end: InstanceEnd) {
        self.bindings.retain(|(instance, _), _| *instance != end.path);
        if end.path == self.root {
            self.root_row = None;
        } else if let Some(instance) = self.instances.get_mut(&end.path) {
            instance.end = Some(end);
        }
    }
}

fn usage_row(line: u64, row: LedgerRow) -> UsageRow {
    UsageRow {
        line,
        entry: row.entry,
        call: row.call,
        prompt: row.prompt,
        model: row.model,
        usage: row.usage,
        idempotency_key: row.idempotency_key,
        at: row.at,
    }
}

/// Databases hold 64-bit pico-dollars, and so does the reference.
fn check_writes(writes: &[Write]) -> Result<(), StoreError> {
    for write in writes {
        let amounts: Vec<(&'static str, Money)> = match write {
            Write::PutRun(row) => {
                let account = &row.account;
                let sums = [
                    ("sum of holds", account.held),
                    ("sum of costs", account.settled),
                    ("sum of unknown costs", account.unknown),
                ];
                sums.into_iter().chain(account.limit.map(|limit| ("limit", limit))).collect()
            }
            Write::RecordStep(row) => row.cost.map(|cost| ("cost of a step", cost)).into_iter().collect(),
            Write::Ledger(row) => vec![("hold", row.entry.held), ("charge", row.entry.charged)],
            _ => Vec::new(),
        };
        for (what, amount) in amounts {
            if amount.to_i64().is_none() {
                return Err(StoreError::OutOfRange { what, amount: amount.to_string() });
            }
        }
    }
    Ok(())
}
