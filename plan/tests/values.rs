//! The two JSON forms of a value, its order and its equality.

use pmflow_plan::value::{VALUE_DEPTH_MAX, time};
use pmflow_plan::{Money, Value};
use proptest::prelude::*;
use std::cmp::Ordering;

#[test]
fn the_exact_form_of_each_kind() {
    let record = |name: &str, value: Value| Value::record([(name, value)]);
    for (value, text) in [
        (Value::None, "null"),
        (Value::Int(1), "1"),
        (Value::Float(1.0), "1.0"),
        (Value::Float(1e300), "1e+300"),
        (Value::Float(-0.0), "-0.0"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::Money(Money::from_pico(12_500_000_000_000)), r#"{"$money":"12.5"}"#),
        (Value::Date(0), r#"{"$date":"1970-01-01"}"#),
        (Value::Date(i32::MAX), r#"{"$date":2147483647}"#),
        (Value::Datetime(1_500_000), r#"{"$datetime":"1970-01-01T00:00:01.500000Z"}"#),
        (Value::Datetime(i64::MIN), r#"{"$datetime":-9223372036854775808}"#),
        (Value::Duration(-5), r#"{"$duration":-5}"#),
        (Value::Record(Default::default()), "{}"),
        (record("b", Value::list(vec![Value::text("ü\n")])), r#"{"b":["ü\n"]}"#),
        (record("$date", Value::text("1970-01-01")), r#"{"$record":{"$date":"1970-01-01"}}"#),
        (record("$record", Value::Date(0)), r#"{"$record":{"$record":{"$date":"1970-01-01"}}}"#),
        (Value::record([("z", Value::Int(1)), ("a", Value::Int(2))]), r#"{"z":1,"a":2}"#),
    ] {
        assert_eq!(value.to_exact(), text);
        assert_eq!(Value::from_exact(text).as_ref(), Ok(&value), "{text}");
    }
}

#[test]
fn what_is_no_exact_form() {
    for text in [
        "",
        "1 2",
        r#"{"$date":"1970-1-1"}"#,
        r#"{"$date":true}"#,
        r#"{"$other":1}"#,
        r#"{"$date":"1970-01-01","b":1}"#,
        r#"{"a":1,"$date":"1970-01-01"}"#,
        r#"{"a":1,"a":2}"#,
        "18446744073709551615",
        r#"{"$record":[]}"#,
    ] {
        assert!(Value::from_exact(text).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(Value::from_exact(&deep).unwrap_err().to_string(), "nested more than 48 deep");
    assert_eq!(Value::parse_json(&deep).unwrap_err().to_string(), "nested more than 48 deep");
}

#[test]
fn the_deepest_value_can_be_stored_and_read_by_any_reader() {
    let nested = |levels: usize| (0..levels).fold(Value::Int(1), |inner, _| Value::record([("$date", inner)]));
    let deepest = nested(VALUE_DEPTH_MAX);
    let stored = format!("{{\"a\":[{{\"b\":[{}]}}]}}", deepest.to_exact());
    assert!(serde_json::from_str::<Value>(&stored).is_ok());
    assert_eq!(Value::from_exact(&deepest.to_exact()), Ok(deepest.clone()));
    assert!(Value::from_exact(&nested(VALUE_DEPTH_MAX + 1).to_exact()).is_err());
    assert_eq!(deepest.measure(VALUE_DEPTH_MAX, 1_000), Some(VALUE_DEPTH_MAX as u64 + 1));
    assert_eq!(deepest.measure(VALUE_DEPTH_MAX - 1, 1_000), None);
    assert_eq!(deepest.measure(VALUE_DEPTH_MAX, 10), None);
}

#[test]
fn the_plain_form_is_for_people() {
    let value = Value::record([
        ("money", Value::Money(Money::from_pico(500_000_000_000))),
        ("date", Value::Date(20_000)),
        ("datetime", Value::Datetime(1_000_000)),
        ("duration", Value::Duration(5_400_000_000)),
        ("float", Value::Float(2.0)),
    ]);
    let json = r#"{"money":"0.5","date":"2024-10-04","datetime":"1970-01-01T00:00:01Z","duration":"1h30m","float":2.0}"#;
    assert_eq!(value.to_json().to_string(), json);
    let read = Value::parse_json(r#"{"$date": "x", "a": 1, "a": 2.0, "big": 18446744073709551615}"#).unwrap();
    let fields = [("$date", Value::text("x")), ("a", Value::Float(2.0)), ("big", Value::Float(18446744073709551615.0))];
    assert_eq!(read, Value::record(fields));
}

#[test]
fn records_are_equal_whatever_the_order_of_their_fields() {
    let left = Value::record([("a", Value::Int(1)), ("b", Value::Int(2))]);
    let right = Value::record([("b", Value::Float(2.0)), ("a", Value::Int(1))]);
    assert!(left.equals(&right));
    assert!(!left.equals(&Value::record([("a", Value::Int(1))])));
    assert!(!Value::Int(i64::MAX).equals(&Value::Float(i64::MAX as f64)));
}

#[test]
fn durations_and_datetimes_in_text() {
    for (text, microseconds) in [("1d2h", 93_600_000_000), ("250ms", 250_000), ("-5s", -5_000_000), ("0s", 0), ("1us", 1)] {
        assert_eq!(time::parse_duration(text), Some(microseconds));
        assert_eq!(time::duration_text(microseconds), text);
    }
    for text in ["", "-", "5", "s", "1s1h", "1s1s", "1.5h", "999999999999999d", "1x", "1 s"] {
        assert_eq!(time::parse_duration(text), None, "{text}");
    }
    for text in ["1970-01-01T02:00:00+02:00", "1970-01-01 00:00:00", "1970-01-01T00:00Z", "1970-01-01T00:00"] {
        assert_eq!(time::parse_datetime(text).is_some(), !text.ends_with("00:00Z"), "{text}");
    }
    for text in ["2026-13-01", "2026-02-30", "26-01-01", "2026-1-01", "+026-01-01", "2026-01-01 "] {
        assert_eq!(time::parse_date(text), None, "{text}");
    }
}

/// Values of every kind, names that look like marks among them.
pub fn any_value() -> impl Strategy<Value = Value> {
    let finite = any::<f64>().prop_filter("finite", |float| float.is_finite());
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-3i64..3).prop_map(Value::Int),
        finite.prop_map(Value::Float),
        (-3i64..3).prop_map(|int| Value::Float(int as f64)),
        any::<i64>().prop_map(|pico| Value::Money(Money::from_pico(i128::from(pico)))),
        "\\PC{0,12}".prop_map(Value::text),
        any::<i32>().prop_map(Value::Date),
        (-20_000i32..40_000).prop_map(Value::Date),
        any::<i64>().prop_map(Value::Datetime),
        (0i64..2_000_000_000_000_000).prop_map(Value::Datetime),
        any::<i64>().prop_map(Value::Duration),
    ];
    let name = prop_oneof!["[a-z]{1,3}", Just("$date".to_owned()), Just("$record".to_owned()), "\\PC{0,4}"];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
            proptest::collection::btree_map(name.clone(), inner, 0..6).prop_map(Value::record),
        ]
    })
}

proptest! {
    #[test]
    fn the_exact_form_reads_back(value in any_value()) {
        let text = value.to_exact();
        let read = Value::from_exact(&text).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(read.to_exact(), text);
    }

    #[test]
    fn plain_json_reads_back_as_json(value in any_value()) {
        let json = value.to_json();
        prop_assert_eq!(Value::from_json(json.clone()).to_json(), json.clone());
        prop_assert_eq!(Value::parse_json(&json.to_string()).unwrap().to_json(), json);
    }

    #[test]
    fn the_order_is_total(a in any_value(), b in any_value(), c in any_value()) {
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
        prop_assert_eq!(a.compare(&a), Ordering::Equal);
        if a.compare(&b).is_le() && b.compare(&c).is_le() {
            prop_assert!(a.compare(&c).is_le());
        }
    }

    #[test]
    fn duration_text_reads_back(microseconds in any::<i64>()) {
        prop_assert_eq!(time::parse_duration(&time::duration_text(microseconds)), Some(microseconds));
    }

    #[test]
    fn reading_never_panics(text in "[\\[\\]{}\":,0-9a-z$.e+-]{0,40}") {
        let _ = Value::from_exact(&text);
        let _ = Value::parse_json(&text);
        let _ = time::parse_date(&text);
        let _ = time::parse_datetime(&text);
        let _ = time::parse_duration(&text);
    }
}
