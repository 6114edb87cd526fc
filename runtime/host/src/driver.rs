//! One run, driven: apply events, commit what they wrote, then dispatch what they ask for. Never in another order.

use crate::caretaker::{LISTEN_EVERY, Notice, Tending};
use crate::clock::RunClock;
use crate::effects::Effects;
use crate::fault::{Boundary, Fault};
use crate::observe::{Seen, Watch};
use crate::{Approvals, HostError, budgets};
use pmflow_engine::{BudgetAnswer, Command, Counters, Event, Path, Run, RunEnd, RunStatus, Transition, Write};
use pmflow_ledger::Account;
use pmflow_plan::Money;
use pmflow_store::{Ask, BudgetLimit, Committed, Draw, Lease, Remedy, Request, RequestId, RunCommit, Spender, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Events that are committed together at most; more wait for the next commit.
const BATCH_MAX: usize = 512;
/// How often a run asks for money that others hold.
const DRAW_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a process stays after the end of a run, to tell providers what is not wanted any more.
const FAREWELL_MAX: Duration = Duration::from_secs(10);
/// Tries of a commit that a locked database refuses, one per store timeout.
const COMMIT_TRIES: u32 = 3;

/// Where a run stands; the newest is always there to be read.
#[derive(Clone, Debug)]
pub struct Progress {
    pub status: RunStatus,
    pub counters: Counters,
    pub account: Account,
    /// Calls that providers have in batches.
    pub in_batches: u64,
    /// Somebody has to decide before these steps go on.
    pub approvals_open: usize,
}

impl Progress {
    /// As the last of these transitions leaves it.
    pub(crate) fn of<'t>(transitions: impl DoubleEndedIterator<Item = &'t Vec<Write>>) -> Progress {
        let mut rows = transitions.flatten().filter_map(|write| match write {
            Write::PutRun(row) => Some(row),
            _ => None,
        });
        let last = rows.next_back();
        Progress {
            status: last.map_or(RunStatus::Running, |row| row.status),
            counters: last.map(|row| row.counters).unwrap_or_default(),
            account: last.map_or_else(|| Account::new(None), |row| row.account),
            in_batches: 0,
            approvals_open: 0,
        }
    }
}

/// What the person before the terminal wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    #[default]
    GoOn,
    /// End what is under way, then stop; nothing is lost.
    Pause,
    /// As pause, but the run is left to another process, which may take it up at once.
    HandOver,
}

pub(crate) struct Driver<S: Store> {
    pub spender: Spender,
    /// What the plan declares.
    pub limits: Vec<BudgetLimit>,
    pub store: Arc<S>,
    pub effects: Arc<Effects<S>>,
    pub gates_moved: watch::Receiver<u64>,
    pub run: Run,
    pub clock: RunClock,
    pub lease: Lease,
    pub tending: Tending<S>,
    pub fault: Arc<Fault>,
    pub approvals: Approvals,
    pub progress: watch::Sender<Progress>,
    pub wish: watch::Receiver<Wish>,
}

/// Applied and not yet committed.
pub(crate) struct Pending {
    pub writes: Arc<Vec<Write>>,
    pub commands: Vec<Command>,
    /// Requests of other processes that it fulfils.
    pub answered: Vec<RequestId>,
}

impl From<Transition> for Pending {
    fn from(Transition { writes, commands }: Transition) -> Pending {
        Pending { writes: Arc::new(writes), commands, answered: Vec::new() }
    }
}

/// What another process asks, as the engine hears it. None: it is about a step that is not there.
pub(crate) fn event_of(ask: Ask, instance: Option<Path>) -> Option<Event> {
    Some(match ask {
        Ask::Cancel { by } => Event::CancelRequested { by },
        Ask::Pause { .. } => Event::PauseRequested,
        Ask::RaiseLimit { limit, .. } => Event::LimitRaised { limit },
        Ask::Decide { step, approved, by } => Event::Decided { instance: instance?, step, approved, by },
    })
}

