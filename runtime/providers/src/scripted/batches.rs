//! Batches from the provider's side: what was handed over is checked as a single request is, answered by the same script, and
//! billed when the batch ends.

use super::{Asked, Batching, Reply, Shared, check, lock, speak};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Multipart, Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use pmflow_plan::Api;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Batches {
    pub how: Batching,
    files: BTreeMap<String, Vec<u8>>,
    batches: BTreeMap<String, Batch>,
}

impl Default for Batches {
    fn default() -> Batches {
        Batches { how: Batching::Prompt, files: BTreeMap::new(), batches: BTreeMap::new() }
    }
}

#[derive(Clone, Debug)]
struct Batch {
    api: Api,
    requests: Vec<(String, Asked)>,
    looks: u32,
    cancelled: bool,
    /// Its answers and its errors, line by line, once it has ended.
    results: Option<(Vec<Value>, Vec<Value>)>,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/files", post(upload))
        .route("/v1/files/{id}/content", get(content))
        .route("/v1/batches", post(create_openai))
        .route("/v1/batches/{id}", get(look_openai))
        .route("/v1/batches/{id}/cancel", post(cancel_openai))
        .route("/v1/messages/batches", post(create_anthropic))
        .route("/v1/messages/batches/{id}", get(look_anthropic))
        .route("/v1/messages/batches/{id}/cancel", post(cancel_anthropic))
        .route("/v1/messages/batches/{id}/results", get(results_anthropic))
}

async fn upload(State(state): State<Arc<Shared>>, mut form: Multipart) -> Response<Body> {
    if lock(&state.batches).how == Batching::Absent {
        return not_found();
    }
    let (mut purpose, mut file) = (String::new(), None);
    while let Ok(Some(field)) = form.next_field().await {
        match field.name() {
            Some("purpose") => purpose = field.text().await.unwrap_or_default(),
            Some("file") => file = field.bytes().await.ok(),
            _ => {}
        }
    }
    let Some(file) = file.filter(|_| purpose == "batch") else {
        return refuse(Api::OpenaiChat, 400, "a file with the purpose `batch` is wanted");
    };
    let mut batches = lock(&state.batches);
    let id = format!("file-{}", batches.files.len() + 1);
    batches.files.insert(id.clone(), file.to_vec());
    answer(&json!({"id": id, "object": "file", "bytes": file.len(), "purpose": "batch", "filename": "requests.jsonl"}))
}

async fn content(State(state): State<Arc<Shared>>, Path(id): Path<String>) -> Response<Body> {
    match lock(&state.batches).files.get(&id) {
        Some(bytes) => respond(200, Body::from(bytes.clone())),
        None => not_found(),
    }
}

async fn create_openai(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if let Err(reason) = check::batch(Api::OpenaiChat, &body) {
        return refuse(Api::OpenaiChat, 400, &reason);
    }
    let file = body.get("input_file_id").and_then(Value::as_str).unwrap_or_default();
    let endpoint = body.get("endpoint").and_then(Value::as_str).unwrap_or_default();
    let api = if endpoint == "/v1/responses" { Api::OpenaiResponses } else { Api::OpenaiChat };
    let Some(file) = lock(&state.batches).files.get(file).cloned() else { return refuse(api, 400, "there is no such file") };
    let mut requests = Vec::new();
    for line in String::from_utf8_lossy(&file).lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return refuse(api, 400, "a line is not JSON") };
        let fits = line.get("method") == Some(&json!("POST")) && line.get("url") == Some(&json!(endpoint));
        match (line.get("custom_id").and_then(Value::as_str), line.get("body")) {
            (Some(key), Some(body)) if fits => requests.push((key.to_owned(), body.clone())),
            _ => return refuse(api, 400, "a line has no custom_id, method, url or body that fits"),
        }
    }
    create(&state, api, requests, &headers)
}

