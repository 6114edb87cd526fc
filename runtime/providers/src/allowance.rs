//! What an answer says about the provider's limits: how much is allowed, how much of it is left, when it is whole again.

use crate::retry_after::{reset_ms, text};
use reqwest::header::HeaderMap;

/// One limit of the key for the model that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub of: Counted,
    pub most: u64,
    pub left: u64,
    /// Until all of it is there again.
    pub full_in_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Requests,
    /// Of input and output together.
    Tokens,
}

/// How the three numbers of a limit are called.
struct Names {
    of: Counted,
    most: &'static str,
    left: &'static str,
    reset: &'static str,
}

const NAMES: [Names; 5] = [
    names(Counted::Requests, "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    names(Counted::Tokens, "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    names(
        Counted::Requests,
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    // The tightest of those on input, on output and on both.
    names(
        Counted::Tokens,
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    names(Counted::Requests, "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
];

const fn names(of: Counted, most: &'static str, left: &'static str, reset: &'static str) -> Names {
    Names { of, most, left, reset }
}

/// A limit of which a number is missing or none is not there. `now_ms` is Unix time.
pub(crate) fn read(headers: &HeaderMap, now_ms: i64) -> Vec<Allowance> {
    let count = |name: &str| text(headers, name)?.parse::<f64>().ok().filter(|number| *number >= 0.0).map(|number| number as u64);
    let limit = |names: &Names| {
        let (most, left) = (count(names.most)?, count(names.left)?);
        let full_in_ms = reset_ms(text(headers, names.reset)?, now_ms)?;
        Some(Allowance { of: names.of, most, left, full_in_ms })
    };
    NAMES.iter().filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    /// 2026-11-22T12:00:00Z
    const NOW: i64 = 1_795_348_800_000;

    fn of(headers: &[(&str, &str)]) -> Vec<Allowance> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        read(&map, NOW)
    }

    #[test]
    fn each_providers_headers_are_read() {
        let openai = of(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "1m0.5s"),
        ]);
        let requests = Allowance { of: Counted::Requests, most: 500, left: 499, full_in_ms: 120 };
        let tokens = Allowance { of: Counted::Tokens, most: 200_000, left: 0, full_in_ms: 60_500 };
        assert_eq!(openai, [requests, tokens]);
        let anthropic = of(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("anthropic-ratelimit-requests-reset", "2026-11-22T12:00:30Z"),
            ("anthropic-ratelimit-tokens-limit", "40000"),
        ]);
        assert_eq!(anthropic, [Allowance { of: Counted::Requests, most: 50, left: 3, full_in_ms: 30_000 }]);
    }

    #[test]
    fn what_makes_no_sense_is_no_limit() {
        let with = |most: &'static str, left: &'static str, reset: &'static str| {
            of(&[("x-ratelimit-limit", most), ("x-ratelimit-remaining", left), ("x-ratelimit-reset", reset)])
        };
        assert_eq!(with("10", "5", "1795348803").len(), 1);
        for (most, left, reset) in
            [("ten", "5", "1s"), ("10", "-5", "1s"), ("10", "5", "soon"), ("NaN", "5", "1s"), ("", "5", "1s")]
        {
            assert_eq!(with(most, left, reset), [], "{most} {left} {reset}");
        }
    }
}
