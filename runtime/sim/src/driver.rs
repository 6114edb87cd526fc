//! Drives a run against a world on a virtual clock: commit, dispatch, jump to the next answer.

use crate::faults::{Boundary, Faults};
use crate::rows::Rows;
use crate::world::{ModelAnswer, World};
use pmflow_engine::stream::Passage;
use pmflow_engine::{
    BudgetAnswer, CallId, Command, Event, ModelCall, Path, Pull, Recall, Row, Run, RunEnd, RunId, RunOptions, Shortage, StepRow,
    StepStatus, Time, Transition, TurnRequest,
};
use pmflow_ledger::shared::{self, Chain};
use pmflow_plan::eval::Context;
use pmflow_plan::{Billing, Failure, FailureClass, Money, Plan, PlanId, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run with everything around it.
#[derive(Debug)]
pub struct Simulation {
    pub run: Run,
    pub rows: Rows,
    pub clock: Time,
    pub faults: Faults,
    pub seen: Seen,
    pub around: Around,
    /// The answer to a draw, to be heard before anything else.
    drawn: Option<BudgetAnswer>,
    /// The run is told to ask for money again in a while.
    asks_again: bool,
    /// What others held of the shared budget until then.
    given_back: Option<(Money, Time)>,
    plan: Arc<Plan>,
    options: RunOptions,
    due: BTreeMap<(Time, u64), Event>,
    /// Of persons, by time; kept over crashes.
    requests: Vec<(Time, Event)>,
    sent: u64,
    /// What providers have, whatever becomes of the process: how long it takes, and the answers.
    batches: BTreeMap<Arc<str>, (Time, BTreeMap<CallId, Event>)>,
}

/// What an observer outside saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Calls of models by step: how many were not proved unbilled.
    pub paid: BTreeMap<Path, u64>,
    /// Calls of operations by key.
    pub operations: BTreeMap<String, u64>,
    pub events: u64,
    pub crashes: u64,
    /// How often a call of a model was under way when the process ended, by step.
    pub lost: BTreeMap<Path, u64>,
    /// What the providers really bill: whatever was sent, whether its answer was ever heard or not. Failures that prove
    /// nothing are billed in full.
    pub billed: Money,
    /// Calls that were billed more than their hold, against all promises.
    pub over_hold: u64,
    /// The model and the cap that each key was sent with.
    pub requests: BTreeMap<String, (String, u64)>,
    /// Requests that asked for less than their prompt declares.
    pub shrunk: u64,
    pub end: Option<RunEnd>,
    pub live_instances_max: usize,
    pub violations: Vec<String>,
}

/// How long a run may go by what it heard of others' holds.
const ANSWER_STANDS_FOR: Time = 1_000_000;

/// A run that takes more than this does not end.
const EVENTS_MAX: u64 = 2_000_000;

/// Runs a run to its end, with no trouble but the world's: the machine behind `pmflow test`. `first` is what
/// [`Run::new`] gave. Returns when the run has ended, or when nothing is left that could happen: a run that waits for
/// somebody who never decides.
pub fn drive(run: Run, first: Transition, options: RunOptions, world: &mut dyn World, now: Time) -> Simulation {
    let mut simulation = Simulation::of(run, options, now);
    simulation.settle(first, world);
    simulation.continue_to_end(world);
    simulation
}

/// As [`drive`], with faults. The first transition is committed before anything fails: a run without a row is no run.
pub fn simulate(
    plan: &Arc<Plan>,
    input: Value,
    options: RunOptions,
    world: &mut dyn World,
    faults: Faults,
    now: Time,
) -> Simulation {
    let mut simulation = start(plan, input, options, world, faults, now);
    simulation.continue_to_end(world);
    simulation
}

/// A run whose first transition is committed and dispatched, and nothing more.
pub fn start(
    plan: &Arc<Plan>,
    input: Value,
    options: RunOptions,
    world: &mut dyn World,
    faults: Faults,
    now: Time,
) -> Simulation {
    start_among(plan, input, options, world, faults, now, Around::default())
}

