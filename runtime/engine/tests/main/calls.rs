//! Prompts and operations: repair, retry, the chain, `else`, the cache, what is charged.

use crate::table::{GOOD, Table, answered, failed, price};
use pmflow_engine::{Command, Event, Finish, RunStatus, StepStatus};
use pmflow_plan::types::Type;
use pmflow_plan::{Failure, FailureClass, Money, OperationKind, Plan, StepKind, Usage, Value};
use pmflow_sim::builder::*;

fn plan(change_prompt: impl FnOnce(&mut pmflow_plan::Prompt), change_call: impl FnOnce(&mut pmflow_plan::Call)) -> Plan {
    let mut judge = prompt("judge", judged());
    change_prompt(&mut judge);
    let mut call = call(pmflow_plan::Target::Prompt("judge".to_owned()), int(1));
    change_call(&mut call);
    let steps = vec![step("judged", &[], StepKind::Call(call)), step("out", &[0], output(field(var("judged"), "score")))];
    PlanBuilder::default().model(model("sim/two", 50_000)).prompt(judge).steps(steps).plan
}

#[test]
fn an_answer_is_stored_charged_and_put_out() {
    let mut table = Table::new(plan(|_| {}, |_| {}));
    let call = table.model_call();
    assert_eq!(table.run.account().held, call.hold);
    assert_eq!(call.call.to_string(), "main/judged#1");
    table.apply(answered(&call, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
    assert_eq!(table.outputs(), vec![Value::Int(7)]);
    assert_eq!((table.run.account().settled, table.run.account().held), (price(), Money::ZERO));
}

#[test]
fn a_repeated_or_stale_event_changes_nothing() {
    let mut table = Table::new(plan(|prompt| prompt.repair = 1, |_| {}));
    let first = table.model_call();
    table.apply(answered(&first, "no JSON at all"));
    assert_eq!(table.apply(answered(&first, GOOD)), Vec::new());
    assert_eq!(
        table.apply(Event::CacheMiss { instance: first.call.instance.clone(), step: first.call.step.clone() }),
        Vec::new()
    );
    let second = table.model_call();
    table.apply(answered(&second, GOOD));
    assert_eq!(table.apply(answered(&second, GOOD)), Vec::new());
    assert_eq!(table.rows.done.len(), 1);
}

#[test]
fn an_answer_that_does_not_fit_is_asked_for_again_with_what_was_wrong() {
    let mut table = Table::new(plan(|prompt| prompt.repair = 1, |_| {}));
    let first = table.model_call();
    table.apply(answered(&first, r#"{"score": 70, "word": "fine"}"#));
    let second = table.model_call();
    assert_eq!(second.messages.len(), first.messages.len() + 2);
    assert!(second.messages.last().expect("a note").text.contains("score"), "{:?}", second.messages);
    assert!(second.hold > first.hold, "a repair sends more");
    assert_ne!(first.idempotency_key, second.idempotency_key);
    table.apply(answered(&second, "still none"));
    assert_eq!(table.run.status(), RunStatus::Failed);
    assert_eq!(table.run.failure().map(|failure| failure.class), Some(FailureClass::InvalidOutput));
    assert_eq!(table.run.account().settled, price().checked_mul(2).expect("small"), "both answers are billed");
}

#[test]
fn tries_then_the_next_model_then_else() {
    let mut table = Table::new(plan(
        |prompt| prompt.chain.push("sim/two".to_owned()),
        |call| {
            call.retry = Some(retry(1));
            call.otherwise = Some(literal(Value::record([("score", Value::Int(0))])));
        },
    ));
    let mut models = Vec::new();
    for attempt in 1..=4 {
        let call = table.model_call();
        assert_eq!(call.call.attempt, attempt);
        models.push(call.model.clone());
        table.apply(failed(&call, Failure::unknown(FailureClass::Transport, "cut")));
        if attempt % 2 == 1 {
            table.fire();
        }
    }
    assert_eq!(models, ["sim/one", "sim/one", "sim/two", "sim/two"]);
    assert_eq!(table.run.status(), RunStatus::Succeeded);
    assert_eq!(table.outputs(), vec![Value::Int(0)]);
    let statuses: Vec<StepStatus> = table.rows.steps.iter().map(|row| row.status).collect();
    assert_eq!(statuses.last(), Some(&StepStatus::Done));
    assert!(table.run.account().unknown > Money::ZERO, "nobody knows whether they were billed");
}

#[test]
fn a_storm_of_429_costs_no_money_and_no_try() {
    let mut table = Table::new(plan(|_| {}, |_| {}));
    for _ in 0..5 {
        let call = table.model_call();
        table.apply(failed(&call, Failure::not_billed(FailureClass::RateLimit, "later").retry_after_ms(Some(2_000))));
        assert_eq!(table.run.account().committed(), Money::ZERO);
        table.fire();
    }
    let call = table.model_call();
    table.apply(answered(&call, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
}

#[test]
fn a_retry_after_what_was_not_billed_forgets_no_repair() {
    let unbilled = pmflow_plan::Retry { unbilled: true, ..retry(2) };
    let mut table = Table::new(plan(|prompt| prompt.repair = 1, |call| call.retry = Some(unbilled)));
    let first = table.model_call();
    table.apply(answered(&first, "no JSON at all"));
    let second = table.model_call();
    table.apply(failed(&second, Failure::not_sent(FailureClass::Transport, "refused")));
    table.fire();
    let third = table.model_call();
    assert_eq!((third.messages.len(), third.hold), (second.messages.len(), second.hold), "it is still the repair");
    table.apply(answered(&third, "still none"));
    assert_eq!(table.run.status(), RunStatus::Failed);
    assert_eq!(table.run.account().settled, price().checked_mul(2).expect("small"), "two of three requests were billed");
}

#[test]
fn a_refusal_is_billed_and_not_repaired() {
    let mut table = Table::new(plan(|prompt| prompt.repair = 3, |_| {}));
    let call = table.model_call();
    let usage = Usage { input_tokens: Some(100), output_tokens: Some(10), ..Usage::default() };
    let (text, finish) = ("No.".to_owned(), Finish::Refused);
    table.apply(Event::ModelAnswered { call: call.call, text, finish, usage, model: call.model });
    assert_eq!(table.run.failure().map(|failure| failure.class), Some(FailureClass::Refusal));
    assert_eq!(table.run.account().settled, price());
}

#[test]
fn counts_that_are_not_reported_are_charged_at_their_bound() {
    let mut table = Table::new(plan(|_| {}, |_| {}));
    let call = table.model_call();
    let (text, finish) = (GOOD.to_owned(), Finish::Complete);
    let usage = Usage::default();
    let hold = call.hold;
    table.apply(Event::ModelAnswered { call: call.call, text, finish, usage, model: call.model });
    assert_eq!(table.run.account().settled, hold);
    assert_eq!(table.run.account().breaches, 0);
}

#[test]
fn a_cached_answer_costs_nothing() {
    let mut table = Table::new(plan(|prompt| prompt.cache_ms = Some(60_000), |_| {}));
    let lookup = match table.open.remove(0) {
        Command::LookupCache(lookup) => lookup,
        other => panic!("{other:?}"),
    };
    assert_eq!(lookup.key.len(), 64);
    let value = Value::record([("score", Value::Int(3)), ("word", Value::text("old"))]);
    table.apply(Event::CacheHit { instance: lookup.instance, step: lookup.step, value });
    assert_eq!(table.outputs(), vec![Value::Int(3)]);
    assert!(table.rows.ledger.is_empty());
    assert!(table.rows.steps.iter().any(|row| row.from_cache));
}

#[test]
fn every_try_of_an_action_has_one_key() {
    let mut call = call(pmflow_plan::Target::Operation("sim.save".to_owned()), int(1));
    call.retry = Some(retry(2));
    let plan = PlanBuilder::default()
        .operation("sim.save", OperationKind::Action, Type::int())
        .steps(vec![step("saved", &[], StepKind::Call(call))])
        .plan;
    let mut table = Table::new(plan);
    let first = table.operation_call();
    let failure = Failure::unknown(FailureClass::Transport, "cut");
    table.apply(Event::CallFailed { call: first.call.clone(), failure: failure.clone() });
    table.fire();
    let second = table.operation_call();
    assert_eq!(first.idempotency_key, second.idempotency_key);
    assert_ne!(first.call, second.call);
    assert_eq!(table.apply(Event::OperationAnswered { call: first.call, value: Value::Int(1) }), Vec::new());
    table.apply(Event::OperationAnswered { call: second.call, value: Value::Int(2) });
    assert_eq!(table.run.status(), RunStatus::Succeeded);
}
