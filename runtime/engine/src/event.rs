//! What the world tells a run. Every event may come late, twice or out of order: one that answers nothing that is owed
//! changes nothing.

use crate::command::{CallId, TimerId};
use crate::{Path, Time};
use pmflow_plan::failure::Failure;
use pmflow_plan::{Money, Usage, Value, WhenShort};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A model answered, usably or not: it is billed either way.
    ModelAnswered {
        call: CallId,
        text: String,
        finish: Finish,
        usage: Usage,
        /// The name that the provider reported.
        model: String,
    },
    /// A provider took these calls, as one batch of this name. Each is answered by `ModelAnswered` or `CallFailed` later.
    BatchSubmitted {
        calls: Vec<CallId>,
        batch: Arc<str>,
    },
    /// Where these calls were to be sent there are no batches, or none of the name that they were given: nothing was billed.
    BatchRefused {
        calls: Vec<CallId>,
    },
    /// Several things in one: the answers of a batch.
    Together(Vec<Event>),
    /// A model or an operation did not answer. `failure.billing` decides what becomes of the hold.
    CallFailed {
        call: CallId,
        failure: Failure,
    },
    OperationAnswered {
        call: CallId,
        value: Value,
    },
    CacheHit {
        instance: Path,
        step: Path,
        value: Value,
    },
    CacheMiss {
        instance: Path,
        step: Path,
    },
    /// The answer of `PullRows` and `ReadSource`.
    Rows {
        instance: Path,
        step: Path,
        pull: u64,
        rows: Vec<Row>,
        /// Where the next pull goes on.
        cursor: Option<String>,
        /// The stages as they stand after these rows: [`crate::stream::Stages`] counts on.
        stages: crate::stream::Stages,
        /// Nothing follows.
        exhausted: bool,
    },
    SourceFailed {
        instance: Path,
        step: Path,
        pull: u64,
        failure: Failure,
    },
    ItemsAdmitted {
        instance: Path,
        step: Path,
        batch: u64,
        rejected: Vec<Path>,
    },
    Gathered {
        instance: Path,
        step: Path,
        values: Vec<Value>,
    },
    /// `result`: what was recorded for the same input. `generation`: how many ends, good or surely without effect, the
    /// step came to in earlier runs; it keeps the keys of actions apart.
    Recalled {
        instance: Path,
        step: Path,
        result: Option<Value>,
        generation: u32,
    },
    TimerFired {
        timer: TimerId,
    },
    Decided {
        instance: Path,
        step: Path,
        approved: bool,
        by: String,
    },
    /// Durable: once its transition is committed no new external call starts, and the run ends as cancelled when the
    /// calls under way have ended.
    CancelRequested {
        by: String,
    },
    /// As cancel, and the run ends as suspended: it can be resumed and loses nothing.
    PauseRequested,
    /// The process that executes the run wants to stop: as pause, but the run stays a running one, for another process to
    /// take up.
    HandOverRequested,
    /// As pause: whoever executes the run dies of it, so that a person is to look first.
    SetAside {
        failure: Failure,
    },
    /// A failed or suspended run goes on: what failed is tried again, what is done never.
    ResumeRequested,
    LimitRaised {
        limit: Money,
    },
    BudgetDrawn {
        answer: BudgetAnswer,
    },
    /// Calls of these models wait for their turn from now on, and those of all others do not. Not stored: a host says it
    /// again after a recovery ([`crate::RunOptions::gated`]).
    ModelsGated {
        models: BTreeSet<String>,
    },
    /// The call may be sent until then; after that it asks again.
    TurnCame {
        instance: Path,
        step: Path,
        model: String,
        until: Time,
    },
    /// The model is out of service, or the turn would come too late.
    TurnRefused {
        instance: Path,
        step: Path,
        model: String,
        failure: Failure,
    },
    /// What an outcome that was unknown had really cost; zero when it was not billed. `call` and `held` as in the ledger.
    Reconciled {
        call: CallId,
        held: Money,
        actual: Money,
        usage: Option<Usage>,
    },
}

/// What became of a draw on shared budgets.
#[derive(Clone, Debug, PartialEq)]
pub enum BudgetAnswer {
    /// The run's committed sum may reach this.
    Granted { up_to: Money },
    /// What others hold has to come back first. The run has given back all that it does not need.
    Waiting(Shortage),
    /// A while after `Waiting`: the run asks again.
    AskAgain,
    /// It cannot fit. `suspends`: the run waits for a person rather than failing.
    Refused { shortage: Shortage, suspends: bool },
}

/// What did not fit, and what is to become of calls that need as much.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortage {
    pub need: Money,
    /// As the budget that has no room says, or else the flow.
    pub when_short: WhenShort,
    /// What such a call, or the run, fails with.
    pub failure: Failure,
}

/// How a model's answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    Complete,
    /// At the cap on its tokens.
    Truncated,
    /// The model or a filter before it declined; its words, if any, are in `text`.
    Refused,
}

/// A row that passed the stages, or one on which a stage failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// A failed row becomes a failed item.
    pub value: Result<Value, Failure>,
}
