//! What is read: by a recovery, and by people through `runs`, `show` and `outputs`.

use crate::lease::Holder;
use crate::prune::Kept;
use pmflow_engine::{CallId, Counters, InstanceStatus, Path, RunId, RunStatus, StepStatus, Stored, Time};
use pmflow_ledger::{Account, Entry};
use pmflow_plan::{Failure, Money, PlanId, Usage, Value};

/// A run as a recovery needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    pub stored: Stored,
    pub simulated: bool,
    pub setup: String,
}

/// Which runs; none of a field means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub flow: Option<String>,
    pub status: Option<RunStatus>,
    /// Created at or after.
    pub from: Option<Time>,
    /// Created before.
    pub until: Option<Time>,
}

/// A run as a list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Where a list of runs goes on behind this one.
    pub cursor: RunCursor,
    pub id: RunId,
    pub plan: PlanId,
    pub flow: String,
    pub status: RunStatus,
    pub sequence: u64,
    pub created_at: Time,
    pub changed_at: Time,
    pub ended_at: Option<Time>,
    pub failure: Option<Failure>,
    pub account: Account,
    pub counters: Counters,
    pub simulated: bool,
    pub setup: String,
    /// Who executes it; none when nobody does or the lease is over.
    pub holder: Option<Holder>,
    /// Somebody asked for a cancel, and it was not taken up yet.
    pub cancel_requested: bool,
    /// What retention has left of it.
    pub kept: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunCursor(pub i64);

/// A step's attempt as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredStep {
    pub instance: Path,
    pub step: Path,
    pub place: String,
    pub attempt: u32,
    pub kind: String,
    pub target: Option<String>,
    pub status: StepStatus,
    pub started_at: Time,
    pub ended_at: Time,
    pub result: Option<Value>,
    pub failure: Option<Failure>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub cost: Option<Money>,
    pub from_cache: bool,
    pub input_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepCursor {
    pub step: Path,
    pub attempt: u32,
}

/// An item that failed or was put aside.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedItem {
    pub path: Path,
    pub index: u64,
    pub status: InstanceStatus,
    pub failure: Option<Failure>,
    pub input: Option<Value>,
    pub ended_at: Time,
}

/// Which outputs; none of a field means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputFilter {
    pub run: Option<RunId>,
    pub flow: Option<String>,
    pub tag: Option<String>,
    /// Stored at or after.
    pub from: Option<Time>,
    /// Stored before.
    pub until: Option<Time>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StoredOutput {
    /// Where a list of outputs goes on behind this one.
    pub cursor: OutputCursor,
    pub run: RunId,
    pub flow: String,
    pub simulated: bool,
    pub instance: Path,
    pub step: Path,
    /// None: retention took it.
    pub value: Option<Value>,
    pub tags: Vec<String>,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutputCursor {
    pub run: RunCursor,
    pub order: String,
}

/// A line of a run's ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRow {
    /// Ascending within the run, from 1, not always by one.
    pub line: u64,
    pub entry: Entry,
    pub call: Option<CallId>,
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub idempotency_key: Option<String>,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub run: RunId,
    pub flow: String,
    pub instance: Path,
    pub step: Path,
    pub text: String,
    /// The role that may decide; none: anybody with access to the run.
    pub by: Option<String>,
    pub until: Option<Time>,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CachedAnswer {
    pub value: Value,
    pub at: Time,
}

/// One answered call of a prompt, from which spreads are estimated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSample {
    /// The step's path in its flow, without keys.
    pub place: String,
    pub prompt: String,
    /// Of the prompt's canonical bytes; none when the plan was stored without it.
    pub prompt_hash: Option<String>,
    pub model: String,
    /// As reported; none where nothing was.
    pub usage: Option<Usage>,
    /// From dispatch to the recorded end.
    pub latency_us: u64,
    pub cost: Money,
    /// When it was answered.
    pub at: Time,
}

/// Sums over the calls of one prompt at one place to one model. Simulated runs are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryRow {
    pub flow: String,
    /// The step's path in its flow, without keys.
    pub place: String,
    pub prompt: String,
    /// Of the prompt's canonical bytes; none when the plan was stored without it.
    pub prompt_hash: Option<String>,
    pub model: String,
    /// Answers that were paid for.
    pub calls: u64,
    /// Answers that came from the cache.
    pub cache_hits: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Cached ones included.
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// From dispatch to the recorded end, summed over `calls`.
    pub latency_us: u64,
    /// Pico-dollars, summed over `calls`.
    pub cost: Money,
}
