//! A provider on loopback for tests: it speaks all four protocols, checks every request against the provider's own API
//! description, answers from a script, and keeps its own record of what it would bill.
//!
//! A script is a queue of [`Reply`]; when it is empty a rule answers, by default with made-up answers that fit the asked
//! schema. Every request is journalled, refused ones too.

mod batches;
mod check;
mod connection;
mod make;
mod speak;

use crate::tokens;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use batches::Batches;
use connection::{Connection, Connections};
use pmflow_plan::{Api, Usage};
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A running server; it stops when this is dropped.
pub struct Scripted {
    address: SocketAddr,
    state: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

/// A request as the server understood it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub api: Api,
    /// From 1, over all protocols.
    pub number: u64,
    pub request_id: String,
    pub model: String,
    pub system: Option<String>,
    /// Role as on the wire, and text.
    pub messages: Vec<(String, String)>,
    /// What the answer shall fit, whether it came through the schema feature or in the system text.
    pub schema: Option<Value>,
    pub output_tokens_max: u64,
    /// Verbatim.
    pub body: Value,
    /// In lower case, in the order of their names; credentials included.
    pub headers: Vec<(String, String)>,
}

/// A journal's line.
#[derive(Clone, Debug)]
pub struct Entry {
    pub asked: Asked,
    /// Why the request was refused before the script was asked; none: it is a valid request.
    pub refused: Option<String>,
    /// What the server would bill for it.
    pub billed: Option<Usage>,
    /// The batch that it came in.
    pub batch: Option<String>,
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer(ScriptedAnswer),
    /// A status with this body, as it is. Not billed.
    Status {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Status 200 with this body, as it is. Not billed.
    Raw {
        content_type: String,
        body: Vec<u8>,
    },
    /// An answer, sent byte by byte with a pause after each.
    Drip {
        answer: ScriptedAnswer,
        pause: Duration,
    },
    /// An answer of which only the first bytes come; then the connection is closed.
    Cut {
        answer: ScriptedAnswer,
        bytes: usize,
    },
    /// Headers, then nothing for ever. Billed, as a provider would.
    HangAfterHeaders,
    /// Nothing at all for ever. Billed, as a provider would.
    Hang,
    /// The connection is reset before any byte of an answer.
    Reset,
    /// Status 200 and so many bytes of `[` as body.
    Flood {
        bytes: usize,
    },
}

#[derive(Clone, Debug)]
pub struct ScriptedAnswer {
    /// None: made up so that it fits the asked schema.
    pub text: Option<String>,
    pub finish: Finish,
    pub usage: Reported,
    /// Of the input counted, read from and written to a cache; of the output, thinking on top of the text.
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub thinking_tokens: u64,
    pub latency: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Complete,
    Truncated,
    /// In the protocol's own form; the text is the reason.
    Refused,
    /// Gemini's block of the whole prompt, elsewhere a content filter.
    Filtered,
    /// No text at all.
    Empty,
}

/// What the answer says about its usage; the record always holds the true count.
#[derive(Clone, Debug)]
pub enum Reported {
    Truth,
    Missing,
    /// In place of the usage object.
    Verbatim(Value),
}

impl Default for ScriptedAnswer {
    fn default() -> ScriptedAnswer {
        ScriptedAnswer {
            text: None,
            finish: Finish::Complete,
            usage: Reported::Truth,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            thinking_tokens: 0,
            latency: Duration::ZERO,
        }
    }
}

impl Reply {
    pub fn text(text: impl Into<String>) -> Reply {
        Reply::Answer(ScriptedAnswer { text: Some(text.into()), ..ScriptedAnswer::default() })
    }

    pub fn status(status: u16, body: impl Into<String>) -> Reply {
        Reply::Status { status, headers: Vec::new(), body: body.into() }
    }

    pub fn raw(body: impl Into<Vec<u8>>) -> Reply {
        Reply::Raw { content_type: "application/json".to_owned(), body: body.into() }
    }

