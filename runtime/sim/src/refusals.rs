//! No false refusal: what was refused for want of money did not fit.

use crate::driver::Simulation;
use pmflow_engine::StepRow;
use pmflow_ledger::Account;
use pmflow_plan::{Failure, FailureClass, Money, Plan, Prompt, WhenShort};

/// Everything that was refused and fits, in words. What shared budgets refuse is looked at where they are asked.
pub(crate) fn check(simulation: &Simulation, plan: &Plan) -> Vec<String> {
    if simulation.around.shared.is_some() {
        return Vec::new();
    }
    let refusals = simulation.rows.refusals.iter();
    let mut wrong: Vec<String> = refusals.filter_map(|(row, account)| check_try(row, account, plan)).collect();
    wrong.extend(check_run(simulation, plan));
    wrong
}

/// A try is refused when its hold does not fit beside all others.
fn check_try(row: &StepRow, account: &Account, plan: &Plan) -> Option<String> {
    let (prompt, failure) = (plan.prompts.get(row.target.as_ref()?)?, row.failure.as_ref()?);
    let Some(hold) = named(plan, prompt, failure) else {
        return Some(format!("`{}` is refused an amount that is no ceiling: {}", row.step, failure.message));
    };
    let fits = account.limit.is_none_or(|limit| account.committed().pico() + hold.pico() <= limit.pico());
    fits.then(|| format!("`{}` is refused {hold}, which fits into {account:?}", row.step))
}

/// The ceiling that a message names. Amounts are rounded in messages: of several that look the same the largest.
fn named(plan: &Plan, prompt: &Prompt, failure: &Failure) -> Option<Money> {
    let models = prompt.chain.iter().filter_map(|id| plan.models.get(id));
    let ceilings = models.flat_map(|model| [0, 1].map(|repairs_before| prompt.request_ceiling(model, repairs_before)));
    ceilings.flatten().filter(|ceiling| failure.message.contains(&format!("may cost {ceiling} "))).max()
}

/// A run ends for want of money when the last model of a chain cannot be paid whatever comes back, and no request for less.
fn check_run(simulation: &Simulation, plan: &Plan) -> Option<String> {
    let run = simulation.rows.run.as_ref()?;
    let failure = run.failure.as_ref().filter(|failure| failure.class == FailureClass::Budget)?;
    let budget = plan.flows.get(&plan.flow).map(|flow| &flow.settings.budget)?;
    let limit = run.account.limit.filter(|_| budget.when_short != WhenShort::Refuse)?;
    let prompt = plan.prompts.values().find(|prompt| failure.message.starts_with(&format!("`{}`", prompt.name)))?;
    // The proven ceiling is no budget that requests are shrunk for.
    let shrinks = budget.when_short == WhenShort::ShrinkRequest && Some(limit) != plan.ceiling;
    let least = least(plan, prompt, shrinks)?;
    let spent = run.account.settled.pico() + run.account.unknown.pico();
    (spent + least.pico() <= limit.pico()).then(|| format!("the run ends, and {least} fits into {:?}: {failure}", run.account))
}

fn least(plan: &Plan, prompt: &Prompt, shrinks: bool) -> Option<Money> {
    let model = plan.models.get(prompt.chain.last()?)?;
    let shrunk = prompt.output_tokens_min.filter(|least| shrinks && *least < prompt.output_tokens_max);
    prompt.capped_ceiling(model, u32::from(prompt.repair > 0), shrunk.unwrap_or(prompt.output_tokens_max))
}
