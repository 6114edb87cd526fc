//! What runs were billed above what was held for them, and the file in which a project remembers which facts did not hold.

use crate::exit::{Failed, Result};
use crate::project::Project;
use crate::store::{AnyStore, failed};
use pmflow_compiler::cost::Day;
use pmflow_compiler::cost::catalog::{BrokenFact, Fact};
use pmflow_engine::RunId;
use pmflow_plan::Plan;
use pmflow_store::{RunSummary, Store as _, UsageRow};
use std::collections::BTreeMap;

/// Beside `pmflow.lock`, checked in like it.
pub const BREACHES_FILE: &str = "pmflow.breaches.json";

const LINES_PER_PAGE: u32 = 1000;
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// The calls of a run that were billed above their holds, in order.
pub async fn of_run(store: &AnyStore, run: &RunId) -> Result<Vec<UsageRow>> {
    lines(store, run, |row| row.entry.breach).await
}

/// The lines of a run's ledger that are wanted, in order.
pub async fn lines(store: &AnyStore, run: &RunId, wanted: impl Fn(&UsageRow) -> bool) -> Result<Vec<UsageRow>> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = store.usage(run, after, LINES_PER_PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.line;
        found.extend(page.into_iter().filter(&wanted));
    }
}

/// Which facts a run saw broken: the worst of each, so that one run is one step down for a fact.
pub async fn broken_facts(store: &AnyStore, run: &RunSummary) -> Result<Vec<BrokenFact>> {
    if run.account.breaches == 0 || run.simulated {
        return Ok(Vec::new());
    }
    let stored = store.plan(&run.plan).await.map_err(failed)?;
    let plan = Plan::decode(&stored.bytes, Some(&stored.id)).map_err(|error| Failed::new(error.to_string()))?;
    let mut worst: BTreeMap<(String, Fact), BrokenFact> = BTreeMap::new();
    for row in of_run(store, &run.id).await? {
        for broken in of_row(&plan, &run.id, &row) {
            let kept = worst.entry((broken.model.clone(), broken.fact)).or_insert_with(|| broken.clone());
            if broken.excess() > kept.excess() {
                *kept = broken;
            }
        }
    }
    Ok(worst.into_values().collect())
}

fn of_row(plan: &Plan, run: &RunId, row: &UsageRow) -> Vec<BrokenFact> {
    let (Some(id), Some(prompt), Some(usage)) = (&row.model, &row.prompt, &row.usage) else { return Vec::new() };
    let (Some(model), Some(prompt)) = (plan.models.get(id), plan.prompts.get(prompt)) else { return Vec::new() };
    let [input, output] = prompt.bounds_passed(model, row.entry.held, usage);
    let date = Day(i32::try_from(row.at.div_euclid(DAY_MICROSECONDS)).unwrap_or(i32::MAX));
    let broken = |fact, (bound, seen)| BrokenFact { model: id.clone(), fact, bound, seen, run: run.to_string(), date };
    input
        .map(|passed| broken(Fact::InputCount, passed))
        .into_iter()
        .chain(output.map(|passed| broken(Fact::OutputCap, passed)))
        .collect()
}

/// Adds to the project's file what is not in it yet, and returns that.
pub fn remember(project: &Project, seen: Vec<BrokenFact>) -> Result<Vec<BrokenFact>> {
    let mut known = read(project)?;
    let is_known = |broken: &BrokenFact, known: &[BrokenFact]| {
        known.iter().any(|old| (&old.model, old.fact, &old.run) == (&broken.model, broken.fact, &broken.run))
    };
    let new: Vec<BrokenFact> = seen.into_iter().filter(|broken| !is_known(broken, &known)).collect();
    if new.is_empty() {
        return Ok(new);
    }
    known.extend(new.iter().cloned());
    let path = project.root.join(BREACHES_FILE);
    std::fs::write(&path, text(&known))
        .map_err(|error| Failed::new(format!("cannot write `{}`: {}", path.display(), crate::disk::reason(&error))))?;
    Ok(new)
}

/// One line each, so that a new one is a new line.
fn text(all: &[BrokenFact]) -> String {
    let line = |broken: &BrokenFact| serde_json::to_string(broken).expect("facts hold nothing that JSON cannot say");
    format!("[\n{}\n]\n", all.iter().map(line).collect::<Vec<_>>().join(",\n"))
}

pub fn read(project: &Project) -> Result<Vec<BrokenFact>> {
    let path = project.root.join(BREACHES_FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = crate::disk::read_text(&path).map_err(|reason| Failed::new(format!("cannot read `{BREACHES_FILE}`: {reason}")))?;
    parse(&text)
}

pub fn parse(text: &str) -> Result<Vec<BrokenFact>> {
    let refused = |reason: String| {
        Failed::new(format!("`{BREACHES_FILE}` cannot be used: {reason}"))
            .help("`git checkout` brings back what was there; without an entry the catalog's fact holds again")
    };
    let all: Vec<BrokenFact> = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
    if let Some(wrong) = all.iter().find(|broken| broken.excess() == 0) {
        return Err(refused(format!("{wrong}: that is no breach")));
    }
    Ok(all)
}