/// What is there besides the run.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// A budget that the run shares with others, when its options say so.
    pub shared: Option<Chain>,
    /// What others hold of it: how much, and when they give it back.
    pub others: Option<(Money, Time)>,
    /// The rows of an earlier run that this one takes over from, when its options say so.
    pub origin: Rows,
}

/// As [`start`], with something around the run.
pub fn start_among(
    plan: &Arc<Plan>,
    input: Value,
    options: RunOptions,
    world: &mut dyn World,
    faults: Faults,
    now: Time,
    around: Around,
) -> Simulation {
    let id = RunId("run".into());
    let plan_id = PlanId("plan_simulated".to_owned());
    let (run, first) = Run::new(Arc::clone(plan), plan_id, id, input, options.clone(), now);
    let mut simulation = Simulation::of(run, options, now);
    simulation.faults = faults;
    simulation.around = around;
    let refused = simulation.rows.commit(&first.writes);
    if simulation.faults.strikes(Boundary::BeforeDispatch) {
        simulation.crash(world);
    } else {
        simulation.dispatch(first.commands, &refused, world);
    }
    simulation
}

impl Simulation {
    fn of(run: Run, options: RunOptions, now: Time) -> Simulation {
        let plan = Arc::clone(run.plan());
        Simulation {
            run,
            rows: Rows::default(),
            clock: now,
            faults: Faults::default(),
            seen: Seen::default(),
            around: Around::default(),
            drawn: None,
            asks_again: false,
            given_back: None,
            plan,
            options,
            due: BTreeMap::new(),
            requests: Vec::new(),
            sent: 0,
            batches: BTreeMap::new(),
        }
    }

    /// Has a person ask for something after so many microseconds. The host keeps a request until it is committed.
    pub fn schedule_request(&mut self, after: Time, event: Event) {
        self.requests.push((self.clock.saturating_add(after), event));
    }

    /// Sends an event from outside (a cancel, a resume, a raised limit) now, and goes on to the end.
    pub fn send(&mut self, event: Event, world: &mut dyn World) {
        // A request from outside is kept by the host until it is committed.
        self.seen.end = None;
        while !self.deliver(event.clone(), world) {
            self.seen.end = None;
        }
        self.continue_to_end(world);
    }

    /// Has an event from outside happen after so many microseconds.
    pub fn schedule(&mut self, after: Time, event: Event) {
        self.sent += 1;
        self.due.insert((self.clock.saturating_add(after), self.sent), event);
    }

    pub fn continue_to_end(&mut self, world: &mut dyn World) {
        while self.seen.end.is_none() {
            self.take_requests(world);
            let Some(((time, _), event)) = self.due.pop_first() else { return };
            self.clock = self.clock.max(time);
            self.seen.events += 1;
            if self.seen.events > EVENTS_MAX {
                self.seen.violations.push("the run does not end".to_owned());
                return;
            }
            if self.faults.repeats() {
                let later = self.faults.delay();
                self.schedule(later, event.clone());
            }
            if self.faults.delays() {
                let later = self.faults.delay();
                self.schedule(later, event);
                continue;
            }
            self.deliver(event, world);
        }
    }

    fn take_requests(&mut self, world: &mut dyn World) {
        let next = self.due.first_key_value().map(|((time, _), _)| *time);
        let ready = |(time, _): &(Time, Event)| next.is_none_or(|next| *time <= next);
        while let Some(position) = self.requests.iter().position(ready).filter(|_| self.seen.end.is_none()) {
            let (time, event) = self.requests.remove(position);
            self.clock = self.clock.max(time);
            while !self.deliver(event.clone(), world) {}
        }
    }

    fn deliver(&mut self, event: Event, world: &mut dyn World) -> bool {
        self.asks_again &= event != Event::BudgetDrawn { answer: BudgetAnswer::AskAgain };
        let transition = self.run.apply(self.clock, event);
        self.settle(transition, world)
    }

