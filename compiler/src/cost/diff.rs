//! Why a cost changed: the older plan is turned into the newer one in four steps, each priced, so that the parts add up to
//! the whole change exactly.

use super::domain::{Cost, Figure};
use super::estimate::estimate_with;
use super::expectations::Expectations;
use pmflow_plan::{Block, Money, Plan, Step, StepKind};
use serde::Serialize;
use std::collections::BTreeMap;

/// From one plan of a flow to another.
#[derive(Clone, Debug, Serialize)]
pub struct CostChange {
    pub flow: String,
    pub before: Cost,
    pub after: Cost,
    /// Only those that change something.
    pub parts: Vec<ChangePart>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangePart {
    pub cause: Cause,
    /// Nothing where there is no such number before or after.
    pub expected: Option<Money>,
    pub ceiling: Option<Money>,
}

/// In the order in which they are taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The same models cost something else.
    PriceChange,
    /// Prompts go to other models.
    ModelChange,
    /// Sources and loops have other limits or expectations.
    SourceGrowth,
    /// All else.
    YourEdit,
}

/// Takes one kind of change over from the newer plan.
type Take = fn(&mut Plan, &Plan);

/// Blocks nested deeper are left to the last cause.
const DEPTH_MAX: u32 = 200;

pub fn diff(before: &Plan, after: &Plan) -> CostChange {
    diff_with(before, after, &Expectations::default())
}

/// With what is known of sizes besides, the same for both.
pub fn diff_with(before: &Plan, after: &Plan, expectations: &Expectations) -> CostChange {
    let estimate = |plan: &Plan| estimate_with(plan, expectations);
    let mut stage = before.clone();
    let first = estimate(&stage).run;
    let mut last = first.clone();
    let mut parts = Vec::new();
    let steps: [(Cause, Take); 4] = [
        (Cause::PriceChange, take_prices),
        (Cause::ModelChange, take_models),
        (Cause::SourceGrowth, take_sizes),
        (Cause::YourEdit, |stage, after| *stage = after.clone()),
    ];
    for (cause, take) in steps {
        take(&mut stage, after);
        let next = estimate(&stage).run;
        let part =
            ChangePart { cause, expected: change(&last.expected, &next.expected), ceiling: change(&last.ceiling, &next.ceiling) };
        let nothing = |figure: &Option<Money>| figure.is_some_and(|money| money == Money::ZERO);
        let unknown = last.expected == next.expected && last.ceiling == next.ceiling;
        if !(unknown || nothing(&part.expected) && nothing(&part.ceiling)) {
            parts.push(part);
        }
        last = next;
    }
    CostChange { flow: after.flow.clone(), before: first, after: last, parts }
}

impl CostChange {
    /// For a terminal and for a pull request alike.
    pub fn text(&self) -> String {
        let mut lines = vec![
            format!("Cost of a run of {}", self.flow),
            String::new(),
            format!(
                "expected  {} -> {}{}",
                self.before.expected,
                self.after.expected,
                percent(&self.before.expected, &self.after.expected)
            ),
            format!(
                "ceiling   {} -> {}{}",
                self.before.ceiling,
                self.after.ceiling,
                percent(&self.before.ceiling, &self.after.ceiling)
            ),
        ];
        if self.parts.is_empty() {
            lines.push("Nothing of it changed.".to_owned());
        }
        for part in &self.parts {
            lines.push(format!(
                "  {:<14} expected {:>10}   ceiling {:>10}",
                part.cause.name(),
                signed(part.expected),
                signed(part.ceiling)
            ));
        }
        lines.join("\n") + "\n"
    }

    /// For a comment on a pull request.
    pub fn markdown(&self) -> String {
        let mut text =
            format!("### Cost of a run of `{}`\n\n| | before | after | change |\n| --- | ---: | ---: | ---: |\n", self.flow);
        for (name, before, after) in
            [("expected", &self.before.expected, &self.after.expected), ("ceiling", &self.before.ceiling, &self.after.ceiling)]
        {
            let change = format!("{}{}", signed(change(before, after)), percent(before, after));
            text.push_str(&format!("| {name} | {before} | **{after}** | {change} |\n"));
        }
        if self.parts.is_empty() {
            text.push_str("\nNothing of it changed.\n");
            return text;
        }
        text.push_str("\n| why | expected | ceiling |\n| --- | ---: | ---: |\n");
        for part in &self.parts {
            text.push_str(&format!("| {} | {} | {} |\n", part.cause.name(), signed(part.expected), signed(part.ceiling)));
        }
        text
    }

    /// By how many thousandths the expected cost or the ceiling rose, whichever is more; none without two numbers of either.
    pub fn increase_milli(&self) -> Option<i128> {
        let expected = increase(&self.before.expected, &self.after.expected);
        expected.max(increase(&self.before.ceiling, &self.after.ceiling))
    }
}

impl Cause {
    pub fn name(self) -> &'static str {
        match self {
            Cause::PriceChange => "price change",
            Cause::ModelChange => "model change",
            Cause::SourceGrowth => "source growth",
            Cause::YourEdit => "your edit",
        }
    }
}

fn take_prices(stage: &mut Plan, after: &Plan) {
    for (id, model) in &mut stage.models {
        if let Some(newer) = after.models.get(id) {
            *model = newer.clone();
        }
    }
}

fn take_models(stage: &mut Plan, after: &Plan) {
    for (name, prompt) in &mut stage.prompts {
        if let Some(newer) = after.prompts.get(name) {
            prompt.chain.clone_from(&newer.chain);
        }
    }
    for (id, model) in &after.models {
        stage.models.entry(id.clone()).or_insert_with(|| model.clone());
    }
}

