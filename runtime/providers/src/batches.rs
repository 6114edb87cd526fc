//! Providers' batches: many requests of one model handed over together, answered within a day, at a price of their own.
//!
//! Two forms are spoken: OpenAI's (a file of requests, which Groq takes as well) and Anthropic's. Each request carries its
//! idempotency key as the name by which its answer is known, for answers come in any order.

mod anthropic;
mod openai;

use crate::client::{Client, now_ms, settle, whole_answer};
use crate::endpoint::{Endpoint, display_name};
use crate::exchange::{self, Exchange};
use crate::failures::{self, Context, Detail};
use crate::request::{Failed, Request, Response};
use crate::secrets::Secrets;
use crate::{protocol, simulated, usage};
use pmflow_plan::{Api, Failure, FailureClass, Model};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Half of what the providers take, so that what is written around the requests never matters.
const BYTES_MAX: usize = 100 * 1024 * 1024;
/// Of one request about a batch that carries little.
const SHORT: Duration = Duration::from_secs(120);
/// Of one that carries all requests, or all answers.
const LONG: Duration = Duration::from_secs(1_800);

/// What became of some of the requests of [`Client::submit_batch`].
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// Their positions.
    pub requests: Vec<usize>,
    pub outcome: Result<Taken, Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The provider has them, as one batch of this name.
    As(String),
    /// There are no batches at this address. Nothing was taken.
    NoBatches,
}

/// What one look at a batch showed.
#[derive(Debug)]
pub enum BatchLook {
    /// The provider is not done with it.
    Working,
    /// The answers, by key: one for each that was asked for.
    Ended(BTreeMap<String, Result<Response, Failed>>),
    /// There is no such batch.
    Unknown,
}

/// One request of a batch, as it is written down.
struct Line<'r> {
    key: &'r str,
    body: Vec<u8>,
}

/// What a batch says of one request.
enum Said {
    /// An answer of the model's protocol.
    Body(Value),
    /// What a request by itself would have been told.
    Status(u16, Value),
    /// It could not be answered, and is not billed.
    Errored(Detail),
    /// The batch ended before it was its turn. Not billed.
    Expired,
    Cancelled,
    /// Something else went wrong, in the provider's words.
    Failed(String),
}

/// The batches of the simulated model: a process has them for as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct SimulatedBatches(Mutex<BTreeMap<String, Vec<Request>>>);

