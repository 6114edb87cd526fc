//! Types at work: schemas, checks, answers, cells and made-up values.

use crate::samples::plan;
use pmflow_plan::schema::{self, Types, cast, convert_text, generate, json_schema, parse_answer, validate};
use pmflow_plan::types::TextBounds;
use pmflow_plan::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn field(name: &str, ty: Type, doc: Option<&str>) -> Field {
    Field { name: name.into(), ty, doc: doc.map(str::to_owned) }
}

fn priority() -> Type {
    Type::Enum(vec!["high".into(), "medium".into(), "low".into()])
}

fn bounded_text(tokens_max: Option<u64>, chars_max: Option<u64>, matches: Option<&str>) -> Type {
    Type::Text(TextBounds { tokens_max, chars_max, matches: matches.map(str::to_owned) })
}

fn named() -> BTreeMap<String, Type> {
    let fit = Type::Record(vec![
        field("score", Type::Int { min: Some(1), max: Some(10) }, Some("How well it fits.")),
        field("priority", Type::Named("Priority".into()), None),
        field("reason", Type::optional(bounded_text(Some(60), None, None)), Some("In one sentence.")),
        field("tags", Type::List { of: Box::new(Type::text()), max: Some(3) }, None),
        field("by", Type::Map(Box::new(Type::Money)), None),
    ]);
    BTreeMap::from([("Fit".into(), fit), ("Priority".into(), priority()), ("Loop".into(), Type::Named("Loop".into()))])
}

/// Words, as good as tokens here.
fn count_words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[test]
fn the_schema_of_a_record() {
    let named = named();
    let schema = json_schema(&Type::Named("Fit".into()), &Types::new(&named)).unwrap();
    assert!(!schema.wrapped);
    insta::assert_json_snapshot!(schema.schema);
}

#[test]
fn an_answer_that_is_no_record_is_wrapped() {
    let named = named();
    let schema = json_schema(&Type::Named("Priority".into()), &Types::new(&named)).unwrap();
    let value = json!({ "type": "string", "enum": ["high", "medium", "low"] });
    let wrapped =
        json!({ "type": "object", "required": ["value"], "additionalProperties": false, "properties": { "value": value } });
    assert_eq!((schema.schema, schema.wrapped), (wrapped, true));
    assert!(!schema::needs_schema(&Type::text(), &Types::new(&named)));
    assert!(schema::needs_schema(&Type::optional(Type::text()), &Types::new(&named)));
}

#[test]
fn a_schema_without_end_is_an_error() {
    let mut named = named();
    for level in 0..30 {
        let inner = if level == 0 { Type::text() } else { Type::Named(format!("T{}", level - 1)) };
        named.insert(format!("T{level}"), Type::Record(vec![field("a", inner.clone(), None), field("b", inner, None)]));
    }
    for name in ["Loop", "T29", "Missing"] {
        assert!(json_schema(&Type::Named(name.into()), &Types::new(&named)).is_err(), "{name}");
    }
}

