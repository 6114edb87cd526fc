//! What must be true of every run, whatever happened to it. Looks at the rows and at what was seen outside, never at the
//! engine's own state.

use crate::driver::Simulation;
use crate::refusals;
use pmflow_engine::{InstanceStatus, LedgerRow, Path, RunStatus};
use pmflow_ledger::{Account, EntryKind};
use pmflow_plan::{Call, Money, Plan, StepKind, Target, Value};
use std::collections::BTreeMap;

/// Everything that is wrong, in words; empty when all is well.
pub fn check(simulation: &Simulation, plan: &Plan, limit: Option<Money>) -> Vec<String> {
    let mut wrong = simulation.seen.violations.clone();
    wrong.extend(simulation.rows.violations.clone());
    let Some(run) = &simulation.rows.run else {
        wrong.push("the run has no row".to_owned());
        return wrong;
    };
    let stays_held = |call: &str| run.status == RunStatus::Suspended && simulation.is_in_batch(call);
    wrong.extend(check_ledger(&simulation.rows.ledger, &run.account, limit, stays_held));
    wrong.extend(check_billed(simulation, &run.account));
    wrong.extend(check_end(simulation, run.status));
    wrong.extend(check_attempts(simulation, plan));
    wrong.extend(refusals::check(simulation, plan));
    wrong
}

/// Replaying the ledger gives the account, at no point is more committed than the limit, and every hold ends once.
fn check_ledger(ledger: &[LedgerRow], stored: &Account, limit: Option<Money>, stays_held: impl Fn(&str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut account = Account::new(limit);
    let mut open: BTreeMap<String, Money> = BTreeMap::new();
    for row in ledger {
        if let Err(error) = account.enter(row.entry.clone()) {
            wrong.push(format!("the ledger does not replay: {error}"));
            return wrong;
        }
        if account.breaches == 0 && account.limit.is_some_and(|limit| account.committed() > limit) {
            wrong.push(format!("{} is committed, the limit is {:?}", account.committed(), account.limit));
        }
        let Some(call) = &row.call else { continue };
        match row.entry.kind {
            EntryKind::Hold => {
                if open.insert(call.to_string(), row.entry.held).is_some() {
                    wrong.push(format!("`{call}` is held twice"));
                }
            }
            EntryKind::Settle | EntryKind::Release | EntryKind::Unknown => {
                if open.remove(&call.to_string()) != Some(row.entry.held) {
                    wrong.push(format!("`{call}` gives back what it does not hold"));
                }
            }
            EntryKind::Reconcile | EntryKind::RaiseLimit => {}
        }
    }
    if account != *stored {
        wrong.push(format!("the ledger gives {account:?} and the run's row says {stored:?}"));
    }
    open.retain(|call, _| !stays_held(call));
    if !open.is_empty() {
        wrong.push(format!("still held: {:?}", open.keys().collect::<Vec<_>>()));
    }
    wrong
}

/// What the providers bill, lost answers included, is never more than what the run counts as spent, and so never more than
/// its limit, as long as no provider bills more than the bounds that it was sent.
fn check_billed(simulation: &Simulation, account: &Account) -> Vec<String> {
    let seen = &simulation.seen;
    let limit = account.limit.unwrap_or(Money::from_pico(i128::MAX));
    if seen.over_hold > 0 || (seen.billed <= account.committed() && seen.billed <= limit) {
        return Vec::new();
    }
    vec![format!("{} was billed, {} is accounted for, the limit is {:?}", seen.billed, account.committed(), account.limit)]
}

fn check_end(simulation: &Simulation, status: RunStatus) -> Vec<String> {
    let mut wrong = Vec::new();
    if simulation.seen.end.as_ref().map(|end| end.status) != Some(status) || status == RunStatus::Running {
        wrong.push(format!("the run stands at {status:?} and told {:?}", simulation.seen.end));
    }
    if matches!(status, RunStatus::Succeeded | RunStatus::Cancelled) {
        if !simulation.rows.live.is_empty() || simulation.run.live_instances() > 0 {
            wrong.push(format!("still open: {:?}", simulation.rows.live.keys().collect::<Vec<_>>()));
        }
        if !simulation.rows.approvals.is_empty() {
            wrong.push("an approval is still asked for".to_owned());
        }
    }
    wrong
}

/// (1 + retry) × chain × (1 + repair), and one more for each time that the process ended under a call.
fn check_attempts(simulation: &Simulation, plan: &Plan) -> Vec<String> {
    let calls = calls_by_name(plan);
    let mut wrong = Vec::new();
    for (step, paid) in &simulation.seen.paid {
        let name = step.as_str().rsplit('/').next().unwrap_or_default();
        let Some(bound) = calls.get(name).and_then(|call| attempts_max(plan, call)) else { continue };
        let lost = simulation.seen.lost.get(step).copied().unwrap_or(0);
        if *paid > bound + lost {
            wrong.push(format!("`{step}` was paid {paid} times; {bound} is the most, and {lost} were lost"));
        }
    }
    wrong
}

fn attempts_max(plan: &Plan, call: &Call) -> Option<u64> {
    let Target::Prompt(name) = &call.target else { return None };
    let prompt = plan.prompts.get(name)?;
    let tries = 1 + u64::from(call.retry.as_ref().map_or(0, pmflow_plan::Retry::billed_times));
    Some(tries * prompt.chain.len() as u64 * (1 + u64::from(prompt.repair)))
}

/// Names are unique in the plans of this crate.
fn calls_by_name(plan: &Plan) -> BTreeMap<&str, &Call> {
    let mut open: Vec<&pmflow_plan::Block> = plan.flows.values().map(|flow| &flow.body).collect();
    let mut calls = BTreeMap::new();
    while let Some(block) = open.pop() {
        for step in &block.steps {
            match &step.kind {
                StepKind::Call(call) => {
                    calls.insert(step.name.as_str(), call);
                }
                StepKind::If { then, otherwise, .. } => open.extend([then, otherwise]),
                StepKind::Match { arms, otherwise, .. } => {
                    open.extend(arms.iter().map(|arm| &arm.body).chain(otherwise));
                }
                StepKind::For(each) => open.push(&each.body),
                StepKind::Repeat { body, .. } | StepKind::Parallel { body } => open.push(body),
                StepKind::Approve(approve) => open.extend(&approve.otherwise),
                _ => {}
            }
        }
    }
    calls
}

/// What a run left, for comparison with another one: its status, and in order the outputs of everything that succeeded.
/// What something that failed had put out before depends on how far its other steps had come.
pub fn result(simulation: &Simulation) -> (Option<RunStatus>, Vec<(String, Value)>) {
    let outputs = simulation.rows.root_outputs().into_iter().filter(|row| succeeded(simulation, &row.instance));
    let outputs = outputs.map(|row| (row.order.clone(), row.value.clone())).collect();
    (simulation.rows.run.as_ref().map(|run| run.status), outputs)
}

fn succeeded(simulation: &Simulation, instance: &Path) -> bool {
    let mut next = Some(instance);
    while let Some(path) = next {
        match simulation.rows.ended.get(path) {
            Some((row, end)) if end.status == InstanceStatus::Done => next = row.parent.as_ref(),
            _ => return false,
        }
    }
    true
}
