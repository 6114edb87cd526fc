//! `test` items, run offline: a virtual clock, stand-ins for everything outside, no database.

use pmflow_compiler::emit::tests::TestPlan;
use pmflow_compiler::types::{Expectation, GivenStandIn};
use pmflow_engine::{ApprovalRequest, Finish, ModelCall, OperationCall, Pull, Run, RunId, RunOptions, RunStatus};
use pmflow_plan::eval::{self, Context, Scope};
use pmflow_plan::failure::Failure;
use pmflow_plan::schema::{self, Types};
use pmflow_plan::value::Record;
use pmflow_plan::{Expr, FailureClass, Money, Op, Plan, Usage, Value};
use pmflow_sim::world::{Decision, ModelAnswer, Reply, World};
use pmflow_sim::{Simulation, drive};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Noon of a Thursday: what `now()` is where a test does not say otherwise.
const NOW: i64 = 1_767_268_800_000_000;

#[derive(Debug)]
pub struct Outcome {
    pub title: String,
    /// Empty: passed.
    pub failures: Vec<String>,
}

pub fn run(test: &TestPlan) -> Outcome {
    let failures = match StandIns::of(test) {
        Ok(world) => judged(test, world),
        Err(reason) => vec![reason],
    };
    Outcome { title: test.title.clone(), failures }
}

/// The prompts that the test calls, in the order of the calls.
pub fn prompt_calls(test: &TestPlan) -> Vec<(String, Record)> {
    let Ok(mut world) = StandIns::of(test) else { return Vec::new() };
    let _ = simulated(test, &mut world);
    world.prompts
}

fn judged(test: &TestPlan, mut world: StandIns<'_>) -> Vec<String> {
    let simulation = match simulated(test, &mut world) {
        Ok(simulation) => simulation,
        Err(reason) => return vec![reason],
    };
    let mut failures: Vec<String> = world.missing.iter().map(|missing| format!("nothing stands in for {missing}")).collect();
    failures.extend(unexpected_end(&simulation));
    let scope = results(&simulation, &world);
    for expectation in &test.expectations {
        failures.extend(expect(expectation, &scope, &world));
    }
    failures
}

fn simulated(test: &TestPlan, world: &mut StandIns<'_>) -> Result<Simulation, String> {
    let plan = Arc::new(test.plan.clone());
    let input = input(test)?;
    let count: fn(&str) -> u64 = |text| pmflow_host::tokens::count("o200k_base", text);
    let options = RunOptions { budget_override: None, tokens: Some(Arc::new(count)), ..RunOptions::default() };
    let id = RunId("test".into());
    let (run, first) = Run::new(plan.clone(), plan.id(), id, input, options.clone(), world.now);
    let now = world.now;
    Ok(drive(run, first, options, world, now))
}

/// A run that failed is told, unless the test expects failures of items and the run itself went through.
fn unexpected_end(simulation: &Simulation) -> Option<String> {
    match &simulation.seen.end {
        None => Some("the run does not end: it waits for something that never comes".to_owned()),
        Some(end) if end.status == RunStatus::Succeeded => None,
        Some(end) => {
            let why = end.failure.as_ref().map_or("", |failure| failure.message.as_str());
            Some(format!("the run ended as {}: {why}", end.status.name()))
        }
    }
}

fn input(test: &TestPlan) -> Result<Value, String> {
    let context = Context::of(&test.plan);
    let evaluated = |(name, expr): &(String, Expr)| {
        let value =
            eval::evaluate(expr, &Scope::default(), &context).map_err(|error| format!("the argument `{name}`: {error}"))?;
        Ok((name.clone(), value))
    };
    let fields: Result<Vec<(String, Value)>, String> = test.input.iter().map(evaluated).collect();
    fields.map(Value::record)
}