    /// Commit, then dispatch, with a crash in between if it so happens. False when nothing was committed because of one.
    fn settle(&mut self, transition: Transition, world: &mut dyn World) -> bool {
        if transition.is_empty() {
            return true;
        }
        self.seen.live_instances_max = self.seen.live_instances_max.max(self.run.live_instances());
        if self.faults.strikes(Boundary::BeforeCommit) {
            self.crash(world);
            return false;
        }
        let refusals = self.rows.refusals.len();
        let refused = self.rows.commit(&transition.writes);
        self.check_shared_refusals(refusals);
        self.close_shared();
        // Dear, and as good now and then as always.
        if self.seen.events.is_multiple_of(7) {
            self.check_derivable(&transition.commands);
        }
        if self.faults.strikes(Boundary::BeforeDispatch) {
            self.crash(world);
            return true;
        }
        self.dispatch(transition.commands, &refused, world);
        if self.faults.strikes(Boundary::AfterDispatch) {
            self.crash(world);
        }
        true
    }

    /// Whatever is dispatched can be derived from the state, or a crash would lose it.
    fn check_derivable(&mut self, commands: &[Command]) {
        let outstanding = self.run.outstanding();
        let ended = self.run.status() != pmflow_engine::RunStatus::Running;
        let failing = ended || self.run.is_ending() || self.rows.live.values().any(|row| row.state.contains("\"failing\""));
        for command in commands {
            let is_call = matches!(
                command,
                Command::CallModel(_)
                    | Command::CallOperation(_)
                    | Command::AwaitAdmission(_)
                    | Command::SubmitBatch(_)
                    | Command::CollectBatch(_)
            );
            // What waits in an instance that is ending, or has ended, is not owed any more; calls are.
            if ended && matches!(command, Command::CollectBatch(_)) {
                // The run is suspended: it asks again when it goes on.
                continue;
            }
            let is_live = command.instance().is_some_and(|instance| self.rows.live.contains_key(instance));
            if (is_call || (is_live && !failing)) && !outstanding.contains(command) {
                self.seen.violations.push(format!("this would be lost in a crash: {command:?}"));
            }
        }
    }

    /// The process ends; another one reads the rows and goes on.
    pub fn crash(&mut self, world: &mut dyn World) {
        self.seen.crashes += 1;
        self.faults.struck();
        self.due.clear();
        self.drawn = None;
        self.asks_again = false;
        let stored = self.rows.stored().expect("the first transition is committed before anything crashes");
        match Run::recover(Arc::clone(&self.plan), stored, self.options.clone(), self.clock) {
            Ok((run, transition)) => {
                self.run = run;
                for row in lost_calls(&transition) {
                    *self.seen.lost.entry(row).or_default() += 1;
                }
                self.settle(transition, world);
            }
            Err(error) => self.seen.violations.push(format!("the rows cannot be read back: {error}")),
        }
    }

    fn dispatch(&mut self, commands: Vec<Command>, refused: &[Path], world: &mut dyn World) {
        for command in commands {
            self.dispatch_one(command, refused, world);
        }
        if let Some(answer) = self.drawn.take() {
            self.deliver(Event::BudgetDrawn { answer }, world);
        }
    }

