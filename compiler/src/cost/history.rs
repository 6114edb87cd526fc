//! What past runs came to, turned into what is expected of the next: means that count the more the more was seen, how far
//! single calls lie apart, how often loops and branches went, and whether something has changed.

mod paths;

use super::domain::Origin;
use super::expectations::{Expectations, ExpectedCount, ExpectedTokens, SeenCalls, children};
use super::spread::CALL_SPREAD;
use paths::{Places, items_by_loop, without_keys};
use pmflow_plan::{Block, Money, Plan, StepKind, Usage};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Runs of one flow that succeeded, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub runs: Vec<RunSeen>,
}

#[derive(Clone, Debug, Default)]
pub struct RunSeen {
    pub cost: Money,
    /// Prompts that are the same today, to the letter; only their calls say something.
    pub same_prompts: BTreeSet<String>,
    pub attempts: Vec<AttemptSeen>,
}

/// One attempt of a step.
#[derive(Clone, Debug, Default)]
pub struct AttemptSeen {
    /// With keys: `daily/lead[ada]/fit`.
    pub step: String,
    /// `prompt`, `for`, `repeat`, `if`, …
    pub kind: String,
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub cost: Option<Money>,
}

/// What was learned, for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    pub runs: u64,
    pub calls: u64,
    /// Of whole runs.
    pub median: Option<Money>,
    pub p95: Option<Money>,
    pub last: Option<Money>,
    /// What is no longer as it was, or not as it is declared.
    pub drift: Vec<String>,
}

/// Fewer executions say nothing about a branch.
const BRANCHES_SEEN_MIN: u64 = 5;
/// On each side, for a change to be noticed.
const DRIFT_CALLS_MIN: usize = 20;
/// A change by less is none that anybody would act on.
const DRIFT_RATIO_MIN: f64 = 1.2;
/// Standard errors.
const DRIFT_ERRORS_MIN: f64 = 3.0;
/// One call that was seen counts as this many that follow the rule of thumb.
const SPREAD_PRIOR_CALLS: f64 = 5.0;
const SPREAD_MAX: f64 = 25.0;

/// One call with all its attempts.
#[derive(Clone, Copy, Debug, Default)]
struct CallSum {
    cost: Money,
    answers: u64,
    input_tokens: u64,
    output_tokens: u64,
}

impl History {
    /// Adds what the runs say to the expectations; what is there already (somebody told it) stays. `day` (since
    /// 1970-01-01): past usage is priced as it would be billed on it.
    pub fn learn(&self, plan: &Plan, day: i32, expectations: &mut Expectations) -> Seen {
        let calls = self.calls(plan, day);
        let mut seen = self.of_runs();
        for (place, (prompt, sums)) in &calls {
            seen.calls += sums.len() as u64;
            seen.drift.extend(drift(place, sums));
            learn_tokens(prompt, sums, expectations);
            expectations.calls.entry(place.clone()).or_insert_with(|| seen_calls(sums));
        }
        self.learn_counts(expectations);
        self.learn_branches(plan, expectations);
        seen.drift.extend(declared_otherwise(plan, expectations));
        seen
    }

