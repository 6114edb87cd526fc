//! How the cost stands to the budget, and what the numbers rest on.

use super::domain::{Cost, Figure};
use super::estimate::Estimate;
use super::tokens::tokenizer;
use pmflow_plan::model::BYTES_PER_DECLARED_TOKEN;
use pmflow_plan::{Budget, CapFidelity, Model, Money, Plan};
use serde::Serialize;

/// The cost against one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `run`, `day`, `month`, or `NAME, day` of a shared budget.
    pub scope: String,
    pub limit: Money,
    pub finding: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The ceiling is within the limit: no run can pass it.
    Proven,
    /// The ceiling is above it, or there is none: the runtime stops what would pass it.
    CappedAtRunTime,
    /// More than the limit is expected already.
    Over,
    /// Nothing says how often the flow runs.
    Unknown,
}

/// One of the four things that the ceiling rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assumption {
    pub name: &'static str,
    /// False: it does not hold for this plan, and there is no proven ceiling.
    pub holds: bool,
    /// What it rests on, one line per thing.
    pub rests_on: Vec<String>,
}

pub(super) fn verdicts(budget: &Budget, run: &Cost, day: Option<&Cost>, month: Option<&Cost>) -> Vec<Verdict> {
    let own = [("run", budget.run, Some(run)), ("day", budget.day, day), ("month", budget.month, month)];
    let own = own.into_iter().map(|(scope, limit, cost)| (scope.to_owned(), limit, cost));
    let shared = budget.shared.iter().flat_map(|shared| {
        let scope = |period: &str| format!("{}, {period}", shared.name);
        [(scope("day"), shared.day, day), (scope("month"), shared.month, month)]
    });
    own.chain(shared).filter_map(|(scope, limit, cost)| Some(verdict(scope, limit?, cost))).collect()
}

fn verdict(scope: String, limit: Money, cost: Option<&Cost>) -> Verdict {
    let finding = match cost {
        None => Standing::Unknown,
        Some(cost) if cost.ceiling.known().is_some_and(|ceiling| ceiling <= limit) => Standing::Proven,
        Some(cost) if cost.floor > limit || cost.expected.known().is_some_and(|expected| expected > limit) => Standing::Over,
        Some(_) => Standing::CappedAtRunTime,
    };
    Verdict { scope, limit, finding }
}

pub(super) fn assumptions(plan: &Plan, estimate: &Estimate) -> Vec<Assumption> {
    let used = |model: &&Model| estimate.prompts.iter().any(|prompt| prompt.models.contains(&model.id));
    let models: Vec<&Model> = plan.models.values().filter(used).collect();
    let unpriced = estimate.prompts.iter().flat_map(|prompt| &prompt.models).any(|id| !plan.models.contains_key(id));
    let bounded = estimate.symbols.iter().all(|symbol| symbol.count.most.is_some()) && estimate.run.ceiling != Figure::Overflow;
    vec![
        Assumption { name: "prices", holds: !unpriced, rests_on: prices(plan, &models) },
        Assumption {
            name: "output cap",
            holds: models.iter().all(|model| model.output_cap != CapFidelity::None),
            rests_on: models.iter().map(|model| cap(model)).collect(),
        },
        Assumption { name: "input count", holds: true, rests_on: models.iter().map(|model| counted(model)).collect() },
        Assumption { name: "run-time caps", holds: bounded, rests_on: caps(estimate) },
    ]
}

fn prices(plan: &Plan, models: &[&Model]) -> Vec<String> {
    let short: String = plan.catalog.chars().take(12).collect();
    let mut lines = vec![if short.is_empty() { "no catalog".to_owned() } else { format!("catalog {short}, pinned in the plan") }];
    for model in models.iter().filter(|model| !model.price.changes.is_empty() || !model.price.tiers.is_empty()) {
        let tiers = model.price.tiers.iter().map(|tier| format!("above {} input tokens", tier.above_input_tokens));
        let changes = model.price.changes.iter().map(|change| format!("from {}", super::Day(change.from_day)));
        let all: Vec<String> = tiers.chain(changes).collect();
        lines.push(format!("{}: another price {}; the dearest that can be reached counts", model.id, all.join(", ")));
    }
    lines
}

fn cap(model: &Model) -> String {
    match model.output_cap {
        CapFidelity::Hard => {
            let reported =
                if model.provider.starts_with("google") { " (by all reports; the provider does not say so)" } else { "" };
            format!("{}: kept{reported}", model.id)
        }
        CapFidelity::Soft { slack_tokens } => format!("{}: kept but for {slack_tokens} tokens, which are counted in", model.id),
        CapFidelity::None => format!("{}: nobody says that it is kept, so there is no proven ceiling", model.id),
    }
}

fn counted(model: &Model) -> String {
    let how = match (&model.encoding, model.calibration_milli) {
        (Some(encoding), _) if tokenizer(model).exact() => format!("counted exactly ({encoding}) before it is sent"),
        (_, Some(milli)) => {
            let times = format!("{}.{:02}", milli / 1000, milli % 1000 / 10);
            format!(
                "no public tokenizer: counted before it is sent as {times} times what o200k_base makes, digits and other scripts by \
                 their bytes; measured, not promised"
            )
        }
        _ => format!(
            "no public tokenizer: {BYTES_PER_DECLARED_TOKEN} bytes per declared token are allowed, and each may be a token"
        ),
    };
    format!("{}: {how}", model.id)
}

fn caps(estimate: &Estimate) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for symbol in &estimate.symbols {
        lines.push(match &symbol.enforcer {
            Some(enforcer) => format!("{}: {enforcer}", symbol.name),
            None => format!("{}: nothing bounds it", symbol.name),
        });
    }
    lines.push("max_output, retry, repair: enforced where they act".to_owned());
    lines.dedup();
    lines
}