    fn dispatch_one(&mut self, command: Command, refused: &[Path], world: &mut dyn World) {
        match command {
            Command::CallModel(call) => {
                self.check_call(&call.call.step);
                self.check_held(&call);
                let reply = world.call_model(&call);
                let event = self.answered(call, reply.answer, false);
                self.schedule(reply.after, event);
            }
            Command::SubmitBatch(calls) => self.submit(calls, world),
            Command::CollectBatch(batch) => {
                let Some(after) = self.batches.get(&batch.name).map(|(after, _)| *after) else {
                    return self.seen.violations.push(format!("nobody knows the batch `{}`", batch.name));
                };
                let answers = batch.calls.iter().filter_map(|call| self.answer_of(&batch.name, &call.call));
                let together = Event::Together(answers.collect());
                self.schedule(after, together);
            }
            Command::CallOperation(call) => {
                self.check_call(&call.call.step);
                *self.seen.operations.entry(call.idempotency_key.clone()).or_default() += 1;
                let reply = world.call_operation(&call);
                let event = match reply.answer {
                    Ok(value) => Event::OperationAnswered { call: call.call, value },
                    Err(failure) => Event::CallFailed { call: call.call, failure },
                };
                self.schedule(reply.after, event);
            }
            Command::PullRows(pull) | Command::ReadSource(pull) => {
                let reply = world.rows(&pull);
                let event = match reply.answer {
                    Ok(rows) => read(&Context::of(&self.plan), pull, &rows),
                    Err(failure) => Event::SourceFailed { instance: pull.instance, step: pull.step, pull: pull.pull, failure },
                };
                self.schedule(reply.after, event);
            }
            Command::AwaitApproval(request) => {
                if let Some(reply) = world.decide(&request) {
                    let (approved, by) = (reply.answer.approved, reply.answer.by);
                    let event = Event::Decided { instance: request.instance, step: request.step, approved, by };
                    self.schedule(reply.after, event);
                }
            }
            other => self.answer_from_store(other, refused),
        }
    }

    /// What a host answers without going outside.
    fn answer_from_store(&mut self, command: Command, refused: &[Path]) {
        match command {
            Command::LookupCache(lookup) => {
                let oldest = self.clock.saturating_sub(i64::try_from(lookup.age_ms_max).unwrap_or(i64::MAX).saturating_mul(1000));
                let found = self.rows.cache.get(&lookup.key).filter(|(_, at)| *at >= oldest).map(|(value, _)| value.clone());
                let (instance, step) = (lookup.instance, lookup.step);
                let event = match found {
                    Some(value) => Event::CacheHit { instance, step, value },
                    None => Event::CacheMiss { instance, step },
                };
                self.schedule(100, event);
            }
            Command::AwaitAdmission(admission) => {
                let rejected: BTreeSet<&Path> = refused.iter().collect();
                let rejected = admission.items.iter().filter(|path| rejected.contains(path)).cloned().collect();
                let (instance, step, batch) = (admission.instance, admission.step, admission.batch);
                self.schedule(0, Event::ItemsAdmitted { instance, step, batch, rejected });
            }
            Command::Gather(gather) => {
                let values = self.rows.gather(&gather);
                self.schedule(100, Event::Gathered { instance: gather.instance, step: gather.step, values });
            }
            Command::StartTimer(timer) => {
                let after = timer.at.saturating_sub(self.clock).max(0);
                self.schedule(after, Event::TimerFired { timer: timer.id });
            }
            Command::Recall(recall) => {
                let (result, generation) = recalled(&self.around.origin, &recall);
                let (instance, step) = (recall.instance, recall.step);
                self.schedule(100, Event::Recalled { instance, step, result, generation });
            }
            Command::AwaitTurn(request) => self.give_turn(request),
            Command::DrawBudget { need, wish } => self.draw(need, wish),
            Command::RunEnded(end) => self.seen.end = Some(end),
            _ => {}
        }
    }

    fn answered(&mut self, call: ModelCall, answer: Result<ModelAnswer, Failure>, batched: bool) -> Event {
        self.bill(&call, &answer, batched);
        let unbilled = answer.as_ref().is_err_and(|failure| failure.billing != Billing::Unknown);
        *self.seen.paid.entry(call.call.step.clone()).or_default() += u64::from(!unbilled);
        match answer {
            Ok(ModelAnswer { text, finish, usage }) => {
                Event::ModelAnswered { call: call.call, text, finish, usage, model: call.model }
            }
            Err(failure) => Event::CallFailed { call: call.call, failure },
        }
    }

