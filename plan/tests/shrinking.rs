//! Requests that ask for less: how much less, what they may cost, and what a hold says of them.

use crate::samples::plan;
use pmflow_plan::*;
use proptest::prelude::*;

fn judge(declared: u64, least: u64) -> (Prompt, Model) {
    let plan = plan();
    let prompt = plan.prompts.get("judge").cloned().unwrap();
    let model = plan.models.get("simulated/small").cloned().unwrap();
    (Prompt { output_tokens_max: declared, output_tokens_min: Some(least), ..prompt }, model)
}

proptest! {
    #[test]
    fn the_largest_cap_that_fits(declared in 2u64..5_000, least in 1u64..5_000, room in 0i128..40_000_000_000, repairs in 0u32..2) {
        let (prompt, model) = judge(declared, least);
        let room = Money::from_pico(room);
        let ceiling = |cap| prompt.capped_ceiling(&model, repairs, cap).unwrap();
        match prompt.cap_within(&model, repairs, declared, room) {
            Some((cap, held)) => {
                prop_assert!(least <= cap && cap < declared);
                prop_assert!(held == ceiling(cap) && held <= room);
                prop_assert!(cap + 1 == declared || ceiling(cap + 1) > room);
            }
            None => prop_assert!(least >= declared || ceiling(least) > room),
        }
    }

    #[test]
    fn a_hold_says_what_was_asked_for(least in 1u64..2_000, more in 0u64..2_000, again in 1u64..2_000) {
        let (cap, declared) = (least + more, least + more + again);
        let (prompt, model) = judge(declared, least);
        let held = prompt.capped_ceiling(&model, 0, cap).unwrap();
        prop_assert_eq!(prompt.shrunk(&model, held), Some(Shrunk { repairs_before: 0, output_tokens_max: cap }));
        let usage = Usage { input_tokens: Some(1), output_tokens: Some(cap + 1), ..Usage::default() };
        prop_assert_eq!(prompt.bounds_passed(&model, held, &usage), [None, Some((cap, cap + 1))]);
    }
}

#[test]
fn a_whole_request_is_not_a_shrunk_one() {
    let (prompt, model) = judge(100, 10);
    for repairs_before in [0, 1] {
        let held = prompt.request_ceiling(&model, repairs_before).unwrap();
        assert_eq!(prompt.shrunk(&model, held), None);
    }
    let whole = Prompt { output_tokens_min: None, ..prompt.clone() };
    assert_eq!(whole.shrunk(&model, prompt.capped_ceiling(&model, 0, 50).unwrap()), None);
    assert_eq!(whole.cap_within(&model, 0, 100, Money::from_pico(i128::MAX)), None);
}

/// Plans from before the setting, and those that do not use it, have the same bytes.
#[test]
fn waiting_is_not_written() {
    let with = |answer: WhenShort| {
        let mut plan = plan();
        plan.flows.values_mut().for_each(|flow| flow.settings.budget.when_short = answer);
        plan
    };
    assert_eq!(with(WhenShort::Wait).id(), plan().id());
    for (answer, written) in
        [(WhenShort::Refuse, r#""when_short":"refuse""#), (WhenShort::ShrinkRequest, r#""when_short":"shrink_request""#)]
    {
        let bytes = with(answer).encode();
        assert!(String::from_utf8(bytes.clone()).unwrap().contains(written));
        assert_eq!(Plan::decode(&bytes, None).unwrap(), with(answer));
    }
}

#[test]
fn a_shared_budget_shrinks_for_its_flow() {
    let budget = |own: WhenShort, shared: Option<WhenShort>| {
        let (name, alerts) = ("team".to_owned(), Vec::new());
        let shared = SharedBudget {
            name,
            scope: BudgetScope::Team,
            day: None,
            month: Money::parse("5"),
            alerts,
            on_exceed: OnExceed::Stop,
            when_short: shared,
        };
        Budget { when_short: own, shared: vec![shared], ..Budget::default() }
    };
    assert!(budget(WhenShort::ShrinkRequest, Some(WhenShort::Wait)).shrinks());
    assert!(budget(WhenShort::Wait, Some(WhenShort::ShrinkRequest)).shrinks());
    assert!(!budget(WhenShort::Refuse, None).shrinks());
}