    fn of_runs(&self) -> Seen {
        let mut costs: Vec<Money> = self.runs.iter().map(|run| run.cost).collect();
        let last = costs.last().copied();
        costs.sort();
        let at = |percent: usize| costs.get((costs.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Seen { runs: self.runs.len() as u64, median: at(50), p95: at(95), last, ..Seen::default() }
    }

    /// By today's place, in the order in which they were made.
    fn calls(&self, plan: &Plan, day: i32) -> BTreeMap<String, (String, Vec<CallSum>)> {
        let mut all: BTreeMap<String, (String, Vec<CallSum>)> = BTreeMap::new();
        let places = Places::of(plan);
        for run in &self.runs {
            let mut of_run: BTreeMap<&str, (&str, CallSum)> = BTreeMap::new();
            for attempt in run.attempts.iter().filter(|attempt| attempt.kind == "prompt") {
                let Some(prompt) = attempt.prompt.as_deref().filter(|prompt| run.same_prompts.contains(*prompt)) else {
                    continue;
                };
                let (_, sum) = of_run.entry(&attempt.step).or_insert((prompt, CallSum::default()));
                sum.add(attempt, plan, day);
            }
            for (step, (prompt, sum)) in of_run {
                all.entry(places.today(step)).or_insert_with(|| (prompt.to_owned(), Vec::new())).1.push(sum);
            }
        }
        all
    }

    fn learn_counts(&self, expectations: &mut Expectations) {
        let mut rates: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for run in &self.runs {
            let items = items_by_loop(run.attempts.iter().map(|attempt| attempt.step.as_str()));
            let mut executions: BTreeMap<String, u64> = BTreeMap::new();
            for attempt in run.attempts.iter().filter(|attempt| matches!(attempt.kind.as_str(), "for" | "repeat")) {
                *executions.entry(without_keys(&attempt.step)).or_default() += 1;
            }
            for (place, times) in executions {
                let items = items.get(&place).copied().unwrap_or(0);
                rates.entry(place).or_default().push(items as f64 / times.max(1) as f64);
            }
        }
        for (place, rates) in rates {
            let (mean, variance) = moments(&rates);
            let spread = (rates.len() > 1 && mean > 0.0).then(|| (variance / (mean * mean)).min(SPREAD_MAX));
            let milli = (mean * 1000.0).round() as u64;
            expectations.counts.entry(place).or_insert(ExpectedCount { milli, origin: Origin::History, spread });
        }
    }

    fn learn_branches(&self, plan: &Plan, expectations: &mut Expectations) {
        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        let places = Places::of(plan);
        for attempt in self.runs.iter().flat_map(|run| &run.attempts) {
            *times.entry(places.today(&attempt.step)).or_default() += 1;
        }
        for (name, flow) in &plan.flows {
            branches(&flow.body, name, 0, &times, expectations);
        }
    }
}

impl CallSum {
    fn add(&mut self, attempt: &AttemptSeen, plan: &Plan, day: i32) {
        let model = attempt.model.as_ref().and_then(|id| plan.models.get(id));
        let batched = attempt.prompt.as_ref().and_then(|name| plan.prompts.get(name)).is_some_and(|prompt| prompt.batch);
        let today = model.zip(attempt.usage).and_then(|(model, usage)| match batched {
            true => model.price_batched_usage(&usage, day, 0, 0),
            false => model.price_usage(&usage, day, 0, 0),
        });
        let cost = today.or(attempt.cost).unwrap_or(Money::ZERO);
        self.cost = self.cost.checked_add(cost).unwrap_or(self.cost);
        if let Some(usage) = attempt.usage {
            let input = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens];
            self.input_tokens = input.iter().fold(self.input_tokens, |sum, tokens| sum.saturating_add(tokens.unwrap_or(0)));
            self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens.unwrap_or(0));
            self.answers += 1;
        }
    }
}

fn learn_tokens(prompt: &str, sums: &[CallSum], expectations: &mut Expectations) {
    let answers: u64 = sums.iter().map(|sum| sum.answers).sum();
    if answers == 0 {
        return;
    }
    let mean = |of: fn(&CallSum) -> u64| sums.iter().fold(0u64, |all, sum| all.saturating_add(of(sum))) / answers;
    let told: &mut ExpectedTokens = expectations.tokens.entry(prompt.to_owned()).or_default();
    told.input = told.input.or(Some(mean(|sum| sum.input_tokens)));
    told.output = told.output.or(Some(mean(|sum| sum.output_tokens)));
}

fn seen_calls(sums: &[CallSum]) -> SeenCalls {
    let calls = sums.len() as u64;
    let whole = sums.iter().fold(Money::ZERO, |all, sum| all.checked_add(sum.cost).unwrap_or(all));
    let mean = Money::from_pico(whole.pico() / i128::from(calls.max(1)));
    SeenCalls { calls, mean, spread: call_spread(sums, mean) }
}

/// Log-normal among those that cost something; a cache hit costs nothing.
fn call_spread(sums: &[CallSum], mean: Money) -> f64 {
    let ratios: Vec<f64> = ratios(sums, mean).into_iter().filter(|ratio| *ratio > 0.0).collect();
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let (_, variance) = moments(&logs);
    let seen = logs.len() as f64;
    // Either alone is too small now and then: one for lengths with a long tail, one for sums that are not log-normal.
    let (middle, square) = moments(&ratios);
    let measured = (variance.exp() - 1.0).max(square / (middle * middle).max(1e-9));
    let prior = SPREAD_PRIOR_CALLS / (seen + SPREAD_PRIOR_CALLS);
    let paid = measured * (1.0 - prior) + CALL_SPREAD * prior;
    let share = (seen / (sums.len().max(1) as f64)).max(0.01);
    ((1.0 + paid) / share - 1.0).min(SPREAD_MAX)
}

