//! The stored rows, kept in maps: what a transition wrote, and what a recovery reads. It refuses what a store would
//! refuse and notes what no run may ever write.

use pmflow_engine::{
    ApprovalRow, BindingRow, Gather, GatherOf, InstanceEnd, InstanceRow, InstanceStatus, LedgerRow, OutputRow, Path, RunRow,
    RunStatus, StepRow, StepStatus, Stored, Time, Write,
};
use pmflow_ledger::Account;
use pmflow_plan::{FailureClass, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub run: Option<RunRow>,
    pub live: BTreeMap<Path, InstanceRow>,
    pub ended: BTreeMap<Path, (InstanceRow, InstanceEnd)>,
    pub bindings: BTreeMap<(Path, String), Value>,
    pub steps: Vec<StepRow>,
    pub done: BTreeSet<Path>,
    pub attempts: BTreeSet<(Path, u32)>,
    pub outputs: BTreeMap<(Path, String), OutputRow>,
    pub ledger: Vec<LedgerRow>,
    /// What the ledger's lines come to so far.
    pub account: Account,
    /// Tries that failed for want of money, and how the account stood at that moment.
    pub refusals: Vec<(StepRow, Account)>,
    pub cache: BTreeMap<String, (Value, Time)>,
    pub approvals: BTreeMap<Path, ApprovalRow>,
    /// The longest instance row seen, by instance's parent: the root's state must not grow with a loop.
    pub root_state_bytes_max: usize,
    /// What no run may ever write.
    pub violations: Vec<String>,
}

impl Rows {
    /// Applies a transition's writes and returns the paths that were refused.
    pub fn commit(&mut self, writes: &[Write]) -> Vec<Path> {
        let mut refused = Vec::new();
        if !writes.is_empty() && !matches!(writes.first(), Some(Write::PutRun(_))) {
            self.violations.push("a transition does not begin with the run's row".to_owned());
        }
        for write in writes {
            self.apply(write, &mut refused);
        }
        refused
    }

    fn apply(&mut self, write: &Write, refused: &mut Vec<Path>) {
        match write {
            Write::PutRun(row) => self.put_run(row),
            Write::InsertInstance(row) => {
                if self.live.contains_key(&row.path) || self.ended.contains_key(&row.path) {
                    refused.push(row.path.clone());
                } else {
                    self.live.insert(row.path.clone(), row.clone());
                }
            }
            Write::PutInstance(row) => {
                if self.ended.contains_key(&row.path) {
                    self.violations.push(format!("`{}` is written after it ended", row.path));
                }
                if row.parent.is_none() {
                    self.root_state_bytes_max = self.root_state_bytes_max.max(row.state.len());
                }
                self.live.insert(row.path.clone(), row.clone());
            }
            Write::EndInstance(end) => match self.live.remove(&end.path) {
                Some(row) => {
                    self.bindings.retain(|(path, _), _| *path != end.path);
                    self.ended.insert(end.path.clone(), (row, end.clone()));
                }
                None => self.violations.push(format!("`{}` ends and was not there", end.path)),
            },
            Write::Bind(row) => {
                self.bindings.insert((row.instance.clone(), row.name.clone()), row.value.clone());
            }
            Write::RecordStep(row) => self.record(row),
            Write::Output(row) => {
                if self.outputs.insert((row.owner.clone(), row.order.clone()), row.clone()).is_some() {
                    self.violations.push(format!("two outputs of `{}` stand at {}", row.owner, row.order));
                }
            }
            Write::Ledger(row) => {
                // Lines that do not add up are found when the ledger is replayed.
                drop(self.account.enter(row.entry.clone()));
                self.ledger.push(row.clone());
            }
            Write::CachePut { key, value, at, .. } => {
                self.cache.insert(key.clone(), (value.clone(), *at));
            }
            Write::ApprovalRequested(row) => {
                self.approvals.insert(row.step.clone(), row.clone());
            }
            Write::ApprovalClosed { step, .. } => {
                self.approvals.remove(step);
            }
        }
    }

    fn put_run(&mut self, row: &RunRow) {
        let expected = self.run.as_ref().map_or(0, |run| run.sequence) + 1;
        if row.sequence != expected {
            self.violations.push(format!("sequence {} follows {}", row.sequence, expected - 1));
        }
        let final_before = self.run.as_ref().map(|run| run.status);
        if let Some(RunStatus::Succeeded | RunStatus::Cancelled) = final_before
            && final_before != Some(row.status)
        {
            self.violations.push(format!("a run that {:?} becomes {:?}", final_before, row.status));
        }
        if self.run.is_none() {
            self.account = Account::new(row.account.limit);
        }
        self.run = Some(row.clone());
    }

    fn record(&mut self, row: &StepRow) {
        if !self.attempts.insert((row.step.clone(), row.attempt)) {
            self.violations.push(format!("`{}#{}` is recorded twice", row.step, row.attempt));
        }
        if row.status == StepStatus::Done && !self.done.insert(row.step.clone()) {
            self.violations.push(format!("`{}` has two results", row.step));
        }
        // A called flow is recorded with what its prompt failed with, and later.
        let is_budget = row.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Budget);
        if is_budget && row.kind == "prompt" {
            self.refusals.push((row.clone(), self.account));
        }
        self.steps.push(row.clone());
    }

    pub fn stored(&self) -> Option<Stored> {
        let bindings = self.bindings.iter().filter(|((path, _), _)| self.live.contains_key(path));
        let bindings =
            bindings.map(|((path, name), value)| BindingRow { instance: path.clone(), name: name.clone(), value: value.clone() });
        Some(Stored { run: self.run.clone()?, instances: self.live.values().cloned().collect(), bindings: bindings.collect() })
    }

    pub fn gather(&self, gather: &Gather) -> Vec<Value> {
        match &gather.of {
            GatherOf::Outputs { owner } => {
                let of_owner = self.outputs.iter().filter(|((path, _), _)| path == owner);
                of_owner.map(|(_, row)| row.value.clone()).collect()
            }
            GatherOf::Yields => {
                let mut found: Vec<(u64, Value)> = Vec::new();
                for (row, end) in self.ended.values() {
                    let is_item = row.parent.as_ref() == Some(&gather.instance) && row.parent_step.as_ref() == Some(&gather.step);
                    if is_item && end.status == InstanceStatus::Done {
                        found.extend(end.yielded.clone().map(|value| (row.index, value)));
                    }
                }
                found.sort_by_key(|(index, _)| *index);
                found.into_iter().map(|(_, value)| value).collect()
            }
        }
    }

    /// The run's own outputs in their order.
    pub fn root_outputs(&self) -> Vec<&OutputRow> {
        let root = self.run.as_ref().map(|run| Path::root(&run.flow));
        self.outputs.values().filter(|row| Some(&row.owner) == root.as_ref()).collect()
    }
}
