//! Plans made by chance: every kind of step, nested, with names that are used again.

use crate::builder::*;
use crate::random::Random;
use pmflow_plan::types::Type;
use pmflow_plan::*;

/// What a plan made by chance may hold.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub depth: u32,
    pub steps: u64,
}

struct Maker {
    random: Random,
    names: u64,
    /// Ints in sight.
    ints: Vec<String>,
    flows: Vec<String>,
    /// No loops here: `set` needs its `repeat` in the same instance.
    loops: u32,
}

/// A plan, the rows of its one streamed source, and the limit of its budget.
#[derive(Clone, Debug)]
pub struct Made {
    pub plan: Plan,
    pub rows: Vec<Value>,
    /// Which items are reached is left to chance: a `stop`, or a failed item that ends the run.
    pub order_matters: bool,
}

pub fn random_plan(seed: u64) -> Made {
    let mut random = Random::of(seed, "plan");
    let rows = (0..random.below(24)).map(|number| Value::Int(i64::try_from(number).unwrap_or(0)));
    let rows: Vec<Value> = rows.collect();
    let on_error = match random.below(4) {
        0 => OnError::Stop,
        1 => OnError::Quarantine,
        _ => OnError::Skip,
    };
    let concurrency = u32::try_from(1 + random.below(6)).unwrap_or(1);
    let mut maker = Maker { random, names: 0, ints: Vec::new(), flows: Vec::new(), loops: 0 };
    let called = maker.block(Shape { depth: 1, steps: 2 });
    maker.flows.push("called".to_owned());
    maker.ints.clear();
    let body = maker.root_block();
    let builder =
        with_prompts(PlanBuilder::default(), &mut maker.random, seed.is_multiple_of(3)).flow(flow("called", called)).steps(body);
    let mut plan = builder
        .settings(|settings| {
            settings.on_error = on_error;
            settings.concurrency = concurrency;
        })
        .plan;
    with_batches(&mut plan, &mut Random::of(seed, "batches"));
    with_answers(&mut plan, &mut Random::of(seed, "when_short"));
    Made { plan, rows, order_matters: on_error == OnError::Stop }
}

/// What becomes of calls whose holds do not fit, and how far requests may be shrunk.
fn with_answers(plan: &mut Plan, random: &mut Random) {
    let answer = match random.below(3) {
        0 => WhenShort::Wait,
        1 => WhenShort::Refuse,
        _ => WhenShort::ShrinkRequest,
    };
    for flow in plan.flows.values_mut() {
        flow.settings.budget.when_short = answer;
    }
    for prompt in plan.prompts.values_mut().filter(|_| answer == WhenShort::ShrinkRequest) {
        // About half of what a request can cost, so that much can be saved on it.
        prompt.output_tokens_max = 900;
        prompt.output_tokens_min = Some(5 + random.below(prompt.output_tokens_max));
    }
}

/// Some prompts are sent in batches, where the first model has them, and the second one does not.
fn with_batches(plan: &mut Plan, random: &mut Random) {
    for prompt in plan.prompts.values_mut() {
        prompt.batch = random.percent(35);
    }
    if let Some(model) = plan.models.get_mut("sim/one") {
        let half = |rate: u64| rate / 2;
        let base = model.price.base;
        let base = Rates {
            input: half(base.input),
            output: half(base.output),
            cache_read: half(base.cache_read),
            cache_write: half(base.cache_write),
        };
        model.price.batch = Some(BatchPrice { base, tiers: Vec::new() });
    }
}

/// Whether a call meets a cached answer depends on what ran before it: cached only where every call succeeds anyway.
fn with_prompts(builder: PlanBuilder, random: &mut Random, cached: bool) -> PlanBuilder {
    let mut judge = prompt("judge", judged());
    judge.repair = u32::try_from(random.below(3)).unwrap_or(0);
    if random.percent(50) {
        judge.chain.push("sim/two".to_owned());
    }
    if cached && random.percent(50) {
        judge.cache_ms = Some(60_000);
    }
    let sort = prompt("sort", Type::Enum(vec!["high".to_owned(), "low".to_owned(), "none".to_owned()]));
    builder
        .model(model("sim/two", 40_000))
        .prompt(judge)
        .prompt(sort)
        .operation("sim.look", OperationKind::Read, Type::Int { min: Some(0), max: Some(99) })
        .operation("sim.rows", OperationKind::Source, Type::Json)
}

