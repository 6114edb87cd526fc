//! A plan with a bit of everything.

use pmflow_plan::types::TextBounds;
use pmflow_plan::*;
use std::collections::BTreeMap;

pub fn var(name: &str) -> Expr {
    Expr::Var(name.to_owned())
}

pub fn int(value: i64) -> Expr {
    Expr::Literal(Value::Int(value))
}

pub fn text(value: &str) -> Expr {
    Expr::Literal(Value::text(value))
}

pub fn op(op: Op, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::Op { op, arguments: arguments.into_iter().collect() }
}

pub fn lambda(parameter: &str, body: Expr) -> Lambda {
    Lambda { parameters: vec![(parameter.to_owned(), Type::Json)], body: Box::new(body) }
}

pub fn field(of: Expr, name: &str) -> Expr {
    Expr::Field { of: Box::new(of), name: name.to_owned() }
}

fn parameter(name: &str, ty: Type) -> Parameter {
    Parameter { name: name.to_owned(), ty, default: None }
}

fn step(name: &str, after: &[u32], kind: StepKind) -> Step {
    Step { name: name.to_owned(), after: after.to_vec(), kind, was: None }
}

fn model() -> Model {
    let rates = Rates { input: 1_000_000, output: 4_000_000, cache_read: 100_000, cache_write: 1_000_000 };
    Model {
        id: "simulated/small".to_owned(),
        provider: "simulated".to_owned(),
        wire_name: "small".to_owned(),
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

fn prompt() -> Prompt {
    let hole = Piece::Hole { value: field(var("lead"), "name"), untrusted: true };
    Prompt {
        name: "judge".to_owned(),
        parameters: vec![parameter("lead", Type::Named("Lead".to_owned()))],
        answer: Type::Named("Fit".to_owned()),
        chain: vec!["simulated/small".to_owned()],
        input_tokens_max: 1_000,
        on_overflow: Overflow::Truncate { parameter: "lead".to_owned() },
        output_tokens_max: 100,
        output_tokens_min: None,
        thinking_tokens_max: None,
        overhead_tokens_max: 20,
        temperature_milli: Some(0),
        cache_ms: None,
        repair: 1,
        batch: false,
        system: Some(text("Judge.")),
        messages: vec![Message { role: Role::User, text: Expr::Template(vec![Piece::Text("Lead: ".to_owned()), hole]) }],
    }
}

fn operation() -> Operation {
    Operation {
        name: "crm.create".to_owned(),
        connector: "crm".to_owned(),
        kind: OperationKind::Action,
        parameters: vec![parameter("email", Type::text())],
        result: Type::Json,
        method: Method::Post,
        path: vec![Piece::Text("/tasks".to_owned())],
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Json(Expr::Record(vec![("email".to_owned(), var("email"))])),
        mapping: None,
        paging: Paging::None,
        errors: Vec::new(),
        repeat: Repeatable::AtLeastOnceOk,
    }
}

fn connector() -> Connector {
    Connector {
        name: "crm".to_owned(),
        base_url: text("https://crm.example"),
        auth: Auth::Bearer { secret: "CRM_TOKEN".to_owned() },
        headers: Vec::new(),
        rate: Some(RateLimit { requests: 5, per_ms: 1_000 }),
        retry_on: vec![(500, 599)],
    }
}

fn call(target: Target, argument: (&str, Expr)) -> StepKind {
    StepKind::Call(Call {
        target,
        arguments: BTreeMap::from([(argument.0.to_owned(), argument.1)]),
        retry: None,
        timeout_ms: None,
        otherwise: None,
        cache_ms: None,
        key: None,
    })
}

fn types() -> BTreeMap<String, Type> {
    let field = |name: &str, ty: Type| Field { name: name.to_owned(), ty, doc: None };
    let reason = Type::Text(TextBounds { tokens_max: Some(60), ..TextBounds::default() });
    let fit = Type::Record(vec![field("score", Type::Int { min: Some(1), max: Some(10) }), field("reason", reason)]);
    let lead = Type::Record(vec![field("email", Type::text()), field("name", Type::text())]);
    BTreeMap::from([("Fit".to_owned(), fit), ("Lead".to_owned(), lead)])
}

pub fn plan() -> Plan {
    let source = Source {
        from: SourceFrom::File(FileSource { format: FileFormat::Jsonl, path: text("leads.jsonl") }),
        row: Type::Named("Lead".to_owned()),
        limit: Some(200),
        expect: Some(120),
        streamed: true,
        retry: None,
        timeout_ms: None,
    };
    let condition = op(Op::IntLt, [int(7), field(var("fit"), "score")]);
    let create = step("create", &[], call(Target::Operation("crm.create".to_owned()), ("email", field(var("lead"), "email"))));
    let choice =
        StepKind::If { condition, likely_percent: Some(30), then: Block { steps: vec![create] }, otherwise: Block::default() };
    let body = Block {
        steps: vec![
            step("fit", &[], call(Target::Prompt("judge".to_owned()), ("lead", var("lead")))),
            step("if1", &[0], choice),
            step("output1", &[0], StepKind::Output { value: var("fit"), tags: vec![text("lead")] }),
        ],
    };
    let filter = Stage::Filter(lambda("l", op(Op::TextContains, [field(var("l"), "email"), text("@")])));
    let repeated = For {
        variable: "lead".to_owned(),
        over: Stream { from: StreamFrom::Source("leads".to_owned()), stages: vec![filter] },
        key: Some(field(var("lead"), "email")),
        items_max: Some(200),
        captures: Vec::new(),
        body,
        yields: None,
    };
    let steps = vec![step("leads", &[], StepKind::Source(source)), step("lead", &[0], StepKind::For(repeated))];
    let settings = Settings {
        concurrency: 5,
        timeout_ms: Some(600_000),
        on_error: OnError::Skip,
        budget: Budget { run: Money::parse("2"), ..Budget::default() },
        schedule: None,
        webhook: None,
        owner: None,
    };
    let flow = Flow {
        name: "daily".to_owned(),
        parameters: Vec::new(),
        settings,
        output: Type::Named("Fit".to_owned()),
        body: Block { steps },
    };
    let double =
        Function { parameters: vec![parameter("x", Type::int())], result: Type::int(), body: op(Op::IntMul, [var("x"), int(2)]) };
    Plan {
        format: PLAN_FORMAT,
        flow: "daily".to_owned(),
        flows: BTreeMap::from([("daily".to_owned(), flow)]),
        functions: BTreeMap::from([("double".to_owned(), double)]),
        types: types(),
        models: BTreeMap::from([("simulated/small".to_owned(), model())]),
        prompts: BTreeMap::from([("judge".to_owned(), prompt())]),
        operations: BTreeMap::from([("crm.create".to_owned(), operation())]),
        connectors: BTreeMap::from([("crm".to_owned(), connector())]),
        catalog: "catalog".to_owned(),
        ceiling: Money::parse("0.5"),
    }
}
