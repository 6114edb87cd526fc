//! What a run asks of the world. Each command is answered by an [`crate::Event`] that carries the same identity back, at
//! least once; a command may be dispatched again after a crash, and a second answer changes nothing.

use crate::write::Counters;
use crate::{Path, RunStatus, Time};
use pmflow_ledger::Account;
use pmflow_plan::failure::Failure;
use pmflow_plan::value::Record;
use pmflow_plan::{FileFormat, Money, Role, Type};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Answered by `ModelAnswered` or `CallFailed`. Money is held for it already.
    CallModel(ModelCall),
    /// A call of a model whose calls wait ([`crate::Event::ModelsGated`]): nothing is held or sent for it yet, and nothing is
    /// stored. Answered by `TurnCame` or `TurnRefused`.
    AwaitTurn(TurnRequest),
    /// Calls of one model, to be handed to its provider together. Each is answered by a `BatchSubmitted` that names it, or, where
    /// there are no batches after all, as if it had been a `CallModel`. Money is held for all of them already.
    SubmitBatch(Vec<ModelCall>),
    /// Answers of a batch that a provider took. Each call is answered by `ModelAnswered` or `CallFailed`.
    CollectBatch(ProviderBatch),
    /// The answers of this batch are not wanted any more, as far as they are not there yet. Wants no answer of its own:
    /// `CollectBatch` stands.
    CancelBatch(ProviderBatch),
    /// Answered by `CacheHit` or `CacheMiss`.
    LookupCache(CacheLookup),
    /// Answered by `OperationAnswered` or `CallFailed`.
    CallOperation(OperationCall),
    /// The next rows of a streamed loop. Answered by `Rows` or `SourceFailed`.
    PullRows(Pull),
    /// All rows of a source that is bound to a name: the same as `PullRows` with no bound but the source's limit.
    /// Answered by one `Rows` that is `exhausted`, or by `SourceFailed`.
    ReadSource(Pull),
    /// Items were inserted in the transition that carries this command. Answered by `ItemsAdmitted`, as soon as it is
    /// committed, with the paths that the store refused because they exist.
    AwaitAdmission(Admission),
    /// What the finished instances left in the store. Answered by `Gathered`.
    Gather(Gather),
    /// Answered by `TimerFired` at or after the time.
    StartTimer(Timer),
    /// Somebody has to decide. Answered by `Decided`, whenever that is.
    AwaitApproval(ApprovalRequest),
    /// What an earlier run recorded of this step. Answered by `Recalled`.
    Recall(Recall),
    /// Money out of the budgets that the run shares: `need` for the next call, `wish` if that much is there. Answered by
    /// `BudgetDrawn`. Nothing else of the run may be committed between the draw and its answer.
    DrawBudget { need: Money, wish: Money },
    /// Nothing more is owed: the run reached this status. Wants no answer.
    RunEnded(RunEnd),
}

impl Command {
    /// The instance that waits for the answer; none for those of the run itself.
    pub fn instance(&self) -> Option<&Path> {
        match self {
            Command::CallModel(call) => Some(&call.call.instance),
            Command::AwaitTurn(request) => Some(&request.instance),
            Command::LookupCache(lookup) => Some(&lookup.instance),
            Command::CallOperation(call) => Some(&call.call.instance),
            Command::PullRows(pull) | Command::ReadSource(pull) => Some(&pull.instance),
            Command::AwaitAdmission(admission) => Some(&admission.instance),
            Command::Gather(gather) => Some(&gather.instance),
            Command::StartTimer(timer) => Some(&timer.id.instance),
            Command::Recall(recall) => Some(&recall.instance),
            Command::AwaitApproval(request) => Some(&request.instance),
            Command::SubmitBatch(_) | Command::CollectBatch(_) | Command::CancelBatch(_) => None,
            Command::DrawBudget { .. } | Command::RunEnded(_) => None,
        }
    }
}

/// One try of one call. The text form, `daily/lead[k]/fit#2`, is unique within the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    pub instance: Path,
    pub step: Path,
    /// Counts every sending, from 1: retries, repairs, other models of the chain, and those after a crash.
    pub attempt: u32,
}

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.step, self.attempt)
    }
}