/// What bounds how often something happens, by flow and step.
#[derive(Clone, Copy)]
struct Size {
    limit: Option<u64>,
    expect: Option<u64>,
}

fn take_sizes(stage: &mut Plan, after: &Plan) {
    for (name, flow) in &mut stage.flows {
        let Some(newer) = after.flows.get(name) else { continue };
        let mut sizes = BTreeMap::new();
        gather(&newer.body, "", 0, &mut sizes);
        apply(&mut flow.body, "", 0, &sizes);
    }
}

fn gather(block: &Block, path: &str, depth: u32, sizes: &mut BTreeMap<String, Size>) {
    if depth > DEPTH_MAX {
        return;
    }
    for step in &block.steps {
        let path = format!("{path}/{}", step.name);
        match &step.kind {
            StepKind::Source(source) => {
                sizes.insert(path.clone(), Size { limit: source.limit, expect: source.expect });
            }
            StepKind::For(body) => {
                sizes.insert(path.clone(), Size { limit: body.items_max, expect: None });
            }
            _ => {}
        }
        for inner in blocks(step) {
            gather(inner, &path, depth + 1, sizes);
        }
    }
}

fn apply(block: &mut Block, path: &str, depth: u32, sizes: &BTreeMap<String, Size>) {
    if depth > DEPTH_MAX {
        return;
    }
    for step in &mut block.steps {
        let path = format!("{path}/{}", step.name);
        if let Some(size) = sizes.get(&path) {
            match &mut step.kind {
                StepKind::Source(source) => (source.limit, source.expect) = (size.limit, size.expect),
                StepKind::For(body) => body.items_max = size.limit,
                _ => {}
            }
        }
        for inner in blocks_mut(step) {
            apply(inner, &path, depth + 1, sizes);
        }
    }
}

fn blocks(step: &Step) -> Vec<&Block> {
    match &step.kind {
        StepKind::If { then, otherwise, .. } => vec![then, otherwise],
        StepKind::Match { arms, otherwise, .. } => arms.iter().map(|arm| &arm.body).chain(otherwise).collect(),
        StepKind::For(body) => vec![&body.body],
        StepKind::Repeat { body, .. } | StepKind::Parallel { body } => vec![body],
        StepKind::Approve(approve) => approve.otherwise.iter().collect(),
        _ => Vec::new(),
    }
}

fn blocks_mut(step: &mut Step) -> Vec<&mut Block> {
    match &mut step.kind {
        StepKind::If { then, otherwise, .. } => vec![then, otherwise],
        StepKind::Match { arms, otherwise, .. } => arms.iter_mut().map(|arm| &mut arm.body).chain(otherwise).collect(),
        StepKind::For(body) => vec![&mut body.body],
        StepKind::Repeat { body, .. } | StepKind::Parallel { body } => vec![body],
        StepKind::Approve(approve) => approve.otherwise.iter_mut().collect(),
        _ => Vec::new(),
    }
}

fn change(before: &Figure, after: &Figure) -> Option<Money> {
    after.known()?.checked_sub(before.known()?)
}

fn increase(before: &Figure, after: &Figure) -> Option<i128> {
    let whole = before.known().filter(|money| *money > Money::ZERO)?;
    Some(change(before, after)?.pico().checked_mul(1000)? / whole.pico())
}

fn percent(before: &Figure, after: &Figure) -> String {
    match increase(before, after) {
        Some(0) | None => String::new(),
        Some(milli) => format!(" ({}{}.{}%)", if milli < 0 { "-" } else { "+" }, milli.abs() / 10, milli.abs() % 10),
    }
}

fn signed(money: Option<Money>) -> String {
    match money {
        None => "?".to_owned(),
        Some(money) if money > Money::ZERO => format!("+{money}"),
        Some(money) => money.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures::leads;
    use crate::cost::{Catalog, price};

    /// A newer plan with everything changed at once.
    fn newer() -> Plan {
        let (mut plan, _) = leads();
        let cheap = Catalog::builtin().resolve("openai/gpt-5.4-nano").unwrap();
        plan.prompts.get_mut("analyze_fit").unwrap().chain = vec![cheap.id.clone()];
        plan.models.insert(cheap.id.clone(), cheap);
        plan.models.get_mut("openai/gpt-5.4").unwrap().price.base.output *= 2;
        plan.prompts.get_mut("write_mail").unwrap().output_tokens_max = 700;
        for step in &mut plan.flows.get_mut("daily").unwrap().body.steps {
            if let StepKind::Source(source) = &mut step.kind {
                (source.limit, source.expect) = (Some(1500), Some(240));
            }
        }
        price(&mut plan);
        plan
    }

    #[test]
    fn the_parts_add_up_to_the_whole_change() {
        let (mut older, _) = leads();
        price(&mut older);
        let change = diff(&older, &newer());
        assert_eq!(change.parts.len(), 4);
        let sum = |of: fn(&ChangePart) -> Option<Money>| change.parts.iter().map(|part| of(part).unwrap().pico()).sum::<i128>();
        let whole = |before: &Figure, after: &Figure| after.known().unwrap().pico() - before.known().unwrap().pico();
        assert_eq!(sum(|part| part.expected), whole(&change.before.expected, &change.after.expected));
        assert_eq!(sum(|part| part.ceiling), whole(&change.before.ceiling, &change.after.ceiling));
        insta::assert_snapshot!(change.text());
    }

    #[test]
    fn nothing_changed_is_said_so() {
        let (mut plan, _) = leads();
        price(&mut plan);
        assert!(diff(&plan, &plan).text().ends_with("Nothing of it changed.\n"));
    }
}
