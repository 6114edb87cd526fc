//! What came back, and what it means.

use super::Invocation;
use super::auth::Credentials;
use super::retry_after::retry_after_ms;
use pmflow_plan::eval::{Scope, evaluate, evaluate_bool};
use pmflow_plan::{Billing, Connector, ErrorCase, Expr, Failure, FailureClass, Type, Value, schema};
use reqwest::{RequestBuilder, StatusCode, Url};
use std::collections::BTreeMap;
use std::error::Error as _;

/// An answer, read to its end.
pub(super) struct Answer {
    pub status: u16,
    /// Names in lower case; of a name given twice, the values joined by commas.
    pub headers: BTreeMap<String, String>,
    pub url: Url,
    body: Value,
    /// Why `body` is not what its content type says.
    broken: Option<String>,
    /// Parameters and page, under what the answer's own expressions see.
    scope: Scope,
    /// What must not stand in a message, though a service repeats it.
    credentials: Credentials,
}

pub(super) async fn receive(
    request: RequestBuilder,
    invocation: &Invocation<'_>,
    url: &Url,
    bytes_max: usize,
    credentials: &Credentials,
) -> Result<Answer, Failure> {
    let name = &invocation.operation.name;
    let broke = |error: reqwest::Error| transport(name, &error, credentials);
    let mut response = request.send().await.map_err(broke)?;
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (header, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(header.as_str().to_owned())
            .and_modify(|all| all.extend([", ", &value]))
            .or_insert_with(|| value.into_owned());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broke)? {
        if bytes.len() + chunk.len() > bytes_max {
            let message = format!("`{name}` was answered with more than {bytes_max} bytes; ask for smaller pages");
            return Err(Failure::unknown(FailureClass::InvalidOutput, message));
        }
        bytes.extend_from_slice(&chunk);
    }
    let is_json = headers.get("content-type").is_some_and(|kind| kind.contains("json"));
    let (body, broken) = read_body(&bytes, is_json);
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        url: url.clone(),
        body,
        broken,
        scope: Scope::new(),
        credentials: credentials.clone(),
    })
}

/// JSON where it is JSON, else text; nothing is none.
fn read_body(bytes: &[u8], is_json: bool) -> (Value, Option<String>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return (Value::text(String::from_utf8_lossy(bytes)), Some("bytes that are no UTF-8".to_owned()));
    };
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return (Value::None, None);
    }
    match Value::parse_json(text) {
        Ok(value) => (value, None),
        Err(error) => (Value::text(text), is_json.then(|| format!("broken JSON ({error})"))),
    }
}

/// A request that got no answer. Before the connection stood, nothing was sent.
fn transport(name: &str, error: &reqwest::Error, credentials: &Credentials) -> Failure {
    let billing = if error.is_connect() || error.is_builder() { Billing::NotSent } else { Billing::Unknown };
    let class = if error.is_timeout() { FailureClass::Timeout } else { FailureClass::Transport };
    let what = if error.is_timeout() { "got no answer in time" } else { "got no answer" };
    Failure::new(class, billing, credentials.strike_out(&format!("`{name}` {what}: {}", reason(error))))
}

/// The innermost reason, without the address, which may hold a credential.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut reason = None;
    while let Some(inner) = source {
        reason = Some(inner.to_string());
        source = inner.source();
    }
    reason.unwrap_or_else(|| if error.is_timeout() { "the time ran out".to_owned() } else { "the connection broke".to_owned() })
}

