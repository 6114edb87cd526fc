//! The only crate that touches the world: it drives runs against a store, models, services, files and the clock.
//!
//! [`Host::start`] creates a run, [`Host::resume`] takes one up where its store left it. Both hand out a [`Live`] run that
//! is driven by tasks of their own until it ends.

pub mod alerts;
pub mod batches;
pub mod budgets;
mod caretaker;
mod clients;
mod clock;
pub mod deploy;
mod driver;
mod effects;
pub mod environment;
mod fault;
mod fitting;
pub mod input;
mod models;
mod names;
pub mod observe;
mod operations;
mod plans;
mod reconcile;
mod rows;
mod schedules;
pub mod secrets;
pub mod signature;
mod take_over;
pub mod tokens;
mod turns;
pub mod webhooks;
mod worker;

pub use clock::now;
pub use driver::{Progress, Wish};
pub use fault::Fault;
pub use schedules::backfill;
pub use take_over::TakeOver;
pub use worker::{Worker, WorkerOptions};

use caretaker::Caretaker;
use clients::Clients;
use driver::{Driver, Pending};
use effects::Effects;
use observe::{Nobody, Observer};
use plans::{Plans, Ready};
use pmflow_engine::{Command, Event, Origin, Path, RecoverError, Run, RunEnd, RunId, RunOptions, RunStatus};
use pmflow_plan::failure::Failure;
use pmflow_plan::{DecodeError, FailureClass, Money, Plan, SourceMap, Value};
use pmflow_store::{
    Ask, Claim, Conflict, Created, Holder, Kept, Lease, NewRun, Process, RunSummary, Store, StoreError, StoredPlan,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use turns::Turns;

/// What a run needs besides its plan; stored with it, so that any process can go on. No secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The folder that the files of the flow are named relative to.
    pub folder: PathBuf,
    /// `latency=50ms,seed=7`; none: the models are real.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate: Option<String>,
    /// Addresses that stand in for a connector's own.
    #[serde(default)]
    pub connector_urls: BTreeMap<String, String>,
    /// Likewise for providers.
    #[serde(default)]
    pub provider_urls: BTreeMap<String, String>,
    /// Below the plan's own limit, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_max: Option<Money>,
    /// Who started the run.
    #[serde(default)]
    pub user: String,
    /// The run that this one takes over from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl Setup {
    /// Whether a run of this plan could begin: options are understood, clients can be made. Nothing is sent.
    pub fn check(&self, plan: &Plan) -> Result<(), HostError> {
        self.models(plan).map(|_| ())
    }

    /// Whether every prompt has a model that can be asked from here: a fallback without its key is left out at run time,
    /// a prompt without any fails before the run begins. Nothing is sent.
    pub fn check_keys(&self, plan: &Plan) -> Result<(), HostError> {
        self.models(plan)?.ready()
    }

    fn models(&self, plan: &Plan) -> Result<models::Models, HostError> {
        let ready = Ready::new(Arc::new(plan.clone()), plan.id())?;
        models::Models::new(Arc::new(ready), self, &Clients::default())
    }
}

/// A run whose workers died so many times in a row without getting anywhere is set aside.
pub const DEATHS_MAX: u32 = 5;

/// How a run is taken up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taking {
    pub cost_max: Option<Money>,
    /// As its claim says.
    pub deaths: u32,
}

