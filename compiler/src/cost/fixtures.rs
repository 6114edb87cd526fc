//! Plans for tests, built from values as the compiler would.

use super::Catalog;
use pmflow_plan::types::TextBounds;
use pmflow_plan::*;
use std::collections::BTreeMap;

pub fn text_bounded(tokens_max: u64) -> Type {
    Type::Text(TextBounds { tokens_max: Some(tokens_max), ..TextBounds::default() })
}

pub fn field(name: &str, ty: Type) -> Field {
    Field { name: name.into(), ty, doc: None }
}

/// `{ score: int(1..10), reason: text(max 60 tokens) }`
pub fn fit() -> Type {
    Type::Record(vec![field("score", Type::Int { min: Some(1), max: Some(10) }), field("reason", text_bounded(60))])
}

pub fn prompt(name: &str, chain: &[&str]) -> Prompt {
    let hole = Piece::Hole { value: Expr::Var("lead".into()), untrusted: true };
    let text = Expr::Template(vec![Piece::Text("Judge how well this lead fits.\nLead: ".into()), hole, Piece::Text("\n".into())]);
    Prompt {
        name: name.into(),
        parameters: vec![Parameter { name: "lead".into(), ty: text_bounded(400), default: None }],
        answer: fit(),
        chain: chain.iter().map(|id| id.to_string()).collect(),
        input_tokens_max: 1500,
        overhead_tokens_max: 0,
        on_overflow: Overflow::Reject,
        output_tokens_max: 300,
        output_tokens_min: None,
        thinking_tokens_max: None,
        temperature_milli: None,
        cache_ms: None,
        repair: 0,
        batch: false,
        system: None,
        messages: vec![Message { role: Role::User, text }],
    }
}

pub fn step(name: &str, kind: StepKind) -> Step {
    Step { name: name.into(), after: Vec::new(), kind, was: None }
}

pub fn block(steps: Vec<Step>) -> Block {
    Block { steps }
}

pub fn call(target: Target, retries: u32) -> StepKind {
    let retry =
        (retries > 0).then_some(Retry { times: retries, backoff_ms_min: 1, backoff_ms_max: 2, on: Vec::new(), unbilled: false });
    StepKind::Call(Call {
        target,
        arguments: BTreeMap::new(),
        retry,
        timeout_ms: None,
        otherwise: None,
        cache_ms: None,
        key: None,
    })
}

pub fn ask(prompt: &str) -> StepKind {
    call(Target::Prompt(prompt.into()), 0)
}

pub fn source(limit: Option<u64>, expect: Option<u64>) -> StepKind {
    let from = SourceFrom::File(FileSource { format: FileFormat::Jsonl, path: Expr::Literal(Value::text("leads.jsonl")) });
    StepKind::Source(Source { from, row: Type::text(), limit, expect, streamed: true, retry: None, timeout_ms: None })
}

pub fn rounds(from: StreamFrom, items_max: Option<u64>, body: Block) -> StepKind {
    let over = Stream { from, stages: Vec::new() };
    StepKind::For(For { variable: "lead".into(), over, key: None, items_max, captures: Vec::new(), body, yields: None })
}

pub fn truth() -> Expr {
    Expr::Literal(Value::Bool(true))
}

pub fn settings() -> Settings {
    let budget = Budget::default();
    Settings { concurrency: 5, timeout_ms: None, on_error: OnError::Skip, budget, schedule: None, webhook: None, owner: None }
}

pub fn flow(name: &str, steps: Vec<Step>) -> Flow {
    Flow { name: name.into(), parameters: Vec::new(), settings: settings(), output: Type::text(), body: block(steps) }
}

/// A plan of these flows, the first of which is run; models come from the built-in catalog.
pub fn plan(flows: Vec<Flow>, prompts: Vec<Prompt>) -> Plan {
    let ids = prompts.iter().flat_map(|prompt| prompt.chain.clone());
    let models = ids.map(|id| (id.clone(), Catalog::builtin().resolve(&id).expect("tests name models of the catalog"))).collect();
    Plan {
        format: PLAN_FORMAT,
        flow: flows.first().map(|flow| flow.name.clone()).unwrap_or_default(),
        flows: flows.into_iter().map(|flow| (flow.name.clone(), flow)).collect(),
        functions: BTreeMap::new(),
        types: BTreeMap::new(),
        models,
        prompts: prompts.into_iter().map(|prompt| (prompt.name.clone(), prompt)).collect(),
        operations: BTreeMap::new(),
        connectors: BTreeMap::new(),
        catalog: "0123456789abcdef".into(),
        ceiling: None,
    }
}

pub fn place(line: u32) -> Place {
    Place { file: "leads.pmflow".into(), line, column: 5 }
}

/// Leads from a source are judged, and the good ones of them written to; every two hours.
pub fn leads() -> (Plan, SourceMap) {
    let judge = prompt("analyze_fit", &["openai/gpt-5.4-mini", "anthropic/claude-sonnet-5-5"]);
    let write = Prompt { repair: 1, output_tokens_max: 600, ..prompt("write_mail", &["openai/gpt-5.4"]) };
    let good = StepKind::If {
        condition: truth(),
        likely_percent: Some(30),
        then: block(vec![step("mail", call(Target::Prompt("write_mail".into()), 2))]),
        otherwise: Block::default(),
    };
    let body = block(vec![step("fit", ask("analyze_fit")), step("good", good)]);
    let mut daily = flow(
        "daily",
        vec![step("leads", source(Some(1000), Some(120))), step("lead", rounds(StreamFrom::Source("leads".into()), None, body))],
    );
    daily.settings.budget.run = Money::parse("5");
    daily.settings.budget.day = Money::parse("20000");
    daily.settings.budget.month = Money::parse("1");
    daily.settings.schedule = Some(Schedule { when: When::EveryMs(7_200_000), overlap: Overlap::Skip, catch_up: CatchUp::None });
    let places =
        [("daily", 10), ("daily/lead", 12), ("daily/lead/fit", 13), ("daily/lead/good/mail", 15), ("prompt:analyze_fit", 1)];
    let places = places.into_iter().map(|(path, line)| (path.to_owned(), place(line))).collect();
    (plan(vec![daily], vec![judge, write]), SourceMap { places })
}