impl Client {
    /// Hands requests of one model over, as one batch or as several where they are large together. Every request is in exactly
    /// one of the answers. A failure that says `not_billed` or `not_sent` took none of its requests.
    pub async fn submit_batch(&self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Handed> {
        let Some(first) = requests.first() else { return Vec::new() };
        let all = || (0..requests.len()).collect::<Vec<usize>>();
        if self.simulates(first.model.api) {
            return vec![Handed { requests: all(), outcome: Ok(Taken::As(self.simulated_batches.take(requests))) }];
        }
        let endpoint = match Endpoint::of(&first.model, &self.settings, secrets) {
            Ok(endpoint) => endpoint,
            Err(failure) => return vec![Handed { requests: all(), outcome: Err(failure) }],
        };
        let context = Context { model: &first.model, endpoint: &endpoint };
        let mut handed = Vec::new();
        let mut part: Vec<(usize, Line<'_>)> = Vec::new();
        let mut bytes = 0;
        for (position, request) in requests.iter().enumerate() {
            match protocol::prepare(request, endpoint.own_server) {
                Ok(body) => {
                    if bytes + body.len() > BYTES_MAX && !part.is_empty() {
                        handed.push(self.hand_over(&context, std::mem::take(&mut part)).await);
                        bytes = 0;
                    }
                    bytes += body.len();
                    part.push((position, Line { key: &request.idempotency_key, body }));
                }
                Err(failure) => handed.push(Handed { requests: vec![position], outcome: Err(failure) }),
            }
        }
        if !part.is_empty() {
            handed.push(self.hand_over(&context, part).await);
        }
        handed
    }

    async fn hand_over(&self, context: &Context<'_>, part: Vec<(usize, Line<'_>)>) -> Handed {
        let (requests, lines): (Vec<usize>, Vec<Line<'_>>) = part.into_iter().unzip();
        let outcome = match context.model.api {
            Api::OpenaiChat | Api::OpenaiResponses => openai::submit(self, context, &lines).await,
            Api::AnthropicMessages => anthropic::submit(self, context, &lines).await,
            Api::GeminiGenerate | Api::Simulated => Ok(Taken::NoBatches),
        };
        Handed { requests, outcome }
    }

    /// Looks once at a batch, and reads its answers if it has ended. `awaited` are the keys, each with the output cap that was
    /// sent. An error is one of the looking: the batch goes on.
    pub async fn look_at_batch(
        &self,
        model: &Model,
        name: &str,
        awaited: &BTreeMap<String, u64>,
        secrets: &dyn Secrets,
    ) -> Result<BatchLook, Failure> {
        if self.simulates(model.api) {
            let options = self.settings.simulate.clone().unwrap_or_default();
            return Ok(self.simulated_batches.answers(name, &options).await);
        }
        let endpoint = Endpoint::of(model, &self.settings, secrets)?;
        let context = Context { model, endpoint: &endpoint };
        let mut said = BTreeMap::new();
        let keep = |key: String, one: Said| {
            if awaited.contains_key(&key) {
                said.insert(key, one);
            }
        };
        let ended = match model.api {
            Api::OpenaiChat | Api::OpenaiResponses => openai::look(self, &context, name, keep).await?,
            Api::AnthropicMessages => anthropic::look(self, &context, name, keep).await?,
            Api::GeminiGenerate | Api::Simulated => return Ok(BatchLook::Unknown),
        };
        let failed = match ended {
            Ended::NotYet => return Ok(BatchLook::Working),
            Ended::Unknown => return Ok(BatchLook::Unknown),
            Ended::Answered => None,
            Ended::Refused(message) => Some(message),
        };
        let answer = |(key, cap): (&String, &u64)| {
            let answer = match (said.remove(key), &failed) {
                (Some(said), _) => answer(&context, *cap, said),
                (None, Some(message)) => Err(refused(&context, message).into()),
                (None, None) => Err(forgotten(&context, name).into()),
            };
            (key.clone(), answer)
        };
        Ok(BatchLook::Ended(awaited.iter().map(answer).collect()))
    }

    /// Asks the provider to stop. What is answered by then stays answered, and billed.
    pub async fn cancel_batch(&self, model: &Model, name: &str, secrets: &dyn Secrets) -> Result<(), Failure> {
        if self.simulates(model.api) {
            return Ok(());
        }
        let endpoint = Endpoint::of(model, &self.settings, secrets)?;
        let context = Context { model, endpoint: &endpoint };
        let url = match model.api {
            Api::OpenaiChat | Api::OpenaiResponses => openai::batch_url(&context, &[name, "cancel"]),
            _ => anthropic::batch_url(&context, &[name, "cancel"]),
        };
        let exchange = self.exchange(&context, self.http()?.post(url), SHORT).await?;
        succeeded(&context, &exchange)
    }

    /// One request about a batch, whole answer.
    async fn exchange(&self, context: &Context<'_>, request: RequestBuilder, time: Duration) -> Result<Exchange, Failure> {
        let request = request.headers(headers(context)?);
        exchange::send(request, context, self.limits(time)).await
    }

    /// How a batch stands, in the provider's words; none where there is no such batch.
    async fn batch(&self, context: &Context<'_>, url: Url) -> Result<Option<Value>, Failure> {
        let asked = self.exchange(context, self.http()?.get(url), SHORT).await?;
        match asked.status {
            404 => Ok(None),
            _ => whole_answer(context, &asked).map(Some),
        }
    }

    async fn lines(&self, context: &Context<'_>, url: Url, mut line: impl FnMut(Value)) -> Result<(), Failure> {
        let request = self.http()?.get(url).headers(headers(context)?);
        let mut broken = None;
        let exchange = exchange::send_for_lines(request, context, self.limits(LONG), |text| match serde_json::from_slice(text) {
            Ok(value) => line(value),
            Err(error) => broken = Some(error),
        })
        .await?;
        succeeded(context, &exchange)?;
        match broken {
            Some(error) => Err(failure(context, &format!("sent answers of a batch that are not JSON: {error}"))),
            None => Ok(()),
        }
    }
}

/// What a look at a batch found before the single answers.
enum Ended {
    NotYet,
    Unknown,
    Answered,
    /// The batch as a whole was found to be wrong; nothing was done for it.
    Refused(String),
}

impl SimulatedBatches {
    fn take(&self, requests: &[Request]) -> String {
        let name = format!("simulated-{}", digest(requests.iter().map(|request| request.idempotency_key.as_str())));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), requests.to_vec());
        name
    }

