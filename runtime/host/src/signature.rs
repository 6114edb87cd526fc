//! Signatures of webhooks, HMAC-SHA256 all of them: that of <https://www.standardwebhooks.com>, and those of GitHub, Stripe and Slack.
//! Which one a request bears is told by its headers.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pmflow_engine::Time;
use sha2::{Digest as _, Sha256};

/// A signed time may be so far from now, either way.
pub const TOLERANCE: Time = 300_000_000;
/// Signatures in one header that are tried.
const SIGNATURES_MAX: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error(
        "it bears no signature; sign it as Standard Webhooks do (webhook-id, webhook-timestamp, webhook-signature), or as GitHub \
         (x-hub-signature-256), Stripe (stripe-signature) or Slack (x-slack-signature, x-slack-request-timestamp)"
    )]
    Missing,
    #[error("its `{header}` header is missing or not in its form: {form}")]
    Malformed { header: &'static str, form: &'static str },
    #[error("it was signed {} s from now, and {} s are allowed; check the clock, and sign each attempt anew", seconds, TOLERANCE / 1_000_000)]
    Stale { seconds: i64 },
    #[error(
        "its `{header}` does not fit its body and the secret; check that both sides have the same secret, and that the body is sent as it was signed"
    )]
    Wrong { header: &'static str },
}

/// Verifies a request. The answer is a key that is the same for every repetition of the delivery and cannot be changed without the
/// secret. `header` gives a header's value by its name in lower case.
pub fn verify(secret: &str, header: impl Fn(&str) -> Option<String>, body: &[u8], now: Time) -> Result<String, SignatureError> {
    if let Some(signatures) = header("webhook-signature") {
        let id = header("webhook-id").filter(|id| is_id(id));
        let id = id.ok_or(SignatureError::Malformed { header: "webhook-id", form: "up to 200 letters, digits, `_` and `-`" })?;
        let time = header("webhook-timestamp").unwrap_or_default();
        let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
        let given = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        check(&standard_key(secret), &signed, given, "webhook-signature")?;
        is_recent("webhook-timestamp", &time, now)?;
        return Ok(format!("standard/{id}"));
    }
    let key = secret.as_bytes();
    if let Some(signature) = header("x-hub-signature-256") {
        let given = signature.strip_prefix("sha256=").and_then(from_hex);
        check(key, body, given.into_iter(), "x-hub-signature-256")?;
        // Neither a time nor the id of the delivery is signed: the same body counts once.
        return Ok(format!("github/{}", digest(body)));
    }
    if let Some(signature) = header("stripe-signature") {
        let parts: Vec<(&str, &str)> = signature.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        let time = parts.iter().find(|(name, _)| *name == "t").map(|(_, time)| *time).unwrap_or_default();
        let signed = [time.as_bytes(), b".", body].concat();
        let given = parts.iter().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| from_hex(hex));
        check(key, &signed, given, "stripe-signature")?;
        is_recent("stripe-signature", time, now)?;
        return Ok(format!("stripe/{}", field(body, "id").unwrap_or_else(|| digest(body))));
    }
    if let Some(signature) = header("x-slack-signature") {
        let time = header("x-slack-request-timestamp").unwrap_or_default();
        let signed = [b"v0:", time.as_bytes(), b":", body].concat();
        let given = signature.strip_prefix("v0=").and_then(from_hex);
        check(key, &signed, given.into_iter(), "x-slack-signature")?;
        is_recent("x-slack-request-timestamp", &time, now)?;
        return Ok(format!("slack/{}", field(body, "event_id").unwrap_or_else(|| digest(body))));
    }
    Err(SignatureError::Missing)
}

/// Headers that sign a message as Standard Webhooks do.
pub fn sign(secret: &str, id: &str, now: Time, body: &[u8]) -> [(&'static str, String); 3] {
    let time = (now / 1_000_000).to_string();
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &standard_key(secret)), &signed);
    let signature = format!("v1,{}", STANDARD.encode(tag.as_ref()));
    [("webhook-id", id.to_owned()), ("webhook-timestamp", time), ("webhook-signature", signature)]
}

