//! Plans by hand: what the compiler would have made, in a few lines.

use pmflow_plan::model::{Api, CapFidelity, Message, Model, Overflow, Price, Prompt, Rates, Role};
use pmflow_plan::types::{Field, Type};
use pmflow_plan::*;
use std::collections::BTreeMap;

/// A plan with one flow called `main` and one model, `sim/one`.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    pub plan: Plan,
}

pub const ROOT: &str = "main";

impl Default for PlanBuilder {
    fn default() -> PlanBuilder {
        let mut plan = Plan {
            format: PLAN_FORMAT,
            flow: ROOT.to_owned(),
            flows: BTreeMap::new(),
            functions: BTreeMap::new(),
            types: BTreeMap::new(),
            models: BTreeMap::new(),
            prompts: BTreeMap::new(),
            operations: BTreeMap::new(),
            connectors: BTreeMap::new(),
            catalog: "simulated".to_owned(),
            ceiling: None,
        };
        plan.flows.insert(ROOT.to_owned(), flow(ROOT, Vec::new()));
        plan.models.insert("sim/one".to_owned(), model("sim/one", 100_000));
        PlanBuilder { plan }
    }
}

impl PlanBuilder {
    pub fn steps(mut self, steps: Vec<Step>) -> PlanBuilder {
        self.root().body = Block { steps };
        self
    }

    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> PlanBuilder {
        change(&mut self.root().settings);
        self
    }

    pub fn flow(mut self, flow: Flow) -> PlanBuilder {
        self.plan.flows.insert(flow.name.clone(), flow);
        self
    }

    pub fn model(mut self, model: Model) -> PlanBuilder {
        self.plan.models.insert(model.id.clone(), model);
        self
    }

    pub fn prompt(mut self, prompt: Prompt) -> PlanBuilder {
        self.plan.prompts.insert(prompt.name.clone(), prompt);
        self
    }

    /// A reading operation of a connector `sim`, with one parameter `x`.
    pub fn operation(mut self, name: &str, kind: OperationKind, result: Type) -> PlanBuilder {
        self.plan.operations.insert(name.to_owned(), operation(name, kind, result));
        self
    }

    fn root(&mut self) -> &mut Flow {
        self.plan.flows.entry(ROOT.to_owned()).or_insert_with(|| flow(ROOT, Vec::new()))
    }
}

pub fn flow(name: &str, steps: Vec<Step>) -> Flow {
    Flow {
        name: name.to_owned(),
        parameters: Vec::new(),
        settings: Settings {
            concurrency: 4,
            timeout_ms: None,
            on_error: OnError::Skip,
            budget: Budget::default(),
            schedule: None,
            webhook: None,
            owner: None,
        },
        output: Type::Json,
        body: Block { steps },
    }
}

/// A model with a flat price per token, in pico-dollars.
pub fn model(id: &str, pico_per_token: u64) -> Model {
    let rates =
        Rates { input: pico_per_token, output: pico_per_token * 4, cache_read: pico_per_token / 4, cache_write: pico_per_token };
    Model {
        id: id.to_owned(),
        provider: "sim".to_owned(),
        wire_name: id.to_owned(),
        api: Api::Simulated,
        base_url: None,
        price: Price { base: rates, tiers: Vec::new(), changes: Vec::new(), batch: None },
        context_tokens_max: 100_000,
        input_tokens_max: 100_000,
        output_tokens_max: 10_000,
        output_cap: CapFidelity::Hard,
        encoding: None,
        calibration_milli: None,
        structured_output: true,
        temperature: true,
    }
}

