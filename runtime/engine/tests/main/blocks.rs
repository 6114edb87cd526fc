//! `match`, `fail`, `stop`, `parallel`, and the timeouts of flows.

use crate::table::{GOOD, Table, answered};
use pmflow_engine::{Event, RunStatus, StepStatus};
use pmflow_plan::types::Type;
use pmflow_plan::{Block, Call, FailureClass, MatchArm, OnError, OperationKind, Plan, Step, StepKind, Target, Value};
use pmflow_sim::builder::*;
use std::collections::BTreeMap;

fn text(text: &str) -> pmflow_plan::Expr {
    literal(Value::text(text))
}

fn outputs(table: &Table) -> Vec<String> {
    table.outputs().iter().map(Value::to_text).collect()
}

fn chosen(value: &str, otherwise: bool) -> Table {
    let block = |name: &str| Block { steps: vec![step(&format!("out_{name}"), &[], output(text(name)))] };
    let arms = ["high", "low"].map(|case| MatchArm { case: case.to_owned(), likely_percent: None, body: block(case) }).into();
    let chosen = StepKind::Match { value: text(value), arms, otherwise: otherwise.then(|| block("other")) };
    Table::new(PlanBuilder::default().steps(vec![step("chosen", &[], chosen), step("end", &[0], output(text("end")))]).plan)
}

#[test]
fn a_match_takes_the_arm_of_its_value_and_says_which() {
    for (value, expected) in [("high", "high"), ("low", "low"), ("middle", "other")] {
        let table = chosen(value, true);
        assert_eq!(outputs(&table), [expected, "end"]);
        let branch = table.rows.steps.iter().find(|row| row.kind == "match").expect("the branch is recorded");
        assert_eq!(branch.result, Some(Value::text(if expected == "other" { "else" } else { expected })));
    }
}

#[test]
fn a_match_without_an_arm_for_its_value_fails() {
    let table = chosen("middle", false);
    assert_eq!(table.run.status(), RunStatus::Failed);
    let failure = table.run.failure().expect("a reason");
    assert_eq!(failure.class, FailureClass::Expression);
    assert!(failure.message.contains("`middle`"), "{}", failure.message);
}

#[test]
fn a_fail_ends_the_run_or_only_its_item() {
    let fail = || step("no", &[], StepKind::Fail { text: text("not today") });
    let alone = Table::new(PlanBuilder::default().steps(vec![fail(), step("out", &[0], output(int(1)))]).plan);
    assert_eq!((alone.run.status(), alone.outputs().len()), (RunStatus::Failed, 0));
    let failure = alone.run.failure().expect("a reason");
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Author, "not today"));

    let all = step("all", &[], StepKind::For(each("x", ints([1, 2]), vec![fail()])));
    let plan = PlanBuilder::default().steps(vec![all, step("out", &[0], output(int(1)))]).plan;
    let skipped = Table::new(plan);
    assert_eq!((skipped.run.status(), skipped.outputs()), (RunStatus::Succeeded, vec![Value::Int(1)]));
    assert_eq!((skipped.run.counters().items_failed, skipped.run.counters().items_done), (2, 0));
    assert_eq!(skipped.rows.steps.iter().filter(|row| row.status == StepStatus::Failed).count(), 2);
}