struct Flight {
    /// In boxes, for a channel makes room for many at a time.
    events: mpsc::UnboundedReceiver<Box<Event>>,
    answers: mpsc::UnboundedSender<Box<Event>>,
    /// Everything dispatched; dropped, it is aborted.
    tasks: JoinSet<()>,
    /// Dispatched and able to answer without a person or a clock.
    working: usize,
    approvals_open: usize,
    /// A draw on shared budgets, to be made before anything else is applied.
    draw: Option<(Money, Money)>,
    /// The run is told to ask for money again in a while.
    asks_again: bool,
    /// Requests that were applied.
    heard: BTreeSet<RequestId>,
    end: Option<RunEnd>,
    /// Anything of this run was stored since this process has it.
    committed: bool,
    /// What is still said to providers when the run has ended.
    farewells: JoinSet<()>,
}

impl<S: Store> Driver<S> {
    /// Drives the run to an end from its first transition, which is stored already (`stored` are the refused paths), or
    /// from those of its recovery.
    pub async fn drive(mut self, first: Vec<Pending>, stored: Option<Vec<Path>>) -> Result<RunEnd, HostError> {
        let (answers, events) = mpsc::unbounded_channel();
        let mut flight = Flight {
            events,
            answers,
            tasks: JoinSet::new(),
            working: 0,
            approvals_open: 0,
            draw: None,
            asks_again: false,
            heard: BTreeSet::new(),
            end: None,
            committed: false,
            farewells: JoinSet::new(),
        };
        match stored {
            Some(refused) => {
                first.into_iter().for_each(|pending| self.dispatch(pending, &refused, &mut flight));
                self.draw(&mut flight).await?;
            }
            None => self.commit(first, &mut flight).await?,
        }
        let mut look = tokio::time::interval(LISTEN_EVERY);
        while flight.end.is_none() {
            let pending = tokio::select! {
                biased;
                Ok(()) = self.wish.changed() => self.wished(),
                Ok(()) = self.gates_moved.changed() => {
                    vec![self.apply(Event::ModelsGated { models: self.effects.turns.gated() })]
                }
                Some(notice) = self.tending.notices.recv() => self.noticed(notice, &mut flight)?,
                _ = look.tick(), if self.approvals == Approvals::Leave => self.leave_if_idle(&flight),
                Some(event) = flight.events.recv() => self.apply_waiting(*event, &mut flight),
            };
            self.commit(pending, &mut flight).await?;
            while flight.tasks.try_join_next().is_some() {}
        }
        self.give_back(&flight).await?;
        let farewells = async { while flight.farewells.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL_MAX, farewells).await.is_err() {
            tracing::warn!(run = %self.lease.run, "a provider was not told in time that the answers of a batch are not wanted");
        }
        let end = flight.end.ok_or(HostError::Stranded)?;
        if end.status != RunStatus::Running {
            let Watch { observer, run, flow } = self.effects.watch();
            observer.see(&Seen::RunEnded { run, flow, started_at: self.run.created_at(), end: &end });
        }
        Ok(end)
    }

    /// The commit that ended or suspended the run gave it back, unless it had ended as it was made.
    async fn give_back(&self, flight: &Flight) -> Result<(), HostError> {
        let is_held = self.run.status() == RunStatus::Running || !flight.committed;
        if is_held { Ok(self.store.release(&self.lease).await?) } else { Ok(()) }
    }

    fn apply(&mut self, event: Event) -> Pending {
        self.run.apply(self.clock.now(), event).into()
    }

