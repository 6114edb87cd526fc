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
pub(crate) async fn send(request: reqwest::RequestBuilder, context: &Context<'_>, limits: Limits) -> Result<Exchange, Failure> {
    let limits = limits.sane();
    let deadline = Instant::now() + limits.total;
    let mut response = begin(request, context, deadline, limits).await?;
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    let fault = read_body(response, context, deadline, limits, |chunk| {
        let fits = body.len() + chunk.len() <= BODY_BYTES_MAX;
        if fits {
            body.extend_from_slice(chunk);
        }
        fits
    })
    .await;
    Ok(Exchange { status, headers, body, fault })
}

/// As [`send`], for an answer of many lines: where the status is a success, each of them is handed out, and the body of the
/// exchange is empty.
pub(crate) async fn send_for_lines(
    request: reqwest::RequestBuilder,
    context: &Context<'_>,
    limits: Limits,
    mut line: impl FnMut(&[u8]),
) -> Result<Exchange, Failure> {
    let limits = limits.sane();
    let deadline = Instant::now() + limits.total;
    let mut response = begin(request, context, deadline, limits).await?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body: Vec<u8> = Vec::new();
    let fault = read_body(response, context, deadline, limits, |chunk| {
        body.extend_from_slice(chunk);
        if status.is_success() {
            let end = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let rest = body.split_off(end);
            body.split(|byte| *byte == b'\n').filter(|text| !text.trim_ascii().is_empty()).for_each(&mut line);
            body = rest;
        }
        body.len() <= BODY_BYTES_MAX
    })
    .await;
    if status.is_success() && fault.is_none() && !body.trim_ascii().is_empty() {
        line(&std::mem::take(&mut body));
    }
    Ok(Exchange { status: status.as_u16(), headers, body, fault })
}

async fn begin(
    request: reqwest::RequestBuilder,
    context: &Context<'_>,
    deadline: Instant,
    limits: Limits,
) -> Result<reqwest::Response, Failure> {
    let first_byte = deadline.min(Instant::now() + limits.first_byte);
    match timeout_at(first_byte, request.send()).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(broken_request(context, error)),
        Err(_) => {
            let waited = limits.total.min(limits.first_byte);
            let text = format!("did not begin to answer within {}", seconds(waited));
            Err(Failure::unknown(FailureClass::Timeout, sentence(context, &text)))
        }
    }
}

/// Why the body is not whole. `take` says whether it can hold more.
async fn read_body(
    mut response: reqwest::Response,
    context: &Context<'_>,
    deadline: Instant,
    limits: Limits,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Option<Failure> {
    loop {
        let until = deadline.min(Instant::now() + limits.idle);
        let fault = match timeout_at(until, response.chunk()).await {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(chunk))) if take(&chunk) => continue,
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
        return Some(fault);
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
