//! What is known of sizes besides what the flow declares: from a usage file, from an input, from history. It changes what
//! is expected, and for a given input the number of items of a list; it never lifts a ceiling.

use super::domain::Origin;
use crate::problems::nearest;
use pmflow_plan::{Block, Money, Plan, Step, StepKind, Value};
use std::collections::BTreeMap;

/// Paths are those of the source map: the flow's name and the names of the steps below it, without loop keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectations {
    /// Rows of a source, items of a loop, rounds of a repetition.
    pub counts: BTreeMap<String, ExpectedCount>,
    /// How often, out of a thousand, the first arm of an `if` is taken.
    pub likely_milli: BTreeMap<String, u64>,
    /// By the prompt's name.
    pub tokens: BTreeMap<String, ExpectedTokens>,
    /// What calls at a step came to.
    pub calls: BTreeMap<String, SeenCalls>,
    /// The flow's parameters that are given.
    pub inputs: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedCount {
    pub milli: u64,
    pub origin: Origin,
    /// The squared coefficient of variation over runs; none: not known.
    pub spread: Option<f64>,
}

/// Of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedTokens {
    pub input: Option<u64>,
    pub output: Option<u64>,
}

/// Calls of one prompt at one step, everything that they were billed included: tries, repairs, fallbacks, cache hits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenCalls {
    pub calls: u64,
    pub mean: Money,
    /// The squared coefficient of variation from call to call.
    pub spread: f64,
}

impl Expectations {
    /// One line of a usage file: how often a step happens. `value` is a number, or a share such as `30%` for an `if`.
    ///
    /// # Errors
    /// The flow or the step does not exist, or the value is none for it; the message names what there is.
    pub fn expect_step(&mut self, plan: &Plan, flow: &str, step: &str, value: &str) -> Result<(), String> {
        let body = &plan.flows.get(flow).ok_or_else(|| no_flow(plan, flow))?.body;
        let found = find(body, step).ok_or_else(|| no_step(body, flow, step))?;
        let path = format!("{flow}/{step}");
        match &found.kind {
            StepKind::Source(_) | StepKind::For(_) | StepKind::Repeat { .. } => {
                let wrong = || format!("`{value}` for the step `{step}` of `{flow}` is no number, such as 120 or 1.5");
                let milli = thousandths(value).ok_or_else(wrong)?;
                self.counts.insert(path, ExpectedCount { milli, origin: Origin::Declared, spread: None });
            }
            StepKind::If { .. } => {
                let wrong =
                    || format!("`{value}` for the `if` at `{step}` of `{flow}` is no share from 0% to 100%, such as \"30%\"");
                let percent = value.strip_suffix('%').and_then(thousandths).filter(|milli| *milli <= 100_000);
                self.likely_milli.insert(path, percent.ok_or_else(wrong)? / 100);
            }
            _ => {
                return Err(format!(
                    "nothing can be expected of the step `{step}` of `{flow}`: only sources, loops, repetitions and `if`s have a number"
                ));
            }
        }
        Ok(())
    }

    /// How many tokens a request of a prompt has; `side` is `input` or `output`.
    ///
    /// # Errors
    /// The prompt does not exist, or the side is none.
    pub fn expect_tokens(&mut self, plan: &Plan, prompt: &str, side: &str, tokens: u64) -> Result<(), String> {
        if !plan.prompts.contains_key(prompt) {
            return Err(no_such("prompt", prompt, plan.prompts.keys().map(String::as_str)));
        }
        let expected = self.tokens.entry(prompt.to_owned()).or_default();
        match side {
            "input" => expected.input = Some(tokens),
            "output" => expected.output = Some(tokens),
            _ => return Err(format!("`{side}` of the prompt `{prompt}` is neither `input` nor `output`")),
        }
        Ok(())
    }
}

