//! What an error answer means: its class, what is known about its bill, and words for a person.

use crate::endpoint::{Endpoint, display_name, key_variables};
use crate::retry_after;
use crate::secrets::redact;
use pmflow_plan::{Billing, Failure, FailureClass, Model};
use reqwest::header::HeaderMap;
use serde_json::Value;

const DETAIL_CHARS_MAX: usize = 600;

/// Codes of a spent account: waiting does not help, so these are not rate limits although some come as 429.
const SPENT: [&str; 10] = [
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "insufficient_quota",
    "insufficient_balance",
    "billing_error",
    "billing_hard_limit_reached",
    "billing_not_active",
    "enforced_spend_limit_reached",
];

/// Who was asked, for messages.
pub(crate) struct Context<'a> {
    pub model: &'a Model,
    pub endpoint: &'a Endpoint,
}

/// The error object of any of the providers, read tolerantly.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Detail {
    pub message: String,
    /// `code`, `type`, `status` and the codes in `details`, in lower case.
    pub words: Vec<String>,
    /// A status that stands in the body.
    pub status: Option<u16>,
}

impl Detail {
    /// `{"error": {…}}`, `[{"error": {…}}]`, `{"error": "text"}`, `{"detail": …}`, `{"object": "error", "message": …}`.
    pub fn of(body: &Value) -> Option<Detail> {
        let body = body.get(0).unwrap_or(body);
        let inner = match body.get("error") {
            Some(error) if !error.is_null() => error,
            _ if body.get("detail").is_some() => body.get("detail")?,
            _ if body.get("object").is_some_and(|object| object == "error") => body,
            _ => return None,
        };
        let message = match inner {
            Value::String(text) => text.clone(),
            _ => inner.get("message").and_then(Value::as_str).map_or_else(|| inner.to_string(), str::to_owned),
        };
        let mut words: Vec<String> =
            ["code", "type", "status"].iter().filter_map(|key| inner.get(*key)?.as_str()).map(str::to_lowercase).collect();
        words.extend(detail_codes(inner.get("details")));
        let status = inner.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Some(Detail { message, words, status })
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn contains(&self, part: &str) -> bool {
        self.words.iter().any(|known| known.contains(part))
    }

    /// The account has nothing left, or its owner's limit is reached.
    fn is_spent(&self) -> bool {
        let message = self.message.to_lowercase();
        SPENT.iter().any(|code| self.has(code))
            || self.contains("contract_spend_limit")
            || message.contains("credit balance is too low")
    }

    fn is_bad_key(&self) -> bool {
        self.has("api_key_invalid")
            || self.has("invalid_api_key")
            || self.message.contains("API key not valid")
            || self.message.contains("API key expired")
    }

    fn is_refusal(&self) -> bool {
        self.contains("content_filter") || self.contains("content_policy")
    }

    /// The model wrote, and its text did not fit the schema: some servers call that an error of the request.
    fn is_unfit_answer(&self) -> bool {
        self.has("json_validate_failed")
    }

    fn is_overload(&self) -> bool {
        self.contains("overloaded") || self.has("slow_down") || self.has("unavailable")
    }
}

/// Anthropic's details are an object, Google's a list of objects.
fn detail_codes(details: Option<&Value>) -> Vec<String> {
    let list = match details {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(object @ Value::Object(_)) => vec![object],
        _ => Vec::new(),
    };
    let keys = ["reason", "code", "error_code", "type"];
    list.iter().flat_map(|detail| keys.iter().filter_map(|key| detail.get(*key)?.as_str())).map(str::to_lowercase).collect()
}

/// The failure for an answer with a status other than success.
pub(crate) fn of_status(context: &Context<'_>, status: u16, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Failure {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let detail =
        json.as_ref().and_then(Detail::of).unwrap_or_else(|| Detail { message: plain_text(headers, body), ..Detail::default() });
    let (mut class, billing) = class_of(status, &detail);
    if class == FailureClass::RateLimit && status == 429 && says_never(headers) {
        class = FailureClass::Permission;
    }
    let wait = (class == FailureClass::RateLimit || status >= 500)
        .then(|| retry_after::wait_ms(headers, json.as_ref(), now_ms))
        .flatten();
    let message = message(context, status, class, &detail, headers);
    Failure::new(class, billing, message).retry_after_ms(wait)
}

/// The failure for an error object inside an answer whose status says success. What it cost is not known.
pub(crate) fn of_error_in_success(context: &Context<'_>, detail: &Detail) -> Failure {
    let text = format!(
        "{} answered `{}` with success, but the body is an error{}",
        display_name(&context.model.provider),
        context.model.id,
        said(context, &detail.message)
    );
    Failure::unknown(class_in_success(detail), text)
}

/// The failure for a request of a batch that its provider says it could not answer, and does not bill.
pub(crate) fn of_error_in_batch(context: &Context<'_>, detail: &Detail) -> Failure {
    let who = display_name(&context.model.provider);
    let text = format!("{who} could not answer `{}` in its batch{}", context.model.id, said(context, &detail.message));
    Failure::not_billed(class_in_success(detail), text)
}

fn class_in_success(detail: &Detail) -> FailureClass {
    match detail.status {
        Some(status) if status >= 400 => class_of(status, detail).0,
        _ if detail.is_spent() || detail.contains("authentication") || detail.contains("permission") || detail.is_bad_key() => {
            FailureClass::Permission
        }
        _ if detail.contains("rate_limit") || detail.is_overload() => FailureClass::RateLimit,
        _ if detail.is_refusal() => FailureClass::Refusal,
        _ if detail.contains("invalid_request") || detail.contains("invalid_prompt") => FailureClass::InvalidInput,
        _ => FailureClass::Transport,
    }
}

fn class_of(status: u16, detail: &Detail) -> (FailureClass, Billing) {
    use Billing::{NotBilled, Unknown};
    match status {
        _ if status < 500 && (detail.is_spent() || detail.is_bad_key()) => (FailureClass::Permission, NotBilled),
        400..500 if detail.is_unfit_answer() => (FailureClass::InvalidOutput, Unknown),
        400..500 if detail.is_refusal() => (FailureClass::Refusal, NotBilled),
        401..=403 => (FailureClass::Permission, NotBilled),
        408 => (FailureClass::Timeout, Unknown),
        409 | 425 => (FailureClass::Transport, Unknown),
        429 => (FailureClass::RateLimit, NotBilled),
        300..500 => (FailureClass::InvalidInput, NotBilled),
        504 => (FailureClass::Timeout, Unknown),
        503 | 529 => (FailureClass::RateLimit, Unknown),
        500.. if detail.is_overload() => (FailureClass::RateLimit, Unknown),
        _ => (FailureClass::Transport, Unknown),
    }
}

/// OpenAI's own word on whether a repeat can help.
fn says_never(headers: &HeaderMap) -> bool {
    headers.get("x-should-retry").is_some_and(|value| value == "false")
}

fn message(context: &Context<'_>, status: u16, class: FailureClass, detail: &Detail, headers: &HeaderMap) -> String {
    let who = display_name(&context.model.provider);
    let model = &context.model.id;
    let said = said(context, &detail.message);
    let keys = key_variables(&context.model.provider).join(" or ");
    match (status, class) {
        (300..400, _) => {
            let target = headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or("another address");
            let target = redact(&clean(target), context.endpoint.key.as_ref());
            format!(
                "{} redirects to {target} (status {status}). Redirects are not followed; give the final address as `base_url`.",
                context.endpoint.shown()
            )
        }
        (_, FailureClass::Permission) if detail.is_spent() || status == 402 => {
            format!(
                "The account at {who} cannot pay for `{model}` (status {status}){said} Add credit or raise the limit there; trying again does not help."
            )
        }
        (429, FailureClass::Permission) => format!("{who} refuses `{model}` and asks not to be tried again (status 429){said}"),
        (403, _) => format!("{who} does not allow the key in {keys} to use `{model}` (status 403){said}"),
        (_, FailureClass::Permission) => match &context.endpoint.key {
            Some(_) => format!("{who} does not accept the key in {keys} (status {status}){said}"),
            None => format!("{who} asks for a key (status {status}): set the environment variable {keys}.{said}"),
        },
        (404 | 410, _) => {
            format!(
                "{who} does not know the model `{}` (status {status}, at {}){said}",
                context.model.wire_name,
                context.endpoint.shown()
            )
        }
        (413, _) => format!("{who} finds the request to `{model}` too large (status 413){said} Lower `max_input`."),
        (429, _) => format!("{who} limits the rate of `{model}` (status 429){said}"),
        (_, FailureClass::RateLimit) => format!("{who} is overloaded (status {status}, `{model}`){said}"),
        (_, FailureClass::Refusal) => format!("{who}'s filter refused the request to `{model}` (status {status}){said}"),
        (_, FailureClass::InvalidOutput) => {
            format!("{who}: the answer of `{model}` did not fit the schema (status {status}){said}")
        }
        (500.., _) => format!("{who} failed on its side (status {status}, `{model}`){said}"),
        _ => format!("{who} refused the request to `{model}` (status {status}){said}"),
    }
}

/// `: the provider's words.`
fn said(context: &Context<'_>, message: &str) -> String {
    let text = clean(&redact(message, context.endpoint.key.as_ref()));
    match text.chars().last() {
        None => ".".to_owned(),
        Some('.' | '!' | '?') => format!(": {text}"),
        Some(_) => format!(": {text}."),
    }
}

/// One line without control characters, of bearable length.
pub(crate) fn clean(text: &str) -> String {
    let words: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= DETAIL_CHARS_MAX {
        return line;
    }
    line.chars().take(DETAIL_CHARS_MAX).chain("…".chars()).collect()
}

/// A body that is no JSON: a web page says nothing useful, a short text may.
fn plain_text(headers: &HeaderMap, body: &[u8]) -> String {
    if is_web_page(headers, body) {
        return "the body is a web page, so a proxy may have answered in the provider's place".to_owned();
    }
    String::from_utf8_lossy(body.get(..body.len().min(2_000)).unwrap_or_default()).into_owned()
}

pub(crate) fn is_web_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let said =
        headers.get("content-type").and_then(|value| value.to_str().ok()).is_some_and(|kind| kind.starts_with("text/html"));
    said || body
        .trim_ascii_start()
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"<html") || start.eq_ignore_ascii_case(b"<!doc"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(status: u16, body: Value) -> (FailureClass, Billing) {
        class_of(status, &Detail::of(&body).unwrap_or_default())
    }

    #[test]
    fn classes_and_bills() {
        use Billing::{NotBilled, Unknown};
        use FailureClass::{InvalidInput, InvalidOutput, Permission, RateLimit, Refusal, Timeout, Transport};
        let openai = |kind: &str, code: &str| json!({"error": {"message": "m", "type": kind, "param": null, "code": code}});
        let anthropic = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r"});
        let google = |code: u16, status: &str| json!({"error": {"code": code, "message": "m", "status": status}});
        let cases = [
            (429, openai("requests", "rate_limit_exceeded"), (RateLimit, NotBilled)),
            (429, openai("rate_limit_error", "slow_down"), (RateLimit, NotBilled)),
            (429, openai("insufficient_quota", "credit_balance_exhausted"), (Permission, NotBilled)),
            (429, openai("insufficient_quota", "project_spend_limit_exceeded"), (Permission, NotBilled)),
            (429, openai("insufficient_quota", "insufficient_quota"), (Permission, NotBilled)),
            (503, openai("server_error", "server_is_overloaded"), (RateLimit, Unknown)),
            (500, openai("server_error", "x"), (Transport, Unknown)),
            (502, json!(null), (Transport, Unknown)),
            (504, json!(null), (Timeout, Unknown)),
            (408, json!(null), (Timeout, Unknown)),
            (409, json!(null), (Transport, Unknown)),
            (400, openai("invalid_request_error", "context_length_exceeded"), (InvalidInput, NotBilled)),
            (400, openai("invalid_request_error", "content_filter"), (Refusal, NotBilled)),
            (400, openai("invalid_request_error", "json_validate_failed"), (InvalidOutput, Unknown)),
            (401, openai("invalid_request_error", "invalid_api_key"), (Permission, NotBilled)),
            (404, openai("invalid_request_error", "model_not_found"), (InvalidInput, NotBilled)),
            (401, anthropic("authentication_error"), (Permission, NotBilled)),
            (402, anthropic("billing_error"), (Permission, NotBilled)),
            (403, anthropic("permission_error"), (Permission, NotBilled)),
            (413, anthropic("request_too_large"), (InvalidInput, NotBilled)),
            (429, anthropic("rate_limit_error"), (RateLimit, NotBilled)),
            (529, anthropic("overloaded_error"), (RateLimit, Unknown)),
            (500, anthropic("overloaded_error"), (RateLimit, Unknown)),
            (
                429,
                json!({"type": "error", "error": {"type": "rate_limit_error", "message": "m", "details": {"error_code": "enforced_spend_limit_reached"}}}),
                (Permission, NotBilled),
            ),
            (
                400,
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to go on"}}),
                (Permission, NotBilled),
            ),
            (429, google(429, "RESOURCE_EXHAUSTED"), (RateLimit, NotBilled)),
            (503, google(503, "UNAVAILABLE"), (RateLimit, Unknown)),
            (400, google(400, "INVALID_ARGUMENT"), (InvalidInput, NotBilled)),
            (
                400,
                json!([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}]),
                (Permission, NotBilled),
            ),
            (302, json!(null), (InvalidInput, NotBilled)),
            (422, json!({"detail": [{"msg": "field required"}]}), (InvalidInput, NotBilled)),
        ];
        for (status, body, expected) in cases {
            assert_eq!(class(status, body.clone()), expected, "{status} {body}");
        }
    }

    #[test]
    fn error_objects_of_every_shape_are_read() {
        let cases = [
            (json!({"error": "model is loading"}), Some("model is loading")),
            (json!({"detail": "Not Found"}), Some("Not Found")),
            (json!({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}), Some("too long")),
            (json!({"error": {"code": 7}}), Some("{\"code\":7}")),
            (json!({"error": null, "choices": []}), None),
            (json!({"choices": []}), None),
            (json!([]), None),
        ];
        for (body, expected) in cases {
            assert_eq!(Detail::of(&body).map(|detail| detail.message).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(clean("a\n\tb\u{1b}[31m  c"), "a b [31m c");
        assert_eq!(clean(&"x".repeat(2_000)).chars().count(), DETAIL_CHARS_MAX + 1);
    }
}
