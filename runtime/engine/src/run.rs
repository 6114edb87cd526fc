//! A run as a value.

use crate::expressions::clock;
use crate::state::{Bindings, BlockRef, Ending, Instance, Memory, Origin, STATE_FORMAT, State};
use crate::turn::Turn;
use crate::write::{Counters, InstanceStatus, RunStatus};
use crate::{Command, Event, Path, ProviderBatch, RunId, Time, Transition, Write, failures};
use pmflow_ledger::Account;
use pmflow_plan::eval::{self, Context};
use pmflow_plan::patterns::Patterns;
use pmflow_plan::schema::{TokenCount, cast};
use pmflow_plan::{Failure, FailureClass, Flow, Money, ParameterDefault, Plan, PlanId, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One run of one plan, with all its live instances.
#[derive(Debug)]
pub struct Run {
    pub(crate) plan: Arc<Plan>,
    pub(crate) tools: Tools,
    pub(crate) state: State,
}

/// What a run is given besides its plan and its input.
#[derive(Clone, Default)]
pub struct RunOptions {
    /// The user's own limit (`--max-cost`); the lowest of it, the flow's budget and the plan's proven ceiling holds.
    pub budget_override: Option<Money>,
    /// Of a run that is recovered while it runs: its limit from then on, above all others.
    pub limit_raised: Option<Money>,
    /// Counts tokens where an answer has a bound in tokens; without it such bounds are not checked. It must give the
    /// same count for the same text, always.
    pub tokens: Option<Arc<dyn TokenCount + Send + Sync>>,
    /// The run may be subject to budgets that it shares with others: it asks before it spends ([`Command::DrawBudget`]).
    pub shared_budgets: bool,
    /// The models whose calls wait for their turn from the beginning on ([`Event::ModelsGated`]).
    pub gated: BTreeSet<String>,
    /// Of a new run that takes over from an earlier one: every step asks for its recorded result first ([`Command::Recall`]).
    pub origin: Option<Origin>,
}

/// Aids to evaluation that are no state.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    patterns: Patterns,
    tokens: Option<Arc<dyn TokenCount + Send + Sync>>,
}

impl Run {
    /// A new run and its first transition. `input` is a record of the flow's parameters; what it leaves out takes the
    /// parameter's default. `env(…)` defaults are read by the host before, and stand in the record. Wrong input makes a
    /// run that has failed.
    pub fn new(plan: Arc<Plan>, plan_id: PlanId, id: RunId, input: Value, options: RunOptions, now: Time) -> (Run, Transition) {
        Run::begun(plan, plan_id, id, input, options, now, None)
    }

    /// The first transition of a new run that another process is to go on with: nothing is under way yet.
    pub fn left(plan: Arc<Plan>, plan_id: PlanId, id: RunId, input: Value, options: RunOptions, now: Time) -> Transition {
        Run::begun(plan, plan_id, id, input, options, now, Some(Ending::HandedOver)).1
    }

    fn begun(
        plan: Arc<Plan>,
        plan_id: PlanId,
        id: RunId,
        input: Value,
        options: RunOptions,
        now: Time,
        ending: Option<Ending>,
    ) -> (Run, Transition) {
        let tools = Tools { patterns: Patterns::default(), tokens: options.tokens };
        let flow = plan.flows.get(&plan.flow);
        let parameters = match flow {
            Some(flow) => {
                let now = options.origin.as_ref().map_or(now, |origin| origin.clock);
                parameters(&tools.context(&plan), flow, &input, now)
            }
            None => Err(failures::missing("flow", &plan.flow)),
        };
        let limit = flow.and_then(|flow| flow.settings.budget.run);
        let limit = [limit, options.budget_override, plan.ceiling].into_iter().flatten().min();
        let mut state = State::new(&plan, plan_id, id, limit, now);
        state.ending = ending;
        state.shared = options.shared_budgets.then(Default::default);
        state.turns.gated = options.gated;
        state.origin = options.origin;
        let mut run = Run { plan, tools, state };
        let transition = run.turn(now, |turn| turn.begin(parameters));
        (run, transition)
    }

    /// Applies one event. Total and deterministic; an event that is stale or repeated gives an empty transition. `now`
    /// never goes back: an earlier time than the last one counts as that.
    pub fn apply(&mut self, now: Time, event: Event) -> Transition {
        let now = now.max(self.state.changed_at);
        self.turn(now, |turn| turn.on(event))
    }

    /// Everything whose answer is awaited, worked out from the state alone: what a host dispatches after a recovery,
    /// and what a test may compare with the commands it has seen.
    pub fn outstanding(&self) -> Vec<Command> {
        if self.state.status != RunStatus::Running {
            return vec![Command::RunEnded(self.state.end())];
        }
        let mut state = self.state.clone();
        let context = self.tools.context(&self.plan);
        Turn::new(&self.plan, context, &mut state, self.state.changed_at).owed(true)
    }

    /// What providers have in batches, whether the run goes on or stands still.
    pub fn batches(&self) -> Vec<ProviderBatch> {
        let mut state = self.state.clone();
        let context = self.tools.context(&self.plan);
        Turn::new(&self.plan, context, &mut state, self.state.changed_at).submitted().into_values().collect()
    }

    pub fn id(&self) -> &RunId {
        &self.state.id
    }

    pub fn created_at(&self) -> Time {
        self.state.created_at
    }

    /// The time that it has come to: it goes on from there, whatever a clock says.
    pub fn changed_at(&self) -> Time {
        self.state.changed_at
    }

    pub fn status(&self) -> RunStatus {
        self.state.status
    }

    /// A cancel, a pause or a failure was committed, and calls that are under way are awaited.
    pub fn is_ending(&self) -> bool {
        self.state.ending.is_some()
    }

