//! How long a service asks to be left alone, in every form that services use.

use chrono::{DateTime, Utc};
use pmflow_plan::Value;
use std::collections::BTreeMap;

/// Longer waits are taken for this: a day.
pub const WAIT_MS_MAX: u64 = 86_400_000;

/// Milliseconds to wait, from the headers (names in lower case) or else from the body: `retry-after-ms`, `retry-after` as
/// seconds, with a fraction or as an HTTP date, `retry_after` and `retry_after_ms` in a JSON body.
pub fn retry_after_ms(headers: &BTreeMap<String, String>, body: &Value, now: DateTime<Utc>) -> Option<u64> {
    let milliseconds = headers.get("retry-after-ms").or_else(|| headers.get("x-ms-retry-after-ms"));
    let from_milliseconds = milliseconds.and_then(|text| from_number(text.trim().parse().ok()?, 1.0));
    let from_header = || headers.get("retry-after").and_then(|text| from_text(text, now));
    from_milliseconds.or_else(from_header).or_else(|| from_body(body))
}

fn from_text(text: &str, now: DateTime<Utc>) -> Option<u64> {
    let text = text.trim();
    if let Some(milliseconds) = text.strip_suffix("ms").and_then(|number| number.trim().parse().ok()) {
        return from_number(milliseconds, 1.0);
    }
    let number = text.strip_suffix('s').unwrap_or(text);
    if let Ok(seconds) = number.trim().parse::<f64>() {
        return from_number(seconds, 1_000.0);
    }
    let date = DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text)).ok()?;
    let wait = (date.with_timezone(&Utc) - now).num_milliseconds();
    Some(u64::try_from(wait).unwrap_or(0).min(WAIT_MS_MAX))
}

fn from_body(body: &Value) -> Option<u64> {
    let places = [Some(body), body.get("error"), body.get("parameters")];
    places.into_iter().flatten().find_map(|place| {
        let milliseconds = place.get("retry_after_ms").and_then(number).and_then(|number| from_number(number, 1.0));
        milliseconds.or_else(|| place.get("retry_after").and_then(number).and_then(|number| from_number(number, 1_000.0)))
    })
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Rounded up: to come back too early is worse than a millisecond late.
fn from_number(number: f64, unit_ms: f64) -> Option<u64> {
    let milliseconds = (number * unit_ms).ceil();
    (milliseconds.is_finite() && milliseconds >= 0.0).then(|| (milliseconds.min(WAIT_MS_MAX as f64)) as u64)
}