    /// All at once, each with its own latency and faults.
    async fn answers(&self, name: &str, options: &crate::SimulateOptions) -> BatchLook {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let Some(requests) = requests else { return BatchLook::Unknown };
        let mut tasks = tokio::task::JoinSet::new();
        for request in requests {
            let options = options.clone();
            tasks.spawn(async move { (request.idempotency_key.clone(), simulated::send(&request, &options).await) });
        }
        BatchLook::Ended(tasks.join_all().await.into_iter().collect())
    }
}

#[allow(clippy::result_large_err, reason = "it becomes part of a list as it is")]
fn answer(context: &Context<'_>, output_tokens_max: u64, said: Said) -> Result<Response, Failed> {
    let who = display_name(&context.model.provider);
    let model = &context.model.id;
    match said {
        Said::Body(body) => {
            let mut reading = protocol::read(context.model.api, &body);
            usage::doubt_output(context.model, output_tokens_max, &mut reading.report);
            settle(context, reading, body.to_string().as_bytes()).map_err(|failed| *failed)
        }
        Said::Status(status, body) => {
            let body = body.to_string();
            Err(failures::of_status(context, status, &HeaderMap::new(), body.as_bytes(), now_ms()).into())
        }
        Said::Errored(detail) => Err(failures::of_error_in_batch(context, &detail).into()),
        Said::Expired => {
            let text = format!("{who} did not come to this request to `{model}` within the time of its batch; it is not billed.");
            Err(Failure::not_billed(FailureClass::Timeout, text).into())
        }
        Said::Cancelled => {
            let text =
                format!("the batch at {who} was cancelled before this request to `{model}` was answered; it is not billed.");
            Err(Failure::not_billed(FailureClass::Cancelled, text).into())
        }
        Said::Failed(message) => {
            let text = format!("{who} failed on this request to `{model}` in its batch: {}", failures::clean(&message));
            Err(Failure::unknown(FailureClass::Transport, text).into())
        }
    }
}

fn refused(context: &Context<'_>, message: &str) -> Failure {
    let who = display_name(&context.model.provider);
    let text = format!("{who} refused the batch of requests to `{}`: {}", context.model.id, failures::clean(message));
    Failure::not_billed(FailureClass::InvalidInput, text)
}

fn forgotten(context: &Context<'_>, name: &str) -> Failure {
    let who = display_name(&context.model.provider);
    let text = format!("the batch `{name}` at {who} has ended and says nothing of this request to `{}`", context.model.id);
    Failure::unknown(FailureClass::UnknownOutcome, text)
}

fn failure(context: &Context<'_>, text: &str) -> Failure {
    Failure::unknown(FailureClass::Transport, format!("{} {text}.", display_name(&context.model.provider)))
}

fn headers(context: &Context<'_>) -> Result<HeaderMap, Failure> {
    let mut headers = context.endpoint.headers(context.model)?;
    headers.insert("accept", HeaderValue::from_static("application/json"));
    Ok(headers)
}

fn succeeded(context: &Context<'_>, exchange: &Exchange) -> Result<(), Failure> {
    if !(200..300).contains(&exchange.status) {
        return Err(failures::of_status(context, exchange.status, &exchange.headers, &exchange.body, now_ms()));
    }
    exchange.fault.clone().map_or(Ok(()), Err)
}

/// Proxies and servers of one's own as a rule know no batches.
fn has_no_batches(exchange: &Exchange) -> bool {
    matches!(exchange.status, 404 | 405 | 501)
}

/// The same for the same requests, should they be handed over again.
fn batch_key<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    format!("pmflow-batch-{}", digest(keys))
}

fn digest<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// An address beside the one that single requests go to, of which so many segments are replaced.
fn beside(context: &Context<'_>, replaced: usize, segments: &[&str]) -> Url {
    let mut url = context.endpoint.url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        (0..replaced).for_each(|_| {
            path.pop();
        });
        path.extend(segments);
    }
    url
}
