//! Many transitions folded into what each table gets, in the order in which they were committed.

use super::history::HistoryDelta;
use super::known::{Belongings, Facts};
use super::rows::{
    Beginning, BindingPut, CachePut, InstanceEnding, InstanceKey, InstancePut, OutputInsertion, RequestTaken, RunChange,
    RunInsertion, StepRecord, TagInsertion, UsageAppend, value_text,
};
use crate::{Breach, RequestId, StoreError};
use pmflow_engine::{ApprovalRow, InstanceEnd, InstanceRow, InstanceStatus, Path, RunRow, RunStatus, Time, Write};
use pmflow_plan::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run as it stands in the middle of a group.
#[derive(Debug)]
pub struct Head<'w> {
    pub execution: i64,
    pub epoch: u64,
    /// Before this group, of a run that it made as that began; and now.
    pub base: u64,
    pub sequence: u64,
    pub status: RunStatus,
    pub facts: Arc<Facts>,
    /// Before this group, and after it.
    pub had: Belongings,
    pub has: Belongings,
    /// Made by this group.
    pub beginning: Option<Beginning<'w>>,
    /// Its first row in this group, which has the input, and its last.
    pub first: Option<&'w RunRow>,
    pub last: Option<&'w RunRow>,
    /// Its root instance as this group leaves it; none: as it was.
    pub root: Option<Root<'w>>,
}

impl Head<'_> {
    /// Of a run that is stored, with nothing of this group yet.
    pub fn stored(execution: i64, epoch: u64, sequence: u64, status: RunStatus, facts: Arc<Facts>, has: Belongings) -> Self {
        Head {
            execution,
            epoch,
            base: sequence,
            sequence,
            status,
            facts,
            had: has,
            has,
            beginning: None,
            first: None,
            last: None,
            root: None,
        }
    }
}

/// A run's root instance. It changes with nearly every transition, so it stands in the run's row instead of one of its own.
#[derive(Clone, Copy, Debug)]
pub struct Root<'w> {
    pub status: InstanceStatus,
    /// Empty once ended.
    pub state: &'w str,
}

impl<'w> Root<'w> {
    /// What a transition makes of the root.
    pub fn of(writes: &'w [Write], root_path: &str) -> Option<Root<'w>> {
        writes.iter().rev().find_map(|write| match write {
            Write::PutInstance(row) if row.path.as_str() == root_path => Some(Root { status: row.status, state: &row.state }),
            Write::EndInstance(end) if end.path.as_str() == root_path => Some(Root { status: end.status, state: "" }),
            _ => None,
        })
    }
}

/// A transition that was found to follow what is stored.
#[derive(Debug)]
pub struct Accepted<'w> {
    pub head: &'w Head<'w>,
    pub writes: &'w [Write],
    pub answered: &'w [RequestId],
}

pub type ExistingInstances = BTreeSet<(i64, String)>;

