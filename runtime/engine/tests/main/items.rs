//! Loops: keys, failures of items, order, yields, called flows, waits and approvals.

use crate::table::{GOOD, Table, answered, failed};
use pmflow_engine::{Command, Event, InstanceStatus, RunStatus};
use pmflow_plan::{Approve, Block, Call, Failure, FailureClass, For, OnError, Plan, StepKind, Target, Value, Wait};
use pmflow_sim::builder::*;
use std::collections::BTreeMap;

fn plan(on_error: OnError, list: Vec<i64>) -> Plan {
    let body = vec![step("judged", &[], call_prompt("judge", var("x"))), step("out", &[0], output(var("x")))];
    let each = For { key: Some(var("x")), yields: Some(var("x")), ..each("x", ints(list), body) };
    let steps = vec![step("all", &[], StepKind::For(each)), step("sum", &[0], output(var("all")))];
    let plan = PlanBuilder::default().prompt(prompt("judge", judged())).steps(steps);
    plan.settings(|settings| {
        settings.on_error = on_error;
        settings.concurrency = 2;
    })
    .plan
}

fn list(numbers: &[i64]) -> Value {
    Value::list(numbers.iter().copied().map(Value::Int).collect())
}

#[test]
fn items_run_side_by_side_and_their_results_keep_the_order_of_the_list() {
    let mut table = Table::new(plan(OnError::Skip, vec![5, 6, 7]));
    let (first, second) = (table.model_call(), table.model_call());
    assert_eq!(first.call.step.as_str(), "main/all[5]/judged");
    assert_eq!(table.calls_open(), 0, "two at a time");
    table.apply(answered(&second, GOOD));
    let third = table.model_call();
    table.apply(answered(&third, GOOD));
    table.apply(answered(&first, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
    assert_eq!(table.outputs(), vec![Value::Int(5), Value::Int(6), Value::Int(7), list(&[5, 6, 7])]);
}

#[test]
fn a_key_that_comes_twice_is_a_failed_item() {
    let mut table = Table::new(plan(OnError::Skip, vec![5, 5, 6]));
    for _ in 0..2 {
        let call = table.model_call();
        table.apply(answered(&call, GOOD));
    }
    assert_eq!(table.outputs().last(), Some(&list(&[5, 6])));
    assert_eq!(table.run.counters().items_failed, 1);
    let failure = table.rows.steps.iter().find_map(|row| row.failure.clone()).expect("a record");
    assert!(failure.message.contains("key `5`"), "{}", failure.message);
}

#[test]
fn a_failed_item_is_skipped_quarantined_or_stops_the_run() {
    for (on_error, status) in [
        (OnError::Skip, InstanceStatus::Failed),
        (OnError::Quarantine, InstanceStatus::Quarantined),
        (OnError::Stop, InstanceStatus::Failed),
    ] {
        let mut table = Table::new(plan(on_error, vec![5, 6]));
        let (first, second) = (table.model_call(), table.model_call());
        table.apply(failed(&first, Failure::not_billed(FailureClass::Permission, "no")));
        table.apply(answered(&second, GOOD));
        let item = first.call.instance;
        if on_error == OnError::Stop {
            assert_eq!(table.run.status(), RunStatus::Failed);
            assert_eq!(table.rows.live.get(&item).map(|row| row.status), Some(status), "it is kept for a resume");
            continue;
        }
        assert_eq!(table.run.status(), RunStatus::Succeeded);
        let (_, end) = table.rows.ended.get(&item).expect("it ended");
        assert_eq!(end.status, status);
        assert_eq!(end.input, (on_error == OnError::Quarantine).then_some(Value::Int(5)));
        assert_eq!(table.outputs().last(), Some(&list(&[6])));
    }
}

#[test]
fn a_called_flows_outputs_are_the_value_of_its_call() {
    let called = flow("called", vec![step("a", &[], output(int(1))), step("b", &[], output(int(2)))]);
    let call = Call { arguments: BTreeMap::new(), ..call(Target::Flow("called".to_owned()), int(0)) };
    let steps = vec![step("inner", &[], StepKind::Call(call)), step("out", &[0], output(var("inner")))];
    let table = Table::new(PlanBuilder::default().flow(called).steps(steps).plan);
    assert_eq!(table.run.status(), RunStatus::Succeeded);
    assert_eq!(table.outputs(), vec![list(&[1, 2])], "they are not the run's own");
}

#[test]
fn a_repeat_carries_what_is_set_from_pass_to_pass() {
    use pmflow_plan::Op;
    let body = vec![step("next", &[], StepKind::Set { variable: "n".to_owned(), value: op(Op::IntMul, vec![var("n"), int(2)]) })];
    let condition = op(Op::IntLt, vec![var("n"), int(100)]);
    for (up_to, expected) in [(3, 8), (50, 128)] {
        let repeat = StepKind::Repeat { up_to, condition: condition.clone(), body: Block { steps: body.clone() } };
        let first = step("n", &[], StepKind::Let { value: int(1) });
        let steps = vec![first, step("again", &[0], repeat), step("out", &[1], output(var("n")))];
        let table = Table::new(PlanBuilder::default().steps(steps).plan);
        assert_eq!(table.outputs(), vec![Value::Int(expected)], "up to {up_to}");
    }
}

#[test]
fn a_wait_is_a_timer_and_an_approval_a_person() {
    let otherwise = Some(Block { steps: vec![step("no", &[], output(Value::text("no").into_expr()))] });
    let approve = Approve { text: literal(Value::text("go?")), by: Some("editor".to_owned()), timeout_ms: Some(1000), otherwise };
    let wait = StepKind::Wait(Wait::For(literal(Value::Duration(5_000_000))));
    let steps = vec![
        step("wait", &[], wait),
        step("ask", &[0], StepKind::Approve(approve)),
        step("end", &[1], output(Value::text("end").into_expr())),
    ];
    let plan = PlanBuilder::default().steps(steps).plan;
    for (approved, outputs) in [(Some(true), vec!["end"]), (Some(false), vec!["no", "end"]), (None, vec!["no", "end"])] {
        let mut table = Table::new(plan.clone());
        table.fire();
        let request = table.open.iter().find_map(|command| match command {
            Command::AwaitApproval(request) => Some(request.clone()),
            _ => None,
        });
        let request = request.expect("somebody is asked");
        assert_eq!(table.rows.approvals.len(), 1);
        match approved {
            Some(approved) => {
                let (instance, step, by) = (request.instance, request.step, "ada".to_owned());
                table.apply(Event::Decided { instance, step, approved, by });
            }
            None => table.fire(),
        }
        let found: Vec<String> = table.outputs().iter().map(Value::to_text).collect();
        assert_eq!(found, outputs);
        assert!(table.rows.approvals.is_empty());
    }
}

trait IntoExpr {
    fn into_expr(self) -> pmflow_plan::Expr;
}

impl IntoExpr for Value {
    fn into_expr(self) -> pmflow_plan::Expr {
        literal(self)
    }
}