    /// A provider takes the calls as one batch, which it works off and bills whatever becomes of the process; or it knows no
    /// batches; or it takes none for now.
    fn submit(&mut self, calls: Vec<ModelCall>, world: &mut dyn World) {
        let ids: Vec<CallId> = calls.iter().map(|call| call.call.clone()).collect();
        for call in &calls {
            self.check_call(&call.call.step);
            self.check_held(call);
        }
        let delay = self.faults.delay();
        if self.faults.refuses_batch() {
            return self.schedule(delay, Event::BatchRefused { calls: ids });
        }
        if self.faults.fails_batch() {
            let failure =
                || Failure { retry_after_ms: Some(1_000), ..Failure::not_sent(FailureClass::RateLimit, "too many batches") };
            let failed = |call| Event::CallFailed { call, failure: failure() };
            return self.schedule(delay, Event::Together(ids.into_iter().map(failed).collect()));
        }
        let name: Arc<str> = format!("batch-{}", self.batches.len()).into();
        let mut after = 0;
        let mut answers = BTreeMap::new();
        for call in calls {
            let reply = world.call_model(&call);
            after = after.max(reply.after);
            let id = call.call.clone();
            answers.insert(id, self.answered(call, reply.answer, true));
        }
        self.batches.insert(name.clone(), (after, answers));
        self.schedule(delay, Event::BatchSubmitted { calls: ids, batch: name });
    }

    /// Whether a provider has the call in a batch.
    pub fn is_in_batch(&self, call: &str) -> bool {
        self.batches.values().any(|(_, answers)| answers.keys().any(|known| known.to_string() == call))
    }

    fn answer_of(&self, batch: &str, call: &CallId) -> Option<Event> {
        self.batches.get(batch)?.1.get(call).cloned()
    }

    fn bill(&mut self, call: &ModelCall, answer: &Result<ModelAnswer, Failure>, batched: bool) {
        let day = i32::try_from(self.clock.div_euclid(86_400_000_000)).unwrap_or(0);
        let price = match (answer, self.plan.models.get(&call.model)) {
            (Ok(answer), Some(model)) => {
                let cached = answer.usage.cache_read_tokens.unwrap_or(0) + answer.usage.cache_write_tokens.unwrap_or(0);
                let input_max = call.input_tokens_max.saturating_sub(cached);
                let price = match batched {
                    true => model.price_batched_usage(&answer.usage, day, input_max, call.output_tokens_max),
                    false => model.price_usage(&answer.usage, day, input_max, call.output_tokens_max),
                };
                price.unwrap_or(call.hold)
            }
            (Err(failure), _) if failure.billing != Billing::Unknown => Money::ZERO,
            _ => call.hold,
        };
        self.seen.over_hold += u64::from(price > call.hold);
        self.seen.billed = self.seen.billed.checked_add(price).unwrap_or(self.seen.billed);
    }

    /// Turns come after a while, and are good for half a second.
    fn give_turn(&mut self, request: TurnRequest) {
        let TurnRequest { instance, step, model, .. } = request;
        let after = Time::try_from(self.sent % 7).unwrap_or(0) * 150_000;
        let until = self.clock.saturating_add(after + 500_000);
        self.schedule(after, Event::TurnCame { instance, step, model, until });
    }

    /// A draw on the budget that the run shares, as a store answers it: from the stored rows, and before anything else.
    fn draw(&mut self, need: Money, wish: Money) {
        let Some(account) = self.rows.run.as_ref().map(|run| run.account) else { return };
        self.others_give_back();
        let drawn = self.around.shared.as_mut().map(|chain| shared::draw(std::slice::from_mut(chain), &account, need, wish));
        let answer = match drawn {
            None => BudgetAnswer::Granted { up_to: account.committed().checked_add(wish).unwrap_or(wish) },
            Some(drawn) => match drawn {
                Ok(shared::Drawn::Granted { up_to }) => BudgetAnswer::Granted { up_to },
                Ok(shared::Drawn::Waiting { .. }) => BudgetAnswer::Waiting(self.shortage(need, "others hold it")),
                Ok(shared::Drawn::Refused { left, .. }) => {
                    let shortage = self.shortage(need, &format!("{left} is left"));
                    BudgetAnswer::Refused { shortage, suspends: true }
                }
                Err(error) => return self.seen.violations.push(format!("the shared budget does not add up: {error}")),
            },
        };
        self.check_shared();
        if matches!(answer, BudgetAnswer::Waiting(_)) && !self.asks_again {
            self.asks_again = true;
            // Others give back what they hold after a while.
            self.schedule(500_000, Event::BudgetDrawn { answer: BudgetAnswer::AskAgain });
        }
        self.drawn = Some(answer);
    }

