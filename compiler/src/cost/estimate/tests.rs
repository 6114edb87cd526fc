use super::*;
use crate::cost::fixtures::*;
use pmflow_plan::{CapFidelity, MatchArm, Money, Prompt, Retry};

/// $0.10 in, $0.50 out per million tokens; cache writes $0.125.
const LUNA: &str = "openai/gpt-6-luna";

fn ceiling(steps: Vec<pmflow_plan::Step>) -> Figure {
    estimate(&plan(vec![flow("main", steps)], vec![prompt("ask", &[LUNA])])).run.ceiling
}

/// 1,500 declared tokens, times 1.25 for want of a public tokenizer, at $0.125, and 300 at $0.50 per million:
/// 234,375,000 + 150,000,000 pico-dollars.
const ONE_CALL: i128 = 384_375_000;

fn known(pico: i128) -> Figure {
    Figure::Known(Money::from_pico(pico))
}

#[test]
fn every_construct_has_the_ceiling_that_the_table_says() {
    let one = || step("a", ask("ask"));
    let two = || block(vec![step("b", ask("ask")), step("c", ask("ask"))]);
    let branch = StepKind::If { condition: truth(), likely_percent: Some(10), then: block(vec![one()]), otherwise: two() };
    let arms = vec![arm("x", None, block(vec![one()])), arm("y", None, two())];
    let approve = pmflow_plan::Approve { text: truth(), by: None, timeout_ms: None, otherwise: Some(two()) };
    let cases = vec![
        ("nothing", StepKind::Stop, 0),
        ("one call", ask("ask"), ONE_CALL),
        ("retry", call(Target::Prompt("ask".into()), 2), 3 * ONE_CALL),
        ("if", branch, 2 * ONE_CALL),
        ("match", StepKind::Match { value: truth(), arms, otherwise: None }, 2 * ONE_CALL),
        ("approve", StepKind::Approve(approve), 2 * ONE_CALL),
        ("for", rounds(StreamFrom::List(truth()), Some(7), two()), 14 * ONE_CALL),
        ("repeat", StepKind::Repeat { up_to: 5, condition: truth(), body: two() }, 10 * ONE_CALL),
        ("parallel", StepKind::Parallel { body: two() }, 2 * ONE_CALL),
        ("a loop without items", rounds(StreamFrom::List(Expr::List(Vec::new())), None, two()), 0),
    ];
    for (name, kind, pico) in cases {
        assert_eq!(ceiling(vec![step("s", kind)]), known(pico), "{name}");
    }
}

fn arm(case: &str, likely_percent: Option<u32>, body: pmflow_plan::Block) -> MatchArm {
    MatchArm { case: case.into(), likely_percent, body }
}

#[test]
fn the_arms_of_a_match_share_what_is_expected() {
    let shares = |percents: &[Option<u32>], otherwise| {
        let arms: Vec<MatchArm> = percents.iter().map(|percent| arm("x", *percent, block(Vec::new()))).collect();
        shares_milli(&arms, otherwise)
    };
    assert_eq!(shares(&[None, None], false), [500, 500]);
    assert_eq!(shares(&[Some(60), None, None], false), [600, 200, 200]);
    assert_eq!(shares(&[Some(90)], true), [900, 100]);
    assert_eq!(shares(&[Some(30), Some(10)], false), [750, 250]);
    assert_eq!(shares(&[Some(100), Some(100)], true), [500, 500, 0]);
    assert_eq!(shares(&[Some(0)], false), [0]);
    assert_eq!(shares(&[], false), [0; 0]);

    let expected = |likely_percent| {
        let arms = vec![arm("x", likely_percent, block(vec![step("a", ask("ask"))])), arm("y", None, block(Vec::new()))];
        let steps = vec![step("s", StepKind::Match { value: truth(), arms, otherwise: None })];
        estimate(&plan(vec![flow("main", steps)], vec![prompt("ask", &[LUNA])])).run
    };
    let (half, seldom) = (expected(None), expected(Some(10)));
    assert_eq!((half.ceiling.clone(), seldom.ceiling.clone()), (known(ONE_CALL), known(ONE_CALL)));
    assert_eq!(half.expected.share(200, 1000), seldom.expected);
}

