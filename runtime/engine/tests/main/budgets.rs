//! What becomes of a call whose hold does not fit: it waits, is refused, or asks for less.

use crate::table::{GOOD, NOW, Table, answered};
use pmflow_engine::{BudgetAnswer, Command, Event, Finish, ModelCall, Run, RunOptions, RunStatus, Shortage, StepStatus};
use pmflow_plan::{Failure, FailureClass, Money, OnError, Plan, StepKind, Target, Usage, Value, WhenShort};
use pmflow_sim::builder::*;
use std::sync::Arc;

/// Two judgements side by side, each with an output of its own.
fn plan(answer: WhenShort) -> Plan {
    let mut judge = prompt("judge", judged());
    judge.output_tokens_min = (answer == WhenShort::ShrinkRequest).then_some(30);
    let body =
        vec![step("judged", &[], call_prompt("judge", var("x"))), step("out", &[0], output(field(var("judged"), "score")))];
    let settings = |settings: &mut pmflow_plan::Settings| {
        settings.budget.when_short = answer;
        settings.on_error = OnError::Skip;
    };
    let all = step("all", &[], StepKind::For(each("x", ints(0..2), body)));
    PlanBuilder::default().prompt(judge).settings(settings).steps(vec![all]).plan
}

/// The same, with a cheaper model behind the first.
fn with_cheaper(plan: Plan) -> Plan {
    let mut plan = plan;
    plan.models.insert("sim/two".to_owned(), model("sim/two", 10_000));
    if let Some(judge) = plan.prompts.get_mut("judge") {
        judge.chain.push("sim/two".to_owned());
    }
    plan
}

/// The most that a first request's input costs at `sim/one`'s price; it has no public tokenizer, so that bytes are counted.
const INPUT: i128 = 3_850 * 100_000;
/// With 100 tokens out.
const HOLD: i128 = INPUT + 100 * 400_000;

fn limited(limit: i128) -> RunOptions {
    RunOptions { budget_override: Some(Money::from_pico(limit)), ..RunOptions::default() }
}

fn calls(table: &mut Table) -> Vec<ModelCall> {
    let (calls, others) =
        std::mem::take(&mut table.open).into_iter().partition(|command| matches!(command, Command::CallModel(_)));
    table.open = others;
    let of = |command: Command| match command {
        Command::CallModel(call) => Some(call),
        _ => None,
    };
    let calls: Vec<Command> = calls;
    calls.into_iter().filter_map(of).collect()
}

/// The draw that is open: what is needed, and what is wished for.
fn draw(table: &mut Table) -> (Money, Money) {
    let position = table.open.iter().position(|command| matches!(command, Command::DrawBudget { .. }));
    match table.open.remove(position.expect("the run asks for money")) {
        Command::DrawBudget { need, wish } => (need, wish),
        other => panic!("{other:?}"),
    }
}

fn drawn(answer: BudgetAnswer) -> Event {
    Event::BudgetDrawn { answer }
}

fn shortage(need: Money, when_short: WhenShort) -> Shortage {
    Shortage { need, when_short, failure: Failure::not_sent(FailureClass::Budget, "the team has no room") }
}

fn classes(table: &Table) -> Vec<(StepStatus, Option<FailureClass>)> {
    let prompts = table.rows.steps.iter().filter(|row| row.kind == "prompt");
    prompts.map(|row| (row.status, row.failure.as_ref().map(|failure| failure.class))).collect()
}

#[test]
fn refused_at_once_and_the_item_fails_as_its_flow_says() {
    let mut table = Table::with(plan(WhenShort::Refuse), limited(HOLD * 3 / 2));
    let sent = calls(&mut table);
    let [one] = sent.as_slice() else { panic!("there is room for one: {sent:?}") };
    assert_eq!(classes(&table), [(StepStatus::Failed, Some(FailureClass::Budget))], "nothing waits");
    let said = table.rows.steps.iter().find_map(|row| row.failure.clone()).map(|failure| failure.message);
    let expected =
        "`judge` may cost $0.00043 and $0.00021 of the run's budget is free; the flow refuses such a call (`when_short`)";
    assert_eq!(said.as_deref(), Some(expected));
    table.apply(answered(one, GOOD));
    assert_eq!((table.run.status(), table.outputs().len()), (RunStatus::Succeeded, 1));
    assert_eq!(table.run.counters().items_failed, 1);
}

