//! The company directory that the contact enrichment example talks to: a real HTTP server on this machine.
//!
//! `cargo run --example contact-directory` listens on port 8765, or on the port given as the first argument (0 takes a
//! free one). The address is the first line on standard output. It wants `Authorization: Bearer demo`.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const TOKEN: &str = "demo";
/// More than a run asks for one company, what it asks again after a crash included.
const ANSWERED_MIN: u64 = 8;
const DOMAINS: [&str; 4] = ["engines.example", "navy.example", "nowhere.example", "orbit.example"];
const NAMES: [&str; 12] =
    ["Ada", "Grace", "Alan", "Katherine", "Edsger", "Barbara", "Donald", "Frances", "John", "Margaret", "Tony", "Radia"];

/// What was saved, by contact, and how often.
#[derive(Debug, Default)]
struct Saved {
    contacts: BTreeMap<i64, (Value, u32)>,
    requests: u64,
    /// Requests for a company that were answered since it was last found busy, by domain.
    answered: BTreeMap<String, u64>,
}

type Shared = Arc<Mutex<Saved>>;
type Answer = (StatusCode, Json<Value>);

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8765".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    let app = Router::new()
        .route("/contacts", get(contacts))
        .route("/contacts/{id}", put(save))
        .route("/companies/{domain}", get(company))
        .route("/saved", get(saved))
        .with_state(Shared::default());
    axum::serve(listener, app).await
}

fn refused(headers: &HeaderMap) -> Option<Answer> {
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    let right = sent == Some(format!("Bearer {TOKEN}").as_str());
    (!right).then(|| (StatusCode::UNAUTHORIZED, Json(json!({ "error": "wrong or missing token" }))))
}

/// `?size=5&cursor=N`, a page of contacts and the next cursor; no `next` on the last page.
async fn contacts(headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    let number = |name: &str, otherwise: usize| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (start, size) = (number("cursor", 0), number("size", 5).clamp(1, 5));
    let page: Vec<Value> = (0..NAMES.len()).skip(start).take(size).map(contact).collect();
    let more = start + size < NAMES.len();
    let body = if more { json!({ "contacts": page, "next": (start + size).to_string() }) } else { json!({ "contacts": page }) };
    (StatusCode::OK, Json(body))
}

fn contact(index: usize) -> Value {
    let name = NAMES.get(index).copied().unwrap_or("?");
    let domain = DOMAINS.get(index % DOMAINS.len()).copied().unwrap_or("?");
    json!({ "id": index + 1, "name": name, "email": format!("{}@{domain}", name.to_lowercase()) })
}

async fn company(headers: HeaderMap, Path(domain): Path<String>, State(shared): State<Shared>) -> Answer {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    // Every seventh request finds the directory busy, so that the retry of the flow is seen at work; but not the next ones for the
    // same company, so that a retry helps, whatever else is asked in between.
    let busy = shared.lock().is_ok_and(|mut saved| {
        saved.requests += 1;
        let seventh = saved.requests % 7 == 0;
        let answered = saved.answered.entry(domain.clone()).or_insert(ANSWERED_MIN);
        let busy = seventh && *answered >= ANSWERED_MIN;
        *answered = if busy { 0 } else { *answered + 1 };
        busy
    });
    if busy {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "busy" })));
    }
    match domain.as_str() {
        "engines.example" => (StatusCode::OK, Json(json!({ "name": "Engines", "industry": "machines", "employees": 40 }))),
        "navy.example" => (StatusCode::OK, Json(json!({ "name": "Navy Systems", "industry": "defence", "employees": 9000 }))),
        "orbit.example" => (StatusCode::OK, Json(json!({ "name": "Orbit Labs", "industry": "space", "employees": 310 }))),
        _ => (StatusCode::NOT_FOUND, Json(json!({ "error": "unknown company" }))),
    }
}

async fn save(headers: HeaderMap, Path(id): Path<i64>, State(shared): State<Shared>, Json(body): Json<Value>) -> Answer {
    if let Some(answer) = refused(&headers) {
        return answer;
    }
    if !body.get("summary").is_some_and(Value::is_string) {
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": "`summary` is missing" })));
    }
    if let Ok(mut saved) = shared.lock() {
        let entry = saved.contacts.entry(id).or_insert((Value::Null, 0));
        *entry = (body, entry.1 + 1);
    }
    (StatusCode::OK, Json(json!({ "saved": true })))
}

/// What was saved, for whoever wants to look.
async fn saved(State(shared): State<Shared>) -> Json<Value> {
    let saved = shared.lock().map(|saved| saved.contacts.clone()).unwrap_or_default();
    let rows: Vec<Value> = saved.iter().map(|(id, (body, times))| json!({ "id": id, "body": body, "times": times })).collect();
    Json(Value::Array(rows))
}