#[test]
fn a_chain_with_repairs_is_the_sum_of_all_that_may_be_billed() {
    let other = "openai/gpt-6.1-terra";
    let asked = Prompt { repair: 1, ..prompt("ask", &[LUNA, other]) };
    let plan = plan(vec![flow("main", vec![step("a", ask("ask"))])], vec![asked]);
    // A repair sends the answer again (300 tokens) with a note (512 bytes).
    let of = |input: i128, output: i128| (1875 + 2250 + 512) * input + 600 * output;
    assert_eq!(estimate(&plan).run.ceiling, known(of(125_000, 500_000) + of(1_250_000, 5_000_000)));
}

#[test]
fn retries_after_what_was_not_billed_cost_nothing() {
    let of = |unbilled| {
        let StepKind::Call(mut asked) = call(Target::Prompt("ask".into()), 3) else { unreachable!("a call was made") };
        asked.retry = asked.retry.map(|retry| Retry { unbilled, ..retry });
        ceiling(vec![step("a", StepKind::Call(asked))])
    };
    assert_eq!((of(false), of(true)), (known(4 * ONE_CALL), known(ONE_CALL)));
}

#[test]
fn rows_are_bounded_by_what_is_enforced_and_nothing_else() {
    let body = || block(vec![step("a", ask("ask"))]);
    let over = || StreamFrom::Source("leads".into());
    let ceiling =
        |limit, items_max| ceiling(vec![step("leads", source(limit, Some(10))), step("lead", rounds(over(), items_max, body()))]);
    assert_eq!(ceiling(Some(200), None), known(200 * ONE_CALL));
    assert_eq!(ceiling(Some(200), Some(50)), known(50 * ONE_CALL));
    assert_eq!(ceiling(None, Some(50)), known(50 * ONE_CALL));
    assert_eq!(ceiling(None, None), Figure::unbounded(&"rows(leads)".into()));
    assert_eq!(ceiling(Some(0), None), Figure::ZERO);
}

#[test]
fn what_is_unbounded_and_costs_nothing_costs_nothing() {
    let body = block(vec![step("out", StepKind::Stop)]);
    let endless = rounds(StreamFrom::List(truth()), None, body);
    assert_eq!(ceiling(vec![step("lead", endless)]), Figure::ZERO);
}

#[test]
fn a_provider_that_keeps_no_cap_has_no_proven_ceiling() {
    let mut plan = plan(vec![flow("main", vec![step("a", ask("ask"))])], vec![prompt("ask", &["deepseek/deepseek-flash"])]);
    assert_eq!(plan.models["deepseek/deepseek-flash"].output_cap, CapFidelity::None);
    let priced = price(&mut plan);
    assert_eq!((priced.run.ceiling, plan.ceiling), (Figure::unbounded(&"cap(deepseek/deepseek-flash)".into()), None));
    assert!(priced.run.expected.known().is_some_and(|expected| expected > Money::ZERO));
    assert!(priced.findings.iter().any(|finding| finding.code == "W0715"));
}

#[test]
fn bounds_that_multiply_beyond_counting_are_a_problem() {
    let mut steps = vec![step("a", ask("ask"))];
    for level in 0..3 {
        steps = vec![step(&format!("r{level}"), StepKind::Repeat { up_to: u64::MAX, condition: truth(), body: block(steps) })];
    }
    let estimate = estimate(&plan(vec![flow("main", steps)], vec![prompt("ask", &[LUNA])]));
    assert_eq!(estimate.run.ceiling, Figure::Overflow);
    assert!(estimate.findings.iter().any(|finding| finding.code == "E0714"));
}

#[test]
fn flows_that_call_each_other_in_a_circle_end() {
    let circle = |name: &str, next: &str| flow(name, vec![step("a", ask("ask")), step("n", call(Target::Flow(next.into()), 0))]);
    let estimate = estimate(&plan(vec![circle("main", "other"), circle("other", "main")], vec![prompt("ask", &[LUNA])]));
    assert_eq!(estimate.run.ceiling, Figure::unbounded(&"recursion(main)".into()));
}

#[test]
fn blocks_nested_beyond_reason_end() {
    let mut steps = vec![step("a", ask("ask"))];
    for _ in 0..400 {
        steps = vec![step("p", StepKind::Parallel { body: block(steps) })];
    }
    assert!(matches!(ceiling(steps), Figure::Unbounded(_)));
}

