//! The client: which model, which key, one request, one answer.

use crate::allowance;
use crate::batches::SimulatedBatches;
use crate::endpoint::{Endpoint, display_name};
use crate::exchange::{self, Exchange, Limits};
use crate::failures::{self, Context};
use crate::protocol::{self, Outcome, Reading};
use crate::request::{Failed, Request, Response};
use crate::secrets::Secrets;
use crate::simulated::{self, SimulateOptions};
use crate::usage;
use pmflow_plan::{Api, Failure, FailureClass, Model};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the host decides once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// By provider (`openai`): goes before a model's own `base_url`. See [`crate::base_url_variable`].
    pub base_urls: BTreeMap<String, String>,
    /// Every model is simulated; without it only those whose API is [`Api::Simulated`].
    pub simulate: Option<SimulateOptions>,
    pub connect_timeout: Duration,
    /// Until an answer begins; the request's own timeout is the upper bound of all.
    pub first_byte_timeout: Duration,
    /// Between two pieces of an answer.
    pub idle_timeout: Duration,
    /// `HTTPS_PROXY`, `NO_PROXY` and the like are heeded.
    pub system_proxy: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            base_urls: BTreeMap::new(),
            simulate: None,
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(900),
            idle_timeout: Duration::from_secs(60),
            system_proxy: true,
        }
    }
}

/// Clients share their connections when cloned. They are made ready with the first request, for that reads all root
/// certificates of the system, which takes ten milliseconds or more.
#[derive(Clone, Debug)]
pub struct Client {
    http: Arc<OnceLock<Result<reqwest::Client, String>>>,
    pub(crate) simulated_batches: Arc<SimulatedBatches>,
    pub(crate) settings: Settings,
}

impl Client {
    pub fn new(settings: Settings) -> Client {
        Client { http: Arc::default(), simulated_batches: Arc::default(), settings }
    }

    /// The same connections for another run: its addresses, its simulation, its timeouts. What a connection itself was set
    /// up with, `connect_timeout` and `system_proxy`, stays.
    pub fn with_settings(&self, settings: Settings) -> Client {
        Client { http: self.http.clone(), simulated_batches: self.simulated_batches.clone(), settings }
    }

    /// Whether this model's answers are made up here, offline, by the simulated model.
    pub fn simulates(&self, api: Api) -> bool {
        self.settings.simulate.is_some() || api == Api::Simulated
    }

    /// Whether a request to the model could be sent: there is an address, and a key where one is needed. Nothing is sent.
    pub fn ready(&self, model: &Model, secrets: &dyn Secrets) -> Result<(), Failure> {
        if self.simulates(model.api) { Ok(()) } else { Endpoint::of(model, &self.settings, secrets).map(drop) }
    }

    /// Names what a model's calls share with others' as far as the provider's limits go: the address and the key, of which it
    /// tells nothing. None for a model that is simulated or cannot be asked.
    pub fn account(&self, model: &Model, secrets: &dyn Secrets) -> Option<String> {
        if self.simulates(model.api) {
            return None;
        }
        let endpoint = Endpoint::of(model, &self.settings, secrets).ok()?;
        Some(format!("{} {}", model.provider, endpoint.fingerprint()))
    }

    /// Makes one attempt: at most one HTTP request, and none where the failure says `not_sent`.
    pub async fn send(&self, request: &Request, secrets: &dyn Secrets) -> Result<Response, Failed> {
        if self.simulates(request.model.api) {
            let options = self.settings.simulate.clone().unwrap_or_default();
            return simulated::send(request, &options).await;
        }
        // Apart, for a request under way is large, and a simulated call is not.
        Box::pin(self.ask(request, secrets)).await
    }

    async fn ask(&self, request: &Request, secrets: &dyn Secrets) -> Result<Response, Failed> {
        let endpoint = Endpoint::of(&request.model, &self.settings, secrets)?;
        let body = protocol::prepare(request, endpoint.own_server)?;
        let context = Context { model: &request.model, endpoint: &endpoint };
        let asking = self.http()?.post(endpoint.url.clone()).headers(headers(request, &endpoint)?).body(body);
        let exchange = exchange::send(asking, &context, self.limits(request.timeout)).await?;
        let request_id = request_id(&exchange.headers);
        let allowances = allowance::read(&exchange.headers, now_ms());
        let with_headers = |mut failed: Failed| {
            failed.request_id = failed.request_id.or_else(|| request_id.clone());
            failed.allowances = allowances.clone();
            failed
        };
        let answer = whole_answer(&context, &exchange).map_err(|failure| with_headers(failure.into()))?;
        let mut reading = protocol::read(request.model.api, &answer);
        usage::doubt_against(request, &mut reading.report);
        let mut response = settle(&context, reading, &exchange.body).map_err(|failed| with_headers(*failed))?;
        response.request_id = request_id.or(response.request_id);
        response.allowances = allowances;
        Ok(response)
    }

