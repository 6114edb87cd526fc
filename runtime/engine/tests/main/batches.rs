//! Calls that are sent together: what is in a batch, when it goes, and what becomes of its money.

use crate::table::{GOOD, Table, answered, price};
use pmflow_engine::{CallId, Command, Event, ModelCall, ProviderBatch, RunOptions, RunStatus};
use pmflow_plan::{BatchPrice, Failure, FailureClass, Money, OnError, Plan, Rates};
use pmflow_sim::builder::*;

const CONCURRENCY: u32 = 3;

/// A loop whose items are judged, and then judged once more.
fn plan(rows: i64, on_error: OnError) -> Plan {
    let body = vec![
        step("first", &[], call_prompt("judge", var("x"))),
        step("second", &[0], call_prompt("judge", var("x"))),
        step("out", &[1], output(var("x"))),
    ];
    let mut judge = prompt("judge", judged());
    judge.batch = true;
    let mut one = model("sim/one", 100_000);
    let half = Rates { input: 50_000, output: 200_000, cache_read: 12_500, cache_write: 50_000 };
    one.price.batch = Some(BatchPrice { base: half, tiers: Vec::new() });
    let steps = vec![step("all", &[], pmflow_plan::StepKind::For(each("x", ints(0..rows), body)))];
    let settings = |settings: &mut pmflow_plan::Settings| {
        settings.concurrency = CONCURRENCY;
        settings.on_error = on_error;
    };
    PlanBuilder::default().model(one).prompt(judge).steps(steps).settings(settings).plan
}

fn take<T>(table: &mut Table, of: impl Fn(&Command) -> Option<T>) -> Vec<T> {
    let found: Vec<T> = table.open.iter().filter_map(&of).collect();
    table.open.retain(|command| of(command).is_none());
    found
}

fn submissions(table: &mut Table) -> Vec<Vec<ModelCall>> {
    take(table, |command| match command {
        Command::SubmitBatch(calls) => Some(calls.clone()),
        _ => None,
    })
}

fn collections(table: &mut Table) -> Vec<ProviderBatch> {
    take(table, |command| match command {
        Command::CollectBatch(batch) => Some(batch.clone()),
        _ => None,
    })
}

fn cancels(table: &mut Table) -> usize {
    take(table, |command| matches!(command, Command::CancelBatch(_)).then_some(())).len()
}

fn ids(calls: &[ModelCall]) -> Vec<CallId> {
    calls.iter().map(|call| call.call.clone()).collect()
}

/// Hands over what is to be handed over, and gives the calls.
fn submit(table: &mut Table, name: &str) -> Vec<ModelCall> {
    let calls = submissions(table).remove(0);
    table.apply(Event::BatchSubmitted { calls: ids(&calls), batch: name.into() });
    calls
}

fn answer(table: &mut Table, calls: &[ModelCall]) {
    table.apply(Event::Together(calls.iter().map(|call| answered(call, GOOD)).collect()));
}

#[test]
fn a_loop_is_one_batch_however_small_its_concurrency() {
    let mut table = Table::new(plan(1_000, OnError::Skip));
    let first = submit(&mut table, "b1");
    assert_eq!(first.len(), 1_000);
    let awaited = collections(&mut table);
    assert_eq!((awaited.len(), awaited[0].calls.len(), &*awaited[0].name), (1, 1_000, "b1"));
    answer(&mut table, &first);
    let second = submit(&mut table, "b2");
    assert_eq!(second.len(), 1_000, "the second step of every item is in the next batch");
    answer(&mut table, &second);
    assert_eq!((table.run.status(), table.outputs().len()), (RunStatus::Succeeded, 1_000));
    let each = Money::from_pico(price().pico() / 2);
    assert_eq!(table.run.account().settled, each.checked_mul(2_000).unwrap(), "at the price of batches");
}

#[test]
fn money_that_suffices_for_some_sends_these_first() {
    let one = table_hold();
    let limit = one.checked_mul(4).unwrap();
    let mut table = Table::with(plan(10, OnError::Skip), RunOptions { budget_override: Some(limit), ..RunOptions::default() });
    let calls = submit(&mut table, "b1");
    assert_eq!(calls.len(), 4);
    assert_eq!(table.run.account().held, limit);
    answer(&mut table, &calls);
    assert!(!submissions(&mut table).is_empty(), "what was not needed pays for others");
}