    fn shortage(&self, need: Money, why: &str) -> Shortage {
        let budget = self.plan.flows.get(&self.plan.flow).map(|flow| &flow.settings.budget);
        let when_short = budget.map(|budget| budget.when_short).unwrap_or_default();
        let text = format!("of the shared budget {why}; the call needs {}", need.to_decimal());
        Shortage { need, when_short, failure: Failure::not_sent(FailureClass::Budget, text) }
    }

    /// A run that asks hears of it; nobody tells it before.
    fn others_give_back(&mut self) {
        let line = self.around.shared.as_mut().and_then(|chain| chain.lines.last_mut());
        if let (Some((held, until)), Some(line)) = (self.around.others, line)
            && until <= self.clock
        {
            self.around.others = None;
            self.given_back = Some((held, self.clock));
            let given_back = line.account.release(held);
            self.seen.violations.extend(given_back.err().map(|error| format!("others do not hold what they hold: {error}")));
        }
    }

    /// What the shared budget has no room for is refused, and nothing else; what others held stands for a second after they gave
    /// it back.
    fn check_shared_refusals(&mut self, known: usize) {
        let Some(line) = self.around.shared.as_ref().and_then(|chain| chain.lines.last()) else { return };
        let Some(limit) = line.account.limit else { return };
        let own = line.share.held.pico() + line.share.settled.pico() + line.share.unknown.pico();
        let lately = self.given_back.filter(|(_, at)| self.clock.saturating_sub(*at) <= ANSWER_STANDS_FOR);
        let others = line.account.committed().pico() - own + lately.map_or(0, |(held, _)| held.pico());
        for (row, account) in self.rows.refusals.iter().skip(known) {
            let message = row.failure.as_ref().map_or("", |failure| failure.message.as_str());
            let need = message.rsplit_once("needs ").and_then(|(_, need)| Money::parse(need));
            if need.is_none_or(|need| others + account.committed().pico() + need.pico() <= limit.pico()) {
                let text = format!("`{}` is refused although it fits beside {account:?} of {limit}: {message}", row.step);
                self.seen.violations.push(text);
            }
        }
    }

    /// A run that ended, or stands still, has given back what it had drawn, in the same transaction.
    fn close_shared(&mut self) {
        let Some(run) = self.rows.run.as_ref().filter(|run| run.status != pmflow_engine::RunStatus::Running) else { return };
        let Some(chain) = &mut self.around.shared else { return };
        if let Err(error) = shared::close(std::slice::from_mut(chain), &run.account) {
            self.seen.violations.push(format!("the shared budget does not add up: {error}"));
        }
        self.check_shared();
    }

    fn check_shared(&mut self) {
        let Some(line) = self.around.shared.as_ref().and_then(|chain| chain.lines.last()) else { return };
        let account = line.account;
        if account.breaches == 0 && account.limit.is_some_and(|limit| account.committed() > limit) {
            self.seen.violations.push(format!("the shared budget is overrun: {account:?}"));
        }
        let ended = self.rows.run.as_ref().filter(|run| run.status != pmflow_engine::RunStatus::Running);
        let others = self.around.others.map_or(Money::ZERO, |(held, _)| held);
        // What a provider has in a batch stays held while the run is suspended.
        if let Some(run) = ended.filter(|run| account.held.pico() > run.account.held.pico() + others.pico()) {
            let (shared, own) = (account.held, run.account.held);
            self.seen.violations.push(format!("the run has ended, holds {own}, and {shared} of the shared budget"));
        }
    }

    fn check_call(&mut self, step: &Path) {
        if self.rows.done.contains(step) {
            self.seen.violations.push(format!("`{step}` is executed after its result was recorded"));
        }
    }

