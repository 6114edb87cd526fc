//! Calls that wait for their turn: nothing is held, sent or stored for them, and a model that is out of service is left out.

use crate::table::{GOOD, NOW, Table, answered};
use pmflow_engine::{Command, Event, RunOptions, RunStatus, StepStatus, TurnRequest, Write};
use pmflow_plan::{Failure, FailureClass, Money, Plan, StepKind, Target};
use pmflow_sim::builder::*;

fn plan(models: &[&str], items: i64) -> Plan {
    let mut judge = prompt("judge", judged());
    judge.chain = models.iter().map(|model| (*model).to_owned()).collect();
    let body = vec![step("judged", &[], StepKind::Call(call(Target::Prompt("judge".to_owned()), int(1))))];
    let each = each("x", ints(0..items), body);
    let plan = PlanBuilder::default().prompt(judge).settings(|settings| settings.concurrency = 8).steps(vec![step(
        "loop",
        &[],
        StepKind::For(each),
    )]);
    models.iter().fold(plan, |plan, id| plan.model(model(id, 50_000))).plan
}

fn gated(models: &[&str]) -> RunOptions {
    RunOptions { gated: models.iter().map(|model| (*model).to_owned()).collect(), ..RunOptions::default() }
}

fn requests(table: &Table) -> Vec<TurnRequest> {
    let of = |command: &Command| match command {
        Command::AwaitTurn(request) => Some(request.clone()),
        _ => None,
    };
    table.open.iter().filter_map(of).collect()
}

fn calls(table: &Table) -> usize {
    table.open.iter().filter(|command| matches!(command, Command::CallModel(_))).count()
}

fn came(request: &TurnRequest, until: i64) -> Event {
    let TurnRequest { instance, step, model, .. } = request.clone();
    Event::TurnCame { instance, step, model, until }
}

fn refused(request: &TurnRequest) -> Event {
    let TurnRequest { instance, step, model, .. } = request.clone();
    let failure = Failure::not_sent(FailureClass::Transport, "out of service");
    Event::TurnRefused { instance, step, model, failure }
}

#[test]
fn what_waits_for_its_turn_holds_nothing() {
    let mut table = Table::with(plan(&["sim/a"], 2), gated(&["sim/a"]));
    let waiting = requests(&table);
    assert_eq!((waiting.len(), calls(&table)), (2, 0));
    assert!(!waiting.iter().any(|request| request.has_alternative));
    assert_eq!(table.run.account().held, Money::ZERO);
    let Some(second) = waiting.get(1) else { panic!("two wait") };
    table.apply(came(second, i64::MAX));
    let call = table.model_call();
    assert_eq!(call.call.step, second.step, "turns come in the host's order");
    assert_eq!(table.run.account().held, call.hold);
    assert_eq!(table.apply(came(second, i64::MAX)), Vec::new(), "a turn is used once");
}

#[test]
fn a_turn_that_was_not_used_in_time_is_asked_for_again() {
    let mut table = Table::with(plan(&["sim/a"], 1), gated(&["sim/a"]));
    let request = requests(&table).remove(0);
    assert_eq!(table.apply(came(&request, NOW)), Vec::new());
    assert_eq!((requests(&table).len(), calls(&table)), (2, 0));
    table.apply(came(&request, i64::MAX));
    assert_eq!(calls(&table), 1);
}

#[test]
fn nobody_waits_once_the_model_is_free() {
    let mut table = Table::with(plan(&["sim/a"], 3), gated(&["sim/a"]));
    assert_eq!(calls(&table), 0);
    let writes = table.apply(Event::ModelsGated { models: Default::default() });
    assert!(matches!(writes.first(), Some(Write::PutRun(_))));
    assert_eq!(calls(&table), 3);
}

#[test]
fn a_refused_turn_goes_to_the_next_model_at_once() {
    let mut table = Table::with(plan(&["sim/a", "sim/b"], 1), gated(&["sim/a"]));
    let request = requests(&table).remove(0);
    assert!(request.has_alternative);
    table.apply(refused(&request));
    let call = table.model_call();
    assert_eq!((call.model.as_str(), call.call.attempt), ("sim/b", 2));
    let passed_over: Vec<StepStatus> = table.rows.steps.iter().map(|row| row.status).collect();
    assert_eq!(passed_over, [StepStatus::Retried], "it is written down why");
    table.apply(answered(&call, GOOD));
    assert_eq!(table.run.status(), RunStatus::Succeeded);
}

#[test]
fn without_another_model_a_refused_turn_is_a_failed_try_that_cost_nothing() {
    let mut table = Table::with(plan(&["sim/a"], 1), gated(&["sim/a"]));
    let request = requests(&table).remove(0);
    table.apply(refused(&request));
    let failed: Vec<_> = table.rows.steps.iter().filter(|row| row.step == request.step).collect();
    let [row] = failed.as_slice() else { panic!("one try: {failed:?}") };
    assert_eq!(
        (row.status, row.failure.as_ref().map(|failure| failure.class)),
        (StepStatus::Failed, Some(FailureClass::Transport))
    );
    assert_eq!((table.run.account().committed(), calls(&table)), (Money::ZERO, 0));
}
