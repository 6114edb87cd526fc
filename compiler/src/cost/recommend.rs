//! What would lower the cost, with what it saves and what it changes. Each is tried out: the plan is changed and priced
//! again, so the saving is the difference of two estimates and not a guess.

use super::catalog::{Catalog, Entry};
use super::estimate::{Estimate, PromptCost, estimate_with};
use pmflow_plan::{Api, Block, CapFidelity, Model, Money, Plan, Prompt, StepKind};
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    /// A step's path or `prompt:NAME`.
    pub path: String,
    /// What to do, as one would say it.
    pub what: String,
    /// What it changes besides the cost.
    pub changes: String,
    /// Of one run; nothing where the estimate before or after has no such number.
    pub expected_saving: Option<Money>,
    pub ceiling_saving: Option<Money>,
    /// Of the run's expected cost, or of its ceiling when only that falls, in thousandths.
    pub saving_milli: u64,
}

/// Below one per cent of the run, a recommendation is noise.
const SAVING_MILLI_MIN: u64 = 10;
const RECOMMENDATIONS_MAX: usize = 5;
/// Prompts that are looked at: where the money is.
const PROMPTS_MAX: usize = 3;
/// Every trial prices the plan again; a huge flow gets no recommendations for its source limits.
const SOURCES_MAX: usize = 3;
/// Fewer calls of a run are not worth a day of waiting.
const BATCH_CALLS_MIN: u64 = 10;
/// The shortest constant prefix that providers cache, where a model's own is not known.
const CACHE_PREFIX_TOKENS_MIN: u64 = 1024;

/// The best first. `today` (days since 1970-01-01) keeps models out that have ended.
pub fn recommendations(plan: &Plan, before: &Estimate, catalog: &Catalog, today: i32) -> Vec<Recommendation> {
    let mut all = Vec::new();
    for row in before.prompts.iter().take(PROMPTS_MAX) {
        let Some(prompt) = plan.prompts.get(&row.prompt) else { continue };
        all.extend(cheaper_model(plan, before, row, prompt, catalog, today));
        all.extend(smaller_cap(plan, before, row, prompt));
        all.extend(batch(plan, before, row, prompt));
        all.extend(cacheable_prefix(plan, before, row, prompt));
    }
    all.extend(tighter_sources(plan, before));
    all.retain(|one| one.saving_milli >= SAVING_MILLI_MIN);
    all.sort_by(|a, b| (b.expected_saving, b.saving_milli, &a.what).cmp(&(a.expected_saving, a.saving_milli, &b.what)));
    all.truncate(RECOMMENDATIONS_MAX);
    all
}

impl Recommendation {
    /// `saves $0.09 of $0.12 expected (75%), $1.20 of the ceiling`
    pub fn saving(&self) -> String {
        let percent = format!("{}%", (self.saving_milli + 5) / 10);
        match (self.expected_saving, self.ceiling_saving) {
            (Some(expected), Some(ceiling)) if ceiling > Money::ZERO => {
                format!("saves {expected} of what a run is expected to cost ({percent}), and {ceiling} of its ceiling")
            }
            (Some(expected), _) => format!("saves {expected} of what a run is expected to cost ({percent})"),
            (None, Some(ceiling)) => format!("lowers the ceiling of a run by {ceiling} ({percent})"),
            (None, None) => "gives a run a ceiling".to_owned(),
        }
    }

    fn between(path: &str, what: String, changes: &str, before: &Estimate, after: &Estimate) -> Option<Recommendation> {
        let saved =
            |before: Option<Money>, after: Option<Money>| before?.checked_sub(after?).filter(|saving| *saving > Money::ZERO);
        let expected_saving = saved(before.run.expected.known(), after.run.expected.known());
        let ceiling_saving = saved(before.run.ceiling.known(), after.run.ceiling.known());
        let (saving, whole) = match (expected_saving, ceiling_saving) {
            (Some(saving), _) => (saving, before.run.expected.known()?),
            (None, Some(saving)) => (saving, before.run.ceiling.known()?),
            (None, None) => return None,
        };
        let saving_milli = u64::try_from(saving.pico().checked_mul(1000)? / whole.pico().max(1)).ok()?;
        let changes = changes.to_owned();
        Some(Recommendation { path: path.to_owned(), what, changes, expected_saving, ceiling_saving, saving_milli })
    }
}