/// What the expectations are over.
fn results(simulation: &Simulation, world: &StandIns<'_>) -> Scope {
    let outputs: Vec<Value> = simulation.rows.root_outputs().into_iter().map(|output| output.value.clone()).collect();
    let end = simulation.seen.end.as_ref();
    let cost = end.map_or(Money::ZERO, |end| end.account.committed());
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let calls = world.calls.values().sum();
    Scope::default().with_all([
        ("outputs", Value::list(outputs)),
        ("cost", Value::Money(cost)),
        ("failed", int(end.map_or(0, |end| end.counters.items_failed))),
        ("calls", int(calls)),
        ("alerts", Value::list(Vec::new())),
    ])
}

fn expect(expectation: &Expectation, scope: &Scope, world: &StandIns<'_>) -> Option<String> {
    let context = Context::of(world.plan);
    match expectation {
        Expectation::Condition { condition, text, .. } => match eval::evaluate(condition, scope, &context) {
            Ok(Value::Bool(true)) => None,
            Ok(_) => Some(format!("{text}{}", sides(condition, scope, &context))),
            Err(error) => Some(format!("{text}\n    cannot be worked out: {error}")),
        },
        Expectation::Called { target, min, max, text, .. } => {
            let calls = world.calls.get(&target.join(".")).copied().unwrap_or(0);
            let right = calls >= *min && max.is_none_or(|max| calls <= max);
            (!right).then(|| format!("{text}\n    it was called {}", crate::format::plural(calls, "time")))
        }
    }
}

/// What a comparison compared.
fn sides(condition: &Expr, scope: &Scope, context: &Context<'_>) -> String {
    let Expr::Op { op, arguments } = condition else { return String::new() };
    let compares = matches!(
        op,
        Op::Eq
            | Op::Ne
            | Op::IntLt
            | Op::IntLe
            | Op::FloatLt
            | Op::FloatLe
            | Op::MoneyLt
            | Op::MoneyLe
            | Op::TextLt
            | Op::TextLe
            | Op::TimeLt
            | Op::TimeLe
    );
    if !compares {
        return String::new();
    }
    let shown = arguments.iter().map(|side| match eval::evaluate(side, scope, context) {
        Ok(value) => value.to_json().to_string(),
        Err(error) => error.to_string(),
    });
    format!("\n    compared {}", shown.collect::<Vec<_>>().join(" with "))
}

struct StandIns<'a> {
    plan: &'a Plan,
    givens: BTreeMap<String, &'a GivenStandIn>,
    now: i64,
    /// By the name in the plan; a retried call counts once.
    calls: BTreeMap<String, u64>,
    missing: BTreeSet<String>,
    prompts: Vec<(String, Record)>,
}