/// A prompt with one parameter `x` and the model `sim/one`; at most 1,000 tokens in and 100 out.
pub fn prompt(name: &str, answer: Type) -> Prompt {
    let text = |text: &str| Piece::Text(text.to_owned());
    let hole = Piece::Hole { value: var("x"), untrusted: false };
    Prompt {
        name: name.to_owned(),
        parameters: vec![parameter("x", Type::Json)],
        answer,
        chain: vec!["sim/one".to_owned()],
        input_tokens_max: 1000,
        overhead_tokens_max: 50,
        on_overflow: Overflow::Reject,
        output_tokens_max: 100,
        output_tokens_min: None,
        thinking_tokens_max: None,
        temperature_milli: None,
        cache_ms: None,
        repair: 0,
        batch: false,
        system: None,
        messages: vec![Message { role: Role::User, text: Expr::Template(vec![text(name), text(": "), hole]) }],
    }
}

fn operation(name: &str, kind: OperationKind, result: Type) -> Operation {
    Operation {
        name: name.to_owned(),
        connector: "sim".to_owned(),
        kind,
        parameters: vec![parameter("x", Type::Json)],
        result,
        method: Method::Post,
        path: Vec::new(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::None,
        mapping: None,
        paging: Paging::None,
        errors: Vec::new(),
        repeat: Repeatable::AtLeastOnceOk,
    }
}

pub fn parameter(name: &str, ty: Type) -> Parameter {
    Parameter { name: name.to_owned(), ty, default: None }
}

/// `{ score: int(0..9), word: text }`
pub fn judged() -> Type {
    let field = |name: &str, ty| Field { name: name.to_owned(), ty, doc: None };
    Type::Record(vec![field("score", Type::Int { min: Some(0), max: Some(9) }), field("word", Type::text())])
}

/// A step that waits for the steps at these positions of its block.
pub fn step(name: &str, after: &[u32], kind: StepKind) -> Step {
    Step { name: name.to_owned(), after: after.to_vec(), kind, was: None }
}

pub fn call(target: Target, x: Expr) -> Call {
    Call {
        target,
        arguments: BTreeMap::from([("x".to_owned(), x)]),
        retry: None,
        timeout_ms: None,
        otherwise: None,
        cache_ms: None,
        key: None,
    }
}

pub fn call_prompt(name: &str, x: Expr) -> StepKind {
    StepKind::Call(call(Target::Prompt(name.to_owned()), x))
}

pub fn call_operation(name: &str, x: Expr) -> StepKind {
    StepKind::Call(call(Target::Operation(name.to_owned()), x))
}

pub fn retry(times: u32) -> Retry {
    Retry { times, backoff_ms_min: 100, backoff_ms_max: 2_000, on: Vec::new(), unbilled: false }
}

/// A loop over a list.
pub fn each(variable: &str, list: Expr, steps: Vec<Step>) -> For {
    For {
        variable: variable.to_owned(),
        over: Stream { from: StreamFrom::List(list), stages: Vec::new() },
        key: None,
        items_max: None,
        captures: Vec::new(),
        body: Block { steps },
        yields: None,
    }
}

/// A streamed source of the operation `name`; the world says what its rows are.
pub fn source(name: &str, streamed: bool) -> Source {
    let arguments = BTreeMap::from([("x".to_owned(), literal(Value::None))]);
    Source {
        from: SourceFrom::Operation { operation: name.to_owned(), arguments },
        row: Type::Json,
        limit: Some(1_000_000),
        expect: None,
        streamed,
        retry: Some(retry(5)),
        timeout_ms: None,
    }
}

pub fn output(value: Expr) -> StepKind {
    StepKind::Output { value, tags: Vec::new() }
}

pub fn var(name: &str) -> Expr {
    Expr::Var(name.to_owned())
}

pub fn field(of: Expr, name: &str) -> Expr {
    Expr::Field { of: Box::new(of), name: name.to_owned() }
}

pub fn literal(value: Value) -> Expr {
    Expr::Literal(value)
}

pub fn int(number: i64) -> Expr {
    Expr::Literal(Value::Int(number))
}

pub fn ints(numbers: impl IntoIterator<Item = i64>) -> Expr {
    Expr::Literal(Value::list(numbers.into_iter().map(Value::Int).collect()))
}

pub fn op(op: Op, arguments: Vec<Expr>) -> Expr {
    Expr::Op { op, arguments }
}