    /// The event and those that came in the meantime: one commit serves them all.
    fn apply_waiting(&mut self, first: Event, flight: &mut Flight) -> Vec<Pending> {
        let mut pending = Vec::new();
        let mut next = Some(first);
        while let Some(event) = next {
            if matches!(event, Event::Decided { .. }) {
                flight.approvals_open = flight.approvals_open.saturating_sub(1);
            } else if !matches!(event, Event::TimerFired { .. }) {
                flight.working = flight.working.saturating_sub(1);
            }
            flight.asks_again &= !matches!(event, Event::BudgetDrawn { .. });
            pending.push(self.apply(event));
            next = if pending.len() < BATCH_MAX { flight.events.try_recv().ok().map(|event| *event) } else { None };
        }
        pending
    }

    fn wished(&mut self) -> Vec<Pending> {
        let wish = *self.wish.borrow_and_update();
        match wish {
            Wish::GoOn => Vec::new(),
            Wish::Pause => vec![self.apply(Event::PauseRequested)],
            Wish::HandOver => vec![self.apply(Event::HandOverRequested)],
        }
    }

    fn noticed(&mut self, notice: Notice, flight: &mut Flight) -> Result<Vec<Pending>, HostError> {
        match notice {
            Notice::LeaseLost => Err(HostError::LeaseLost { run: self.lease.run.clone() }),
            Notice::Failed(error) => Err(error.into()),
            Notice::Asked(requests) => Ok(self.asked(requests, flight)),
        }
    }

    /// What other processes ask of this run. A request may be passed on again while its transition is being stored.
    fn asked(&mut self, requests: Vec<Request>, flight: &mut Flight) -> Vec<Pending> {
        let mut pending = Vec::new();
        for request in requests {
            if !flight.heard.insert(request.id) {
                continue;
            }
            let Some(event) = event_of(request.ask, request.instance) else { continue };
            if matches!(event, Event::Decided { .. }) {
                flight.approvals_open = flight.approvals_open.saturating_sub(1);
            }
            let mut applied = self.apply(event);
            applied.answered.push(request.id);
            pending.push(applied);
        }
        pending
    }

    /// When nothing but a person could go on, and nobody waits, the run is paused.
    fn leave_if_idle(&mut self, flight: &Flight) -> Vec<Pending> {
        let idle = flight.working == 0 && flight.approvals_open > 0 && flight.events.is_empty();
        if idle { vec![self.apply(Event::PauseRequested)] } else { Vec::new() }
    }

    async fn commit(&mut self, pending: Vec<Pending>, flight: &mut Flight) -> Result<(), HostError> {
        self.commit_only(pending, flight).await?;
        self.draw(flight).await
    }

    /// Draws on shared budgets as long as the run asks to. Nothing of the run is applied between a draw and its answer, for a
    /// draw gives back what the stored run does not need.
    async fn draw(&mut self, flight: &mut Flight) -> Result<(), HostError> {
        while let Some((need, wish)) = flight.draw.take() {
            let (lease, spender, limits) = (self.lease.clone(), self.spender.clone(), self.limits.clone());
            let drawn = self.store.draw(Draw { lease, spender, limits, need, wish }).await?;
            let answer = budgets::answer(self.run.plan(), drawn, self.run.account().committed(), need, wish);
            let Some(answer) = answer else { return Err(HostError::LeaseLost { run: self.lease.run.clone() }) };
            if matches!(answer, BudgetAnswer::Waiting(_)) && !flight.asks_again {
                flight.asks_again = true;
                flight.working += 1;
                let answers = flight.answers.clone();
                flight.tasks.spawn(async move {
                    tokio::time::sleep(DRAW_AGAIN_AFTER).await;
                    drop(answers.send(Box::new(Event::BudgetDrawn { answer: BudgetAnswer::AskAgain })));
                });
            }
            let pending = self.apply(Event::BudgetDrawn { answer });
            self.commit_only(vec![pending], flight).await?;
        }
        Ok(())
    }