#[test]
fn a_called_flow_is_priced_once_and_counted_as_often_as_it_is_called() {
    let calls = |name: &str, next: &str| {
        let steps = (0..2).map(|n| step(&format!("c{n}"), call(Target::Flow(next.into()), 0))).collect();
        flow(name, steps)
    };
    let mut flows: Vec<_> = (0..40).map(|level| calls(&format!("f{level}"), &format!("f{}", level + 1))).collect();
    flows.push(flow("f40", vec![step("a", ask("ask"))]));
    let estimate = estimate(&plan(flows, vec![prompt("ask", &[LUNA])]));
    assert_eq!(estimate.run.ceiling, known(ONE_CALL << 40));
    assert_eq!(estimate.prompts[0].calls.most, Some(1 << 40));
    assert!(estimate.nodes.len() < 200);
}

/// Linear in steps, counted in nodes: time depends on the machine.
#[test]
fn the_work_grows_with_the_steps_and_no_faster() {
    let nodes = |steps: usize| {
        let body = (0..steps)
            .map(|n| step(&format!("s{n}"), rounds(StreamFrom::List(truth()), None, block(vec![step("a", ask("ask"))]))));
        estimate(&plan(vec![flow("main", body.collect())], vec![prompt("ask", &[LUNA])])).nodes.len()
    };
    assert_eq!(nodes(2000) - nodes(1000), nodes(3000) - nodes(2000));
}

#[test]
fn floor_expected_and_ceiling_stand_in_order() {
    let (plan, _) = leads();
    let estimate = estimate(&plan);
    for node in &estimate.nodes {
        let (Some(expected), Some(ceiling)) = (node.cost.expected.known(), node.cost.ceiling.known()) else {
            panic!("{}", node.path)
        };
        assert!(node.cost.floor <= expected && expected <= ceiling, "{}", node.path);
    }
}

#[test]
fn a_prompt_that_cannot_work_is_found() {
    let long = Prompt { input_tokens_max: 5, ..prompt("ask", &["openai/gpt-5.4"]) };
    let wide = Prompt { input_tokens_max: 300_000, ..prompt("ask", &["openai/gpt-5.4-mini"]) };
    let short = Prompt { output_tokens_max: 1, ..prompt("ask", &[LUNA]) };
    for (prompt, code) in [(long, "E0711"), (wide, "E0712"), (short, "E0713")] {
        let estimate = estimate(&plan(vec![flow("main", vec![step("a", ask("ask"))])], vec![prompt]));
        let codes: Vec<&str> = estimate.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [code]);
        assert_eq!(estimate.findings[0].path, "prompt:ask");
    }
}

#[test]
fn pricing_fills_in_what_the_plan_owes() {
    let (mut plan, _) = leads();
    let estimate = price(&mut plan);
    assert_eq!(plan.ceiling, estimate.run.ceiling.known());
    assert!(plan.prompts.values().all(|prompt| prompt.overhead_tokens_max > 16), "{:?}", plan.prompts);
}

#[test]
fn the_worked_example_of_the_documentation() {
    let fit = Prompt { answer: text_bounded(60), repair: 1, ..prompt("fit", &["openai/gpt-5.4-mini"]) };
    let body = block(vec![step("fit", call(Target::Prompt("fit".into()), 2))]);
    let over = StreamFrom::Source("leads".into());
    let steps = vec![step("leads", source(Some(200), None)), step("lead", rounds(over, None, body))];
    let mut plan = plan(vec![flow("main", steps)], vec![fit]);
    price(&mut plan);
    assert_eq!(plan.prompts["fit"].overhead_tokens_max, 19);
    assert_eq!(plan.ceiling, Money::parse("3.3525"));
    assert!(include_str!("../../../../docs/cost.md").contains("**$3.3525**"));
}

#[test]
fn the_second_worked_example_of_the_documentation() {
    let chain = ["anthropic/claude-sonnet-5-5", "openai/gpt-5.4-mini"];
    let asked = Prompt { input_tokens_max: 400, output_tokens_max: 200, answer: text_bounded(150), ..prompt("sum_up", &chain) };
    let mut plan = plan(vec![flow("main", vec![step("a", ask("sum_up"))])], vec![asked]);
    price(&mut plan);
    assert_eq!(plan.prompts["sum_up"].overhead_tokens_max, 48);
    assert_eq!(plan.ceiling, Money::parse("0.005106"));
    assert!(include_str!("../../../../docs/cost.md").contains("**$0.005106**"));
}