impl Maker {
    fn name(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    fn root_block(&mut self) -> Vec<Step> {
        let mut steps = self.block(Shape { depth: 2, steps: 4 });
        let position = u32::try_from(steps.len()).unwrap_or(0);
        if self.random.percent(60) {
            steps.push(step("rows", &[], StepKind::Source(source("sim.rows", true))));
            let mut each = self.item_loop(literal(Value::None), Shape { depth: 1, steps: 3 });
            each.over = Stream { from: StreamFrom::Source("rows".to_owned()), stages: self.stages() };
            steps.push(step("stream", &[position], StepKind::For(each)));
        }
        steps
    }

    fn stages(&mut self) -> Vec<Stage> {
        let lambda = |body| Lambda { parameters: vec![("row".to_owned(), Type::int())], body: Box::new(body) };
        let mut stages = Vec::new();
        if self.random.percent(50) {
            stages.push(Stage::Filter(lambda(op(Op::IntLt, vec![int(3), var("row")]))));
        }
        if self.random.percent(30) {
            stages.push(Stage::Map(lambda(op(Op::IntMul, vec![var("row"), int(2)]))));
        }
        if self.random.percent(20) {
            stages.push(Stage::Skip(self.random.below(4)));
        }
        if self.random.percent(20) {
            stages.push(Stage::Take(self.random.below(12)));
        }
        stages
    }

    fn block(&mut self, shape: Shape) -> Vec<Step> {
        let outside = self.ints.clone();
        let mut steps: Vec<Step> = Vec::new();
        // Which position of this block made which name.
        let mut made: Vec<(String, u32)> = Vec::new();
        let count = 1 + self.random.below(shape.steps);
        for position in 0..count {
            let position = u32::try_from(position).unwrap_or(0);
            let before = self.ints.len();
            let step = self.step(shape);
            // After everything that it might name, or only after its neighbour.
            let mut after: Vec<u32> = made.iter().map(|(_, position)| *position).collect();
            if position > 0 && self.random.percent(30) {
                after.push(position - 1);
            }
            after.sort_unstable();
            after.dedup();
            for name in self.ints.iter().skip(before) {
                made.push((name.clone(), position));
            }
            steps.push(Step { after, ..step });
        }
        self.ints = outside;
        steps
    }

    fn step(&mut self, shape: Shape) -> Step {
        let inner = Shape { depth: shape.depth.saturating_sub(1), steps: shape.steps };
        let choice = if shape.depth == 0 { self.random.below(8) } else { self.random.below(16) };
        match choice {
            0 => {
                let name = self.name("sum");
                let value = op(Op::IntAdd, vec![self.int(), self.int()]);
                self.ints.push(name.clone());
                step(&name, &[], StepKind::Let { value })
            }
            1 | 2 => self.judge(),
            3 => self.look(),
            4 | 5 => {
                let name = self.name("out");
                let value = self.int();
                step(&name, &[], output(value))
            }
            6 => {
                let name = self.name("wait");
                let value = Value::Duration(i64::try_from(self.random.below(2_000_000)).unwrap_or(0));
                step(&name, &[], StepKind::Wait(Wait::For(literal(value))))
            }
            7 => {
                let name = self.name("sort");
                let x = self.int();
                let mut call = call(Target::Prompt("sort".to_owned()), x);
                call.otherwise = Some(literal(Value::text("none")));
                step(&name, &[], StepKind::Call(call))
            }
            8 | 9 => self.branch(inner),
            10..=12 if self.loops < 2 => self.list_loop(inner),
            13 => self.repeat(inner),
            14 if !self.flows.is_empty() => {
                let name = self.name("flow");
                let mut call = call(Target::Flow("called".to_owned()), int(0));
                call.arguments.clear();
                call.otherwise = self.random.percent(50).then(|| literal(Value::list(Vec::new())));
                call.retry = self.random.percent(30).then(|| retry(1));
                step(&name, &[], StepKind::Call(call))
            }
            15 => {
                let name = self.name("approve");
                let otherwise = self.random.percent(60).then(|| Block { steps: self.block(inner) });
                let text = literal(Value::text("go on?"));
                let timeout_ms = self.random.percent(30).then_some(3_600_000);
                step(&name, &[], StepKind::Approve(Approve { text, by: None, timeout_ms, otherwise }))
            }
            _ => {
                let name = self.name("side");
                step(&name, &[], StepKind::Parallel { body: Block { steps: self.block(inner) } })
            }
        }
    }

    fn judge(&mut self) -> Step {
        let name = self.name("judge");
        let x = self.int();
        let mut call = call(Target::Prompt("judge".to_owned()), x);
        call.retry = self.random.percent(60).then(|| Retry { unbilled: name.ends_with(['3', '7']), ..retry(2) });
        if self.random.percent(40) {
            let fallback = Value::record([("score", Value::Int(0)), ("word", Value::text("none"))]);
            call.otherwise = Some(literal(fallback));
        }
        step(&name, &[], StepKind::Call(call))
    }

    fn look(&mut self) -> Step {
        let name = self.name("look");
        let x = self.int();
        let mut call = call(Target::Operation("sim.look".to_owned()), x);
        call.retry = Some(retry(3));
        call.otherwise = self.random.percent(60).then(|| int(-1));
        self.ints.push(name.clone());
        step(&name, &[], StepKind::Call(call))
    }

    fn branch(&mut self, inner: Shape) -> Step {
        let name = self.name("if");
        let condition = op(Op::IntLt, vec![self.int(), self.int()]);
        let (then, otherwise) = (Block { steps: self.block(inner) }, Block { steps: self.block(inner) });
        step(&name, &[], StepKind::If { condition, likely_percent: None, then, otherwise })
    }

    fn list_loop(&mut self, inner: Shape) -> Step {
        let name = self.name("each");
        let count = i64::try_from(self.random.below(6)).unwrap_or(0);
        // Some lists have an element twice, so that some keys are refused.
        let repeated = self.random.percent(25);
        let numbers = (0..count).map(|number| if repeated { number / 2 } else { number });
        let list = ints(numbers);
        let each = self.item_loop(list, inner);
        step(&name, &[], StepKind::For(each))
    }

    fn item_loop(&mut self, list: Expr, inner: Shape) -> For {
        self.loops += 1;
        let outside = self.ints.clone();
        let variable = self.name("item");
        self.ints.push(variable.clone());
        let mut body = each(&variable, list, self.block(inner));
        body.key = self.random.percent(60).then(|| var(&variable));
        body.yields = self.random.percent(40).then(|| op(Op::IntMul, vec![var(&variable), int(3)]));
        self.ints = outside;
        self.loops -= 1;
        body
    }

    /// A carried value of its own, so that nobody beside the loop reads what the loop sets: a compiler orders them.
    fn repeat(&mut self, inner: Shape) -> Step {
        let (name, carried, set, out) = (self.name("side"), self.name("carried"), self.name("set"), self.name("out"));
        let first = step(&carried, &[], StepKind::Let { value: self.int() });
        let outside = self.ints.clone();
        self.ints.push(carried.clone());
        let mut steps = self.block(inner);
        self.ints = outside;
        let all: Vec<u32> = (0..steps.len()).map(|position| u32::try_from(position).unwrap_or(0)).collect();
        let value = op(Op::IntAdd, vec![var(&carried), int(1)]);
        steps.push(step(&set, &all, StepKind::Set { variable: carried.clone(), value }));
        let condition = op(Op::IntLt, vec![var(&carried), int(12)]);
        let up_to = 1 + self.random.below(3);
        let again = self.name("repeat");
        let body = Block { steps };
        let repeat = step(&again, &[0], StepKind::Repeat { up_to, condition, body });
        let last = step(&out, &[1], output(var(&carried)));
        step(&name, &[], StepKind::Parallel { body: Block { steps: vec![first, repeat, last] } })
    }

    fn int(&mut self) -> Expr {
        let known = self.ints.len() as u64;
        let choice = self.random.below(known + 1);
        match usize::try_from(choice).ok().and_then(|choice| self.ints.get(choice)) {
            Some(name) => var(name),
            None => int(i64::try_from(self.random.below(10)).unwrap_or(0)),
        }
    }
}

/// A plan in few lines, for a person who looks for what went wrong.
pub fn outline(plan: &Plan) -> String {
    let mut text = String::new();
    for flow in plan.flows.values() {
        text.push_str(&format!("flow {} {:?} x{}\n", flow.name, flow.settings.on_error, flow.settings.concurrency));
        outline_block(&flow.body, 1, &mut text);
    }
    text
}

fn outline_block(block: &Block, depth: usize, text: &mut String) {
    for step in &block.steps {
        let (what, blocks) = outline_step(&step.kind);
        text.push_str(&format!("{}{} after {:?}: {what}\n", "  ".repeat(depth), step.name, step.after));
        for block in blocks {
            outline_block(block, depth + 1, text);
            text.push_str(&format!("{}-\n", "  ".repeat(depth)));
        }
    }
}

fn outline_step(kind: &StepKind) -> (String, Vec<&Block>) {
    match kind {
        StepKind::If { then, otherwise, .. } => ("if".to_owned(), vec![then, otherwise]),
        StepKind::For(each) => (format!("for {:?} key {:?}", each.over.from, each.key), vec![&each.body]),
        StepKind::Repeat { body, up_to, .. } => (format!("repeat {up_to}"), vec![body]),
        StepKind::Parallel { body } => ("parallel".to_owned(), vec![body]),
        StepKind::Approve(approve) => (format!("approve {:?}", approve.timeout_ms), approve.otherwise.iter().collect()),
        StepKind::Call(call) => (format!("call {:?} retry {:?} else {:?}", call.target, call.retry, call.otherwise), Vec::new()),
        other => (format!("{other:?}"), Vec::new()),
    }
}