#[test]
fn a_stop_ends_the_run_well_when_what_is_under_way_has_ended() {
    let body = vec![
        step("judged", &[], call_prompt("judge", var("x"))),
        step("stop", &[0], StepKind::Stop),
        step("out", &[1], output(var("x"))),
    ];
    let steps = vec![step("all", &[], StepKind::For(each("x", ints(0..9), body))), step("end", &[0], output(text("end")))];
    let plan = PlanBuilder::default().prompt(prompt("judge", judged())).steps(steps);
    let mut table = Table::new(plan.settings(|settings| settings.concurrency = 2).plan);
    let (first, second) = (table.model_call(), table.model_call());
    table.apply(answered(&first, GOOD));
    assert_eq!((table.run.status(), table.calls_open()), (RunStatus::Running, 0), "nothing new starts, one call is awaited");
    table.apply(answered(&second, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
    assert_eq!((outputs(&table).len(), table.run.live_instances(), table.rows.live.len()), (0, 0, 0));
    assert_eq!(table.apply(Event::ResumeRequested), Vec::new(), "it has ended for good");
}

fn actions(wrap: impl FnOnce(Vec<Step>) -> Vec<Step>) -> Plan {
    let save = |name: &str, after: &[u32]| step(name, after, call_operation("sim.save", int(1)));
    PlanBuilder::default()
        .operation("sim.save", OperationKind::Action, Type::int())
        .steps(wrap(vec![save("a", &[]), save("b", &[])]))
        .plan
}

#[test]
fn actions_in_a_parallel_start_together_and_what_follows_waits_for_all() {
    let plan = actions(|inner| {
        vec![step("both", &[], StepKind::Parallel { body: Block { steps: inner } }), step("out", &[0], output(text("end")))]
    });
    let mut table = Table::new(plan);
    let (a, b) = (table.operation_call(), table.operation_call());
    assert_ne!(a.idempotency_key, b.idempotency_key);
    table.apply(Event::OperationAnswered { call: b.call, value: Value::Int(2) });
    assert_eq!(outputs(&table).len(), 0);
    table.apply(Event::OperationAnswered { call: a.call, value: Value::Int(1) });
    assert_eq!((table.run.status(), outputs(&table)), (RunStatus::Succeeded, vec!["end".to_owned()]));
}

fn judging(timeout_ms: u64) -> PlanBuilder {
    let steps = vec![step("judged", &[], call_prompt("judge", int(1))), step("out", &[0], output(text("judged")))];
    let plan = PlanBuilder::default().prompt(prompt("judge", judged())).steps(steps);
    plan.settings(|settings| settings.timeout_ms = Some(timeout_ms))
}

#[test]
fn a_flow_that_takes_too_long_fails_when_its_calls_have_ended() {
    let mut table = Table::new(judging(60_000).plan);
    let call = table.model_call();
    table.fire();
    assert_eq!((table.run.status(), table.run.is_ending()), (RunStatus::Running, true), "the call is awaited, for it is billed");
    table.apply(answered(&call, GOOD));
    assert_eq!((table.run.status(), outputs(&table).len()), (RunStatus::Failed, 0));
    let failure = table.run.failure().expect("a reason");
    assert_eq!(failure.class, FailureClass::Timeout);
    assert!(failure.message.contains("`main`") && failure.message.contains("1 min"), "{}", failure.message);
    table.apply(Event::ResumeRequested);
    assert_eq!((table.run.status(), outputs(&table)), (RunStatus::Succeeded, vec!["judged".to_owned()]), "it has its time again");
}

#[test]
fn a_timer_that_fires_before_its_time_changes_nothing() {
    let mut table = Table::new(judging(60_000).plan);
    let timer = table.open.iter().find_map(|command| match command {
        pmflow_engine::Command::StartTimer(timer) => Some(timer.id.clone()),
        _ => None,
    });
    assert_eq!(table.apply(Event::TimerFired { timer: timer.expect("the flow's timer runs") }), Vec::new());
    assert_eq!(table.run.status(), RunStatus::Running);
}

#[test]
fn a_called_flow_that_takes_too_long_fails_its_call_whose_else_stands_in() {
    let called = judging(60_000).plan.flows.remove(ROOT).expect("the root");
    let called = pmflow_plan::Flow { name: "called".to_owned(), ..called };
    let target = Target::Flow("called".to_owned());
    let call = Call { arguments: BTreeMap::new(), otherwise: Some(ints([7])), ..call(target, int(0)) };
    let steps = vec![step("inner", &[], StepKind::Call(call)), step("out", &[0], output(var("inner")))];
    let plan = PlanBuilder::default().prompt(prompt("judge", judged())).flow(called).steps(steps).plan;
    let mut table = Table::new(plan);
    let judged = table.model_call();
    table.fire();
    assert_eq!(table.run.status(), RunStatus::Running);
    table.apply(answered(&judged, GOOD));
    assert_eq!((table.run.status(), table.outputs()), (RunStatus::Succeeded, vec![Value::list(vec![Value::Int(7)])]));
}

#[test]
fn an_item_that_fails_with_stop_ends_the_run_and_says_why() {
    let body = vec![step("no", &[], StepKind::Fail { text: text("bad row") })];
    let plan = PlanBuilder::default().steps(vec![step("all", &[], StepKind::For(each("x", ints([1]), body)))]);
    let table = Table::new(plan.settings(|settings| settings.on_error = OnError::Stop).plan);
    assert_eq!(table.run.status(), RunStatus::Failed);
    assert_eq!(table.run.failure().map(|failure| failure.message.as_str()), Some("bad row"));
}