pub(super) fn children(step: &Step) -> Vec<&Block> {
    match &step.kind {
        StepKind::If { then, otherwise, .. } => vec![then, otherwise],
        StepKind::Match { arms, otherwise, .. } => arms.iter().map(|arm| &arm.body).chain(otherwise).collect(),
        StepKind::For(body) => vec![&body.body],
        StepKind::Repeat { body, .. } | StepKind::Parallel { body } => vec![body],
        StepKind::Approve(approve) => approve.otherwise.iter().collect(),
        _ => Vec::new(),
    }
}

/// The step at `lead/if-1`.
fn find<'a>(block: &'a Block, path: &str) -> Option<&'a Step> {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let mut named = block.steps.iter().filter(|step| step.name == name);
    match rest {
        None => named.next(),
        Some(rest) => named.flat_map(children).find_map(|inner| find(inner, rest)),
    }
}

/// Paths that a message may offer; deeper steps are not worth a line.
const PATHS_DEPTH_MAX: usize = 8;

fn paths(block: &Block, above: &str, depth: usize, found: &mut Vec<String>) {
    if depth > PATHS_DEPTH_MAX {
        return;
    }
    for step in &block.steps {
        let path = if above.is_empty() { step.name.clone() } else { format!("{above}/{}", step.name) };
        children(step).into_iter().for_each(|inner| paths(inner, &path, depth + 1, found));
        if matches!(step.kind, StepKind::Source(_) | StepKind::For(_) | StepKind::Repeat { .. } | StepKind::If { .. }) {
            found.push(path);
        }
    }
}

fn no_flow(plan: &Plan, flow: &str) -> String {
    no_such("flow", flow, plan.flows.keys().map(String::as_str))
}

fn no_step(body: &Block, flow: &str, step: &str) -> String {
    let mut all = Vec::new();
    paths(body, "", 0, &mut all);
    all.sort();
    let said = no_such("step", step, all.iter().map(String::as_str));
    format!("`{flow}`: {said}")
}

fn no_such<'a>(kind: &str, name: &str, all: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(name, all.clone()) {
        return format!("there is no {kind} `{name}`; did you mean `{near}`?");
    }
    let listed: Vec<String> = all.take(12).map(|name| format!("`{name}`")).collect();
    let there = if listed.is_empty() { "none of which a number can be expected".to_owned() } else { listed.join(", ") };
    format!("there is no {kind} `{name}`; there is {there}")
}

/// `1.5` as 1500.
fn thousandths(text: &str) -> Option<u64> {
    let money = Money::parse(text.trim())?;
    u64::try_from(money.pico() / 1_000_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::estimate::{estimate, estimate_with};
    use crate::cost::fixtures::leads;

    #[test]
    fn sizes_that_are_told_change_what_is_expected_and_no_ceiling() {
        let (plan, _) = leads();
        let before = estimate(&plan);
        let mut told = Expectations::default();
        told.expect_step(&plan, "daily", "leads", "240").unwrap();
        told.expect_tokens(&plan, "analyze_fit", "output", 5).unwrap();
        let after = estimate_with(&plan, &told);
        assert_eq!(after.run.ceiling, before.run.ceiling);
        assert!(after.run.expected.known() > before.run.expected.known());
        let fit = after.prompts.iter().find(|row| row.prompt == "analyze_fit").unwrap();
        assert_eq!((fit.calls.expected_milli, fit.output_tokens.expected_milli), (Some(240_000), Some(5_000)));
    }

    #[test]
    fn names_that_are_not_there_are_said() {
        let (plan, _) = leads();
        let mut told = Expectations::default();
        let mut refused = |flow: &str, step: &str, value: &str| told.expect_step(&plan, flow, step, value).unwrap_err();
        assert!(refused("dayly", "leads", "1").contains("did you mean `daily`"));
        assert!(refused("daily", "laeds", "1").contains("did you mean `lead"));
        assert!(refused("daily", "leads", "many").contains("is no number"));
        assert!(refused("daily", "lead/fit", "3").contains("nothing can be expected"));
        assert!(told.expect_tokens(&plan, "analyse_fit", "input", 1).unwrap_err().contains("did you mean `analyze_fit`"));
        assert!(told.expect_tokens(&plan, "analyze_fit", "both", 1).unwrap_err().contains("neither"));
    }
}
