//! Items that wait for a person or a clock take no place among the `concurrency`.

use crate::table::{GOOD, NOW, Table, answered};
use pmflow_engine::{ApprovalRequest, Command, Event, Run, RunOptions, RunStatus};
use pmflow_plan::{Approve, Call, Plan, Step, StepKind, Target, Value, Wait};
use pmflow_sim::builder::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const ROWS: i64 = 1_000;
const CONCURRENCY: u32 = 3;

fn approve() -> StepKind {
    StepKind::Approve(Approve { text: literal(Value::text("go?")), by: None, timeout_ms: None, otherwise: None })
}

fn plan(first: Step, after: Vec<Step>) -> Plan {
    let body = [vec![first], after].concat();
    let steps = vec![step("all", &[], StepKind::For(each("x", ints(0..ROWS), body))), step("end", &[0], output(int(-1)))];
    PlanBuilder::default()
        .prompt(prompt("judge", judged()))
        .steps(steps)
        .settings(|settings| settings.concurrency = CONCURRENCY)
        .plan
}

fn then_judged() -> Vec<Step> {
    vec![step("judged", &[0], call_prompt("judge", var("x"))), step("out", &[1], output(var("x")))]
}

fn questions(table: &mut Table) -> Vec<ApprovalRequest> {
    let (questions, others) =
        std::mem::take(&mut table.open).into_iter().partition(|command| matches!(command, Command::AwaitApproval(_)));
    table.open = others;
    let questions: Vec<Command> = questions;
    questions
        .into_iter()
        .filter_map(|command| match command {
            Command::AwaitApproval(request) => Some(request),
            _ => None,
        })
        .collect()
}

fn decide(table: &mut Table, request: ApprovalRequest, approved: bool) {
    table.apply(Event::Decided { instance: request.instance, step: request.step, approved, by: "ada".to_owned() });
}

/// Answers calls until none is open; never more than the concurrency are.
fn answer_all(table: &mut Table) {
    while table.calls_open() > 0 {
        assert!(table.calls_open() <= CONCURRENCY as usize, "{} calls at once", table.calls_open());
        let call = table.model_call();
        table.apply(answered(&call, GOOD));
    }
}

#[test]
fn every_row_of_a_long_loop_may_wait_for_a_decision_at_once() {
    let mut table = Table::new(plan(step("ask", &[], approve()), then_judged()));
    let questions = questions(&mut table);
    assert_eq!(questions.len(), ROWS as usize, "nobody has to decide before the next is asked");
    for (number, request) in questions.into_iter().enumerate() {
        decide(&mut table, request, number % 10 != 0);
    }
    answer_all(&mut table);
    assert_eq!(table.run.status(), RunStatus::Succeeded);
    assert_eq!((table.run.counters().items_done, table.run.counters().items_failed), (900, 100));
    assert_eq!(table.outputs().len(), 901);
    assert_eq!(table.run.live_instances(), 0);
}

#[test]
fn approvals_in_called_flows_give_the_place_back_as_well() {
    let called = flow("review", vec![step("ask", &[], approve()), step("yes", &[0], output(int(1)))]);
    let call = Call { arguments: BTreeMap::new(), ..call(Target::Flow("review".to_owned()), int(0)) };
    let mut plan = plan(step("reviewed", &[], StepKind::Call(call)), then_judged());
    plan.flows.insert("review".to_owned(), called);
    let mut table = Table::new(plan);
    let questions = questions(&mut table);
    assert_eq!(questions.len(), ROWS as usize);
    questions.into_iter().for_each(|request| decide(&mut table, request, true));
    answer_all(&mut table);
    assert_eq!((table.run.status(), table.run.counters().items_done), (RunStatus::Succeeded, ROWS as u64));
}

#[test]
fn timers_that_fire_together_start_no_more_than_the_concurrency() {
    let wait = StepKind::Wait(Wait::For(literal(Value::Duration(5_000_000))));
    let mut table = Table::new(plan(step("wait", &[], wait), then_judged()));
    let timers = table.open.iter().filter(|command| matches!(command, Command::StartTimer(_))).count();
    assert_eq!(timers, ROWS as usize);
    (0..ROWS).for_each(|_| table.fire());
    answer_all(&mut table);
    assert_eq!((table.run.status(), table.run.counters().items_done), (RunStatus::Succeeded, ROWS as u64));
}

#[test]
fn a_recovery_knows_who_sleeps_and_who_waits_for_a_place() {
    let plan = plan(step("ask", &[], approve()), then_judged());
    let mut table = Table::new(plan.clone());
    let questions = questions(&mut table);
    questions.into_iter().take(100).for_each(|request| decide(&mut table, request, true));
    assert_eq!(table.calls_open(), CONCURRENCY as usize);
    let stored = table.rows.stored().expect("rows");
    let (run, transition) = Run::recover(Arc::new(plan), stored, RunOptions::default(), NOW).expect("its own rows");
    let count = |wanted: fn(&Command) -> bool| transition.commands.iter().filter(|command| wanted(command)).count();
    assert_eq!(count(|command| matches!(command, Command::AwaitApproval(_))), 900);
    assert_eq!(count(|command| matches!(command, Command::CallModel(_))), CONCURRENCY as usize);
    assert_eq!(run.status(), RunStatus::Running);
}