/// The estimate of the plan with one prompt changed.
fn with_prompt(plan: &Plan, before: &Estimate, name: &str, change: impl FnOnce(&mut Prompt)) -> Option<Estimate> {
    let mut changed = plan.clone();
    change(changed.prompts.get_mut(name)?);
    Some(estimate_with(&changed, &before.expectations))
}

fn path(row: &PromptCost) -> String {
    format!("prompt:{}", row.prompt)
}

fn cheaper_model(
    plan: &Plan,
    before: &Estimate,
    row: &PromptCost,
    prompt: &Prompt,
    catalog: &Catalog,
    today: i32,
) -> Option<Recommendation> {
    let current = plan.models.get(prompt.chain.first()?)?;
    let simulated = current.api == Api::Simulated;
    let (facts, entry) = catalog.entry(if simulated { &current.wire_name } else { &current.id })?;
    let mut best: Option<Model> = None;
    for other in facts.models.iter().filter(|other| can_stand_in(other, entry, today)) {
        let id = format!("{}{}/{}", if simulated { "simulated/" } else { "" }, facts.provider, other.id);
        let Ok(model) = catalog.resolve(&id) else { continue };
        if fits(&model, current, prompt) && best.as_ref().is_none_or(|best| rank(&model) < rank(best)) {
            best = Some(model);
        }
    }
    let best = best?;
    let mut changed = plan.clone();
    let id = best.id.clone();
    *changed.prompts.get_mut(&row.prompt)?.chain.first_mut()? = id.clone();
    changed.models.insert(id.clone(), best);
    let what = format!("`{id}` for `{}` in `{}`", current.id, row.prompt);
    let changes = "It has the same features and a smaller price; whether its answers are good enough, only your tests can say.";
    Recommendation::between(&path(row), what, changes, before, &estimate_with(&changed, &before.expectations))
}

/// Everything that the current model can, and no end in sight.
fn can_stand_in(other: &Entry, current: &Entry, today: i32) -> bool {
    let able = current.supports.iter().all(|(what, can)| !can || other.supports.get(what) == Some(&true));
    let lives = other.shutdown.is_none_or(|day| day.0 > today.saturating_add(180));
    // Nothing older than what it replaces by more than a year.
    let fresh = other.released.zip(current.released).is_none_or(|(other, current)| other.0 > current.0.saturating_sub(365));
    other.id != current.id && able && lives && fresh && !other.id.ends_with("-latest")
}

fn fits(model: &Model, current: &Model, prompt: &Prompt) -> bool {
    let cap = model.output_cap != CapFidelity::None || current.output_cap == CapFidelity::None;
    let window = prompt.input_tokens_max.saturating_add(prompt.output_tokens_max) <= model.context_tokens_max;
    let input = prompt.input_tokens_max <= model.input_tokens_max && prompt.output_tokens_max <= model.output_tokens_max;
    let temperature = prompt.temperature_milli.is_none() || model.temperature;
    // Where bytes are the bound instead of a count, the same prompt may no longer fit its `max_input`.
    let counted = model.encoding.is_some() || current.encoding.is_none();
    cap && window && input && temperature && counted && rank(model) < rank(current)
}

fn rank(model: &Model) -> (u64, &str) {
    (model.price.base.input.saturating_add(model.price.base.output), &model.id)
}

fn smaller_cap(plan: &Plan, before: &Estimate, row: &PromptCost, prompt: &Prompt) -> Option<Recommendation> {
    let enough = row.facts.answer.tokens_max?.max(16).checked_add(prompt.thinking_tokens_max.unwrap_or(0))?;
    if enough >= prompt.output_tokens_max {
        return None;
    }
    let after = with_prompt(plan, before, &row.prompt, |prompt| prompt.output_tokens_max = enough)?;
    let what = format!("`max_output: {enough} tokens` in `{}`", row.prompt);
    Recommendation::between(&path(row), what, "No answer of its type is longer, so nothing is cut off.", before, &after)
}

