//! From a plan to its cost: a tree with the reason at every node, so that any number can be unfolded to a step.
//!
//! Nodes are shared: a sub-flow is priced once, however often it is called, and the work is linear in the plan's size.

use super::catalog::{Catalog, Fact};
use super::domain::{Cost, Count, Figure, Origin, Symbol};
use super::expectations::Expectations;
use super::findings::{Finding, findings};
use super::history::Seen;
use super::known::known_sizes;
use super::prompt::{PromptFacts, overhead_tokens_max, prompt_facts};
use super::schedule::{RunRate, run_rate};
use super::spread::{Interval, interval};
use super::verdict::{Assumption, Verdict, assumptions, verdicts};
use pmflow_plan::{Block, Call, Expr, For, MatchArm, Plan, Retry, Source, Stage, Step, StepKind, StreamFrom, Target, Value};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is known of a flow's cost before it runs.
#[derive(Clone, Debug)]
pub struct Estimate {
    pub flow: String,
    /// Hash of the catalog that the prices came from.
    pub catalog: String,
    /// Of one run.
    pub run: Cost,
    /// Around what a run is expected to cost.
    pub interval: Option<Interval>,
    /// How often it runs; none: only when somebody starts it.
    pub rate: Option<RunRate>,
    pub day: Option<Cost>,
    pub month: Option<Cost>,
    /// In the order of the largest part of the expected cost.
    pub prompts: Vec<PromptCost>,
    /// Children stand before their parents; the last one is the run.
    pub nodes: Vec<Node>,
    pub symbols: Vec<Symbol>,
    pub verdicts: Vec<Verdict>,
    pub assumptions: Vec<Assumption>,
    pub findings: Vec<Finding>,
    /// What was known besides the plan.
    pub expectations: Expectations,
    /// What past runs came to, where somebody looked.
    pub seen: Option<Seen>,
}

/// A part of the cost and why it is what it is.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// The step's path with loop keys left out, as the source map has it: `daily/lead/fit`.
    pub path: String,
    pub rule: Rule,
    pub cost: Cost,
    /// Positions in [`Estimate::nodes`], with how often each happens for one of this.
    pub children: Vec<(usize, Count)>,
}

/// Which line of the theorem a node is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// One prompt call: at most so many tries, each with at most so many requests.
    Call { prompt: String, tries_max: u64, requests_per_try_max: u64 },
    /// The sum of the parts.
    Sequence,
    /// The part, so many times.
    Times(Symbol),
    /// The dearest of the parts.
    Choice,
    /// Another flow's cost.
    Flow { flow: String },
    /// Something that no well-formed plan holds; it has no ceiling.
    Endless { symbol: Arc<str> },
}

/// One prompt over a whole run.
#[derive(Clone, Debug, Serialize)]
pub struct PromptCost {
    pub prompt: String,
    pub models: Vec<String>,
    pub calls: Count,
    /// Requests to a provider, at most: calls × tries × models × answers.
    pub requests_max: Option<u64>,
    /// Of one request.
    pub input_tokens: Count,
    pub output_tokens: Count,
    /// Of one call, its retries included; of the dearest call site.
    pub call: Cost,
    pub run: Cost,
    /// Of the run's expected cost, in thousandths.
    pub share_milli: Option<u64>,
    #[serde(skip)]
    pub facts: PromptFacts,
}

/// How often each arm is taken, and `else` behind them, in thousandths: as the author says, and the rest in equal parts among
/// those of which nothing is said. Where everything is said, the shares are made whole.
fn shares_milli(arms: &[MatchArm], otherwise: bool) -> Vec<u64> {
    let said: Vec<Option<u64>> =
        arms.iter().map(|arm| arm.likely_percent.map(u64::from)).chain(otherwise.then_some(None)).collect();
    let sum: u64 = said.iter().flatten().sum();
    let unsaid = said.iter().filter(|percent| percent.is_none()).count() as u64;
    let whole = if unsaid == 0 { sum.max(1) } else { sum.max(100) };
    let each = (1000 - sum.saturating_mul(1000) / whole).checked_div(unsaid).unwrap_or(0);
    said.into_iter().map(|percent| percent.map_or(each, |percent| percent.saturating_mul(1000) / whole)).collect()
}