    /// A rate limit with this `Retry-After`.
    pub fn rate_limit(retry_after: &str) -> Reply {
        let headers = vec![("retry-after".to_owned(), retry_after.to_owned())];
        Reply::Status {
            status: 429,
            headers,
            body: r#"{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}"#.to_owned(),
        }
    }
}

/// What becomes of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// They end when they are looked at for the second time.
    Prompt,
    /// They do not end until this is changed.
    Held,
    /// They end, and half of their requests were not reached in time.
    Late,
    /// The whole is found to be wrong (where a provider does that).
    Refused,
    /// Nothing is known of batches here.
    Absent,
    /// None is taken for now.
    Busy,
}

type Rule = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

struct Shared {
    script: Mutex<VecDeque<Reply>>,
    rule: Mutex<Rule>,
    journal: Mutex<Vec<Entry>>,
    batches: Mutex<Batches>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Scripted {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> std::io::Result<Scripted> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let rule: Rule = Arc::new(|_| Reply::Answer(ScriptedAnswer::default()));
        let state = Arc::new(Shared {
            script: Mutex::default(),
            rule: Mutex::new(rule),
            journal: Mutex::default(),
            batches: Mutex::default(),
        });
        let routes = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/responses", post(responses))
            .route("/v1/messages", post(messages))
            .route("/v1beta/models/{call}", post(gemini))
            .merge(batches::routes())
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(state.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let service = routes.into_make_service_with_connect_info::<Connection>();
        tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(Connections(listener), service) => {}
                _ = stopped => {}
            }
        });
        Ok(Scripted { address, state, _stop: stop })
    }

    /// What a model's `base_url` or a provider's variable is set to: `http://127.0.0.1:PORT`, which fits all protocols.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds to the end of the script.
    pub fn then(&self, reply: Reply) -> &Scripted {
        lock(&self.state.script).push_back(reply);
        self
    }

    /// Answers whatever the script does not.
    pub fn otherwise(&self, rule: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *lock(&self.state.rule) = Arc::new(rule);
    }

    /// What becomes of batches from now on.
    pub fn batches(&self, how: Batching) {
        lock(&self.state.batches).how = how;
    }

    /// All requests so far, in the order of their arrival; those of a batch, in the order of the batch.
    pub fn journal(&self) -> Vec<Entry> {
        lock(&self.state.journal).clone()
    }

    /// The server's own bill: the sums over all requests.
    pub fn billed(&self) -> Usage {
        let add = |sum: Option<u64>, more: Option<u64>| Some(sum.unwrap_or(0) + more.unwrap_or(0));
        lock(&self.state.journal).iter().filter_map(|entry| entry.billed).fold(Usage::default(), |sum, usage| Usage {
            input_tokens: add(sum.input_tokens, usage.input_tokens),
            cache_read_tokens: add(sum.cache_read_tokens, usage.cache_read_tokens),
            cache_write_tokens: add(sum.cache_write_tokens, usage.cache_write_tokens),
            output_tokens: add(sum.output_tokens, usage.output_tokens),
            reasoning_tokens: add(sum.reasoning_tokens, usage.reasoning_tokens),
        })
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn chat(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    serve(&state, connection, Api::OpenaiChat, None, &headers, &body).await
}

async fn responses(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    serve(&state, connection, Api::OpenaiResponses, None, &headers, &body).await
}

async fn messages(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    serve(&state, connection, Api::AnthropicMessages, None, &headers, &body).await
}

async fn gemini(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    serve(&state, connection, Api::GeminiGenerate, Some(call), &headers, &body).await
}

async fn serve(
    state: &Shared,
    connection: Connection,
    api: Api,
    call: Option<String>,
    headers: &HeaderMap,
    body: &[u8],
) -> Response<Body> {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let asked = speak::understand(api, call.as_deref(), body, headers);
    let (asked, refused) = state.note(asked, None);
    if let Some((status, reason)) = refused {
        return plain(status, "application/json", speak::error(api, status, &reason).into_bytes(), &asked, &[]);
    }
    let (reply, body) = state.reply(&asked);
    perform(reply, body, connection, &asked).await
}

impl Shared {
    /// Writes a request down. With the reason why it is refused, if it is.
    fn note(&self, mut asked: Asked, batch: Option<&str>) -> (Asked, Option<(u16, String)>) {
        let refused = check::request(&asked).err();
        let mut journal = lock(&self.journal);
        asked.number = journal.len() as u64 + 1;
        asked.request_id = format!("req_{}", asked.number);
        let reason = refused.as_ref().map(|(_, reason)| reason.clone());
        journal.push(Entry { asked: asked.clone(), refused: reason, billed: None, batch: batch.map(str::to_owned) });
        (asked, refused)
    }

    /// What the script says, and the body of the answer, which is billed.
    fn reply(&self, asked: &Asked) -> (Reply, Vec<u8>) {
        let reply = lock(&self.script).pop_front();
        let rule = lock(&self.rule).clone();
        let reply = reply.unwrap_or_else(|| rule(asked));
        let Some((body, billed)) = answer_of(&reply).map(|answer| speak::answer(asked, answer)) else {
            return (reply, Vec::new());
        };
        if let Some(entry) = lock(&self.journal).get_mut(asked.number as usize - 1) {
            entry.billed = Some(billed);
        }
        (reply, body)
    }
}

/// The answer that is worked out, and billed, even when it never arrives.
fn answer_of(reply: &Reply) -> Option<ScriptedAnswer> {
    match reply {
        Reply::Answer(answer) | Reply::Drip { answer, .. } | Reply::Cut { answer, .. } => Some(answer.clone()),
        Reply::Hang | Reply::HangAfterHeaders => Some(ScriptedAnswer::default()),
        Reply::Status { .. } | Reply::Raw { .. } | Reply::Reset | Reply::Flood { .. } => None,
    }
}

async fn perform(reply: Reply, body: Vec<u8>, connection: Connection, asked: &Asked) -> Response<Body> {
    match reply {
        Reply::Answer(answer) => {
            tokio::time::sleep(answer.latency).await;
            plain(200, "application/json", body, asked, &[])
        }
        Reply::Status { status, headers, body } => plain(status, "application/json", body.into_bytes(), asked, &headers),
        Reply::Raw { content_type, body } => plain(200, &content_type, body, asked, &[]),
        Reply::Drip { pause, .. } => streamed(asked, connection::drip(body, pause)),
        Reply::Cut { bytes, .. } => streamed(asked, connection::cut(body, bytes)),
        Reply::HangAfterHeaders => streamed(asked, connection::silence()),
        Reply::Hang => std::future::pending().await,
        Reply::Reset => {
            connection.reset();
            plain(200, "application/json", Vec::new(), asked, &[])
        }
        Reply::Flood { bytes } => streamed(asked, connection::flood(bytes)),
    }
}

fn streamed(asked: &Asked, body: Body) -> Response<Body> {
    let mut response = plain(200, "application/json", Vec::new(), asked, &[]);
    *response.body_mut() = body;
    response
}

fn plain(status: u16, content_type: &str, body: Vec<u8>, asked: &Asked, headers: &[(String, String)]) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT));
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response = response.header("content-type", content_type);
    match asked.api {
        Api::AnthropicMessages => response = response.header("request-id", &asked.request_id),
        Api::OpenaiChat | Api::OpenaiResponses => response = response.header("x-request-id", &asked.request_id),
        Api::GeminiGenerate | Api::Simulated => {}
    }
    response.body(Body::from(body)).expect("names and values of headers come from tests and are valid")
}

/// The tokens of a text as this server counts them.
pub fn count(text: &str) -> u64 {
    tokens::count("o200k_base", text)
}