async fn create_anthropic(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let api = Api::AnthropicMessages;
    if lock(&state.batches).how == Batching::Absent {
        return not_found();
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if let Err(reason) = check::batch(api, &body) {
        return refuse(api, 400, &reason);
    }
    let requests = body.get("requests").and_then(Value::as_array).into_iter().flatten();
    let read = |one: &Value| Some((one.get("custom_id")?.as_str()?.to_owned(), one.get("params")?.clone()));
    create(&state, api, requests.filter_map(read).collect(), &headers)
}

fn create(state: &Shared, api: Api, requests: Vec<(String, Value)>, headers: &HeaderMap) -> Response<Body> {
    if lock(&state.batches).how == Batching::Busy {
        return respond_with(429, &[("retry-after", "1")], speak::error(api, 429, "too many batches"));
    }
    let keys: BTreeSet<&str> = requests.iter().map(|(key, _)| key.as_str()).collect();
    let models: BTreeSet<Option<&str>> = requests.iter().map(|(_, body)| body.get("model").and_then(Value::as_str)).collect();
    if keys.len() != requests.len() || requests.is_empty() || models.len() != 1 {
        return refuse(api, 400, "a batch has requests of one model, each with a custom_id of its own");
    }
    let id = format!("batch_{}", lock(&state.batches).batches.len() + 1);
    let understood = requests.into_iter().map(|(key, body)| (key, speak::understand(api, None, body, headers)));
    let mut noted = Vec::new();
    for (key, asked) in understood {
        match state.note(asked, Some(&id)) {
            (asked, None) => noted.push((key, asked)),
            (_, Some((status, reason))) => return refuse(api, status, &reason),
        }
    }
    let batch = Batch { api, requests: noted, looks: 0, cancelled: false, results: None };
    let shown = shown(&id, &batch, Batching::Prompt);
    lock(&state.batches).batches.insert(id, batch);
    answer(&shown)
}

async fn look_openai(State(state): State<Arc<Shared>>, Path(id): Path<String>) -> Response<Body> {
    look(&state, &id)
}

async fn look_anthropic(State(state): State<Arc<Shared>>, Path(id): Path<String>) -> Response<Body> {
    look(&state, &id)
}

fn look(state: &Shared, id: &str) -> Response<Body> {
    let (how, batch) = {
        let mut batches = lock(&state.batches);
        let how = batches.how;
        let Some(batch) = batches.batches.get_mut(id) else { return not_found() };
        batch.looks += 1;
        (how, batch.clone())
    };
    let ends = batch.cancelled || (batch.looks > 1 && how != Batching::Held);
    if !ends || batch.results.is_some() {
        return answer(&shown(id, &batch, how));
    }
    let results = finish(state, &batch, how);
    let mut batches = lock(&state.batches);
    for (name, lines) in [("output", &results.0), ("error", &results.1)] {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        batches.files.insert(format!("{name}-{id}"), text.into_bytes());
    }
    let Some(kept) = batches.batches.get_mut(id) else { return not_found() };
    kept.results = Some(results);
    answer(&shown(id, kept, how))
}

/// The answers, and the errors. What was cancelled, or not reached in time, is every second one.
fn finish(state: &Shared, batch: &Batch, how: Batching) -> (Vec<Value>, Vec<Value>) {
    let (mut answers, mut errors) = (Vec::new(), Vec::new());
    for (position, (key, asked)) in batch.requests.iter().enumerate() {
        let left = (batch.cancelled || how == Batching::Late) && position % 2 == 1;
        let anthropic = batch.api == Api::AnthropicMessages;
        if left {
            let (code, kind) = if batch.cancelled { ("batch_cancelled", "canceled") } else { ("batch_expired", "expired") };
            errors.push(match anthropic {
                true => json!({"custom_id": key, "result": {"type": kind}}),
                false => {
                    json!({"id": "r", "custom_id": key, "response": null, "error": {"code": code, "message": "not reached"}})
                }
            });
            continue;
        }
        let (reply, body) = state.reply(asked);
        let (status, body) = match reply {
            Reply::Status { status, body, .. } => (status, body.into_bytes()),
            _ => (200, body),
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let line = match (anthropic, status) {
            (true, 200) => json!({"custom_id": key, "result": {"type": "succeeded", "message": body}}),
            (true, _) => json!({"custom_id": key, "result": {"type": "errored", "error": body}}),
            (false, _) => {
                let response = json!({"status_code": status, "request_id": asked.request_id, "body": body});
                json!({"id": "r", "custom_id": key, "response": response, "error": null})
            }
        };
        if status == 200 { answers.push(line) } else { errors.push(line) }
    }
    // In any order.
    answers.reverse();
    (answers, errors)
}

fn shown(id: &str, batch: &Batch, how: Batching) -> Value {
    let ended = batch.results.is_some();
    if batch.api == Api::AnthropicMessages {
        let status = if ended { "ended" } else { "in_progress" };
        return json!({"id": id, "type": "message_batch", "processing_status": status, "results_url": "https://example.invalid/"});
    }
    let status = match (ended, batch.cancelled, how) {
        (false, true, _) => "cancelling",
        (false, false, _) => "in_progress",
        (true, _, Batching::Refused) => "failed",
        (true, true, _) => "cancelled",
        (true, false, Batching::Late) => "expired",
        (true, false, _) => "completed",
    };
    let file = |name: &str| if ended && status != "failed" { json!(format!("{name}-{id}")) } else { Value::Null };
    let errors =
        json!({"object": "list", "data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}]});
    json!({
        "id": id, "object": "batch", "status": status, "output_file_id": file("output"), "error_file_id": file("error"),
        "errors": if status == "failed" { errors } else { Value::Null },
    })
}

async fn cancel_openai(State(state): State<Arc<Shared>>, Path(id): Path<String>) -> Response<Body> {
    cancel(&state, &id)
}

async fn cancel_anthropic(State(state): State<Arc<Shared>>, Path(id): Path<String>) -> Response<Body> {
    cancel(&state, &id)
}

fn cancel(state: &Shared, id: &str) -> Response<Body> {
    let mut batches = lock(&state.batches);
    let how = batches.how;
    let Some(batch) = batches.batches.get_mut(id) else { return not_found() };
    batch.cancelled = batch.results.is_none();
    answer(&shown(id, batch, how))
}

async fn results_anthropic(State(state): State<Arc<Shared>>, Path(id): Path<String>) -> Response<Body> {
    let batches = lock(&state.batches);
    match batches.batches.get(&id).and_then(|batch| batch.results.as_ref()) {
        Some((answers, errors)) => {
            let text: String = answers.iter().chain(errors).map(|line| format!("{line}\n")).collect();
            respond(200, Body::from(text))
        }
        None => not_found(),
    }
}

fn answer(body: &Value) -> Response<Body> {
    respond(200, Body::from(body.to_string()))
}

fn refuse(api: Api, status: u16, reason: &str) -> Response<Body> {
    respond(status, Body::from(speak::error(api, status, reason)))
}

fn not_found() -> Response<Body> {
    respond(404, Body::from(r#"{"error":{"message":"Not found","type":"invalid_request_error"}}"#))
}

fn respond(status: u16, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    response
}

fn respond_with(status: u16, headers: &[(&'static str, &'static str)], body: String) -> Response<Body> {
    let mut response = respond(status, Body::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(*name, axum::http::HeaderValue::from_static(value));
    }
    response
}