/// `whsec_` and base64, as the standard writes secrets; any other text counts as it is.
fn standard_key(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    encoded.unwrap_or_else(|| secret.as_bytes().to_vec())
}

/// The comparison takes the same time whatever is wrong.
fn check(key: &[u8], signed: &[u8], given: impl Iterator<Item = Vec<u8>>, header: &'static str) -> Result<(), SignatureError> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let fits = given.take(SIGNATURES_MAX).any(|tag| hmac::verify(&key, signed, &tag).is_ok());
    if fits { Ok(()) } else { Err(SignatureError::Wrong { header }) }
}

fn is_recent(header: &'static str, time: &str, now: Time) -> Result<(), SignatureError> {
    let seconds = time.parse::<i64>().map_err(|_| SignatureError::Malformed { header, form: "seconds since 1970" })?;
    let away = seconds.saturating_mul(1_000_000).saturating_sub(now).saturating_abs();
    if away > TOLERANCE { Err(SignatureError::Stale { seconds: away / 1_000_000 }) } else { Ok(()) }
}

/// No dot: what is signed could be cut in other places.
fn is_id(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A short text at the top of a JSON body.
fn field(body: &[u8], name: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    json.get(name)?.as_str().filter(|id| is_id(id)).map(str::to_owned)
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| text.as_bytes().chunks(2).filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = 1_614_265_330_000_000;

    fn with(headers: &[(&'static str, String)]) -> impl Fn(&str) -> Option<String> {
        let headers = headers.to_vec();
        move |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn hex(key: &str, signed: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The example of the standard's own specification.
    #[test]
    fn the_standards_own_example_fits() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()),
            ("webhook-timestamp", "1614265330".to_owned()),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()),
        ];
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(verify(secret, with(&headers), body, NOW), Ok("standard/msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()));
        assert_eq!(sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, body), headers);
    }

    #[test]
    fn each_style_is_known_by_its_headers() {
        let body = r#"{"id":"evt_1","event_id":"Ev1","n":1}"#;
        let slack = hex("key", &format!("v0:1614265330:{body}"));
        let cases: Vec<(Vec<(&'static str, String)>, String)> = vec![
            (
                vec![("x-hub-signature-256", format!("sha256={}", hex("key", body)))],
                format!("github/{}", digest(body.as_bytes())),
            ),
            (
                vec![("stripe-signature", format!("t=1614265330,v1={},v0=00", hex("key", &format!("1614265330.{body}"))))],
                "stripe/evt_1".to_owned(),
            ),
            (
                vec![("x-slack-request-timestamp", "1614265330".to_owned()), ("x-slack-signature", format!("v0={slack}"))],
                "slack/Ev1".to_owned(),
            ),
            (sign("key", "m1", NOW, body.as_bytes()).to_vec(), "standard/m1".to_owned()),
        ];
        for (headers, expected) in cases {
            assert_eq!(verify("key", with(&headers), body.as_bytes(), NOW), Ok(expected), "{headers:?}");
            assert!(matches!(verify("other", with(&headers), body.as_bytes(), NOW), Err(SignatureError::Wrong { .. })));
            assert!(matches!(verify("key", with(&headers), b"{}", NOW), Err(SignatureError::Wrong { .. })));
            if headers.len() > 1 || headers[0].1.starts_with("t=") {
                let late = verify("key", with(&headers), body.as_bytes(), NOW + TOLERANCE + 1_000_000);
                assert_eq!(late, Err(SignatureError::Stale { seconds: 301 }), "{headers:?}");
            }
        }
        assert_eq!(verify("key", with(&[]), body.as_bytes(), NOW), Err(SignatureError::Missing));
    }

    /// What was signed in one style says something else in another.
    #[test]
    fn a_signature_of_one_style_does_not_pass_for_another() {
        let body = r#"{"a":"x.1614265330.{}"}"#;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"key"), body.as_bytes());
        let headers = [
            ("webhook-id", r#"{"a":"x"#.to_owned()),
            ("webhook-timestamp", "1614265330".to_owned()),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(tag.as_ref()))),
        ];
        let forged = verify("key", with(&headers), br#"{}"}"#, NOW);
        assert!(matches!(forged, Err(SignatureError::Malformed { .. })), "{forged:?}");
    }
}