#[test]
fn a_refused_call_goes_to_the_next_model_and_then_to_its_else() {
    let mut table = Table::with(with_cheaper(plan(WhenShort::Refuse)), limited(HOLD * 3 / 2));
    let models: Vec<String> = calls(&mut table).into_iter().map(|call| call.model).collect();
    assert_eq!(models, ["sim/one", "sim/two"]);
    assert_eq!(classes(&table), [(StepStatus::Retried, Some(FailureClass::Budget))], "it is written down why");

    let mut standing_in = plan(WhenShort::Refuse);
    let fallback = literal(Value::record([("score", Value::Int(0)), ("word", Value::text("none"))]));
    for step in standing_in.flows.values_mut().flat_map(|flow| &mut flow.body.steps) {
        let StepKind::For(each) = &mut step.kind else { continue };
        for step in &mut each.body.steps {
            if let StepKind::Call(call) = &mut step.kind {
                assert!(matches!(call.target, Target::Prompt(_)));
                call.otherwise = Some(fallback.clone());
            }
        }
    }
    let table = Table::with(standing_in, limited(1));
    assert_eq!((table.run.status(), table.outputs()), (RunStatus::Succeeded, vec![Value::Int(0), Value::Int(0)]));
}

#[test]
fn what_waits_is_decided_as_soon_as_nothing_can_come_back() {
    let mut table = Table::with(plan(WhenShort::Wait), limited(HOLD + HOLD / 4));
    let sent = calls(&mut table);
    let [one] = sent.as_slice() else { panic!("there is room for one: {sent:?}") };
    // It costs almost all of its hold: the other does not fit any more, and nothing else is held.
    let usage = Usage { input_tokens: Some(3_850), output_tokens: Some(90), ..Usage::default() };
    let (call, text, model) = (one.call.clone(), GOOD.to_owned(), one.model.clone());
    table.apply(Event::ModelAnswered { call, text, finish: Finish::Complete, usage, model });
    assert_eq!(table.run.status(), RunStatus::Failed);
    assert_eq!(table.run.failure().map(|failure| failure.class), Some(FailureClass::Budget));
}

#[test]
fn a_request_is_shrunk_to_what_is_left_and_held_at_its_ceiling() {
    // One call, and three quarters of another's output.
    let left = INPUT + 75 * 400_000;
    let mut table = Table::with(plan(WhenShort::ShrinkRequest), limited(HOLD + left));
    let sent = calls(&mut table);
    let caps: Vec<(u64, i128)> = sent.iter().map(|call| (call.output_tokens_max, call.hold.pico())).collect();
    assert_eq!(caps, [(100, HOLD), (75, left)]);
    for call in &sent {
        table.apply(answered(call, GOOD));
    }
    assert_eq!((table.run.status(), table.outputs().len()), (RunStatus::Succeeded, 2));
}

#[test]
fn what_cannot_be_shrunk_takes_the_next_model_or_waits_and_ends_as_the_budget_says() {
    // One call, and less than the smallest output of another.
    let limit = HOLD + INPUT + 20 * 400_000;
    let mut table = Table::with(with_cheaper(plan(WhenShort::ShrinkRequest)), limited(limit));
    let sent: Vec<(String, u64)> = calls(&mut table).into_iter().map(|call| (call.model, call.output_tokens_max)).collect();
    assert_eq!(sent, [("sim/one".to_owned(), 100), ("sim/two".to_owned(), 100)]);

    let mut table = Table::with(plan(WhenShort::ShrinkRequest), limited(limit));
    let sent = calls(&mut table);
    let [one] = sent.as_slice() else { panic!("the other waits: {sent:?}") };
    table.apply(answered(one, GOOD));
    let sent = calls(&mut table);
    assert_eq!(sent.iter().map(|call| call.output_tokens_max).collect::<Vec<_>>(), [100], "there is room for all of it again");

    let table = Table::with(plan(WhenShort::ShrinkRequest), limited(1_000));
    assert_eq!(table.run.status(), RunStatus::Failed);
}

