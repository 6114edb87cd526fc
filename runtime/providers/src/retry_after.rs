//! How long the other side asks not to be called again, in all the forms in which it is said.

use chrono::{DateTime, NaiveDateTime};
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Nobody is waited for longer at a stretch; whoever still refuses then says so again.
pub(crate) const WAIT_MS_MAX: u64 = 3_600_000;

/// In milliseconds from now, at most [`WAIT_MS_MAX`]. `now_ms` is Unix time; the server's own `Date` header goes before
/// it, so that a wrong clock here does not matter.
pub(crate) fn wait_ms(headers: &HeaderMap, body: Option<&Value>, now_ms: i64) -> Option<u64> {
    let now_ms = text(headers, "date").and_then(http_date_ms).unwrap_or(now_ms);
    let said = text(headers, "retry-after-ms")
        .and_then(|value| scaled(value, 1.0))
        .or_else(|| text(headers, "retry-after").and_then(|value| seconds_or_date(value, now_ms)))
        .or_else(|| body.and_then(retry_info))
        .or_else(|| exhausted_limit(headers, now_ms));
    said.map(|wait| wait.min(WAIT_MS_MAX))
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

/// `2`, `0.5`, `Wed, 21 Oct 2026 07:28:00 GMT`.
fn seconds_or_date(value: &str, now_ms: i64) -> Option<u64> {
    scaled(value, 1000.0).or_else(|| Some(until(http_date_ms(value)?, now_ms)))
}

/// A decimal number times so many milliseconds, rounded up.
fn scaled(value: &str, milliseconds: f64) -> Option<u64> {
    let number: f64 = value.parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| (number * milliseconds).ceil().min(1e15) as u64)
}

fn until(then_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(then_ms.saturating_sub(now_ms)).unwrap_or(0)
}

/// All three forms of RFC 9110.
fn http_date_ms(value: &str) -> Option<i64> {
    let common = DateTime::parse_from_rfc2822(value).ok().map(|date| date.timestamp_millis());
    let older = || {
        let forms = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
        forms
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())
            .map(|date| date.and_utc().timestamp_millis())
    };
    common.or_else(older)
}

/// Google's `RetryInfo` in the error's details: `"retryDelay": "17s"`. The error may stand in a list.
fn retry_info(body: &Value) -> Option<u64> {
    let body = body.get(0).unwrap_or(body);
    let details = body.pointer("/error/details")?.as_array()?;
    details.iter().filter_map(|detail| detail.get("retryDelay")?.as_str()).find_map(duration_ms)
}

/// When the exhausted limit is full again, of those that are listed: `x-ratelimit-reset-tokens: 6m0s`,
/// `anthropic-ratelimit-requests-reset: 2026-11-22T12:00:00Z`. The latest of them, for all must be met.
fn exhausted_limit(headers: &HeaderMap, now_ms: i64) -> Option<u64> {
    let resets = headers.iter().filter(|(name, _)| name.as_str().contains("ratelimit") && name.as_str().contains("reset"));
    resets
        .filter(|(name, _)| {
            let remaining = text(headers, &name.as_str().replace("reset", "remaining"));
            remaining.is_none_or(|left| left.parse::<f64>().is_ok_and(|left| left <= 0.0))
        })
        .filter_map(|(_, value)| reset_ms(value.to_str().ok()?.trim(), now_ms))
        .max()
}

pub(crate) fn reset_ms(value: &str, now_ms: i64) -> Option<u64> {
    if let Ok(date) = DateTime::parse_from_rfc3339(value) {
        return Some(until(date.timestamp_millis(), now_ms));
    }
    match value.parse::<f64>() {
        // A point in time, in milliseconds or seconds, or else a span in seconds.
        Ok(number) if number >= 1e12 => Some(until(number.min(1e15) as i64, now_ms)),
        Ok(number) if number >= 1e9 => Some(until((number * 1000.0) as i64, now_ms)),
        Ok(_) => scaled(value, 1000.0),
        Err(_) => duration_ms(value),
    }
}

/// `1s`, `6m0s`, `1h2m3.5s`, `120ms`, `17.25s`.
fn duration_ms(value: &str) -> Option<u64> {
    let mut rest = value;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let milliseconds = match unit {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        total = total.saturating_add(scaled(number, milliseconds)?);
        rest = after;
    }
    (!value.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};
    use serde_json::json;

    /// 2026-11-22T12:00:00Z
    const NOW: i64 = 1_795_348_800_000;

    fn wait(headers: &[(&str, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        wait_ms(&map, None, NOW)
    }

    /// Headers, and the milliseconds to wait.
    type Case<'a> = (&'a [(&'a str, &'a str)], Option<u64>);

    #[test]
    fn every_form_is_read() {
        let cases: [Case<'_>; 21] = [
            (&[], None),
            (&[("retry-after", "2")], Some(2_000)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after", " 7 ")], Some(7_000)),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1_500)),
            (&[("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Sunday, 22-Nov-26 12:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Sun Nov 22 12:00:30 2026")], Some(30_000)),
            (&[("retry-after", "Sun, 22 Nov 2026 11:00:00 GMT")], Some(0)),
            (&[("retry-after", "Sun, 22 Nov 2026 09:00:10 GMT"), ("date", "Sun, 22 Nov 2026 09:00:00 GMT")], Some(10_000)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "1e99")], Some(WAIT_MS_MAX)),
            (&[("retry-after", "NaN")], None),
            (&[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-remaining-requests", "0")], Some(1_000)),
            (&[("x-ratelimit-reset-tokens", "6m0s"), ("x-ratelimit-remaining-tokens", "0")], Some(360_000)),
            (&[("x-ratelimit-reset-tokens", "6m0s"), ("x-ratelimit-remaining-tokens", "900")], None),
            (
                &[("anthropic-ratelimit-tokens-reset", "2026-11-22T12:00:05Z"), ("anthropic-ratelimit-tokens-remaining", "0")],
                Some(5_000),
            ),
            (&[("x-ratelimit-reset", "1795348803")], Some(3_000)),
            (&[("x-ratelimit-reset", "99999999999")], Some(WAIT_MS_MAX)),
        ];
        for (headers, expected) in cases {
            assert_eq!(wait(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn google_says_it_in_the_body() {
        let body = json!({"error": {"code": 429, "details": [{"@type": "x/google.rpc.QuotaFailure"}, {"@type": "x/google.rpc.RetryInfo", "retryDelay": "17.5s"}]}});
        assert_eq!(wait_ms(&HeaderMap::new(), Some(&body), NOW), Some(17_500));
        assert_eq!(wait_ms(&HeaderMap::new(), Some(&json!([body])), NOW), Some(17_500));
    }

    #[test]
    fn durations() {
        let cases = [
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("120ms", Some(120)),
            ("", None),
            ("s", None),
            ("5", None),
            ("5x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
    }
}
