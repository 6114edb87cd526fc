//! Canonical bytes: one form, one id, and nothing else accepted.

use crate::samples::{int, op, plan, text, var};
use crate::values::any_value;
use pmflow_plan::canonical::{EXPRESSION_DEPTH_MAX, JSON_DEPTH_MAX};
use pmflow_plan::*;
use proptest::prelude::*;

#[test]
fn a_plan_reads_back_with_the_same_id() {
    let plan = plan();
    let bytes = plan.encode();
    let read = Plan::decode(&bytes, Some(&plan.id())).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.id(), plan.id());
    assert_eq!(plan.id().0.len(), 5 + 64);
    assert!(!String::from_utf8(bytes).unwrap().contains('\n'));
}

/// The format itself, for review: what changes here changes the id of every plan, and needs a new `PLAN_FORMAT` once
/// plans have been handed out.
#[test]
fn the_format_of_a_plan() {
    insta::assert_json_snapshot!(plan());
}

fn edited(from: &str, to: &str) -> Result<Plan, DecodeError> {
    let bytes = String::from_utf8(plan().encode()).unwrap();
    assert!(bytes.contains(from), "{from} is in no plan");
    Plan::decode(bytes.replacen(from, to, 1).as_bytes(), None)
}

#[test]
fn what_is_refused_and_why() {
    let start = r#"{"format":1,"#;
    for (from, to, message) in [
        (start, r#"{"format":2,"#, "the plan has format 2, and this program reads format 1; compile the flow again"),
        (start, r#"{ "format":1,"#, "the plan is not in its canonical form"),
        (start, r#"{"format":1,"extra":1,"#, "this is not a plan: unknown field `extra`"),
        (start, r#"{"format":1,"format":1,"#, "this is not a plan: duplicate field `format`"),
        (start, r#"{"#, "this is not a plan: missing field `format`"),
        (r#""flow":"daily""#, r#""flow":"other""#, "the plan contradicts itself: its flow `other` is missing"),
        (r#""name":"daily""#, r#""name":"other""#, "the plan contradicts itself: the flow `other` is kept as `daily`"),
        (r#"{"prompt":"judge"}"#, r#"{"prompt":"jury"}"#, "the plan contradicts itself: the prompt `jury` is missing"),
        (r#"{"operation":"crm.create"}"#, r#"{"operation":"crm.c"}"#, "the plan contradicts itself: the operation `crm.c`"),
        (r#"{"named":"Fit"}"#, r#"{"named":"Fig"}"#, "the plan contradicts itself: the type `Fig` is missing"),
        (r#"{"text":{"tokens_max":60}}"#, r#"{"named":"Fit"}"#, "the plan contradicts itself: the type `Fit` is made of itself"),
        (r#"["simulated/small"]"#, r#"["gone"]"#, "the plan contradicts itself: the prompt `judge` names the model `gone`"),
        (r#"["simulated/small"]"#, r#"[]"#, "the plan contradicts itself: the prompt `judge` has no model or no message"),
        (
            r#""connector":"crm""#,
            r#""connector":"c""#,
            "the plan contradicts itself: the operation `crm.create` names the connector",
        ),
        (r#""after":[0]"#, r#""after":[9]"#, "the plan contradicts itself: `lead` comes after step 9 of a block of 2"),
        (r#""after":[0]"#, r#""after":[1]"#, "the plan contradicts itself: steps of one block wait for each other"),
        (r#""name":"if1""#, r#""name":"fit""#, "the plan contradicts itself: two steps of one block are called `fit`"),
        (r#"{"source":"leads"}"#, r#"{"source":"l"}"#, "the plan contradicts itself: a loop streams `l`"),
        (r#""streamed":true"#, r#""streamed":false"#, "the plan contradicts itself: a loop streams `leads`"),
        (r#"{"email":{"field""#, r#"{"mail":{"field""#, "the plan contradicts itself: a call gives `mail`"),
        (r#""parameter":"lead""#, r#""parameter":"l""#, "the plan contradicts itself: the prompt `judge` truncates `l`"),
        (
            r#"{"op":{"op":"int.mul","arguments":[{"var":"x"},{"literal":2}]}}"#,
            r#"{"call":{"function":"double","arguments":[{"var":"x"}]}}"#,
            "the plan contradicts itself: the function `double` is made of itself",
        ),
        (r#""ceiling":"0.5""#, r#""ceiling":"0.50""#, "the plan is not in its canonical form"),
        (r#""ceiling":"0.5""#, r#""ceiling":"5e-1""#, "this is not a plan: `5e-1` is not an amount of dollars"),
    ] {
        let error = edited(from, to).expect_err(to).to_string();
        assert!(error.starts_with(message), "{to}\n  {error}\n  {message}");
    }
    assert!(matches!(Plan::decode(&plan().encode(), Some(&PlanId("plan_0".into()))), Err(DecodeError::Tampered { .. })));
    assert!(matches!(Plan::decode(b"", None), Err(DecodeError::Malformed(_))));
    assert!(matches!(Plan::decode(b"\xff\xfe", None), Err(DecodeError::Malformed(_))));
}

/// `1 + 1 + …`, nested to the left as the parser does.
fn sum(terms: usize) -> Expr {
    (1..terms).fold(int(1), |sum, _| op(Op::IntAdd, [sum, int(1)]))
}

fn with_body(body: Expr) -> Plan {
    let mut plan = plan();
    plan.functions.get_mut("double").unwrap().body = body;
    plan
}

#[test]
fn depth_has_a_limit_on_both_sides() {
    let deepest = with_body(sum(EXPRESSION_DEPTH_MAX));
    assert_eq!(Plan::decode(&deepest.encode(), None).as_ref(), Ok(&deepest));
    let too_deep = with_body(sum(EXPRESSION_DEPTH_MAX + 1));
    let error = Plan::decode(&too_deep.encode(), None).unwrap_err();
    assert_eq!(error, DecodeError::TooDeep { what: "expressions", max: EXPRESSION_DEPTH_MAX });
    for unit in ["[", r#"{"a":"#, r#"{"format":1,"flow":["#] {
        let error = Plan::decode(unit.repeat(100_000).as_bytes(), None).unwrap_err();
        assert_eq!(error, DecodeError::TooDeep { what: "brackets", max: JSON_DEPTH_MAX });
    }
}

#[test]
fn no_nesting_that_is_allowed_overflows_a_small_stack() {
    let nested: [fn(Expr) -> Expr; 6] = [
        |inner| op(Op::IntNeg, [inner]),
        |inner| Expr::If { condition: Box::new(int(1)), then: Box::new(inner), otherwise: Box::new(int(1)) },
        |inner| Expr::Record(vec![("a".into(), inner)]),
        |inner| Expr::Call { function: "double".into(), arguments: vec![inner] },
        |inner| Expr::Template(vec![Piece::For { variable: "x".into(), list: inner, body: Vec::new() }]),
        |inner| op(Op::ListMap, [var("x"), Expr::Lambda(crate::samples::lambda("y", inner))]),
    ];
    let check = move || {
        for wrap in nested {
            let mut plan = plan();
            plan.prompts.get_mut("judge").unwrap().system =
                Some((0..EXPRESSION_DEPTH_MAX / 2 - 1).fold(text(""), |inner, _| wrap(inner)));
            assert!(Plan::decode(&plan.encode(), None).as_ref() == Ok(&plan));
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).unwrap().join().unwrap();
}

proptest! {
    #[test]
    fn literals_keep_their_value_and_their_bytes(value in any_value()) {
        let plan = with_body(Expr::Literal(value));
        let bytes = plan.encode();
        let read = Plan::decode(&bytes, None).unwrap();
        prop_assert_eq!(read.encode(), bytes);
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn flipped_bytes_never_panic_and_never_pass(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let plan = plan();
        let id = plan.id();
        let mut bytes = plan.encode();
        let place = place.index(bytes.len());
        let changed = cut || bytes[place] != byte;
        if cut { bytes.truncate(place) } else { bytes[place] = byte }
        // What still is a plan is another one, and says so by its bytes.
        if let Ok(read) = Plan::decode(&bytes, None) {
            prop_assert_eq!(read.encode(), bytes.clone());
        }
        prop_assert_eq!(Plan::decode(&bytes, Some(&id)).is_err(), changed);
    }

    #[test]
    fn any_bytes_end_in_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Plan::decode(&bytes, None).is_err());
    }
}