fn ratios(sums: &[CallSum], mean: Money) -> Vec<f64> {
    let whole = mean.pico().max(1) as f64;
    sums.iter().map(|sum| sum.cost.pico() as f64 / whole).collect()
}

/// Mean and variance, the latter without bias.
fn moments(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    if numbers.is_empty() {
        return (0.0, 0.0);
    }
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    (mean, if numbers.len() > 1 { squares / (count - 1.0) } else { 0.0 })
}

/// The newer half of the calls against the older.
fn drift(place: &str, sums: &[CallSum]) -> Option<String> {
    let (older, newer) = sums.split_at(sums.len() / 2);
    if older.len() < DRIFT_CALLS_MIN {
        return None;
    }
    let whole = seen_calls(sums).mean;
    let ((before, old), (after, new)) = (moments(&ratios(older, whole)), moments(&ratios(newer, whole)));
    let error = (old / older.len() as f64 + new / newer.len() as f64).sqrt();
    let times = after / before.max(1e-9);
    let large = !(1.0 / DRIFT_RATIO_MIN..=DRIFT_RATIO_MIN).contains(&times);
    if !large || (after - before).abs() < DRIFT_ERRORS_MIN * error {
        return None;
    }
    Some(format!(
        "calls at `{place}` cost {times:.1} times what they did: the last {} against the {} before them",
        newer.len(),
        older.len()
    ))
}

/// Sources that bring far more or far fewer rows than `expect` says.
fn declared_otherwise(plan: &Plan, expectations: &Expectations) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, flow) in &plan.flows {
        for step in &flow.body.steps {
            let StepKind::For(body) = &step.kind else { continue };
            let pmflow_plan::StreamFrom::Source(source) = &body.over.from else { continue };
            let declared = flow.body.steps.iter().find(|other| other.name == *source).and_then(|other| match &other.kind {
                StepKind::Source(source) => source.expect,
                _ => None,
            });
            let seen = expectations.counts.get(&format!("{name}/{}", step.name)).filter(|seen| seen.origin == Origin::History);
            if let (Some(declared), Some(seen)) = (declared, seen)
                && (seen.milli > declared.saturating_mul(2000) || seen.milli.saturating_mul(2) < declared.saturating_mul(1000))
            {
                let rows = seen.milli.div_ceil(1000);
                notes.push(format!(
                    "`{source}` brought {rows} items a run to the loop over `{}`; `expect` says {declared}",
                    body.variable
                ));
            }
        }
    }
    notes
}

/// Blocks nested deeper keep what is declared.
const DEPTH_MAX: u32 = 200;

fn branches(block: &Block, above: &str, depth: u32, times: &BTreeMap<String, u64>, expectations: &mut Expectations) {
    if depth > DEPTH_MAX {
        return;
    }
    for step in &block.steps {
        let path = format!("{above}/{}", step.name);
        if let StepKind::If { then, otherwise, .. } = &step.kind {
            let executed = times.get(&path).copied().unwrap_or(0);
            let taken = taken(then, otherwise, &path, times);
            let not_taken = || self::taken(otherwise, then, &path, times).map(|times| executed.saturating_sub(times));
            if let Some(taken) = taken.or_else(not_taken).filter(|_| executed >= BRANCHES_SEEN_MIN) {
                expectations.likely_milli.entry(path.clone()).or_insert(taken.min(executed) * 1000 / executed);
            }
        }
        children(step).into_iter().for_each(|inner| branches(inner, &path, depth + 1, times, expectations));
    }
}

/// How often the block ran, by a step of its own that is always recorded and that the other has no namesake of.
fn taken(block: &Block, other: &Block, path: &str, times: &BTreeMap<String, u64>) -> Option<u64> {
    let recorded = |kind: &StepKind| {
        matches!(
            kind,
            StepKind::Call(_) | StepKind::If { .. } | StepKind::For(_) | StepKind::Repeat { .. } | StepKind::Match { .. }
        )
    };
    let alone = |name: &str| !other.steps.iter().any(|step| step.name == name);
    let step = block.steps.iter().find(|step| recorded(&step.kind) && alone(&step.name))?;
    Some(times.get(&format!("{path}/{}", step.name)).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests;