    pub fn account(&self) -> &Account {
        &self.state.account
    }

    /// Calls that providers have in batches.
    pub fn in_batches(&self) -> u64 {
        self.state.submitted
    }

    pub fn counters(&self) -> &Counters {
        &self.state.counters
    }

    pub fn sequence(&self) -> u64 {
        self.state.sequence
    }

    pub fn failure(&self) -> Option<&Failure> {
        self.state.failure.as_ref()
    }

    /// Instances in memory: never more than a few times the concurrency of the loops under way.
    pub fn live_instances(&self) -> usize {
        self.state.instances.len()
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub(crate) fn turn(&mut self, now: Time, change: impl FnOnce(&mut Turn<'_>)) -> Transition {
        let plan = Arc::clone(&self.plan);
        let tools = self.tools.clone();
        let mut turn = Turn::new(&plan, tools.context(&plan), &mut self.state, now);
        change(&mut turn);
        turn.finish()
    }
}

impl Tools {
    pub fn new(options: RunOptions) -> Tools {
        Tools { patterns: Patterns::default(), tokens: options.tokens }
    }

    pub fn context<'a>(&'a self, plan: &'a Plan) -> Context<'a> {
        let context = Context::of(plan).with_patterns(self.patterns.clone());
        match &self.tokens {
            Some(tokens) => context.counting(&**tokens),
            None => context,
        }
    }
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").field("counts_tokens", &self.tokens.is_some()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts_tokens = self.tokens.is_some();
        f.debug_struct("RunOptions")
            .field("budget_override", &self.budget_override)
            .field("counts_tokens", &counts_tokens)
            .field("shared_budgets", &self.shared_budgets)
            .finish()
    }
}

/// The flow's parameters, each checked against its type.
fn parameters(context: &Context<'_>, flow: &Flow, input: &Value, now: Time) -> Result<BTreeMap<String, Value>, Failure> {
    let wrong = |message: String| Failure::not_sent(FailureClass::InvalidInput, message);
    let given = match input {
        Value::Record(record) => record.fields.as_slice(),
        Value::None => &[],
        other => return Err(wrong(format!("the input of a run is a record of parameters, not {}", other.kind()))),
    };
    if let Some((name, _)) = given.iter().find(|(name, _)| !flow.parameters.iter().any(|known| known.name == **name)) {
        return Err(wrong(format!("the flow `{}` has no parameter `{name}`", flow.name)));
    }
    let mut values = BTreeMap::new();
    for parameter in &flow.parameters {
        let found = given.iter().find(|(name, _)| **name == *parameter.name).map(|(_, value)| value.clone());
        let value = match (found, &parameter.default) {
            (Some(value), _) => value,
            (None, Some(ParameterDefault::Value(expr))) => eval::evaluate(expr, &clock(now), context)
                .map_err(|error| failures::expression(&format!("the default of `{}`", parameter.name), error))?,
            (None, Some(ParameterDefault::Environment(variable))) => {
                let message = format!("`{}` is not given and the variable {variable} was not read", parameter.name);
                return Err(wrong(message));
            }
            (None, None) => Value::None,
        };
        let value = cast(&parameter.ty, &context.types, value)
            .map_err(|mismatch| wrong(format!("the parameter `{}` does not fit: {mismatch}", parameter.name)))?;
        values.insert(parameter.name.clone(), value);
    }
    Ok(values)
}

impl State {
    fn new(plan: &Plan, plan_id: PlanId, id: RunId, limit: Option<Money>, now: Time) -> State {
        State {
            id,
            plan_id,
            root: Path::root(&plan.flow),
            status: RunStatus::Running,
            sequence: 0,
            created_at: now,
            changed_at: now,
            ended_at: None,
            failure: None,
            account: Account::new(limit),
            counters: Counters::default(),
            input: Value::None,
            ending: None,
            next_ticket: 1,
            instances: BTreeMap::new(),
            queue: BTreeMap::new(),
            turns: Default::default(),
            in_flight: 0,
            submitted: 0,
            moving: 0,
            collecting: BTreeSet::new(),
            shared: None,
            origin: None,
        }
    }
}

impl Turn<'_> {
    fn begin(&mut self, parameters: Result<BTreeMap<String, Value>, Failure>) {
        self.touch_run();
        let root = self.state.root.clone();
        let flow = self.plan.flows.get(&self.plan.flow);
        let timeout_ms = flow.and_then(|flow| flow.settings.timeout_ms);
        let deadline = timeout_ms.map(|milliseconds| self.after_ms(milliseconds));
        let memory = Memory {
            format: STATE_FORMAT,
            body: BlockRef::flow(&self.plan.flow),
            order: String::new(),
            place: self.plan.flow.clone(),
            owner: root.clone(),
            depth: 0,
            steps: BTreeMap::new(),
            bindings: Bindings::default(),
            failing: None,
            deadline,
        };
        let instance = Instance {
            path: root.clone(),
            parent: None,
            index: 0,
            status: InstanceStatus::Running,
            started_at: self.now,
            memory,
            asleep: false,
            stirred: false,
        };
        // It may be done before this transition ends, and its row has to be there to end.
        self.writes.push(Write::PutInstance(instance.row()));
        self.state.instances.insert(root.clone(), instance);
        match parameters {
            Ok(parameters) => {
                self.state.input = Value::record(parameters.iter().map(|(name, value)| (name.as_str(), value.clone())));
                for (name, value) in parameters {
                    self.bind(&root, &name, value);
                }
                if let Some(deadline) = deadline {
                    self.commands.push(crate::steps::timer(&root, &root, "timeout", deadline));
                }
                self.wake(&root);
            }
            Err(failure) => self.fail_instance(&root, failure),
        }
        self.touch(&root);
    }
}