/// What becomes of a question to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approvals {
    /// The run waits for as long as it takes.
    #[default]
    Wait,
    /// The run is suspended once only a person could go on with it.
    Leave,
    Approve,
    Reject,
}

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Held(Holder),
    #[error(transparent)]
    Conflict(Conflict),
    #[error("another process took over run `{run}`; this one stops working on it, and nothing was done twice")]
    LeaseLost { run: RunId },
    #[error("the plan of the run cannot be read: {0}")]
    Plan(#[from] DecodeError),
    #[error("the run cannot go on: {0}")]
    Recover(#[from] RecoverError),
    #[error("{0}")]
    Setup(String),
    #[error("run `{run}` {state}; there is nothing to resume")]
    Ended { run: RunId, state: String },
    #[error("run `{run}` is {state}; resume it (pmflow run --resume {run}), or cancel it before another run takes over")]
    NotEnded { run: RunId, state: String },
    #[error("`{call}` of run `{run}` is no call of unknown outcome; pmflow reconcile {run} lists those")]
    NotUnknown { run: RunId, call: String },
    #[error("the run stopped without reaching an end")]
    Stranded,
}

/// Drives runs of one process.
#[derive(Debug)]
pub struct Host<S> {
    store: Arc<S>,
    process: Process,
    fault: Arc<Fault>,
    caretaker: Arc<Caretaker<S>>,
    turns: Arc<Turns<S>>,
    observer: Arc<dyn Observer>,
    clients: Clients,
    plans: Plans,
}

/// A run that is being driven.
#[derive(Debug)]
pub struct Live {
    pub id: RunId,
    pub plan: Arc<Plan>,
    pub simulated: bool,
    pub progress: watch::Receiver<Progress>,
    pub wish: watch::Sender<Wish>,
    pub end: JoinHandle<Result<RunEnd, HostError>>,
}

impl<S: Store> Host<S> {
    pub fn new(store: Arc<S>, fault: Fault) -> Host<S> {
        let (caretaker, process) = (Caretaker::new(store.clone()), this_process());
        let turns = Turns::new(store.clone(), process.id.clone());
        let (clients, plans) = (Clients::default(), Plans::default());
        Host { store, process, fault: Arc::new(fault), caretaker, turns, observer: Arc::new(Nobody), clients, plans }
    }

    /// Tells somebody what happens.
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Host<S> {
        Host { observer, ..self }
    }

    /// Creates a run. Its input is durable when this returns.
    pub async fn start(
        &self,
        plan: impl Into<Arc<Plan>>,
        source_map: SourceMap,
        input: Value,
        setup: Setup,
        approvals: Approvals,
    ) -> Result<Live, HostError> {
        self.begin(plan.into(), source_map, input, setup, approvals, None).await
    }

    async fn begin(
        &self,
        plan: Arc<Plan>,
        source_map: SourceMap,
        input: Value,
        setup: Setup,
        approvals: Approvals,
        origin: Option<Origin>,
    ) -> Result<Live, HostError> {
        let ready = self.plans.keep(&*self.store, plan, source_map).await?;
        let setup_text = setup_text(&setup)?;
        let effects = Effects::new(self.store.clone(), &self.turns, &ready, &setup, &self.clients, self.observer.clone())?;
        self.turns.meet().await;
        loop {
            let id = names::new_id();
            let gated = effects.turns.gated();
            let options = RunOptions { origin: origin.clone(), gated, ..options(setup.cost_max, &setup) };
            let (plan, plan_id) = (ready.plan.clone(), ready.id.clone());
            let (run, first) = Run::new(plan, plan_id, id.clone(), input.clone(), options, clock::now());
            let first = Pending::from(first);
            let new = NewRun {
                process: self.process.clone(),
                writes: first.writes.clone(),
                simulated: setup.simulate.is_some(),
                started_by: setup.user.clone(),
                setup: setup_text.clone(),
                origin: setup.origin.clone().map(|origin| RunId(origin.into())),
            };
            self.fault.pass(fault::Boundary::Commit);
            match self.store.create(new).await? {
                Created::Exists => names::move_away(),
                Created::Run { lease, refused } => {
                    self.fault.pass(fault::Boundary::Commit);
                    return self.live(run, effects, setup, lease, approvals, vec![first], Some(refused)).await;
                }
            }
        }
    }

    /// Takes up a run where its store left it: one that a process died on, or that failed or was suspended.
    pub async fn resume(&self, id: &RunId, approvals: Approvals, cost_max: Option<Money>) -> Result<Live, HostError> {
        let summary = self.store.run(id).await?;
        if matches!(summary.status, RunStatus::Succeeded | RunStatus::Cancelled) {
            return Err(HostError::Ended { run: id.clone(), state: summary.status.name().to_owned() });
        }
        is_whole(&summary)?;
        let gone = summary.holder.as_ref().filter(|holder| is_dead(holder)).map(|holder| holder.epoch);
        let lease = match self.store.claim(id, &self.process, gone).await? {
            Claim::Granted(lease) => lease,
            Claim::Held(holder) => return Err(HostError::Held(holder)),
        };
        self.take_up(lease, approvals, Taking { cost_max, deaths: 0 }).await
    }

    /// Creates a run and leaves it to the workers.
    pub async fn leave(
        &self,
        plan: impl Into<Arc<Plan>>,
        source_map: SourceMap,
        input: Value,
        setup: Setup,
    ) -> Result<RunId, HostError> {
        let ready = self.plans.keep(&*self.store, plan.into(), source_map).await?;
        let setup_text = setup_text(&setup)?;
        loop {
            let id = names::new_id();
            let options = options(setup.cost_max, &setup);
            let first = Run::left(ready.plan.clone(), ready.id.clone(), id.clone(), input.clone(), options, clock::now());
            let new = NewRun {
                process: self.process.clone(),
                writes: first.writes.into(),
                simulated: setup.simulate.is_some(),
                started_by: setup.user.clone(),
                setup: setup_text.clone(),
                origin: setup.origin.clone().map(|origin| RunId(origin.into())),
            };
            match self.store.create(new).await? {
                Created::Exists => names::move_away(),
                Created::Run { lease, .. } => {
                    // Should this process die here, the run is free when its lease is over.
                    self.store.release(&lease).await?;
                    return Ok(id);
                }
            }
        }
    }

    /// Goes on with a run that this process has claimed.
    pub(crate) async fn take_up(&self, lease: Lease, approvals: Approvals, taking: Taking) -> Result<Live, HostError> {
        let (id, cost_max) = (&lease.run.clone(), taking.cost_max);
        let stored = self.store.recover(id).await?;
        let status = stored.stored.run.status;
        let ready = self.plans.read(&*self.store, &stored.stored.run.plan).await?;
        let setup: Setup = serde_json::from_str(&stored.setup).map_err(|error| HostError::Setup(error.to_string()))?;
        let effects = Effects::new(self.store.clone(), &self.turns, &ready, &setup, &self.clients, self.observer.clone())?;
        self.turns.meet().await;
        let gated = effects.turns.gated();
        let options = RunOptions { limit_raised: cost_max, gated, ..options(None, &setup) };
        let (mut run, recovered) = Run::recover(ready.plan.clone(), stored.stored, options, clock::now())?;
        let mut first = vec![Pending::from(recovered)];
        if let Some(limit) = cost_max.filter(|_| status != RunStatus::Running) {
            first.push(run.apply(clock::now(), Event::LimitRaised { limit }).into());
        }
        // What was decided while nobody executed the run counts before anything starts; a cancelled run stays one.
        let requests = self.store.requests(std::slice::from_ref(id)).await?;
        let cancelled = requests.iter().any(|request| matches!(request.ask, Ask::Cancel { .. }));
        for request in requests {
            let Some(event) = driver::event_of(request.ask, request.instance) else { continue };
            first.push(Pending { answered: vec![request.id], ..run.apply(clock::now(), event).into() });
        }
        let set_aside = taking.deaths >= DEATHS_MAX && status == RunStatus::Running && !cancelled;
        if set_aside {
            let failure = died_of(taking.deaths, &first);
            first.push(run.apply(clock::now(), Event::SetAside { failure }).into());
        }
        if cancelled || set_aside {
            leave_unsent(&mut run, &mut first);
        }
        if status != RunStatus::Running {
            go_on(&mut run, &mut first);
        }
        self.live(run, effects, setup, lease, approvals, first, None).await
    }
}

impl<S: Store> Host<S> {
    #[allow(clippy::too_many_arguments, reason = "the parts of one live run, put together in one place")]
    async fn live(
        &self,
        run: Run,
        effects: Effects<S>,
        setup: Setup,
        lease: Lease,
        approvals: Approvals,
        first: Vec<Pending>,
        refused: Option<Vec<Path>>,
    ) -> Result<Live, HostError> {
        let (progress_in, progress) = watch::channel(Progress::of(first.iter().map(|pending| &*pending.writes)));
        let (wish, wish_out) = watch::channel(Wish::GoOn);
        let id = lease.run.clone();
        let line = take_over::line(&*self.store, setup.origin.clone().map(|origin| RunId(origin.into()))).await?;
        let line = line.into_iter().map(|(run, _)| run).collect();
        let effects = Arc::new(Effects { run: id.clone(), line, ..effects });
        let plan = effects.plan.clone();
        let spender = budgets::spender(&plan, &setup);
        let limits = budgets::declared(&plan, &spender);
        let driver = Driver {
            clock: clock::RunClock::from(run.changed_at()),
            spender,
            limits,
            store: self.store.clone(),
            gates_moved: effects.turns.moved(),
            effects,
            run,
            tending: self.caretaker.tend(lease.clone()),
            lease,
            fault: self.fault.clone(),
            approvals,
            progress: progress_in,
            wish: wish_out,
        };
        let end = tokio::spawn(driver.drive(first, refused));
        Ok(Live { id, plan, simulated: setup.simulate.is_some(), progress, wish, end })
    }
}

/// Retention has left a run as it was, so that it can be executed.
fn is_whole(run: &RunSummary) -> Result<(), StoreError> {
    match run.kept {
        Kept::Whole => Ok(()),
        Kept::Metadata | Kept::Sums => Err(StoreError::Pruned { run: run.id.to_string(), place: String::new() }),
    }
}

/// Resumes a run that had ended for now. That it had is no end any more; when it ends at once, by what was asked in the
/// meantime, only that end counts.
fn go_on(run: &mut Run, first: &mut Vec<Pending>) {
    let is_end = |command: &Command| matches!(command, Command::RunEnded(_));
    let resumed = run.apply(clock::now(), Event::ResumeRequested);
    let goes_on = !resumed.writes.is_empty() && !resumed.commands.iter().any(is_end);
    first.push(resumed.into());
    let last = first.iter().rposition(|pending| pending.commands.iter().any(is_end));
    for (position, pending) in first.iter_mut().enumerate() {
        if goes_on || Some(position) != last {
            pending.commands.retain(|command| !is_end(command));
        }
    }
}

/// Bounds of answers in tokens (`text(max 60 tokens)`) are counted in one encoding, whichever model answered.
fn options(budget_override: Option<Money>, setup: &Setup) -> RunOptions {
    let count = |text: &str| pmflow_providers::tokens::count("o200k_base", text);
    // What costs nothing spends no budget.
    let shared_budgets = setup.simulate.is_none();
    RunOptions { budget_override, tokens: Some(Arc::new(count)), shared_budgets, ..RunOptions::default() }
}

/// Why a run is set aside, with the steps that were under way each time.
fn died_of(deaths: u32, first: &[Pending]) -> Failure {
    let step = |command: &Command| match command {
        Command::CallModel(call) => Some(call.call.step.to_string()),
        Command::CallOperation(call) => Some(call.call.step.to_string()),
        _ => None,
    };
    let steps: BTreeSet<String> = first.iter().flat_map(|pending| &pending.commands).filter_map(step).collect();
    let under_way = match steps.iter().next() {
        None => String::new(),
        Some(one) if steps.len() == 1 => format!(" with `{one}` under way"),
        Some(one) => format!(" with `{one}` and {} more under way", steps.len() - 1),
    };
    Failure::not_sent(
        FailureClass::UnknownOutcome,
        format!(
            "{deaths} workers in a row died on this run, or were cut off from the database,{under_way}, and no step was recorded; it is \
             set aside. Look at the workers' logs and their memory, then resume it"
        ),
    )
}

/// The calls that a recovery owes are not sent any more: the run was cancelled, or is set aside.
fn leave_unsent(run: &mut Run, first: &mut Vec<Pending>) {
    let mut unsent = Vec::new();
    for pending in first.iter_mut() {
        pending.commands.retain(|command| {
            match command {
                Command::CallModel(call) => unsent.push(call.call.clone()),
                Command::CallOperation(call) => unsent.push(call.call.clone()),
                Command::SubmitBatch(calls) => unsent.extend(calls.iter().map(|call| call.call.clone())),
                _ => return true,
            }
            false
        });
    }
    for call in unsent {
        let failure = Failure::not_sent(FailureClass::Cancelled, "the run stopped before this call was sent");
        first.push(run.apply(clock::now(), Event::CallFailed { call, failure }).into());
    }
}

fn setup_text(setup: &Setup) -> Result<String, HostError> {
    serde_json::to_string(setup).map_err(|error| HostError::Setup(error.to_string()))
}

fn stored_plan(plan: &Plan, source_map: SourceMap) -> StoredPlan {
    let hash = |prompt: &pmflow_plan::Prompt| {
        let bytes = serde_json::to_vec(prompt).unwrap_or_default();
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    StoredPlan {
        id: plan.id(),
        flow: plan.flow.clone(),
        bytes: plan.encode(),
        source_map,
        prompts: plan.prompts.iter().map(|(name, prompt)| (name.clone(), hash(prompt))).collect(),
    }
}

/// Proof that the holder of a run is dead: it ran on this machine, and no process has its number any more.
pub fn is_dead(holder: &Holder) -> bool {
    holder.process.host == this_machine() && !process_is_alive(holder.process.number)
}

fn this_machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| secrets::environment("HOSTNAME"));
    name.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}

fn this_process() -> Process {
    Process { id: uuid::Uuid::now_v7().to_string(), host: this_machine(), number: std::process::id() }
}

/// True as well where that cannot be found out.
fn process_is_alive(number: u32) -> bool {
    let processes = std::path::Path::new("/proc");
    !processes.join("self").exists() || processes.join(number.to_string()).exists()
}