/// One request to one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCall {
    pub call: CallId,
    /// In [`pmflow_plan::Plan::prompts`].
    pub prompt: String,
    /// In [`pmflow_plan::Plan::models`].
    pub model: String,
    pub system: Option<Arc<str>>,
    /// Examples, then the user's text, then for a repair the unusable answer and what was wrong with it.
    pub messages: Vec<Message>,
    /// The prompt's arguments by parameter, for a host that has to shorten one ([`pmflow_plan::Overflow::Truncate`]): it calls
    /// [`crate::prompts::render`] again with the shorter text.
    pub arguments: Arc<Record>,
    /// What `now()` gives in the prompt's templates.
    pub now: Time,
    pub answer: Type,
    /// Counted again before sending; above it the call fails as `invalid_input`, not sent.
    pub input_tokens_max: u64,
    pub output_tokens_max: u64,
    pub thinking_tokens_max: Option<u64>,
    /// Thousandths.
    pub temperature_milli: Option<u32>,
    /// Of this attempt, from dispatch to the last byte.
    pub timeout_ms: u64,
    /// The same when the same logical attempt is sent again after a crash.
    pub idempotency_key: String,
    /// What the ledger holds for it.
    pub hold: Money,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRequest {
    pub instance: Path,
    pub step: Path,
    /// In [`pmflow_plan::Plan::models`].
    pub model: String,
    /// Input and output together, at most.
    pub tokens_max: u64,
    /// A refused call goes to another model of its chain.
    pub has_alternative: bool,
}

/// Calls that a provider has as one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderBatch {
    /// As the provider named it.
    pub name: Arc<str>,
    /// In [`pmflow_plan::Plan::models`].
    pub model: String,
    /// Those whose answers are awaited.
    pub calls: Vec<BatchedCall>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchedCall {
    pub call: CallId,
    /// In [`pmflow_plan::Plan::prompts`].
    pub prompt: String,
    /// By which the provider tells the calls of a batch apart.
    pub idempotency_key: String,
    pub output_tokens_max: u64,
    /// Then it has taken too long.
    pub until: Time,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    pub text: Arc<str>,
}

/// A question to the records of an earlier run: did the step, or the one of its former name, end well with this input?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    pub instance: Path,
    pub step: Path,
    /// The path that it had before it was renamed.
    pub earlier: Option<Path>,
    /// What [`crate::StepRow::input_key`] has to be.
    pub input_key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheLookup {
    pub instance: Path,
    pub step: Path,
    /// 64 hexadecimal digits.
    pub key: String,
    /// Older entries are misses.
    pub age_ms_max: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OperationCall {
    pub call: CallId,
    /// In [`pmflow_plan::Plan::operations`].
    pub operation: String,
    /// By parameter, defaults filled in where they are constant.
    pub arguments: Arc<Record>,
    /// The same for every try of the step and after every crash.
    pub idempotency_key: String,
    pub timeout_ms: u64,
}

/// A read of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Pull {
    /// The instance and the step that wait: the loop, or the source itself for `ReadSource`.
    pub instance: Path,
    pub step: Path,
    /// Counts the pulls of this step, failed ones too, from 1; comes back in the answer.
    pub pull: u64,
    /// The source's own name in its flow: what a test's `given` stands in for.
    pub name: String,
    pub source: ResolvedSource,
    /// Where to go on: what the last `Rows` said; none at the beginning.
    pub cursor: Option<String>,
    /// Stop after so many rows that passed the stages (never 0).
    pub rows_max: u64,
    /// Stop after so many rows read, even when fewer passed, so that progress is kept and a cancel is seen.
    pub read_max: u64,
    /// Applied by [`crate::stream::Stages`], which the host drives row by row.
    pub stages: crate::stream::Stages,
    pub timeout_ms: u64,
}

/// A source with its arguments worked out.
#[derive(Clone, Debug, PartialEq)]
pub enum ResolvedSource {
    File { format: FileFormat, path: Arc<str>, row: Type },
    Operation { operation: String, arguments: Arc<Record>, row: Type },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub instance: Path,
    pub step: Path,
    /// Counts the batches of this loop.
    pub batch: u64,
    /// The children that the same transition inserted.
    pub items: Vec<Path>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    pub instance: Path,
    pub step: Path,
    pub of: GatherOf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatherOf {
    /// The yields of the instances whose row has this `parent` and `parent_step` (`instance` and `step` of the command)
    /// and that ended as done, by `index`.
    Yields,
    /// The outputs whose `owner` is this instance, by `order`.
    Outputs { owner: Path },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    pub id: TimerId,
    pub at: Time,
}

/// What a timer is for: `daily/lead[k]/fit!backoff3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId {
    pub instance: Path,
    pub step: Path,
    /// `wait`, `approve`, `backoff3`, `timeout`.
    pub purpose: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRequest {
    pub instance: Path,
    pub step: Path,
    pub text: Arc<str>,
    /// The role that may decide; none: anybody with access to the run.
    pub by: Option<String>,
    pub until: Option<Time>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    pub status: RunStatus,
    pub failure: Option<Failure>,
    pub account: Account,
    pub counters: Counters,
}