    /// Stores transitions in order, all in one batch, and dispatches what they ask for.
    async fn commit_only(&mut self, pending: Vec<Pending>, flight: &mut Flight) -> Result<(), HostError> {
        let (stored, idle): (Vec<Pending>, Vec<Pending>) = pending.into_iter().partition(|pending| !pending.writes.is_empty());
        if !stored.is_empty() {
            self.fault.pass(Boundary::Commit);
            let refused = self.store_all(&stored).await?;
            flight.committed = true;
            self.fault.pass(Boundary::Commit);
            for (pending, refused) in stored.into_iter().zip(refused) {
                self.dispatch(pending, &refused, flight);
            }
        }
        for pending in idle {
            self.dispatch(pending, &[], flight);
        }
        Ok(())
    }

    async fn store_all(&self, pending: &[Pending]) -> Result<Vec<Vec<Path>>, HostError> {
        let batch = || pending.iter().map(|pending| self.commit_of(pending)).collect::<Vec<RunCommit>>();
        let mut tries = 1;
        let committed = loop {
            match self.store.commit(batch()).await {
                Ok(committed) => break committed,
                Err(error) if error.remedy() == Remedy::Retry && tries < COMMIT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        committed
            .into_iter()
            .map(|committed| match committed {
                Committed::Stored { refused } => Ok(refused),
                Committed::Conflict(conflict) => Err(HostError::Conflict(conflict)),
            })
            .collect()
    }

    fn commit_of(&self, pending: &Pending) -> RunCommit {
        RunCommit { lease: self.lease.clone(), writes: pending.writes.clone(), answered: pending.answered.clone() }
    }

    fn dispatch(&mut self, pending: Pending, refused: &[Path], flight: &mut Flight) {
        for command in pending.commands {
            self.fault.pass(Boundary::Dispatch);
            self.start(command, refused, flight);
        }
        if let Some(Write::PutRun(row)) = pending.writes.first() {
            let (in_batches, approvals_open) = (self.run.in_batches(), flight.approvals_open);
            let progress =
                Progress { status: row.status, counters: row.counters, account: row.account, in_batches, approvals_open };
            self.progress.send_replace(progress);
        }
    }

    fn start(&mut self, command: Command, refused: &[Path], flight: &mut Flight) {
        let answers = flight.answers.clone();
        // The channel is open as long as this driver lives; after that nobody wants the answer.
        let answer = move |event: Event| drop(answers.send(Box::new(event)));
        match command {
            Command::RunEnded(end) => flight.end = Some(end),
            Command::DrawBudget { need, wish } => flight.draw = Some((need, wish)),
            Command::AwaitAdmission(admission) => {
                flight.working += 1;
                let rejected = admission.items.iter().filter(|item| refused.contains(item)).cloned().collect();
                let (instance, step, batch) = (admission.instance, admission.step, admission.batch);
                answer(Event::ItemsAdmitted { instance, step, batch, rejected });
            }
            Command::StartTimer(timer) => {
                let wait = u64::try_from(timer.at.saturating_sub(self.clock.now())).unwrap_or(0);
                flight.tasks.spawn(async move {
                    tokio::time::sleep(Duration::from_micros(wait)).await;
                    answer(Event::TimerFired { timer: timer.id });
                });
            }
            Command::AwaitApproval(request) => {
                flight.approvals_open += 1;
                let approved = match self.approvals {
                    Approvals::Approve => true,
                    Approvals::Reject => false,
                    Approvals::Wait | Approvals::Leave => return,
                };
                let by = "the command line".to_owned();
                answer(Event::Decided { instance: request.instance, step: request.step, approved, by });
            }
            cancel @ Command::CancelBatch(_) => {
                let effects = self.effects.clone();
                flight.farewells.spawn(async move { drop(effects.perform(cancel).await) });
            }
            other => {
                flight.working += 1;
                let effects = self.effects.clone();
                flight.tasks.spawn(async move {
                    if let Some(event) = effects.perform(other).await {
                        answer(event);
                    }
                });
            }
        }
    }
}