/// Blocks nested deeper than a person can write are refused a ceiling rather than followed.
const DEPTH_MAX: u32 = 200;

/// Fills in what a plan owes to its costs and gives the estimate: each prompt's `overhead_tokens_max`, which is added to
/// its `input_tokens_max` (until then the author's `max_input`), and the run's ceiling.
pub fn price(plan: &mut Plan) -> Estimate {
    price_with(plan, Catalog::builtin())
}

/// As [`price`], with the facts of another catalog.
pub fn price_with(plan: &mut Plan, catalog: &Catalog) -> Estimate {
    price_expecting(plan, catalog, &Expectations::default())
}

/// As [`price_with`], with what is known of sizes besides.
pub fn price_expecting(plan: &mut Plan, catalog: &Catalog, expectations: &Expectations) -> Estimate {
    let overheads: Vec<(String, u64)> =
        plan.prompts.iter().map(|(name, prompt)| (name.clone(), overhead_tokens_max(prompt, plan, catalog))).collect();
    for (name, overhead) in overheads {
        if let Some(prompt) = plan.prompts.get_mut(&name) {
            // `max_input` bounds what the author writes; what a provider adds comes on top. Pricing twice changes nothing.
            let texts = prompt.input_tokens_max.saturating_sub(prompt.overhead_tokens_max);
            prompt.input_tokens_max = texts.saturating_add(overhead);
            prompt.overhead_tokens_max = overhead;
        }
    }
    let mut estimate = estimate_with(plan, expectations);
    add_broken_facts(&mut estimate, plan, catalog);
    plan.ceiling = estimate.run.ceiling.known();
    estimate
}

/// What runs saw otherwise than the catalog says stands with what the ceiling rests on.
fn add_broken_facts(estimate: &mut Estimate, plan: &Plan, catalog: &Catalog) {
    for assumption in &mut estimate.assumptions {
        let fact = match assumption.name {
            "output cap" => Fact::OutputCap,
            "input count" => Fact::InputCount,
            _ => continue,
        };
        let seen = plan.models.keys().flat_map(|id| catalog.broken(id)).filter(|broken| broken.fact == fact);
        assumption.rests_on.extend(seen.map(|broken| format!("{broken}; it is taken for no better since")));
    }
}

/// The cost of a plan as it is.
pub fn estimate(plan: &Plan) -> Estimate {
    estimate_with(plan, &Expectations::default())
}

pub fn estimate_with(plan: &Plan, expectations: &Expectations) -> Estimate {
    let known = known_sizes(plan, &expectations.inputs);
    let facts = |name: &str, prompt| {
        let tokens = expectations.tokens.get(name).copied().unwrap_or_default();
        prompt_facts(prompt, plan, known.get(name), tokens)
    };
    let mut pricer = Pricer {
        plan,
        expectations,
        prompts: plan.prompts.iter().map(|(name, prompt)| (name.as_str(), facts(name, prompt))).collect(),
        nodes: Vec::new(),
        symbols: BTreeMap::new(),
        flows: BTreeMap::new(),
    };
    let root = pricer.flow(&plan.flow, 0);
    let run = pricer.cost(root);
    let prompts = prompt_costs(&pricer, root, &run);
    let settings = plan.flows.get(&plan.flow).map(|flow| &flow.settings);
    let rate = settings.and_then(run_rate);
    let per = |runs: fn(&RunRate) -> Count, name: &str| {
        let symbol = |count| Symbol { name: name.into(), count, origin: Origin::Declared, enforcer: None };
        rate.as_ref().map(|rate| run.times(&symbol(runs(rate))).ordered())
    };
    let (day, month) = (per(|rate| rate.per_day, "runs per day"), per(|rate| rate.per_month, "runs per month"));
    let mut estimate = Estimate {
        flow: plan.flow.clone(),
        catalog: plan.catalog.clone(),
        verdicts: settings.map(|settings| verdicts(&settings.budget, &run, day.as_ref(), month.as_ref())).unwrap_or_default(),
        assumptions: Vec::new(),
        findings: Vec::new(),
        symbols: pricer.symbols.into_values().collect(),
        interval: interval(&pricer.nodes, expectations, &run),
        nodes: pricer.nodes,
        expectations: expectations.clone(),
        seen: None,
        run,
        rate,
        day,
        month,
        prompts,
    };
    estimate.assumptions = assumptions(plan, &estimate);
    estimate.findings = findings(plan, &estimate);
    estimate
}

