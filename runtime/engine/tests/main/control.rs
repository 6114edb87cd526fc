//! Cancel, pause, resume, budgets, recovery.

use crate::table::{GOOD, NOW, Table, answered, failed, price};
use pmflow_engine::{Command, Event, Run, RunOptions, RunStatus};
use pmflow_plan::{Failure, FailureClass, Money, OnExceed, Plan, Value};
use pmflow_sim::builder::*;
use std::sync::Arc;

/// Two judgements side by side, then an output.
fn plan() -> Plan {
    let steps = vec![
        step("one", &[], call_prompt("judge", int(1))),
        step("two", &[], call_prompt("judge", int(2))),
        step("out", &[0, 1], output(field(var("one"), "score"))),
        step("three", &[2], call_prompt("judge", int(3))),
    ];
    PlanBuilder::default().prompt(prompt("judge", judged())).steps(steps).plan
}

#[test]
fn after_a_cancel_nothing_new_starts_and_what_runs_is_settled() {
    let mut table = Table::new(plan());
    let (one, two) = (table.model_call(), table.model_call());
    table.apply(Event::CancelRequested { by: "ada".to_owned() });
    assert_eq!(table.run.status(), RunStatus::Running);
    table.apply(answered(&one, GOOD));
    table.apply(answered(&two, GOOD));
    assert_eq!(table.run.status(), RunStatus::Cancelled);
    assert_eq!((table.calls_open(), table.run.live_instances()), (0, 0));
    assert_eq!(table.run.account().settled, price().checked_mul(2).expect("small"));
    assert_eq!(table.apply(Event::ResumeRequested), Vec::new(), "a cancelled run stays cancelled");
}

#[test]
fn a_failed_run_is_resumed_where_it_failed() {
    let mut table = Table::new(plan());
    let (one, two) = (table.model_call(), table.model_call());
    table.apply(failed(&one, Failure::not_billed(FailureClass::Permission, "the key is not valid")));
    assert_eq!(table.run.status(), RunStatus::Running, "the other call is awaited");
    table.apply(answered(&two, GOOD));
    assert_eq!(table.run.status(), RunStatus::Failed);
    table.apply(Event::ResumeRequested);
    let again = table.model_call();
    assert_eq!(again.call.step, one.call.step);
    assert_eq!(table.calls_open(), 0, "what is done is not done again");
    table.apply(answered(&again, GOOD));
    let three = table.model_call();
    table.apply(answered(&three, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
}

#[test]
fn a_pause_keeps_everything_and_a_call_given_up_is_made_again() {
    let mut table = Table::new(plan());
    let (one, two) = (table.model_call(), table.model_call());
    table.apply(Event::PauseRequested);
    table.apply(answered(&one, GOOD));
    table.apply(failed(&two, Failure::not_sent(FailureClass::Cancelled, "the process stops")));
    assert_eq!(table.run.status(), RunStatus::Suspended);
    table.apply(Event::ResumeRequested);
    let again = table.model_call();
    assert_eq!(again.call.step, two.call.step);
}

#[test]
fn what_does_not_fit_waits_for_what_may_cost_less_than_its_hold() {
    let hold = Table::new(plan()).model_call().hold;
    // Room for one hold and a half: the second call waits for the first.
    let limit = hold.checked_add(Money::from_pico(hold.pico() / 2)).expect("small");
    let options = RunOptions { budget_override: Some(limit), ..RunOptions::default() };
    let mut table = Table::with(plan(), options);
    let one = table.model_call();
    assert_eq!(table.calls_open(), 0);
    table.apply(answered(&one, GOOD));
    assert_eq!(table.calls_open(), 1);
    assert!(table.run.account().committed() <= limit);
}

#[test]
fn an_exhausted_budget_suspends_the_run_until_the_limit_is_raised() {
    let hold = Table::new(plan()).model_call().hold;
    let options = RunOptions { budget_override: Some(hold), ..RunOptions::default() };
    let mut suspending = plan();
    suspending.flows.values_mut().for_each(|flow| flow.settings.budget.on_exceed = OnExceed::Suspend);
    let mut table = Table::with(suspending, options);
    let one = table.model_call();
    table.apply(answered(&one, GOOD));
    assert_eq!(table.run.status(), RunStatus::Suspended);
    assert_eq!(table.run.failure().map(|failure| failure.class), Some(FailureClass::Budget));
    table.apply(Event::LimitRaised { limit: Money::parse("1").expect("an amount") });
    assert_eq!(table.calls_open(), 0, "a raised limit alone sends nothing");
    table.apply(Event::ResumeRequested);
    let two = table.model_call();
    table.apply(answered(&two, GOOD));
    let three = table.model_call();
    table.apply(answered(&three, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
}

#[test]
fn a_recovery_charges_a_lost_call_as_unknown_and_sends_it_under_a_new_hold() {
    let mut table = Table::new(plan());
    let (one, two) = (table.model_call(), table.model_call());
    table.apply(answered(&one, GOOD));
    let stored = table.rows.stored().expect("rows");
    let (run, transition) = Run::recover(Arc::new(plan()), stored, RunOptions::default(), NOW).expect("its own rows");
    let calls: Vec<_> = transition.commands.iter().filter(|command| matches!(command, Command::CallModel(_))).collect();
    let [Command::CallModel(again)] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(again.call.step, two.call.step);
    assert_eq!((again.call.attempt, &again.idempotency_key), (2, &two.idempotency_key));
    assert_eq!((run.account().unknown, run.account().held), (two.hold, again.hold));
    assert!(run.outstanding().contains(&Command::CallModel(again.clone())));
}

#[test]
fn rows_that_contradict_each_other_are_refused() {
    let table = Table::new(plan());
    let mut stored = table.rows.stored().expect("rows");
    stored.run.account.held = Money::from_pico(1);
    assert!(Run::recover(Arc::new(plan()), stored, RunOptions::default(), NOW).is_err());
    let mut stored = table.rows.stored().expect("rows");
    stored.instances.clear();
    assert!(Run::recover(Arc::new(plan()), stored, RunOptions::default(), NOW).is_err());
}

#[test]
fn wrong_input_makes_a_failed_run() {
    let mut plan = plan();
    let flow = plan.flows.get_mut("main").expect("the root");
    flow.parameters.push(parameter("count", pmflow_plan::types::Type::int()));
    let table = Table::new(plan);
    assert_eq!(table.run.status(), RunStatus::Failed);
    let message = table.run.failure().map(|failure| failure.message.clone()).unwrap_or_default();
    assert!(message.contains("`count`"), "{message}");
    assert_eq!(table.outputs(), Vec::<Value>::new());
}
