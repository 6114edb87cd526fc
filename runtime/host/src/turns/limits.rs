//! What somebody declares that a provider's key may do: `OPENAI_RATE_LIMIT="500 requests, 200000 tokens"`.

use pmflow_ledger::gate::{Limit, Time, Unit};

/// A minute, and the second that a call may take from its turn until it is sent.
const MINUTE_US: Time = 61_000_000;

/// `500 requests, 200000 tokens; gpt-6.1-mini: 50 requests`: per minute, for all models of the key together and for single
/// ones of them. The name before a `:` is the model's as the provider calls it.
pub(crate) fn declared(text: &str) -> Result<Vec<(Option<String>, Limit)>, String> {
    let mut limits = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (model, amounts) = match part.rsplit_once(':') {
            Some((model, amounts)) => (Some(model.trim().to_owned()), amounts),
            None => (None, part),
        };
        for amount in amounts.split(',') {
            limits.push((model.clone(), limit(amount.trim())?));
        }
    }
    Ok(limits)
}

fn limit(amount: &str) -> Result<Limit, String> {
    let wrong = || format!("`{amount}` is no limit; write `500 requests` or `200000 tokens`, which is per minute");
    let (number, unit) = amount.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let most = number.replace(['_', '\''], "").parse().ok().filter(|most| *most > 0).ok_or_else(wrong)?;
    let unit = match unit.trim() {
        "requests" | "request" => Unit::Requests,
        "tokens" | "token" => Unit::Tokens,
        _ => return Err(wrong()),
    };
    Ok(Limit { unit, most, per_us: MINUTE_US })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let of = |model: Option<&str>, unit, most| (model.map(str::to_owned), Limit { unit, most, per_us: MINUTE_US });
        let text = "500 requests, 200_000 tokens; llama3.2:3b: 1 request;";
        let read = [of(None, Unit::Requests, 500), of(None, Unit::Tokens, 200_000), of(Some("llama3.2:3b"), Unit::Requests, 1)];
        assert_eq!(declared(text), Ok(read.to_vec()));
        assert_eq!(declared(" "), Ok(Vec::new()));
        for wrong in ["500", "0 requests", "-1 requests", "many requests", "500 calls", "500 requests 3", "m:"] {
            assert!(declared(wrong).is_err(), "{wrong}");
        }
    }
}
