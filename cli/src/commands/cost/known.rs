//! What is known of sizes besides what the flow declares: `--input`, `--usage`, `--history`.

use super::Arguments;
use crate::exit::{Failed, Result};
use crate::loading::{Known, Loaded};
use crate::store::{AnyStore, block_on, failed, open_existing};
use pmflow_compiler::World as _;
use pmflow_compiler::cost::history::{AttemptSeen, RunSeen, Seen};
use pmflow_compiler::cost::{Expectations, History};
use pmflow_compiler::problems::nearest;
use pmflow_engine::RunStatus;
use pmflow_plan::schema::{Types, convert_text};
use pmflow_plan::{Plan, Value};
use pmflow_store::{RunFilter, RunSummary, StepCursor, Store as _, StoredStep};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub fn expectations(arguments: &Arguments, loaded: &Loaded, plan: &Plan) -> Result<Known> {
    let mut expectations = Expectations { inputs: inputs(&arguments.inputs, plan)?, ..Expectations::default() };
    if let Some(file) = &arguments.usage {
        usage(file, loaded, plan, &mut expectations)?;
    }
    let seen = if arguments.history { history(loaded, plan, &mut expectations)? } else { None };
    Ok(Known { expectations, seen })
}

/// What was seen or told of rows gives way to `--what-if rows=…`.
pub fn without_rows(expectations: &Expectations, what_if: &str) -> Expectations {
    let mut kept = expectations.clone();
    let names =
        |setting: &str| setting.split('=').next().map(str::trim).is_some_and(|name| name == "rows" || name.starts_with("rows."));
    if what_if.split(',').any(names) {
        kept.counts.clear();
    }
    kept
}

/// Those that are given; the others stay unknown.
fn inputs(given: &[(String, String)], plan: &Plan) -> Result<BTreeMap<String, Value>> {
    let parameters = plan.flows.get(&plan.flow).map(|flow| flow.parameters.as_slice()).unwrap_or_default();
    let types = Types::new(&plan.types);
    let read = |(name, text): &(String, String)| {
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == *name) else {
            let listed: Vec<String> = parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
            let takes = if listed.is_empty() { "no input".to_owned() } else { listed.join(", ") };
            return Err(Failed::new(format!("the flow `{}` has no input `{name}`; it takes {takes}", plan.flow)));
        };
        let value = convert_text(&parameter.ty, &types, text);
        let value = value.map_err(|mismatch| Failed::new(format!("the input `{name}` {mismatch}")))?;
        Ok((name.clone(), value))
    };
    given.iter().map(read).collect()
}

/// A usage file: a section per flow, and `prompts.NAME` for the sizes of requests.
fn usage(file: &Path, loaded: &Loaded, plan: &Plan, expectations: &mut Expectations) -> Result<()> {
    let shown = file.display();
    let wrong = |reason: String| Failed::new(format!("{shown}: {reason}"));
    let text = crate::disk::read_text(file).map_err(|reason| Failed::new(format!("cannot read `{shown}`: {reason}")))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
        let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
        Failed::new(format!("{shown}{place}: {}", error.message()))
    })?;
    for (section, values) in &table {
        let values = values.as_table().ok_or_else(|| wrong(format!("`{section}` stands alone; numbers stand under `[FLOW]`")))?;
        if section == "prompts" {
            of_prompts(values, plan, expectations).map_err(wrong)?;
        } else if plan.flows.contains_key(section) {
            for (step, value) in values {
                expectations.expect_step(plan, section, step, &written(value)).map_err(wrong)?;
            }
        } else if !loaded.checked.flow_names().contains(&section.as_str()) {
            let names = loaded.checked.flow_names();
            let near = nearest(section, names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
            return Err(wrong(format!("there is no flow `{section}`{}", near.unwrap_or_default())));
        }
    }
    Ok(())
}

fn of_prompts(prompts: &toml::Table, plan: &Plan, expectations: &mut Expectations) -> std::result::Result<(), String> {
    for (prompt, sides) in prompts {
        let sides = sides.as_table().ok_or_else(|| format!("`prompts.{prompt}` is no section with `input` and `output`"))?;
        for (side, tokens) in sides {
            let tokens = tokens.as_integer().and_then(|tokens| u64::try_from(tokens).ok());
            let tokens = tokens.ok_or_else(|| format!("`{side}` of the prompt `{prompt}` is no number of tokens"))?;
            expectations.expect_tokens(plan, prompt, side, tokens)?;
        }
    }
    Ok(())
}

fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The newest runs say more of the next one than older ones do.
const RUNS_MAX: u32 = 50;
/// Steps of one run; more would say the same again.
const STEPS_MAX: usize = 20_000;
const PAGE: u32 = 2_000;

/// None: there is no run to learn from, which is said.
fn history(loaded: &Loaded, plan: &Plan, expectations: &mut Expectations) -> Result<Option<Seen>> {
    if crate::store::missing(&loaded.project).is_some() {
        return Ok(Some(Seen::default()));
    }
    let runs = block_on(async {
        let store = open_existing(&loaded.project).await?;
        let filter = RunFilter { flow: Some(plan.flow.clone()), status: Some(RunStatus::Succeeded), ..RunFilter::default() };
        let mut runs = Vec::new();
        // Answers that were made up say nothing of real ones.
        let found = store.runs(&filter, None, RUNS_MAX).await.map_err(failed)?;
        for run in found.iter().filter(|run| !run.simulated).rev() {
            runs.push(one_run(&store, run, plan).await?);
        }
        Ok(runs)
    })?;
    Ok(Some(History { runs }.learn(plan, loaded.world.today(), expectations)))
}

async fn one_run(store: &AnyStore, run: &RunSummary, plan: &Plan) -> Result<RunSeen> {
    let stored = store.plan(&run.plan).await.map_err(failed)?;
    // A plan of another version cannot be compared, and then no prompt is taken to be the same.
    let same_prompts: BTreeSet<String> = match Plan::decode(&stored.bytes, None) {
        Ok(before) => plan.prompts.keys().filter(|name| plan.prompts.get(*name) == before.prompts.get(*name)).cloned().collect(),
        Err(_) => BTreeSet::new(),
    };
    let mut attempts = Vec::new();
    let mut after: Option<StepCursor> = None;
    while attempts.len() < STEPS_MAX {
        let page = store.steps(&run.id, false, after.as_ref(), PAGE).await.map_err(failed)?;
        let Some(end) = page.last() else { break };
        after = Some(StepCursor { step: end.step.clone(), attempt: end.attempt });
        attempts.extend(page.into_iter().map(attempt));
    }
    Ok(RunSeen { cost: run.account.settled, same_prompts, attempts })
}

fn attempt(step: StoredStep) -> AttemptSeen {
    AttemptSeen {
        step: step.step.as_str().to_owned(),
        prompt: step.target.filter(|_| step.kind == "prompt"),
        kind: step.kind,
        model: step.model,
        usage: step.usage.filter(|_| !step.from_cache),
        cost: step.cost,
    }
}
