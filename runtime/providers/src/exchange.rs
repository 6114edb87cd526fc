//! One HTTP request and its whole answer, within time and size.

use crate::endpoint::display_name;
use crate::failures::Context;
use pmflow_plan::{Failure, FailureClass};
use reqwest::header::HeaderMap;
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Far above any answer (128,000 tokens are about half a megabyte), far below what would hurt.
pub(crate) const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

pub(crate) struct Exchange {
    pub status: u16,
    pub headers: HeaderMap,
    /// What arrived, decompressed.
    pub body: Vec<u8>,
    /// Why the body is not whole.
    pub fault: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the whole attempt.
    pub total: Duration,
    /// Until the answer's headers are there; a model writes its whole answer before it sends the first byte.
    pub first_byte: Duration,
    /// Between two pieces of the body.
    pub idle: Duration,
}

impl Limits {
    /// A time that a clock can be advanced by.
    fn sane(self) -> Limits {
        const MOST: Duration = Duration::from_secs(365 * 86_400);
        Limits { total: self.total.min(MOST), first_byte: self.first_byte.min(MOST), idle: self.idle.min(MOST) }
    }
}

/// Sends once. An error means that no status arrived.
pub(crate) async fn post(
    http: &reqwest::Client,
    context: &Context<'_>,
    headers: HeaderMap,
    body: Vec<u8>,
    limits: Limits,
) -> Result<Exchange, Failure> {
    let limits = limits.sane();
    let deadline = Instant::now() + limits.total;
    let request = http.post(context.endpoint.url.clone()).headers(headers).body(body);
    let first_byte = deadline.min(Instant::now() + limits.first_byte);
    let mut response = match timeout_at(first_byte, request.send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(broken_request(context, error)),
        Err(_) => {
            let waited = limits.total.min(limits.first_byte);
            let text = format!("did not begin to answer within {}", seconds(waited));
            return Err(Failure::unknown(FailureClass::Timeout, sentence(context, &text)));
        }
    };
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let (body, fault) = read_body(response, context, deadline, limits).await;
    Ok(Exchange { status, headers, body, fault })
}

async fn read_body(
    mut response: reqwest::Response,
    context: &Context<'_>,
    deadline: Instant,
    limits: Limits,
) -> (Vec<u8>, Option<Failure>) {
    let mut body = Vec::new();
    loop {
        let until = deadline.min(Instant::now() + limits.idle);
        let fault = match timeout_at(until, response.chunk()).await {
            Ok(Ok(None)) => return (body, None),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= BODY_BYTES_MAX => {
                body.extend_from_slice(&chunk);
                continue;
            }
            Ok(Ok(Some(_))) => {
                let text = format!("sent an answer of more than {} MB; it was not read further", BODY_BYTES_MAX / 1024 / 1024);
                Failure::unknown(FailureClass::Transport, sentence(context, &text))
            }
            Ok(Err(error)) => {
                let text = format!("began to answer, then the connection broke: {}", reason(&error));
                Failure::unknown(FailureClass::Transport, sentence(context, &text))
            }
            Err(_) => {
                let text = match until == deadline {
                    true => format!("began to answer and did not finish within {}", seconds(limits.total)),
                    false => format!("began to answer, then sent nothing for {}", seconds(limits.idle)),
                };
                Failure::unknown(FailureClass::Timeout, sentence(context, &text))
            }
        };
        return (body, Some(fault));
    }
}

/// A connection that was never made carried nothing; anything later may have.
fn broken_request(context: &Context<'_>, error: reqwest::Error) -> Failure {
    if error.is_builder() {
        let text = format!("cannot be asked: {}", reason(&error));
        return Failure::not_sent(FailureClass::InvalidInput, sentence(context, &text));
    }
    if error.is_connect() {
        let text = format!("cannot be reached: {}. Is the address right, and the server running?", reason(&error));
        return Failure::not_sent(FailureClass::Transport, sentence(context, &text));
    }
    let text = format!("closed the connection before it answered: {}", reason(&error));
    Failure::unknown(FailureClass::Transport, sentence(context, &text))
}

fn sentence(context: &Context<'_>, text: &str) -> String {
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{} (`{}`, {}) {text}{end}", display_name(&context.model.provider), context.model.id, context.endpoint.shown())
}

/// The innermost cause; the outer ones repeat the address.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    crate::failures::clean(&cause.to_string())
}

fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        milliseconds if milliseconds < 1_000 => format!("{milliseconds} ms"),
        milliseconds if milliseconds.is_multiple_of(1_000) => format!("{} s", milliseconds / 1_000),
        milliseconds => format!("{:.1} s", milliseconds as f64 / 1_000.0),
    }
}
