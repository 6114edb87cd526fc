//! What a transition stores, and what a recovery reads back.

use crate::command::CallId;
use crate::{Path, RunId, Time};
use pmflow_ledger::{Account, Entry};
use pmflow_plan::failure::Failure;
use pmflow_plan::{Money, PlanId, Usage, Value};
use serde::{Deserialize, Serialize};

/// One change of the stored rows. Writes of a transition are applied in order, all or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The run's row, whole: inserted by the first transition, replaced by later ones. `row.sequence` is one above the
    /// stored one, or the commit is a conflict. Every transition that writes anything writes exactly one, and first.
    PutRun(RunRow),
    /// A child. When an instance of this path exists in any status, alive or ended, the insert is *refused*: nothing of
    /// it changes, the rest of the transition is committed, and the path is reported in `ItemsAdmitted`.
    InsertInstance(InstanceRow),
    /// An instance's row, whole: inserted or replaced. The root's is part of its run: it is no item of anything, has neither
    /// parent nor position, starts with the run, and is gone once ended.
    PutInstance(InstanceRow),
    /// The instance ended and is not read again by a recovery. The store keeps what `show` and `Gather` need and drops
    /// its state and its bindings.
    EndInstance(InstanceEnd),
    /// A value too large for its instance's state, written once: inserted or replaced by (instance, name).
    Bind(BindingRow),
    /// A step's attempt that ended: inserted; (step, attempt) is unique, and `Done` occurs once per step.
    RecordStep(StepRow),
    /// A stored result: inserted; `order` is unique within its owner.
    Output(OutputRow),
    /// Appended.
    Ledger(LedgerRow),
    /// Inserted or replaced by key.
    CachePut { key: String, value: Value, at: Time, flow: String, prompt: String },
    /// Somebody has to decide; inserted or replaced by step.
    ApprovalRequested(ApprovalRow),
    /// Decided, timed out or dropped with its run; `approved` is none in the latter two.
    ApprovalClosed { step: Path, approved: Option<bool>, by: Option<String>, at: Time },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRow {
    pub id: RunId,
    pub plan: PlanId,
    pub flow: String,
    pub status: RunStatus,
    /// From 1, one more with every transition.
    pub sequence: u64,
    pub created_at: Time,
    /// Of the transition.
    pub changed_at: Time,
    pub ended_at: Option<Time>,
    pub failure: Option<Failure>,
    pub account: Account,
    pub counters: Counters,
    /// The parameters, defaults filled in. Written once, does not change.
    pub input: Value,
    /// The engine's own, JSON.
    pub state: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    /// Waits for somebody to raise a limit or to resume it.
    Suspended,
    Succeeded,
    /// Ended; only a resume asked for by a person leads out of it.
    Failed,
    Cancelled,
}

impl RunStatus {
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Suspended => "suspended",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }
}

/// Over the whole run; kept as sums so that progress needs no query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counters {
    pub items_started: u64,
    pub items_done: u64,
    pub items_failed: u64,
    /// Rows read from streamed sources, dropped ones too.
    pub rows_read: u64,
    pub outputs: u64,
    pub model_calls: u64,
    pub cache_hits: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// A live instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceRow {
    pub path: Path,
    /// None for the root.
    pub parent: Option<Path>,
    /// The loop or the call of the parent that it belongs to.
    pub parent_step: Option<Path>,
    /// Position among its loop's items, from 0.
    pub index: u64,
    pub status: InstanceStatus,
    /// The engine's own, JSON, small.
    pub state: String,
    pub started_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStatus {
    /// Read from its source and not started.
    Waiting,
    Running,
    Done,
    Failed,
    /// Failed, and kept with its input to be run again.
    Quarantined,
}

impl InstanceStatus {
    pub fn name(self) -> &'static str {
        match self {
            InstanceStatus::Waiting => "waiting",
            InstanceStatus::Running => "running",
            InstanceStatus::Done => "done",
            InstanceStatus::Failed => "failed",
            InstanceStatus::Quarantined => "quarantined",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct InstanceEnd {
    pub path: Path,
    /// `Done`, `Failed` or `Quarantined`.
    pub status: InstanceStatus,
    pub failure: Option<Failure>,
    /// What a loop's item yielded.
    pub yielded: Option<Value>,
    /// A quarantined item's input.
    pub input: Option<Value>,
    pub ended_at: Time,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BindingRow {
    pub instance: Path,
    pub name: String,
    pub value: Value,
}

/// A step's attempt that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    pub instance: Path,
    pub step: Path,
    /// The key into [`pmflow_plan::SourceMap::places`]: the step's path in its flow, without keys.
    pub place: String,
    /// From 1.
    pub attempt: u32,
    /// `prompt`, `operation`, `flow`, `source`, `for`, `if`, `wait`, `approve`, …
    pub kind: &'static str,
    /// The prompt's, operation's or flow's name.
    pub target: Option<String>,
    pub status: StepStatus,
    pub started_at: Time,
    pub ended_at: Time,
    /// Of a step that is done and has one.
    pub result: Option<Value>,
    pub failure: Option<Failure>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub cost: Option<Money>,
    pub from_cache: bool,
    /// A digest of what the step was given; of steps that are done and whose results a later run may take over.
    pub input_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Done,
    /// Failed, and the step goes on: another try, a repair, the next model, its `else`.
    Retried,
    Failed,
}

impl StepStatus {
    pub fn name(self) -> &'static str {
        match self {
            StepStatus::Done => "done",
            StepStatus::Retried => "retried",
            StepStatus::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OutputRow {
    pub instance: Path,
    pub step: Path,
    /// The flow instance that it is an output of: the root for the run's own outputs, which are the only ones a user
    /// lists; a called flow's outputs are the value of its call.
    pub owner: Path,
    /// Sorts as text in the order of the source's rows and of the steps as written. Unique within the owner.
    pub order: String,
    pub value: Value,
    pub tags: Vec<String>,
    pub at: Time,
}

/// One line of the ledger, with what it was for.
#[derive(Clone, Debug, PartialEq)]
pub struct LedgerRow {
    pub entry: Entry,
    /// None for a raised limit.
    pub call: Option<CallId>,
    pub prompt: Option<String>,
    pub model: Option<String>,
    /// As reported; none where nothing was.
    pub usage: Option<Usage>,
    /// The key that was sent with the request, by which a provider's own record is matched.
    pub idempotency_key: Option<String>,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalRow {
    pub instance: Path,
    pub step: Path,
    pub text: String,
    pub by: Option<String>,
    pub until: Option<Time>,
    pub at: Time,
}

/// What a recovery needs: the rows as they stand. Instances that ended are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub run: RunRow,
    /// Those without an `EndInstance`, in any order.
    pub instances: Vec<InstanceRow>,
    /// Of these instances.
    pub bindings: Vec<BindingRow>,
}
