//! What a run remembers: instances and the state of their steps.

use crate::event::Shortage;
use crate::path::{Path, RunId};
use crate::steps::Sent;
use crate::turns::Turns;
use crate::write::{Counters, InstanceRow, InstanceStatus, RunRow, RunStatus};
use crate::{Row, Time};
use pmflow_ledger::Account;
use pmflow_plan::{Block, Failure, Flow, Money, Plan, PlanId, Step, StepKind, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Blocks nested deeper than this fail their step instead of exhausting the stack.
pub(crate) const NESTING_MAX: usize = 100;

/// The whole of a run in memory.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub id: RunId,
    pub plan_id: PlanId,
    pub root: Path,
    pub status: RunStatus,
    pub sequence: u64,
    pub created_at: Time,
    pub changed_at: Time,
    pub ended_at: Option<Time>,
    pub failure: Option<Failure>,
    pub account: Account,
    pub counters: Counters,
    pub input: Value,
    pub ending: Option<Ending>,
    pub next_ticket: u64,
    pub instances: BTreeMap<Path, Instance>,
    /// Prompts that wait for their hold, by ticket. Rebuilt by a recovery.
    pub queue: BTreeMap<u64, (Path, String)>,
    /// Calls and admissions whose answer is awaited before the run may end. Rebuilt by a recovery.
    pub in_flight: u64,
    /// Of these, calls that a provider has in a batch: a run that is suspended or handed over leaves them there. Rebuilt by a
    /// recovery.
    pub submitted: u64,
    /// Calls of prompts that something else than a batch goes on with: they may be sent with others soon. Rebuilt by a recovery.
    pub moving: u64,
    /// Calls that wait to be sent together. Rebuilt by a recovery.
    pub collecting: BTreeSet<(Path, String)>,
    /// None: no budget of others is asked. Not stored: a recovered run draws again.
    pub shared: Option<SharedBudgets>,
    /// Not stored either: the host says which models' calls wait.
    pub turns: Turns,
    pub origin: Option<Origin>,
}

/// An earlier run that this one takes over from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The first run of the line: idempotency keys of actions are made from it.
    pub first: RunId,
    /// What `now()` gives: the earlier run's clock, or everything that reads it would be another question.
    pub clock: Time,
    /// The step that is executed again whatever was recorded: its place in the source, or its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What the run may spend of budgets that it shares with others.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedBudgets {
    /// The committed sum may reach this without asking.
    pub up_to: Money,
    /// The answer to a draw is awaited.
    pub asking: bool,
    /// What others hold has to come back before the run can go on.
    pub waiting: bool,
    /// What is asked for is the least that a shrunken request needs.
    pub for_less: bool,
    /// What others held up when the run asked last.
    pub held_up: Option<KnownShortage>,
    /// What could not fit when the run asked last.
    pub refused: Option<KnownShortage>,
}

/// Asking for as much would give the same answer until then.
#[derive(Clone, Debug)]
pub(crate) struct KnownShortage {
    pub shortage: Shortage,
    pub suspends: bool,
    /// What of the run's own would have to be less before it could fit.
    pub committed: Money,
    pub until: Time,
}

impl KnownShortage {
    pub fn covers(&self, hold: Money, committed: Money, now: Time) -> bool {
        hold >= self.shortage.need && committed >= self.committed && now <= self.until
    }
}

/// Why nothing new starts; the run ends when what is under way has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Cancelled {
        by: String,
    },
    Suspended {
        failure: Option<Failure>,
    },
    Failed {
        failure: Failure,
    },
    /// The author's `stop`.
    Stopped,
    /// Only this process ends; a recovery goes on.
    HandedOver,
}

impl Ending {
    /// The run goes on later: what a provider has in a batch stays there until then.
    pub fn goes_on(&self) -> bool {
        matches!(self, Ending::Suspended { .. } | Ending::HandedOver)
    }
}

/// The part of [`State`] that the run's row keeps as the engine's own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunMemory {
    pub format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    pub next_ticket: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

pub(crate) const STATE_FORMAT: u32 = 1;