#[test]
fn what_fits_and_what_does_not() {
    let named = named();
    let types = Types::new(&named).counting(&count_words);
    let fit = |json: serde_json::Value| validate(&Type::Named("Fit".into()), &types, &json);
    let whole = json!({ "tags": [], "by": {}, "score": 9.0, "priority": "high", "extra": 1 });
    let value = fit(whole).unwrap();
    assert_eq!(value.to_exact(), r#"{"score":9,"priority":"high","reason":null,"tags":[],"by":{}}"#);
    let long = vec!["word"; 61].join(" ");
    for (patch, message) in [
        (json!({ "score": 11 }), "`score`: expected an int from 1 to 10, found the int 11"),
        (json!({ "score": 1.5 }), "`score`: expected an int from 1 to 10, found the float 1.5"),
        (json!({ "score": "9" }), "`score`: expected an int from 1 to 10, found the text \"9\""),
        (json!({ "score": null }), "`score`: expected an int from 1 to 10, found none"),
        (json!({ "priority": "High" }), "`priority`: expected one of high, medium, low, found the text \"High\""),
        (json!({ "reason": long }), "`reason`: expected a text of at most 60 tokens, found a text of 61 tokens"),
        (json!({ "tags": ["a", "b", "c", "d"] }), "`tags`: expected a list of at most 3, found a list of 4"),
        (json!({ "tags": ["a", 1] }), "`tags[1]`: expected a text, found the int 1"),
        (json!({ "by": { "x": "much" } }), "`by.x`: expected an amount of money, such as 12.50, found the text \"much\""),
        (json!({ "by": 1 }), "`by`: expected a map, found the int 1"),
    ] {
        let mut json = json!({ "score": 1, "priority": "low", "tags": [], "by": {} });
        json.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        assert_eq!(fit(json).unwrap_err().to_string(), message);
    }
    assert_eq!(fit(json!({})).unwrap_err().to_string(), "`score`: expected an int from 1 to 10, found nothing");
    assert!(cast(&Type::Secret, &types, Value::text("x")).is_err());
    assert!(cast(&Type::Named("Loop".into()), &types, Value::None).is_err());
    assert!(cast(&Type::Int { min: None, max: None }, &types, Value::Float(1e300)).is_err());
    assert_eq!(cast(&Type::Money, &types, Value::Float(1e-7)).unwrap().to_text(), "0.0000001");
}

#[test]
fn bounds_on_texts() {
    let named = BTreeMap::new();
    let types = Types::new(&named);
    for (ty, text, fits) in [
        (bounded_text(None, Some(3), None), "üüü", true),
        (bounded_text(None, Some(3), None), "üüüü", false),
        (bounded_text(None, None, Some("[a-z]+@[a-z]+")), "a@b", true),
        (bounded_text(None, None, Some("[a-z]+@[a-z]+")), "a@b\n", false),
        (bounded_text(None, None, Some("[a-z]+@[a-z]+")), "x a@b", false),
        (bounded_text(None, None, Some("(")), "(", false),
    ] {
        assert_eq!(cast(&ty, &types, Value::text(text)).is_ok(), fits, "{text}");
    }
}

#[test]
fn cells_of_a_file() {
    let named = named();
    let types = Types::new(&named);
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    for (ty, cell, expected) in [
        (Type::text(), " a ", "\" a \""),
        (optional(Type::text()), "", "null"),
        (optional(Type::text()), " ", "\" \""),
        (Type::int(), " 42 ", "42"),
        (Type::int(), "4.2", "!expected an int, found \"4.2\""),
        (Type::int(), "", "!expected an int, found an empty cell"),
        (optional(Type::int()), " ", "null"),
        (Type::Int { min: Some(1), max: None }, "0", "!expected an int from 1, found the int 0"),
        (Type::Float, "1e3", "1000.0"),
        (Type::Float, "NaN", "!expected a float, found \"NaN\""),
        (Type::Bool, "Yes", "true"),
        (Type::Bool, "0", "false"),
        (Type::Bool, "maybe", "!expected true or false, found \"maybe\""),
        (Type::Money, "$12.50", r#"{"$money":"12.5"}"#),
        (Type::Date, " 2026-01-02", r#"{"$date":"2026-01-02"}"#),
        (Type::Date, "02.01.2026", "!expected a date, such as 2026-01-31, found the text \"02.01.2026\""),
        (Type::Duration, "1h", r#"{"$duration":3600000000}"#),
        (Type::Named("Priority".into()), "low ", "\"low\""),
        (Type::Json, "[1]", "[1]"),
        (Type::list(Type::int()), "[1]", "[1]"),
        (Type::list(Type::int()), "1", "!expected a list, found the int 1"),
    ] {
        let found = match convert_text(&ty, &types, cell) {
            Ok(value) => value.to_exact(),
            Err(mismatch) => format!("!{mismatch}"),
        };
        assert_eq!(found, expected, "{cell:?}");
    }
}

#[test]
fn answers_of_models() {
    let named = named();
    let types = Types::new(&named);
    let score = Type::Record(vec![field("score", Type::int(), None)]);
    let map = Type::Map(Box::new(Type::int()));
    for (ty, answer, expected) in [
        (&Type::text(), " any {\"text\"} ", "\" any {\\\"text\\\"} \""),
        (&score, r#"{"score": 7}"#, r#"{"score":7}"#),
        (&score, r#"{"score": "7"}"#, r#"{"score":7}"#),
        (&score, "```json\n{\"score\": 7}\n```", r#"{"score":7}"#),
        (&score, "Sure!\n```\n{\"score\": 7}\n```\nAnything else?", r#"{"score":7}"#),
        (&score, "The result is {\"score\": 7}. Good luck}", r#"{"score":7}"#),
        (
            &score,
            "{\"note\": \"{\"} then {\"score\": 7}",
            "!expected a record, found an answer that is no JSON: \"{\\\"note\\\": \\\"{\\\"} then {\\\"score\\\": 7}\"",
        ),
        (&score, "none", "!expected a record, found an answer that is no JSON: \"none\""),
        (&score, r#"{"score": 7"#, "!expected a record, found an answer that is no JSON: \"{\\\"score\\\": 7\""),
        (&score, r#"{"points": 7}"#, "!`score`: expected an int, found nothing"),
        (&priority(), r#"{"value": "high"}"#, "\"high\""),
        (&priority(), "\"high\"", "\"high\""),
        (&priority(), " High\n", "\"high\""),
        (&priority(), "**high**.", "\"high\""),
        (&priority(), ".high", "\"high\""),
        (&priority(), "very high", "!expected one of high, medium, low, found an answer that is no JSON: \"very high\""),
        (&Type::int(), "7", "7"),
        (&Type::Bool, "True.", "true"),
        (&Type::list(Type::int()), "[1, 2]", "[1,2]"),
        (&Type::list(Type::int()), r#"{"value": [1, 2]}"#, "[1,2]"),
        (&map, r#"[{"key": "a", "value": 1}]"#, r#"{"a":1}"#),
        (
            &map,
            r#"{"value": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]}"#,
            "!`value[1]`: expected a key of its own, found \"a\"",
        ),
        (&map, r#"{"a": 1}"#, r#"{"a":1}"#),
        (&Type::Json, r#"{"value": "{\"a\": [1]}"}"#, r#"{"a":[1]}"#),
        (&Type::optional(Type::text()), r#"{"value": null}"#, "null"),
    ] {
        let found = match parse_answer(ty, &types, answer) {
            Ok(value) => value.to_exact(),
            Err(mismatch) => format!("!{mismatch}"),
        };
        assert_eq!(found, expected, "{answer}");
    }
}

#[test]
fn hostile_answers_are_refused_quickly() {
    let named = BTreeMap::new();
    let types = Types::new(&named);
    let ty = Type::Record(vec![field("score", Type::int(), None)]);
    for answer in ["[".repeat(1_000_000), "{\"a\":".repeat(300_000), "```".repeat(500_000), "x".repeat(9 << 20)] {
        assert!(parse_answer(&ty, &types, &answer).is_err());
    }
}

/// Types of every kind that a prompt may answer.
fn any_type() -> impl Strategy<Value = Type> {
    let patterns = prop_oneof![
        Just("[a-z]{2,5}@[a-z]+\\.(com|org)"),
        Just("\\d{4}-\\d{2}"),
        Just("(?i)yes|no"),
        Just("[^a-z]+"),
        Just("\\p{Greek}{3}"),
        Just("^[A-Z]{3}\\b.*$"),
        Just("a?b*c+"),
    ];
    let leaf = prop_oneof![
        Just(Type::text()),
        (0u64..40).prop_map(|max| bounded_text(Some(max), None, None)),
        (0u64..40).prop_map(|max| bounded_text(None, Some(max), None)),
        patterns.prop_map(|pattern| bounded_text(None, None, Some(pattern))),
        (any::<i64>(), any::<i64>()).prop_map(|(a, b)| Type::Int { min: Some(a.min(b)), max: Some(a.max(b)) }),
        any::<i64>().prop_map(|min| Type::Int { min: Some(min), max: None }),
        any::<i64>().prop_map(|max| Type::Int { min: None, max: Some(max) }),
        Just(Type::Float),
        Just(Type::Bool),
        Just(Type::Money),
        Just(Type::Date),
        Just(Type::Datetime),
        Just(Type::Duration),
        Just(Type::Json),
        Just(priority()),
        Just(Type::Named("Fit".into())),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            (inner.clone(), proptest::option::of(0u64..5)).prop_map(|(of, max)| Type::List { of: Box::new(of), max }),
            inner.clone().prop_map(|of| Type::Map(Box::new(of))),
            inner.clone().prop_map(Type::optional),
            proptest::collection::btree_map("[a-z]{1,5}", inner, 1..4)
                .prop_map(|fields| Type::Record(fields.into_iter().map(|(name, ty)| field(&name, ty, None)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn made_up_values_are_valid_and_repeatable(ty in any_type(), seed in any::<u64>()) {
        let named = named();
        let types = Types::new(&named).counting(&count_words);
        let value = generate(&ty, &types, seed);
        prop_assert_eq!(&generate(&ty, &types, seed), &value);
        prop_assert_eq!(cast(&ty, &types, value.clone()), Ok(value.clone()));
        // As a model would write it down.
        let written = if schema::needs_schema(&ty, &types) { value.to_json().to_string() } else { value.to_text() };
        let read = parse_answer(&ty, &types, &written);
        prop_assert_eq!(read.map(|read| read.to_json().to_string()), Ok(value.to_json().to_string()), "{}", written);
    }

    #[test]
    fn every_answer_type_has_a_strict_schema(ty in any_type()) {
        let named = named();
        let schema = json_schema(&ty, &Types::new(&named)).unwrap();
        prop_assert_eq!(schema.schema.get("type"), Some(&json!("object")));
        let text = schema.schema.to_string();
        prop_assert!(!text.contains("$ref") && !text.contains("$defs"));
        prop_assert_eq!(text.matches("\"type\":\"object\"").count(), text.matches("\"additionalProperties\":false").count());
    }

    #[test]
    fn any_answer_ends_without_panic(ty in any_type(), answer in "(\\{|\\}|\\[|\\]|\"|:|,|`|```|json|\n|a|1|score|value| ){0,30}") {
        let named = named();
        let _ = parse_answer(&ty, &Types::new(&named), &answer);
        let _ = convert_text(&ty, &Types::new(&named), &answer);
    }
}

#[test]
fn made_up_values_vary() {
    let plan = plan();
    let types = Types::new(&plan.types);
    let fit = Type::Named("Fit".into());
    let different: std::collections::BTreeSet<String> = (0..50).map(|seed| generate(&fit, &types, seed).to_exact()).collect();
    assert!(different.len() > 45, "{}", different.len());
}