/// What is held for one call.
fn table_hold() -> Money {
    let mut table = Table::new(plan(1, OnError::Skip));
    submissions(&mut table).remove(0).remove(0).hold
}

#[test]
fn where_there_are_no_batches_the_concurrency_holds() {
    let mut table = Table::new(plan(20, OnError::Skip));
    let calls = submissions(&mut table).remove(0);
    table.apply(Event::BatchRefused { calls: ids(&calls) });
    while table.calls_open() > 0 || !table.open.is_empty() {
        assert!(table.calls_open() <= CONCURRENCY as usize, "{} calls at once", table.calls_open());
        for calls in submissions(&mut table) {
            table.apply(Event::BatchRefused { calls: ids(&calls) });
        }
        if table.calls_open() > 0 {
            let call = table.model_call();
            table.apply(answered(&call, GOOD));
        } else {
            break;
        }
    }
    assert_eq!((table.run.status(), table.outputs().len()), (RunStatus::Succeeded, 20));
    assert_eq!(table.run.account().settled, price().checked_mul(40).unwrap(), "at the ordinary price");
}

#[test]
fn a_paused_run_leaves_its_batch_with_the_provider_and_asks_again() {
    let mut table = Table::new(plan(5, OnError::Skip));
    let calls = submit(&mut table, "b1");
    collections(&mut table);
    table.apply(Event::PauseRequested);
    assert_eq!(table.run.status(), RunStatus::Suspended);
    assert!(table.run.account().held > Money::ZERO, "it will be billed");
    assert_eq!(table.run.batches().len(), 1);
    table.apply(Event::ResumeRequested);
    assert_eq!(collections(&mut table).len(), 1);
    assert_eq!(submissions(&mut table).len(), 0);
    answer(&mut table, &calls);
    assert_eq!(submissions(&mut table).remove(0).len(), 5);
}

#[test]
fn what_is_only_collected_when_the_run_is_paused_is_not_held() {
    let mut body_waits = plan(5, OnError::Skip);
    // A step beside the loop keeps the batch from going out.
    let root = body_waits.flows.get_mut("main").unwrap();
    root.body.steps.push(step("beside", &[], call_prompt("other", int(1))));
    body_waits.prompts.insert("other".to_owned(), prompt("other", judged()));
    let mut table = Table::new(body_waits);
    assert_eq!(submissions(&mut table).len(), 0, "the other call is under way");
    table.apply(Event::PauseRequested);
    let call = table.model_call();
    table.apply(answered(&call, GOOD));
    assert_eq!((table.run.status(), table.run.account().held), (RunStatus::Suspended, Money::ZERO));
    table.apply(Event::ResumeRequested);
    assert_eq!(submissions(&mut table).remove(0).len(), 5);
}

#[test]
fn a_cancelled_run_waits_for_what_the_provider_says_of_its_batch() {
    let mut table = Table::new(plan(2, OnError::Skip));
    let calls = submit(&mut table, "b1");
    table.apply(Event::CancelRequested { by: "ada".to_owned() });
    assert_eq!((table.run.status(), cancels(&mut table)), (RunStatus::Running, 1));
    let cancelled = Failure::not_billed(FailureClass::Cancelled, "cancelled");
    let second = Event::CallFailed { call: calls[1].call.clone(), failure: cancelled };
    table.apply(Event::Together(vec![answered(&calls[0], GOOD), second]));
    assert_eq!(table.run.status(), RunStatus::Cancelled);
    assert_eq!(table.run.account().committed(), Money::from_pico(price().pico() / 2));
}

#[test]
fn one_that_fails_in_a_batch_takes_no_other_with_it() {
    let mut table = Table::new(plan(4, OnError::Quarantine));
    let calls = submit(&mut table, "b1");
    let expired = Failure::not_billed(FailureClass::Timeout, "not reached in time");
    let mut events: Vec<Event> = calls.iter().map(|call| answered(call, GOOD)).collect();
    events[2] = Event::CallFailed { call: calls[2].call.clone(), failure: expired };
    table.apply(Event::Together(events));
    let second = submit(&mut table, "b2");
    assert_eq!(second.len(), 3);
    answer(&mut table, &second);
    assert_eq!((table.run.status(), table.run.counters().items_failed), (RunStatus::Succeeded, 1));
}