impl<'a> StandIns<'a> {
    fn of(test: &'a TestPlan) -> Result<StandIns<'a>, String> {
        let givens: BTreeMap<String, &GivenStandIn> = test.givens.iter().map(|(path, given)| (path.join("."), given)).collect();
        let (calls, missing, prompts) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let mut world = StandIns { plan: &test.plan, givens, now: NOW, calls, missing, prompts };
        if let Some(given) = world.givens.get("now").copied() {
            match world.value(given, Vec::new()) {
                Ok(Value::Datetime(now)) => world.now = now,
                Ok(other) => return Err(format!("`given now` wants a datetime, not {}", other.to_text())),
                Err(reason) => return Err(reason),
            }
        }
        Ok(world)
    }

    /// What the stand-in gives for these arguments; an error is the failure that the call ends with.
    fn value(&self, given: &GivenStandIn, arguments: Vec<Value>) -> Result<Value, String> {
        let context = Context::of(self.plan);
        let scope = Scope::default();
        let result = match given {
            GivenStandIn::Value(expr) => eval::evaluate(expr, &scope, &context),
            GivenStandIn::Function(lambda) => eval::apply(lambda, &arguments, &scope, &context),
            GivenStandIn::Fail(text) => {
                let text = eval::evaluate(text, &scope, &context).map_err(|error| error.to_string())?;
                return Err(text.to_text());
            }
        };
        result.map_err(|error| error.to_string())
    }

    fn call(&mut self, kind: &str, name: &str, first: bool, arguments: &Record) -> Result<Value, Failure> {
        if first {
            *self.calls.entry(name.to_owned()).or_default() += 1;
        }
        let Some(given) = self.givens.get(name).copied() else {
            self.missing.insert(format!("the {kind} `{name}`; write `given {name} = …` in the test"));
            return Err(Failure::not_sent(FailureClass::Permission, format!("nothing stands in for the {kind} `{name}`")));
        };
        let values = arguments.fields.iter().map(|(_, value)| value.clone()).collect();
        self.value(given, values).map_err(|reason| Failure::not_billed(FailureClass::Permission, reason))
    }

    fn ordered(&self, parameters: &[pmflow_plan::Parameter], arguments: &Record) -> Record {
        let fields = parameters.iter().map(|parameter| {
            let value = arguments.get(&parameter.name).cloned().unwrap_or(Value::None);
            (Arc::from(parameter.name.as_str()), value)
        });
        Record { fields: fields.collect() }
    }
}

impl World for StandIns<'_> {
    fn call_model(&mut self, call: &ModelCall) -> Reply<Result<ModelAnswer, Failure>> {
        let parameters = self.plan.prompts.get(&call.prompt).map(|prompt| prompt.parameters.clone()).unwrap_or_default();
        let arguments = self.ordered(&parameters, &call.arguments);
        if call.call.attempt == 1 {
            self.prompts.push((call.prompt.clone(), arguments.clone()));
        }
        let answer = self.call("prompt", &call.prompt, call.call.attempt == 1, &arguments).map(|value| {
            let types = Types::new(&self.plan.types);
            let text = match (schema::needs_schema(&call.answer, &types), value.to_json()) {
                (false, _) => value.to_text(),
                (true, json @ serde_json::Value::Object(_)) => json.to_string(),
                (true, other) => serde_json::json!({ "value": other }).to_string(),
            };
            let read = call.messages.iter().map(|message| &*message.text).chain(call.system.as_deref());
            let input: u64 = read.map(|text| pmflow_host::tokens::count("o200k_base", text)).sum();
            let output = pmflow_host::tokens::count("o200k_base", &text).min(call.output_tokens_max);
            let usage = Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() };
            ModelAnswer { text, finish: Finish::Complete, usage }
        });
        Reply::at_once(answer)
    }

    fn call_operation(&mut self, call: &OperationCall) -> Reply<Result<Value, Failure>> {
        let parameters =
            self.plan.operations.get(&call.operation).map(|operation| operation.parameters.clone()).unwrap_or_default();
        let arguments = self.ordered(&parameters, &call.arguments);
        let result = self.call("operation", &call.operation, call.call.attempt == 1, &arguments);
        let types = Types::new(&self.plan.types);
        let result = result.and_then(|value| match self.plan.operations.get(&call.operation) {
            None => Ok(value),
            Some(operation) => schema::cast(&operation.result, &types, value)
                .map_err(|mismatch| Failure::not_billed(FailureClass::InvalidOutput, mismatch.to_string())),
        });
        Reply::at_once(result)
    }

    fn rows(&mut self, pull: &Pull) -> Reply<Result<Arc<Vec<Value>>, Failure>> {
        let name = pull.name.clone();
        let rows = self.call("source", &name, pull.pull == 1, &Record::default()).and_then(|value| match value {
            Value::List(rows) => Ok(rows),
            other => Err(Failure::not_sent(
                FailureClass::InvalidInput,
                format!("`given {name}` wants a list, not {}", other.to_text()),
            )),
        });
        Reply::at_once(rows)
    }

    fn decide(&mut self, _request: &ApprovalRequest) -> Option<Reply<Decision>> {
        let by = "the test".to_owned();
        match self.call("approval", "approve", true, &Record::default()) {
            Ok(Value::Bool(approved)) => Some(Reply::at_once(Decision { approved, by })),
            _ => Some(Reply::at_once(Decision { approved: false, by })),
        }
    }
}