#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub path: Path,
    pub parent: Option<Parent>,
    pub index: u64,
    pub status: InstanceStatus,
    pub started_at: Time,
    pub memory: Memory,
    /// Only a clock or a person can go on with it, so it takes no place in its loop. Rebuilt by a recovery.
    pub asleep: bool,
    /// Asleep, and could go on as soon as there is a place for it.
    pub stirred: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub instance: Path,
    /// The loop or the call, below the parent's path.
    pub step: String,
}

/// What an instance's row keeps as the engine's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    pub format: u32,
    pub body: BlockRef,
    /// Prefix of the order of its outputs.
    pub order: String,
    /// Prefix of its steps' places in the source.
    pub place: String,
    /// The flow instance whose outputs its outputs are.
    pub owner: Path,
    /// Distance from the root.
    pub depth: u32,
    /// By path below the instance; a step that has not started is not there.
    pub steps: BTreeMap<String, StepEntry>,
    #[serde(rename = "inline")]
    pub bindings: Bindings,
    /// It failed: nothing new starts in it or below it, and it ends when what is under way has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failure>,
    /// Of a flow with a timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
}

/// Values by name. Stored with the instance are those that are small enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    values: BTreeMap<Arc<str>, Value>,
    /// Have rows of their own.
    external: BTreeSet<String>,
}

impl Bindings {
    pub fn one(name: &str, value: Value) -> Bindings {
        Bindings { values: BTreeMap::from([(name.into(), value)]), external: BTreeSet::new() }
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.values.iter()
    }

    pub fn insert(&mut self, name: &str, value: Value, is_external: bool) {
        if is_external {
            self.external.insert(name.to_owned());
        } else {
            self.external.remove(name);
        }
        match self.values.get_mut(name) {
            Some(old) => *old = value,
            None => drop(self.values.insert(name.into(), value)),
        }
    }
}

impl Serialize for Bindings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values.iter().filter(|(name, _)| !self.external.contains(&***name)))
    }
}

impl<'de> Deserialize<'de> for Bindings {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Bindings, D::Error> {
        Ok(Bindings { values: BTreeMap::deserialize(deserializer)?, external: BTreeSet::new() })
    }
}