impl Answer {
    /// Where to go instead: on the same origin, and only for what may follow.
    pub fn redirect(&self, from: &Url, may_follow: bool) -> Result<Option<Url>, Failure> {
        let location = match (self.status, self.headers.get("location")) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => location,
            _ => return Ok(None),
        };
        let next = from.join(location).ok().filter(|next| next.origin() == from.origin() && may_follow);
        next.map(Some).ok_or_else(|| {
            let message = format!(
                "{} redirects to another place, which is not followed: credentials and changes go to the declared address only; set base_url to the new one",
                from.host_str().unwrap_or_default()
            );
            Failure::not_billed(FailureClass::Transport, message)
        })
    }

    /// The answer, if it is none that the service or the connector calls an error.
    pub fn accepted(mut self, invocation: &Invocation<'_>, connector: &Connector, scope: &Scope) -> Result<Answer, Failure> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), Value::text(value.as_str())));
        self.scope = scope.with_all([
            ("body", self.body.clone()),
            ("status", Value::Int(i64::from(self.status))),
            ("headers", Value::record(headers)),
        ]);
        for case in &invocation.operation.errors {
            if self.is_case(invocation, case)? {
                return Err(self.failure(invocation, connector, Some(case)));
            }
        }
        if !(200..300).contains(&self.status) {
            return Err(self.failure(invocation, connector, None));
        }
        match &self.broken {
            Some(broken) => {
                let message = format!("`{}` was answered {} with {broken}", invocation.operation.name, self.status);
                Err(Failure::unknown(FailureClass::InvalidOutput, self.credentials.strike_out(&message)))
            }
            None => Ok(self),
        }
    }

    fn is_case(&self, invocation: &Invocation<'_>, case: &ErrorCase) -> Result<bool, Failure> {
        if !(case.status_min..=case.status_max).contains(&self.status) {
            return Ok(false);
        }
        match &case.when {
            None => Ok(true),
            // Of an answer that is an error anyway, a condition that cannot be evaluated says nothing.
            Some(when) => evaluate_bool(when, &self.scope, &invocation.context())
                .or_else(|error| if self.status >= 400 { Ok(false) } else { Err(self.unusable(invocation, error)) }),
        }
    }

    fn failure(&self, invocation: &Invocation<'_>, connector: &Connector, case: Option<&ErrorCase>) -> Failure {
        let said = case.and_then(|case| evaluate(&case.message, &self.scope, &invocation.context()).ok());
        let message = match said {
            Some(said) => format!("`{}`: {}", invocation.operation.name, said.to_text()),
            None => format!("`{}` was answered {}{}", invocation.operation.name, status_text(self.status), excerpt(&self.body)),
        };
        let wait = retry_after_ms(&self.headers, &self.body, std::time::SystemTime::now().into());
        let class = case.and_then(|case| case.class).unwrap_or_else(|| class_of(self.status, wait.is_some(), connector));
        // A refusal proves that nothing was done; an error of the service's own proves nothing. A 200 that says
        // it failed is taken at its word.
        let billing = if self.status >= 500 || self.status == 408 { Billing::Unknown } else { Billing::NotBilled };
        Failure::new(class, billing, self.credentials.strike_out(&message)).retry_after_ms(wait)
    }

    /// What the operation's mapping makes of the body; without one the body itself.
    pub fn mapped(&self, invocation: &Invocation<'_>) -> Result<Value, Failure> {
        match &invocation.operation.mapping {
            Some(mapping) => self.evaluate(invocation, mapping),
            None => Ok(self.body.clone()),
        }
    }

    pub fn evaluate(&self, invocation: &Invocation<'_>, expr: &Expr) -> Result<Value, Failure> {
        evaluate(expr, &self.scope, &invocation.context()).map_err(|error| self.unusable(invocation, error))
    }

    pub fn cast(&self, invocation: &Invocation<'_>, ty: &Type, value: Value) -> Result<Value, Failure> {
        schema::cast(ty, &invocation.context().types, value).map_err(|mismatch| self.unusable(invocation, mismatch))
    }

    /// The service did what it was asked and said something else than what the connector promises.
    pub fn unusable(&self, invocation: &Invocation<'_>, reason: impl std::fmt::Display) -> Failure {
        let message = format!("the answer to `{}` is not what its connector says: {reason}", invocation.operation.name);
        Failure::unknown(FailureClass::InvalidOutput, self.credentials.strike_out(&message))
    }
}

fn status_text(status: u16) -> String {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    name.map_or_else(|| status.to_string(), |name| format!("{status} {name}"))
}

const EXCERPT_CHARACTERS: usize = 200;

fn excerpt(body: &Value) -> String {
    let error = body.get("error");
    let said = [error.and_then(|error| error.get("message")), body.get("message"), error];
    let text = match said.into_iter().flatten().find_map(Value::as_text) {
        Some(text) => text.to_owned(),
        None => body.to_text(),
    };
    let start: String = text.chars().filter(|character| !character.is_control()).take(EXCERPT_CHARACTERS).collect();
    if start.is_empty() { start } else { format!(": {start}") }
}

fn class_of(status: u16, asked_to_wait: bool, connector: &Connector) -> FailureClass {
    let may_repeat = connector.retry_on.iter().any(|(low, high)| (*low..=*high).contains(&status));
    match status {
        429 => FailureClass::RateLimit,
        403 | 503 if asked_to_wait => FailureClass::RateLimit,
        401 | 403 => FailureClass::Permission,
        408 | 504 => FailureClass::Timeout,
        400..=499 if !may_repeat => FailureClass::InvalidInput,
        _ => FailureClass::Transport,
    }
}