#[test]
fn a_shrunk_request_is_the_same_after_a_crash() {
    let plan = plan(WhenShort::ShrinkRequest);
    let left = INPUT + 75 * 400_000;
    let mut table = Table::with(plan.clone(), limited(HOLD + left));
    let sent = calls(&mut table);
    let [_, shrunk] = sent.as_slice() else { panic!("two are sent: {sent:?}") };
    assert!(table.run.outstanding().contains(&Command::CallModel(shrunk.clone())));
    let stored = table.rows.stored().expect("rows");
    // There is room for everything now, and yet it is the same request.
    let options = RunOptions { limit_raised: Some(Money::from_pico(HOLD * 10)), ..RunOptions::default() };
    let (_, transition) = Run::recover(Arc::new(plan), stored, options, NOW).expect("its own rows");
    let again = transition.commands.iter().find_map(|command| match command {
        Command::CallModel(call) if call.call.step == shrunk.call.step => Some(call),
        _ => None,
    });
    let again = again.expect("it is sent again");
    assert_eq!((again.output_tokens_max, again.hold), (75, shrunk.hold));
    assert_eq!(again.idempotency_key, shrunk.idempotency_key);
}

#[test]
fn an_answer_that_a_smaller_cap_cut_off_is_asked_for_again_in_full() {
    let mut repairing = plan(WhenShort::ShrinkRequest);
    repairing.prompts.values_mut().for_each(|prompt| prompt.repair = 1);
    let mut table = Table::with(repairing, limited(HOLD + INPUT + 75 * 400_000));
    let sent = calls(&mut table);
    let [one, shrunk] = sent.as_slice() else { panic!("two are sent: {sent:?}") };
    table.apply(answered(one, GOOD));
    table.apply(Event::LimitRaised { limit: Money::from_pico(HOLD * 10) });
    let usage = Usage { input_tokens: Some(10), output_tokens: Some(75), ..Usage::default() };
    let (call, model) = (shrunk.call.clone(), shrunk.model.clone());
    table.apply(Event::ModelAnswered { call, text: "{\"sc".to_owned(), finish: Finish::Truncated, usage, model });
    let said = table.rows.steps.iter().find_map(|row| row.failure.clone()).map(|failure| failure.message).unwrap_or_default();
    assert!(said.contains("cut off at 75 tokens: of the 100 that it may have, no more could be paid for"), "{said}");
    let again = table.model_call();
    assert_eq!(again.output_tokens_max, 100);
    assert_ne!(again.idempotency_key, shrunk.idempotency_key);
}

/// The ceiling suffices for every run that nothing breaks into: it is no budget that requests are shrunk for.
#[test]
fn the_proven_ceiling_changes_no_request() {
    for answer in [WhenShort::Refuse, WhenShort::ShrinkRequest] {
        let mut plan = plan(answer);
        plan.ceiling = Some(Money::from_pico(HOLD * 2));
        let table = Table::new(plan.clone());
        let stored = table.rows.stored().expect("rows");
        let (run, transition) = Run::recover(Arc::new(plan), stored, RunOptions::default(), NOW).expect("its own rows");
        let sent = transition.commands.iter().filter(|command| matches!(command, Command::CallModel(_))).count();
        assert_eq!(sent, 0, "all of it may have been spent in the calls that were lost");
        assert!(run.status() == RunStatus::Suspended, "{answer:?}: {:?}", run.status());
    }
}