    /// Fails where TLS cannot be set up, such as without any root certificate.
    pub(crate) fn http(&self) -> Result<&reqwest::Client, Failure> {
        let http = self.http.get_or_init(|| connections(&self.settings)).as_ref();
        http.map_err(|reason| Failure::not_sent(FailureClass::Transport, reason))
    }

    pub(crate) fn limits(&self, total: Duration) -> Limits {
        Limits { total, first_byte: self.settings.first_byte_timeout, idle: self.settings.idle_timeout }
    }
}

fn connections(settings: &Settings) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("pmflow/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .tcp_keepalive(Duration::from_secs(30))
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none());
    if !settings.system_proxy {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| format!("the HTTP client cannot be set up: {error}"))
}

fn headers(request: &Request, endpoint: &Endpoint) -> Result<HeaderMap, Failure> {
    let mut headers = endpoint.headers(&request.model)?;
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("accept", HeaderValue::from_static("application/json"));
    if let Ok(key) = HeaderValue::from_str(&request.idempotency_key) {
        headers.insert("idempotency-key", key);
    }
    Ok(headers)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let names = ["x-request-id", "request-id"];
    names.iter().find_map(|name| headers.get(*name)?.to_str().ok()).map(failures::clean)
}

/// The body as JSON, or why it is none.
pub(crate) fn whole_answer(context: &Context<'_>, exchange: &Exchange) -> Result<Value, Failure> {
    if !(200..300).contains(&exchange.status) {
        // A broken body does not change what the status says.
        return Err(failures::of_status(context, exchange.status, &exchange.headers, &exchange.body, now_ms()));
    }
    if let Some(fault) = &exchange.fault {
        return Err(fault.clone());
    }
    let broken = |what: &str| {
        let who = display_name(&context.model.provider);
        let text = format!("{who} (`{}`, {}) answered with success, but {what}.", context.model.id, context.endpoint.shown());
        Failure::unknown(FailureClass::Transport, text)
    };
    if exchange.body.trim_ascii().is_empty() {
        return Err(broken("the body is empty"));
    }
    if failures::is_web_page(&exchange.headers, &exchange.body) {
        return Err(broken("with a web page: a proxy or a login page stands in between, or `base_url` is wrong"));
    }
    let text = str::from_utf8(&exchange.body)
        .map_err(|error| broken(&format!("the body is not UTF-8 (byte {})", error.valid_up_to())))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| broken(&format!("the body is not JSON: {error}")))
}

pub(crate) fn settle(context: &Context<'_>, reading: Reading, body: &[u8]) -> Result<Response, Box<Failed>> {
    let who = display_name(&context.model.provider);
    let model = &context.model.id;
    let report = reading.report;
    let failure = match reading.outcome {
        Outcome::Answer { text, stop } => {
            return Ok(Response {
                text,
                usage: report.usage,
                raw_usage: report.raw,
                usage_doubts: report.doubts,
                stop,
                model: reading.model,
                request_id: reading.id,
                allowances: Vec::new(),
            });
        }
        Outcome::Unusable(reason) => {
            Failure::unknown(FailureClass::InvalidOutput, format!("`{model}` gave no usable answer: {reason}."))
        }
        Outcome::Error(detail) => failures::of_error_in_success(context, &detail),
        Outcome::Foreign => {
            let start: String = String::from_utf8_lossy(body).chars().take(120).collect();
            let text = format!(
                "{who} (`{model}`, {}) answered with JSON that is no answer of its API: {}",
                context.endpoint.shown(),
                failures::clean(&start)
            );
            Failure::unknown(FailureClass::Transport, text)
        }
    };
    let reported = !report.raw.is_null();
    Err(Box::new(Failed {
        failure,
        usage: reported.then_some(report.usage),
        raw_usage: reported.then_some(report.raw),
        usage_doubts: if reported { report.doubts } else { Vec::new() },
        request_id: reading.id,
        allowances: Vec::new(),
    }))
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
