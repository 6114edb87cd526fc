//! Runs that take over from an earlier one.

use crate::table::{GOOD, NOW, Table, answered};
use pmflow_engine::{Command, Event, Origin, Recall, RunId, RunOptions, RunStatus, StepStatus};
use pmflow_plan::types::Type;
use pmflow_plan::{OperationKind, Plan, Value};
use pmflow_sim::builder::*;

fn plan(x: i64) -> Plan {
    let mut renamed = step("judged", &[], call_prompt("judge", int(x)));
    renamed.was = Some("looked".to_owned());
    let steps = vec![
        renamed,
        step("saved", &[0], call_operation("sim.save", field(var("judged"), "score"))),
        step("out", &[1], output(var("saved"))),
    ];
    let plan = PlanBuilder::default().prompt(prompt("judge", judged()));
    plan.operation("sim.save", OperationKind::Action, Type::int()).steps(steps).plan
}

fn options(from: Option<&str>) -> RunOptions {
    let origin = Origin { first: RunId("r0".into()), clock: NOW - 5, from: from.map(str::to_owned) };
    RunOptions { origin: Some(origin), ..RunOptions::default() }
}

fn recall(table: &mut Table) -> Recall {
    let position = table.open.iter().position(|command| matches!(command, Command::Recall(_)));
    match table.open.remove(position.expect("an earlier run is asked")) {
        Command::Recall(recall) => recall,
        other => panic!("{other:?}"),
    }
}

fn answer(table: &mut Table, recall: Recall, result: Option<Value>, generation: u32) {
    table.apply(Event::Recalled { instance: recall.instance, step: recall.step, result, generation });
}

fn judged_value() -> Value {
    Value::record([("score", Value::Int(7)), ("word", Value::text("fine"))])
}

#[test]
fn what_was_recorded_is_taken_over_and_costs_nothing() {
    let mut table = Table::with(plan(1), options(None));
    assert_eq!(table.calls_open(), 0, "nothing is sent before the earlier run is asked");
    let judged = recall(&mut table);
    assert_eq!(judged.earlier.as_ref().map(|path| path.as_str()), Some("main/looked"), "under its former name as well");
    answer(&mut table, judged, Some(judged_value()), 1);
    let saved = recall(&mut table);
    answer(&mut table, saved, Some(Value::Int(3)), 1);
    assert_eq!((table.run.status(), table.outputs()), (RunStatus::Succeeded, vec![Value::Int(3)]));
    assert!(table.rows.ledger.is_empty());
    assert!(table.rows.steps.iter().filter(|row| row.input_key.is_some()).all(|row| row.from_cache));
}

#[test]
fn what_was_not_recorded_is_done_under_a_key_of_the_whole_line() {
    let mut table = Table::with(plan(1), options(None));
    let judged = recall(&mut table);
    answer(&mut table, judged, None, 0);
    let call = table.model_call();
    table.apply(answered(&call, GOOD));
    let mut keys = Vec::new();
    for generation in [0, 2] {
        let mut table = Table::with(plan(1), options(None));
        let judged = recall(&mut table);
        answer(&mut table, judged, Some(judged_value()), 0);
        let saved = recall(&mut table);
        answer(&mut table, saved, None, generation);
        keys.push(table.operation_call().idempotency_key);
    }
    assert_ne!(keys[0], keys[1], "an end that surely had no effect gives the action a new key");
    let saved = recall(&mut table);
    answer(&mut table, saved, None, 0);
    assert_eq!(table.operation_call().idempotency_key, keys[0], "the same in every run of the line");
}

#[test]
fn the_step_that_is_named_is_executed_whatever_was_recorded() {
    let mut table = Table::with(plan(1), options(Some("main/judged")));
    let call = table.model_call();
    table.apply(answered(&call, GOOD));
    let saved = recall(&mut table);
    answer(&mut table, saved, Some(Value::Int(3)), 1);
    assert_eq!(table.run.status(), RunStatus::Succeeded);
}

#[test]
fn another_input_is_another_question() {
    let key = |x| recall(&mut Table::with(plan(x), options(None))).input_key;
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
    let mut table = Table::new(plan(1));
    let call = table.model_call();
    table.apply(answered(&call, GOOD));
    let row = table.rows.steps.iter().find(|row| row.status == StepStatus::Done).expect("a record");
    assert_eq!(row.input_key, Some(key(1)), "what a run records is what a later one asks for");
}