/// What becomes of an instance's row.
#[derive(Debug)]
enum InstanceFate<'w> {
    Live(&'w InstanceRow),
    LivedAndEnded(&'w InstanceRow, &'w InstanceEnd),
    /// Its row is stored already.
    Ended(&'w InstanceEnd),
}

#[derive(Debug)]
pub enum ApprovalChange<'w> {
    Requested(i64, &'w ApprovalRow),
    Closed { execution: i64, step: &'w str, approved: Option<bool>, by: Option<&'w str>, at: Time },
}

/// Rows for each table.
#[derive(Debug, Default)]
pub struct Changes<'w> {
    fates: BTreeMap<(i64, &'w str), InstanceFate<'w>>,
    bound: BTreeMap<(i64, &'w str), BTreeMap<&'w str, &'w Value>>,
    unbound: Vec<InstanceKey<'w>>,
    pub steps: Vec<StepRecord<'w>>,
    pub outputs: Vec<OutputInsertion<'w>>,
    pub tags: Vec<TagInsertion<'w>>,
    pub usage: Vec<UsageAppend<'w>>,
    /// Calls that were billed above their holds.
    pub breaches: Vec<Breach>,
    cache: BTreeMap<&'w str, CachePut<'w>>,
    pub approvals: Vec<ApprovalChange<'w>>,
    pub taken: Vec<RequestTaken>,
    pub history: HistoryDelta<'w>,
}

impl<'w> Changes<'w> {
    /// Adds a transition. Returns the insertions that were refused.
    pub fn add(&mut self, accepted: &Accepted<'w>, existing: &ExistingInstances) -> Result<Vec<Path>, StoreError> {
        let head = accepted.head;
        let mut refused = Vec::new();
        // The last word on each path: a binding follows the insertion before it.
        let mut left_out = BTreeSet::new();
        for write in accepted.writes {
            match write {
                Write::InsertInstance(row) => {
                    if self.insert_instance(head.execution, row, existing) {
                        left_out.remove(row.path.as_str());
                    } else {
                        left_out.insert(row.path.as_str());
                        refused.push(row.path.clone());
                    }
                }
                Write::Bind(row) if left_out.contains(row.instance.as_str()) => {}
                other => self.add_write(head, other)?,
            }
        }
        let taken = |id: &RequestId| RequestTaken { request_id: id.0, execution_id: head.execution };
        self.taken.extend(accepted.answered.iter().map(taken));
        Ok(refused)
    }

    fn insert_instance(&mut self, execution: i64, row: &'w InstanceRow, existing: &ExistingInstances) -> bool {
        let path = row.path.as_str();
        if self.fates.contains_key(&(execution, path)) || existing.contains(&(execution, path.to_owned())) {
            return false;
        }
        self.fates.insert((execution, path), InstanceFate::Live(row));
        true
    }

    fn add_write(&mut self, head: &'w Head<'w>, write: &'w Write) -> Result<(), StoreError> {
        let execution = head.execution;
        match write {
            // The run's row and its root are kept by its head; insertions were handled by the caller.
            Write::PutRun(_) | Write::InsertInstance(_) => {}
            Write::PutInstance(row) if row.path.as_str() == head.facts.root_path => {}
            Write::EndInstance(end) if end.path.as_str() == head.facts.root_path => self.unbind(head, end),
            Write::PutInstance(row) => {
                self.fates.insert((execution, row.path.as_str()), InstanceFate::Live(row));
            }
            Write::EndInstance(end) => self.end_instance(head, end),
            Write::Bind(row) => {
                self.bound.entry((execution, row.instance.as_str())).or_default().insert(&row.name, &row.value);
            }
            Write::RecordStep(row) => {
                self.steps.push(StepRecord::of(execution, row)?);
                if !head.facts.simulated {
                    self.history.add(&head.facts.flow, &head.facts.plan, row)?;
                }
            }
            Write::Output(row) => {
                self.outputs.push(OutputInsertion::of(execution, row));
                if row.owner.as_str() == head.facts.root_path {
                    let tag = |tag: &'w String| TagInsertion { tag, execution_id: execution, position: &row.order };
                    self.tags.extend(row.tags.iter().map(tag));
                }
            }
            Write::Ledger(row) => {
                self.usage.push(UsageAppend::of(execution, row)?);
                if let Some(model) = row.model.as_ref().filter(|_| row.entry.breach && !head.facts.simulated) {
                    self.breaches.push(Breach::of(&head.facts.flow, model, row.entry.held, row.entry.charged, row.at));
                }
            }
            Write::CachePut { key, value, at, flow, prompt } => {
                self.cache.insert(key, CachePut { key, value: value_text(value), flow, prompt, at: *at });
            }
            Write::ApprovalRequested(row) => self.approvals.push(ApprovalChange::Requested(execution, row)),
            Write::ApprovalClosed { step, approved, by, at } => self.approvals.push(ApprovalChange::Closed {
                execution,
                step: step.as_str(),
                approved: *approved,
                by: by.as_deref(),
                at: *at,
            }),
        }
        Ok(())
    }

    fn unbind(&mut self, head: &'w Head<'w>, end: &'w InstanceEnd) {
        self.bound.remove(&(head.execution, end.path.as_str()));
        if head.had.bindings {
            self.unbound.push(InstanceKey { execution_id: head.execution, path: end.path.as_str() });
        }
    }

    fn end_instance(&mut self, head: &'w Head<'w>, end: &'w InstanceEnd) {
        self.unbind(head, end);
        let key = (head.execution, end.path.as_str());
        let fate = match self.fates.remove(&key) {
            Some(InstanceFate::Live(row) | InstanceFate::LivedAndEnded(row, _)) => InstanceFate::LivedAndEnded(row, end),
            Some(InstanceFate::Ended(_)) | None => InstanceFate::Ended(end),
        };
        self.fates.insert(key, fate);
    }

    /// Nothing but changes of runs, steps, outputs, lines of the ledger, and what is added to the history.
    pub fn is_plain(&self) -> bool {
        let is_instances = !self.fates.is_empty() || !self.bound.is_empty() || !self.unbound.is_empty();
        let is_told = !self.breaches.is_empty() || !self.approvals.is_empty() || !self.taken.is_empty();
        !is_instances && !is_told && self.tags.is_empty() && self.cache.is_empty()
    }

    pub fn instances_put(&self) -> Vec<InstancePut<'w>> {
        let put = |((execution, _), fate): (&(i64, &'w str), &InstanceFate<'w>)| match fate {
            InstanceFate::Live(row) => Some(InstancePut::live(*execution, row)),
            InstanceFate::LivedAndEnded(row, end) => Some(InstancePut::ended(*execution, row, end)),
            InstanceFate::Ended(_) => None,
        };
        self.fates.iter().filter_map(put).collect()
    }

    pub fn instances_ended(&self) -> Vec<InstanceEnding<'w>> {
        let ended = |((execution, _), fate): (&(i64, &'w str), &InstanceFate<'w>)| match fate {
            InstanceFate::Ended(end) => Some(InstanceEnding::of(*execution, end)),
            InstanceFate::Live(_) | InstanceFate::LivedAndEnded(..) => None,
        };
        self.fates.iter().filter_map(ended).collect()
    }

    /// Instances whose bindings go.
    pub fn unbound(&self) -> &[InstanceKey<'w>] {
        &self.unbound
    }

    pub fn bindings(&self) -> Vec<BindingPut<'w>> {
        let of_instance = |(&(execution_id, instance), values): (&(i64, &'w str), &BTreeMap<&'w str, &'w Value>)| {
            let put =
                |(name, value): (&&'w str, &&'w Value)| BindingPut { execution_id, instance, name, value: value_text(value) };
            values.iter().map(put).collect::<Vec<_>>()
        };
        self.bound.iter().flat_map(of_instance).collect()
    }

    pub fn cache(&self) -> Vec<&CachePut<'w>> {
        self.cache.values().collect()
    }
}

/// Rows of runs that this group made.
pub fn runs_made<'h>(heads: impl IntoIterator<Item = &'h Head<'h>>) -> Result<Vec<RunInsertion<'h>>, StoreError> {
    let made = |head: &'h Head<'h>| {
        let (beginning, first) = (head.beginning.as_ref()?, head.first?);
        Some(RunInsertion::of(head, first, beginning))
    };
    heads.into_iter().filter_map(made).collect()
}

/// Rows of runs that this group changed, as the last transition leaves them.
pub fn runs_changed<'h>(heads: impl IntoIterator<Item = &'h Head<'h>>) -> Result<Vec<RunChange<'h>>, StoreError> {
    let changed = |head: &'h Head<'h>| {
        let last = head.last?;
        let is_first = head.beginning.is_some() && head.first.is_some_and(|first| first.sequence == last.sequence);
        (!is_first).then(|| RunChange::of(head, last))
    };
    heads.into_iter().filter_map(changed).collect()
}