/// A block of the plan: a flow's body, or one nested in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockRef {
    pub flow: String,
    pub hops: Vec<(u32, Arm)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arm {
    /// The body of a loop, a `repeat` or a `parallel`.
    Body,
    Then,
    Otherwise,
    /// Of a `match`, by position.
    Case(u32),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepEntry {
    pub started_at: Time,
    /// Sendings, and records, so far.
    pub attempt: u32,
    /// Counts fresh beginnings after a resume; part of what makes an idempotency key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    pub state: StepState,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    Done,
    /// Starts over when the run is resumed.
    Failed(Failure),
    /// Failed, and may start again.
    Again,
    /// An earlier run is asked for its result.
    Recall,
    Prompt(PromptState),
    Operation(OperationState),
    Flow(FlowState),
    Read(ReadState),
    Loop(LoopState),
    /// An `if`, a `match`, or the `else` of an approval.
    Branch(Arm),
    Repeat(RepeatState),
    Parallel,
    Wait {
        until: Time,
    },
    Approval {
        text: Arc<str>,
        until: Option<Time>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromptState {
    /// Position in the chain.
    pub model: u32,
    /// Tries of this model that failed.
    pub tried: u32,
    /// Repairs asked for within this try.
    pub repaired: u32,
    /// Times that this model said to come back later, which costs no try.
    pub put_off: u32,
    /// There are no batches where this model is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    pub phase: PromptPhase,
    /// What the next sending has to repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Invalid>,
    /// The cap of a request that was shrunk to fit its budget: whoever sends it again sends it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_max: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PromptPhase {
    Cache,
    /// Waits for its hold.
    Queued {
        ticket: u64,
    },
    InFlight {
        hold: Money,
        sent_at: Time,
        /// Of a call that is sent together with others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<Batched>,
        /// What was sent, where this process has sent it; else it is worked out again.
        #[serde(skip)]
        sent: Option<Arc<Sent>>,
    },
    Backoff {
        until: Time,
    },
}

/// How far a call has come that is sent in a provider's batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Batched {
    /// Held, and not sent: further calls may join it.
    Collecting,
    /// Being handed to the provider, with all calls of the same number.
    Sending(u64),
    /// The provider has it, under this name for the batch.
    Submitted(Arc<str>),
}

/// An answer that did not fit, with what was wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invalid {
    pub answer: String,
    pub problem: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperationState {
    pub tried: u32,
    pub put_off: u32,
    /// None: in flight.
    pub backoff: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlowState {
    pub tried: u32,
    pub child: Path,
    /// The called flow is done; its outputs are being collected.
    pub gathering: bool,
    pub backoff: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadState {
    pub pull: u64,
    pub tried: u32,
    pub backoff: Option<Time>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopState {
    /// The position of the next item to be inserted.
    pub next_index: u64,
    pub done: u64,
    pub failed: u64,
    /// Rows read from a streamed source.
    pub read: u64,
    /// Rows that entered each stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entered: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    pub exhausted: bool,
    /// Pulls made so far.
    pub pull: u64,
    /// The last pull has not been answered.
    pub pulling: bool,
    pub tried: u32,
    pub backoff: Option<Time>,
    /// Batches inserted so far.
    pub batch: u64,
    /// Items of the last batch, position and path, while the store has not said which it refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admitting: Vec<(u64, Path)>,
    pub gathering: bool,
    /// Started and not ended; rebuilt by a recovery.
    #[serde(skip)]
    pub running: u64,
    /// Started, and only a clock or a person can go on with them; rebuilt by a recovery.
    #[serde(skip)]
    pub sleeping: u64,
    /// Of these, those that could go on and have no place, by position; rebuilt by a recovery.
    #[serde(skip)]
    pub ready: BTreeMap<u64, Path>,
    /// Admitted and not started, by position; rebuilt by a recovery.
    #[serde(skip)]
    pub waiting: BTreeMap<u64, Path>,
    /// The items of a loop over a list; worked out again after a recovery.
    #[serde(skip)]
    pub items: Option<Arc<Vec<Row>>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepeatState {
    pub pass: u64,
    /// What `set` gave; taken over when the pass ends.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub next: BTreeMap<String, Value>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a short flow needs, and more than its first reallocations take.
const STORED_BYTES: usize = 1024;

fn stored(memory: &impl Serialize) -> String {
    let mut bytes = Vec::with_capacity(STORED_BYTES);
    serde_json::to_writer(&mut bytes, memory).expect("what the engine remembers is plain data");
    String::from_utf8(bytes).expect("JSON is text")
}

impl Instance {
    /// The path of a step that stands at `local` below this instance.
    pub fn step_path(&self, local: &str) -> Path {
        self.path.below(local)
    }

    /// The step of a path that an event brought back.
    pub fn local<'p>(&self, step: &'p Path) -> Option<&'p str> {
        step.as_str().strip_prefix(self.path.as_str())?.strip_prefix('/')
    }

    pub fn place(&self, local: &str) -> String {
        format!("{}/{}", self.memory.place, without_keys(local))
    }

    pub fn entry(&self, local: &str) -> Option<&StepEntry> {
        self.memory.steps.get(local)
    }

    pub fn entry_mut(&mut self, local: &str) -> Option<&mut StepEntry> {
        self.memory.steps.get_mut(local)
    }

    pub fn loop_mut(&mut self, local: &str) -> Option<&mut LoopState> {
        match self.entry_mut(local).map(|entry| &mut entry.state) {
            Some(StepState::Loop(state)) => Some(state),
            _ => None,
        }
    }
}

impl State {
    /// What `now()` gives.
    pub fn clock(&self) -> Time {
        self.origin.as_ref().map_or(self.created_at, |origin| origin.clock)
    }

    /// What idempotency keys of actions are made from.
    pub fn line(&self) -> &RunId {
        self.origin.as_ref().map_or(&self.id, |origin| &origin.first)
    }

    pub fn row(&self, plan: &Plan) -> RunRow {
        let (ending, origin) = (self.ending.clone(), self.origin.clone());
        let memory = RunMemory { format: STATE_FORMAT, ending, next_ticket: self.next_ticket, origin };
        RunRow {
            id: self.id.clone(),
            plan: self.plan_id.clone(),
            flow: plan.flow.clone(),
            status: self.status,
            sequence: self.sequence,
            created_at: self.created_at,
            changed_at: self.changed_at,
            ended_at: self.ended_at,
            failure: self.failure.clone(),
            account: self.account,
            counters: self.counters,
            input: self.input.clone(),
            state: stored(&memory),
        }
    }
}

impl Instance {
    pub fn row(&self) -> InstanceRow {
        InstanceRow {
            path: self.path.clone(),
            parent: self.parent.as_ref().map(|parent| parent.instance.clone()),
            parent_step: self.parent.as_ref().map(|parent| parent.instance.below(&parent.step)),
            index: self.index,
            status: self.status,
            state: stored(&self.memory),
            started_at: self.started_at,
        }
    }
}

impl StepState {
    /// An outside call or an insertion whose answer must come before the run may end.
    pub fn in_flight(&self) -> bool {
        match self {
            StepState::Prompt(state) => {
                matches!(state.phase, PromptPhase::InFlight { .. }) && state.phase.batch() != Some(&Batched::Collecting)
            }
            StepState::Operation(state) => state.backoff.is_none(),
            StepState::Loop(state) => !state.admitting.is_empty(),
            _ => false,
        }
    }

    pub fn batch(&self) -> Option<&Batched> {
        match self {
            StepState::Prompt(state) => state.phase.batch(),
            _ => None,
        }
    }

    /// A call of a prompt that waits for no batch.
    pub fn is_moving(&self) -> bool {
        matches!(self, StepState::Prompt(state) if state.phase.batch().is_none())
    }

    /// A provider has it in a batch.
    pub fn is_submitted(&self) -> bool {
        matches!(self.batch(), Some(Batched::Submitted(_)))
    }
}

impl PromptState {
    /// Before anything was asked of this model of the chain.
    pub fn fresh(model: u32, phase: PromptPhase) -> PromptState {
        PromptState { model, tried: 0, repaired: 0, put_off: 0, direct: false, phase, invalid: None, output_tokens_max: None }
    }
}

impl PromptPhase {
    pub fn batch(&self) -> Option<&Batched> {
        match self {
            PromptPhase::InFlight { batch, .. } => batch.as_ref(),
            _ => None,
        }
    }
}

impl BlockRef {
    pub fn flow(name: &str) -> BlockRef {
        BlockRef { flow: name.to_owned(), hops: Vec::new() }
    }

    pub fn nested(&self, step: u32, arm: Arm) -> BlockRef {
        let mut hops = self.hops.clone();
        hops.push((step, arm));
        BlockRef { flow: self.flow.clone(), hops }
    }

    pub fn resolve<'p>(&self, plan: &'p Plan) -> Option<(&'p Flow, &'p Block)> {
        let flow = plan.flows.get(&self.flow)?;
        let mut block = &flow.body;
        for (position, arm) in &self.hops {
            block = nested_block(block.steps.get(*position as usize)?, *arm)?;
        }
        Some((flow, block))
    }
}

/// The block of a step that an arm names.
pub(crate) fn nested_block(step: &Step, arm: Arm) -> Option<&Block> {
    match (&step.kind, arm) {
        (StepKind::If { then, .. }, Arm::Then) => Some(then),
        (StepKind::If { otherwise, .. }, Arm::Otherwise) => Some(otherwise),
        (StepKind::Match { arms, .. }, Arm::Case(position)) => arms.get(position as usize).map(|arm| &arm.body),
        (StepKind::Match { otherwise, .. }, Arm::Otherwise) => otherwise.as_ref(),
        (StepKind::For(each), Arm::Body) => Some(&each.body),
        (StepKind::Repeat { body, .. } | StepKind::Parallel { body }, Arm::Body) => Some(body),
        (StepKind::Approve(approve), Arm::Otherwise) => approve.otherwise.as_ref(),
        _ => None,
    }
}

/// `draft[0]/write` → `draft/write`.
pub(crate) fn without_keys(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|character| {
            let kept = !inside && *character != '[';
            inside = (inside || *character == '[') && *character != ']';
            kept
        })
        .collect()
}

/// A number as text that sorts like the number: its digits after how many there are.
pub(crate) fn ordinal(number: u64) -> String {
    let digits = number.to_string();
    let count = u8::try_from(digits.len()).expect("a 64-bit number has at most twenty digits");
    format!("{}{digits}", char::from(b'a' + count - 1))
}