struct Pricer<'a> {
    plan: &'a Plan,
    expectations: &'a Expectations,
    prompts: BTreeMap<&'a str, PromptFacts>,
    nodes: Vec<Node>,
    symbols: BTreeMap<(String, Arc<str>), Symbol>,
    /// None while a flow is being priced: meeting it again is a circle.
    flows: BTreeMap<&'a str, Option<usize>>,
}

/// Sources in reach of a block, by name, with their paths.
type Sources<'a> = BTreeMap<&'a str, (String, &'a Source)>;

impl<'a> Pricer<'a> {
    fn cost(&self, node: Option<usize>) -> Cost {
        node.and_then(|node| self.nodes.get(node)).map_or(Cost::ZERO, |node| node.cost.clone())
    }

    fn add(&mut self, path: &str, rule: Rule, cost: Cost, children: Vec<(usize, Count)>) -> Option<usize> {
        self.nodes.push(Node { path: path.to_owned(), rule, cost: cost.ordered(), children });
        Some(self.nodes.len() - 1)
    }

    fn endless(&mut self, path: &str, symbol: String) -> Option<usize> {
        let symbol: Arc<str> = symbol.into();
        let figure = Figure::unbounded(&symbol);
        let cost = Cost { expected: figure.clone(), ceiling: figure, ..Cost::ZERO };
        self.add(path, Rule::Endless { symbol }, cost, Vec::new())
    }

    /// None: it costs nothing.
    fn flow(&mut self, name: &'a str, depth: u32) -> Option<usize> {
        match self.flows.get(name) {
            Some(Some(node)) => return Some(*node),
            Some(None) => return self.endless(name, format!("recursion({name})")),
            None => {}
        }
        let Some(flow) = self.plan.flows.get(name) else { return self.endless(name, format!("flow({name})")) };
        self.flows.insert(name, None);
        let body = self.block(name, &flow.body, &mut Sources::new(), depth);
        let cost = self.cost(body);
        let children = body.map(|body| (body, Count::ONE)).into_iter().collect();
        let node = self.add(name, Rule::Flow { flow: name.to_owned() }, cost, children);
        self.flows.insert(name, node);
        node
    }

    fn block(&mut self, path: &str, block: &'a Block, sources: &mut Sources<'a>, depth: u32) -> Option<usize> {
        if depth > DEPTH_MAX {
            return self.endless(path, format!("nesting({path})"));
        }
        let mut children = Vec::new();
        for step in &block.steps {
            if let StepKind::Source(source) = &step.kind {
                sources.insert(&step.name, (format!("{path}/{}", step.name), source));
            }
            children.extend(self.step(&format!("{path}/{}", step.name), step, sources, depth + 1));
        }
        match children.as_slice() {
            [] => None,
            [only] => Some(*only),
            _ => {
                let cost = children.iter().fold(Cost::ZERO, |sum, child| sum.add(&self.cost(Some(*child))));
                self.add(path, Rule::Sequence, cost, children.into_iter().map(|child| (child, Count::ONE)).collect())
            }
        }
    }

    fn step(&mut self, path: &str, step: &'a Step, sources: &mut Sources<'a>, depth: u32) -> Option<usize> {
        match &step.kind {
            StepKind::Call(call) => self.call(path, call, depth),
            StepKind::If { likely_percent, then, otherwise, .. } => {
                let declared = u64::from(likely_percent.unwrap_or(50).min(100)) * 10;
                let likely = self.expectations.likely_milli.get(path).copied().unwrap_or(declared).min(1000);
                let arms = vec![(Some(then), likely), (Some(otherwise), 1000 - likely)];
                self.choice(path, arms, sources, depth)
            }
            StepKind::Match { arms, otherwise, .. } => {
                // Whether the arms are all there is, only the checker knows; a floor may not rest on it.
                let shares = shares_milli(arms, otherwise.is_some());
                let all = arms.iter().map(|arm| &arm.body).chain(otherwise).map(Some).zip(shares);
                self.choice(path, all.chain([(None, 0)]).collect(), sources, depth)
            }
            StepKind::Approve(approve) => self.choice(path, vec![(approve.otherwise.as_ref(), 100), (None, 900)], sources, depth),
            StepKind::For(body) => self.rounds(path, body, sources, depth),
            StepKind::Repeat { up_to, body, .. } => {
                let most = *up_to;
                // Between one round and all of them, for want of a history.
                let halfway = most.saturating_add(1).saturating_mul(500);
                let told = self.expectations.counts.get(path);
                let expected_milli = Some(told.map_or(halfway, |told| told.milli).min(most.saturating_mul(1000)));
                let origin = told.map_or(Origin::Literal, |told| told.origin);
                let name = format!("rounds({})", step.name).into();
                let enforcer = Some(format!("repeat up to {most}"));
                let count = Count { least: 0, expected_milli, most: Some(most) };
                let symbol = Symbol { name, count, origin, enforcer };
                let body = self.block(path, body, sources, depth + 1);
                self.times(path, symbol, body)
            }
            StepKind::Parallel { body } => self.block(path, body, sources, depth + 1),
            StepKind::Source(_)
            | StepKind::Let { .. }
            | StepKind::Set { .. }
            | StepKind::Wait(_)
            | StepKind::Output { .. }
            | StepKind::Fail { .. }
            | StepKind::Stop => None,
        }
    }

    fn call(&mut self, path: &str, call: &'a Call, depth: u32) -> Option<usize> {
        let retry = call.retry.as_ref();
        match &call.target {
            Target::Operation(_) => None,
            Target::Prompt(name) => {
                let Some(facts) = self.prompts.get(name.as_str()) else { return self.endless(path, format!("prompt({name})")) };
                let tries = u64::from(retry.map_or(0, Retry::billed_times)) + 1;
                let cached = call.cache_ms.is_some();
                let one = &facts.one_try;
                let cost = Cost {
                    floor: if cached { pmflow_plan::Money::ZERO } else { one.floor },
                    expected: self.expected_call(path, &one.expected),
                    ceiling: one.ceiling.times(Some(tries), &"tries".into()),
                };
                let requests_per_try_max = facts.requests_max;
                self.add(path, Rule::Call { prompt: name.clone(), tries_max: tries, requests_per_try_max }, cost, Vec::new())
            }
            Target::Flow(name) => {
                let tries = u64::from(retry.map_or(0, |retry| retry.times)) + 1;
                let flow = self.flow(name, depth + 1);
                let count = Count { least: 1, expected_milli: Some(1000), most: Some(tries) };
                let name = format!("tries({path})").into();
                let symbol = Symbol { name, count, origin: Origin::Literal, enforcer: Some(format!("retry {}", tries - 1)) };
                if tries == 1 { flow } else { self.times(path, symbol, flow) }
            }
        }
    }

    /// What was seen counts against what is declared, the more the more was seen.
    fn expected_call(&self, path: &str, declared: &Figure) -> Figure {
        let (Some(seen), Figure::Known(prior)) = (self.expectations.calls.get(path), declared) else { return declared.clone() };
        // A weight between none and all.
        let weight = (seen.weight() * 1000.0).round() as u64;
        Figure::Known(seen.mean).share(weight, 1000).add(&Figure::Known(*prior).share(1000 - weight.min(1000), 1000))
    }

    fn choice(
        &mut self,
        path: &str,
        arms: Vec<(Option<&'a Block>, u64)>,
        sources: &mut Sources<'a>,
        depth: u32,
    ) -> Option<usize> {
        let mut children = Vec::new();
        let mut cost: Option<Cost> = None;
        for (arm, likely_milli) in arms {
            let node = arm.and_then(|arm| self.block(path, arm, sources, depth + 1));
            let own = self.cost(node);
            let expected = own.expected.share(likely_milli, 1000);
            cost = Some(match cost {
                None => Cost { expected, ..own },
                Some(sum) => Cost {
                    floor: sum.floor.min(own.floor),
                    expected: sum.expected.add(&expected),
                    ceiling: sum.ceiling.max(&own.ceiling),
                },
            });
            let count = Count { least: 0, expected_milli: Some(likely_milli), most: Some(1) };
            children.extend(node.map(|node| (node, count)));
        }
        if children.is_empty() { None } else { self.add(path, Rule::Choice, cost.unwrap_or(Cost::ZERO), children) }
    }

    fn rounds(&mut self, path: &str, body: &'a For, sources: &mut Sources<'a>, depth: u32) -> Option<usize> {
        let symbol = self.items(path, body, sources);
        let inner = self.block(path, &body.body, sources, depth + 1);
        self.times(path, symbol, inner)
    }

    fn times(&mut self, path: &str, symbol: Symbol, body: Option<usize>) -> Option<usize> {
        let body = body?;
        let cost = self.cost(Some(body)).times(&symbol);
        self.symbols.insert((path.to_owned(), symbol.name.clone()), symbol.clone());
        let count = symbol.count;
        self.add(path, Rule::Times(symbol), cost, vec![(body, count)])
    }
}

impl Pricer<'_> {
    /// How many items a loop has: what the plan enforces on the loop, on its source and on its stages.
    fn items(&self, path: &str, body: &For, sources: &Sources) -> Symbol {
        let source = match &body.over.from {
            StreamFrom::Source(name) | StreamFrom::List(Expr::Var(name)) => {
                sources.get(name.as_str()).map(|source| (name, source))
            }
            StreamFrom::List(_) => None,
        };
        let given = self.given(path, body);
        let taken = body.over.stages.iter().filter_map(|stage| match stage {
            Stage::Take(count) => Some(*count),
            Stage::Filter(_) | Stage::Map(_) | Stage::Skip(_) => None,
        });
        let limit = source.and_then(|(_, (_, source))| source.limit);
        let most = taken.chain(body.items_max).chain(limit).chain(given).min();
        let told = self.expectations.counts.get(path);
        let told = told.or_else(|| self.expectations.counts.get(source.map(|(_, (path, _))| path.as_str())?));
        let expect = source.and_then(|(_, (_, source))| source.expect);
        let (origin, expected_milli) = match (told, given) {
            (Some(told), _) => (told.origin, Some(told.milli)),
            (None, Some(given)) => (Origin::Literal, Some(given.saturating_mul(1000))),
            (None, None) => {
                let origin = if expect.or(limit).is_some() { Origin::Declared } else { Origin::Assumed };
                (origin, expect.or(most).map(|expected| expected.saturating_mul(1000)))
            }
        };
        let expected_milli = match (expected_milli, most) {
            (Some(expected), Some(most)) => Some(expected.min(most.saturating_mul(1000))),
            (expected, _) => expected,
        };
        let (name, enforcer) = match source {
            Some((name, _)) => (format!("rows({name})"), limit.map(|limit| format!("limit {limit} of the source `{name}`"))),
            None => (format!("items({})", body.variable), None),
        };
        let enforcer =
            most.map(|most| enforcer.unwrap_or_else(|| format!("at most {most} items in the loop over `{}`", body.variable)));
        Symbol { name: name.into(), count: Count { least: 0, expected_milli, most }, origin, enforcer }
    }

    /// The length of a list that is written in the flow, or given as a parameter of the flow that is run.
    fn given(&self, path: &str, body: &For) -> Option<u64> {
        let length = |value: &Value| match value {
            Value::List(items) => Some(items.len() as u64),
            _ => None,
        };
        match &body.over.from {
            StreamFrom::List(Expr::List(items)) => Some(items.len() as u64),
            StreamFrom::List(Expr::Literal(value)) => length(value),
            StreamFrom::List(Expr::Var(name)) => {
                let of_the_run = path.split('/').next() == Some(self.plan.flow.as_str());
                self.expectations.inputs.get(name).filter(|_| of_the_run).and_then(length)
            }
            _ => None,
        }
    }
}

/// How often each prompt is called in a run, from the root down: parents stand behind their children, so one pass is enough.
fn prompt_costs(pricer: &Pricer, root: Option<usize>, run: &Cost) -> Vec<PromptCost> {
    let nothing = Count::exactly(0);
    let mut visits: Vec<Count> = vec![nothing; pricer.nodes.len()];
    if let Some(visit) = root.and_then(|root| visits.get_mut(root)) {
        *visit = Count::ONE;
    }
    let mut all: BTreeMap<&str, PromptCost> = BTreeMap::new();
    for (position, node) in pricer.nodes.iter().enumerate().rev() {
        let visit = visits.get(position).copied().unwrap_or(nothing);
        for (child, count) in &node.children {
            if let Some(below) = visits.get_mut(*child) {
                *below = below.plus(visit.times(*count));
            }
        }
        if let Rule::Call { prompt, tries_max, requests_per_try_max } = &node.rule {
            let requests = tries_max.saturating_mul(*requests_per_try_max);
            let row = all.entry(prompt).or_insert_with(|| empty_row(pricer, prompt));
            add_calls(row, visit, requests, &node.cost);
        }
    }
    let mut rows: Vec<PromptCost> = all.into_values().collect();
    for row in &mut rows {
        row.share_milli = share(&row.run.expected, &run.expected);
    }
    rows.sort_by(|a, b| (b.share_milli, &a.prompt).cmp(&(a.share_milli, &b.prompt)));
    rows
}

fn empty_row(pricer: &Pricer, name: &str) -> PromptCost {
    let facts = pricer.prompts.get(name).expect("a call of a prompt that is not there has no node of its kind").clone();
    PromptCost {
        prompt: name.to_owned(),
        models: pricer.plan.prompts.get(name).map(|prompt| prompt.chain.clone()).unwrap_or_default(),
        calls: Count::exactly(0),
        requests_max: Some(0),
        input_tokens: facts.input_tokens,
        output_tokens: facts.output_tokens,
        call: Cost::ZERO,
        run: Cost::ZERO,
        share_milli: None,
        facts,
    }
}

fn add_calls(row: &mut PromptCost, visit: Count, requests: u64, cost: &Cost) {
    let symbol = Symbol { name: format!("calls({})", row.prompt).into(), count: visit, origin: Origin::Assumed, enforcer: None };
    row.run = row.run.add(&cost.times(&symbol)).ordered();
    row.calls = row.calls.plus(visit);
    let here = visit.most.and_then(|calls| calls.checked_mul(requests));
    row.requests_max = row.requests_max.zip(here).and_then(|(a, b)| a.checked_add(b));
    row.call =
        Cost { floor: cost.floor, expected: row.call.expected.max(&cost.expected), ceiling: row.call.ceiling.max(&cost.ceiling) };
}

fn share(part: &Figure, whole: &Figure) -> Option<u64> {
    let (part, whole) = (part.known()?.pico(), whole.known()?.pico());
    if whole <= 0 {
        return None;
    }
    u64::try_from(part.checked_mul(1000)? / whole).ok()
}

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tests;