fn shared() -> RunOptions {
    RunOptions { shared_budgets: true, ..RunOptions::default() }
}

#[test]
fn what_others_hold_is_waited_for_or_refuses_a_call_at_once() {
    let mut table = Table::with(plan(WhenShort::Wait), shared());
    let (need, _) = draw(&mut table);
    table.apply(drawn(BudgetAnswer::Waiting(shortage(need, WhenShort::Wait))));
    assert_eq!((table.calls_open(), classes(&table)), (0, Vec::new()));
    table.apply(drawn(BudgetAnswer::AskAgain));
    assert_eq!(draw(&mut table).0, need);

    let mut table = Table::with(plan(WhenShort::Refuse), shared());
    let (need, _) = draw(&mut table);
    table.apply(drawn(BudgetAnswer::Waiting(shortage(need, WhenShort::Refuse))));
    assert_eq!(classes(&table), [(StepStatus::Failed, Some(FailureClass::Budget)); 2], "the second is not asked for again");
    assert_eq!(table.run.status(), RunStatus::Succeeded, "both items were left out");
    let wanted = table.open.iter().filter(|command| matches!(command, Command::DrawBudget { .. })).count();
    assert_eq!(wanted, 0);
}

#[test]
fn where_a_shared_budget_has_no_room_less_is_asked_of_it() {
    let mut table = Table::with(plan(WhenShort::ShrinkRequest), shared());
    let (need, _) = draw(&mut table);
    assert_eq!(need.pico(), HOLD);
    table.apply(drawn(BudgetAnswer::Refused { shortage: shortage(need, WhenShort::ShrinkRequest), suspends: true }));
    let (least, wish) = draw(&mut table);
    assert_eq!((least.pico(), wish), (INPUT + 30 * 400_000, need));
    // Half of what is there, which is more than the least. The answer takes a minute.
    table.now += 60_000_000;
    let up_to = Money::from_pico(INPUT + 60 * 400_000 + 5);
    table.apply(drawn(BudgetAnswer::Granted { up_to }));
    let sent = calls(&mut table);
    assert_eq!(sent.iter().map(|call| (call.output_tokens_max, call.hold.pico())).collect::<Vec<_>>(), [(60, up_to.pico() - 5)]);
    assert_eq!(draw(&mut table).0, least, "the next one knows that there is no room for all of it");
    table.apply(drawn(BudgetAnswer::Refused { shortage: shortage(least, WhenShort::ShrinkRequest), suspends: true }));
    for call in sent {
        table.apply(answered(&call, GOOD));
    }
    assert_eq!(table.run.status(), RunStatus::Suspended, "as the shared budget says");
}

#[test]
fn a_limit_that_was_raised_meanwhile_is_met_after_a_while() {
    let mut judging = call(Target::Prompt("judge".to_owned()), int(1));
    judging.otherwise = Some(literal(Value::None));
    let mut plan = plan(WhenShort::Refuse);
    if let Some(flow) = plan.flows.get_mut("main") {
        flow.body.steps = vec![
            step("one", &[], StepKind::Call(judging.clone())),
            step("two", &[0], StepKind::Call(judging.clone())),
            step("pause", &[1], StepKind::Wait(pmflow_plan::Wait::For(literal(Value::Duration(11_000_000))))),
            step("three", &[2], StepKind::Call(judging)),
        ];
    }
    let mut table = Table::with(plan, shared());
    let (need, _) = draw(&mut table);
    let shortage = shortage(need, WhenShort::Refuse);
    table.apply(drawn(BudgetAnswer::Refused { shortage, suspends: false }));
    let refused = (StepStatus::Retried, Some(FailureClass::Budget));
    let tries: Vec<_> = classes(&table).into_iter().filter(|row| *row == refused).collect();
    assert_eq!(tries.len(), 2, "the answer stands for the second as well");
    table.fire();
    assert_eq!(draw(&mut table).0, need, "ten seconds later it is asked for again");
}