/// The setting that hands requests to the provider together.
fn batch(plan: &Plan, before: &Estimate, row: &PromptCost, prompt: &Prompt) -> Option<Recommendation> {
    let model = plan.models.get(prompt.chain.first()?)?;
    let is_few = row.calls.expected_milli.is_none_or(|calls| calls < BATCH_CALLS_MIN * 1000);
    if prompt.batch || is_few || model.price.batch.is_none() {
        return None;
    }
    let after = with_prompt(plan, before, &row.prompt, |prompt| prompt.batch = true)?;
    let what = format!("`mode: batch` in `{}`", row.prompt);
    Recommendation::between(&path(row), what, "Answers may take up to a day.", before, &after)
}

fn cacheable_prefix(plan: &Plan, before: &Estimate, row: &PromptCost, prompt: &Prompt) -> Option<Recommendation> {
    let rates = plan.models.get(prompt.chain.first()?)?.price.base;
    let text = &row.facts.text;
    let movable = text.constant_behind_bytes / 4;
    if (text.prefix_bytes / 4).saturating_add(movable) < CACHE_PREFIX_TOKENS_MIN
        || rates.cache_read >= rates.input
        || movable < 100
    {
        return None;
    }
    let saved_per_call = i128::from(rates.input - rates.cache_read).checked_mul(i128::from(movable))?;
    let calls = i128::from(row.calls.expected_milli?);
    let saving = Money::from_pico(saved_per_call.checked_mul(calls)? / 1000);
    let whole = before.run.expected.known()?;
    Some(Recommendation {
        path: path(row),
        what: format!("the constant text of `{}` moved before what varies", row.prompt),
        changes: format!("About {movable} tokens more can be read from the provider's cache; the order of the text changes."),
        expected_saving: Some(saving),
        ceiling_saving: None,
        saving_milli: u64::try_from(saving.pico().checked_mul(1000)? / whole.pico().max(1)).ok()?,
    })
}

/// A `limit` far above what is expected lifts the ceiling for nothing.
fn tighter_sources(plan: &Plan, before: &Estimate) -> Vec<Recommendation> {
    let Some(flow) = plan.flows.get(&plan.flow) else { return Vec::new() };
    let sources = flow.body.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Source(source) => Some((&step.name, source.limit?, rows_expected(before, &step.name).or(source.expect)?)),
        _ => None,
    });
    let loose = sources.filter(|(_, limit, expect)| expect.saturating_mul(3) < *limit);
    loose.take(SOURCES_MAX).filter_map(|(name, limit, expect)| tighter(plan, before, name, limit, expect)).collect()
}

/// As declared, or as past runs brought them.
fn rows_expected(before: &Estimate, source: &str) -> Option<u64> {
    let name = format!("rows({source})");
    let symbol = before.symbols.iter().find(|symbol| *symbol.name == *name)?;
    Some(symbol.count.expected_milli?.div_ceil(1000))
}

fn tighter(plan: &Plan, before: &Estimate, name: &str, limit: u64, expect: u64) -> Option<Recommendation> {
    let enough = expect.saturating_mul(2).max(1);
    let mut changed = plan.clone();
    let flow = changed.flows.get_mut(&plan.flow)?;
    limit_source(&mut flow.body, name, enough);
    let what = format!("`limit {enough}` on the source `{name}`");
    let changes = format!("Rows beyond the {enough}th are left out of a run; {expect} are expected, and the limit is {limit}.");
    Recommendation::between(
        &format!("{}/{name}", plan.flow),
        what,
        &changes,
        before,
        &estimate_with(&changed, &before.expectations),
    )
}

/// The loop over the source is bounded by the source's own limit as well, so the source alone is changed.
fn limit_source(block: &mut Block, name: &str, limit: u64) {
    let named = block.steps.iter_mut().filter(|step| step.name == name);
    for step in named {
        if let StepKind::Source(source) = &mut step.kind {
            source.limit = Some(limit);
        }
    }
}