    /// The provider sees a call only after its hold is durable.
    fn check_held(&mut self, call: &pmflow_engine::ModelCall) {
        let held = self.rows.ledger.iter().rev().find(|row| row.call.as_ref() == Some(&call.call));
        let is_held = held.is_some_and(|row| {
            row.entry.kind == pmflow_ledger::EntryKind::Hold
                && row.entry.held == call.hold
                && row.idempotency_key.as_ref() == Some(&call.idempotency_key)
        });
        if !is_held {
            self.seen.violations.push(format!("`{}` is sent without its hold", call.call));
        }
        self.check_request(call);
    }

    /// What is held is the ceiling of the request as it is sent, whatever it asks for; one key is one request.
    fn check_request(&mut self, call: &ModelCall) {
        let (Some(model), Some(prompt)) = (self.plan.models.get(&call.model), self.plan.prompts.get(&call.prompt)) else {
            return;
        };
        if model.call_ceiling(call.input_tokens_max, call.output_tokens_max) != Some(call.hold) {
            self.seen.violations.push(format!("{} is held for `{}`, which is not its ceiling", call.hold, call.call));
        }
        let (cap, declared) = (call.output_tokens_max, prompt.output_tokens_max);
        let is_shrunk = cap < declared;
        self.seen.shrunk += u64::from(is_shrunk);
        if cap > declared || (is_shrunk && prompt.output_tokens_min.is_none_or(|least| cap < least)) {
            self.seen.violations.push(format!("`{}` asks for {cap} of {declared} tokens", call.call));
        }
        let request = (call.model.clone(), cap);
        let before = self.seen.requests.insert(call.idempotency_key.clone(), request.clone());
        if before.is_some_and(|before| before != request) {
            self.seen.violations.push(format!("`{}` is another request under the same key", call.call));
        }
    }
}

/// What an earlier run recorded of a step: its result for the same input, and the ends that it came to.
fn recalled(origin: &Rows, recall: &Recall) -> (Option<Value>, u32) {
    let of_step = |row: &&StepRow| row.step == recall.step || Some(&row.step) == recall.earlier.as_ref();
    let rows = || origin.steps.iter().filter(of_step);
    let same = rows().find(|row| row.status == StepStatus::Done && row.input_key.as_ref() == Some(&recall.input_key));
    let without_effect = |row: &StepRow| row.failure.as_ref().is_some_and(|failure| failure.billing != Billing::Unknown);
    let ends = rows().filter(|row| match row.status {
        StepStatus::Done => true,
        StepStatus::Failed => without_effect(row),
        StepStatus::Retried => false,
    });
    (same.and_then(|row| row.result.clone()), u32::try_from(ends.count()).unwrap_or(u32::MAX))
}

fn lost_calls(transition: &Transition) -> Vec<Path> {
    let unknown = |write: &pmflow_engine::Write| match write {
        pmflow_engine::Write::Ledger(row) if row.entry.kind == pmflow_ledger::EntryKind::Unknown => {
            row.call.as_ref().map(|call| call.step.clone())
        }
        _ => None,
    };
    transition.writes.iter().filter_map(unknown).collect()
}

/// What a host does with a source's rows: the cursor is the position in the list.
pub fn read(context: &Context<'_>, pull: Pull, rows: &[Value]) -> Event {
    let begin: usize = pull.cursor.as_ref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let mut sieve = pull.stages.sieve(context);
    let mut found = Vec::new();
    let mut position = begin;
    while position < rows.len() && !sieve.ended() {
        if found.len() as u64 >= pull.rows_max || (position - begin) as u64 >= pull.read_max {
            break;
        }
        let Some(row) = rows.get(position) else { break };
        position += 1;
        match sieve.pass(row.clone()) {
            Passage::Kept(value) => found.push(Row { value: Ok(value) }),
            Passage::Dropped => {}
            Passage::Failed(failure) => found.push(Row { value: Err(failure) }),
        }
    }
    let stages = sieve.stages().clone();
    let exhausted = position >= rows.len() || stages.ended();
    let cursor = Some(position.to_string());
    Event::Rows { instance: pull.instance, step: pull.step, pull: pull.pull, rows: found, cursor, stages, exhausted }
}
