use super::worker::{Work, alerts, listen, stop_signals, worker};
use crate::exit::{Code, Result};
use crate::monitoring::{self, Logging, Watched};
use crate::project::Project;
use crate::store::{AnyStore, block_on, open};
use crate::terminal::Terminal;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use pmflow_host::webhooks::{Rejection, Taken};
use pmflow_host::{Fault, Host};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Answer over HTTP: webhooks, health, readiness; with --worker, execute runs as well
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow serve --worker                        all in one process
  pmflow serve --listen 0.0.0.0:8080           behind a load balancer

  POST /hooks/FLOW   starts a run of a flow in force (pmflow deploy): 202 with the run's id,
                     200 when it was taken before, 401 when its signature does not fit,
                     422 when the body is not what the flow takes
  GET /health   200 as long as the process lives
  GET /ready    200 while the database answers, 503 while it does not or while this process drains
  GET /metrics  what Prometheus collects")]
pub struct Arguments {
    /// Execute runs in this process too.
    #[arg(long)]
    worker: bool,

    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Bytes that may be sent to a webhook.
    #[arg(long, value_name = "BYTES", default_value = "1048576", value_parser = clap::value_parser!(u64).range(1..=104_857_600))]
    body_max: u64,

    #[command(flatten)]
    work: Work,

    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone)]
struct Serving {
    host: Arc<Host<AnyStore>>,
    body_max: usize,
}

/// Until the body of a request must be there.
const BODY_WITHIN: Duration = Duration::from_secs(20);

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    arguments.logging.start();
    let project = Project::here()?;
    let fault = super::run::fault()?;
    block_on(async {
        let stopped = stop_signals()?;
        let store = open(&project).await?;
        let (listener, address) = listen(arguments.listen).await?;
        let telemetry = monitoring::telemetry()?;
        let worker = arguments.worker.then(|| worker(store.clone(), &arguments.work, fault, telemetry.clone()));
        let live = worker.as_ref().map(|worker| worker.live()).unwrap_or_default();
        let host = Arc::new(Host::new(store.clone(), Fault::none()));
        let body_max = usize::try_from(arguments.body_max).unwrap_or(usize::MAX);
        let watched = Watched { store: store.clone(), stopped: stopped.clone(), live, telemetry: telemetry.clone() };
        let router = hooks(Serving { host, body_max }).merge(monitoring::router(watched));
        terminal.note(&format!("listening on http://{address}"));
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let until_drained = async {
            // Either word ends it.
            let _ = finished.await;
        };
        let server = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(until_drained).into_future());
        tokio::spawn(project.settings.retention.keep(store.clone(), stopped.clone()));
        match worker {
            Some(worker) => {
                let alerts = alerts(&project, store.clone())?;
                tokio::join!(worker.work(stopped.clone()), alerts.keep(stopped));
            }
            None => {
                let mut stopped = stopped;
                // An error says that nobody can tell it to stop any more.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }
        }
        // Not ready while the worker drained, and gone now.
        let _ = finish.send(());
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), server).await;
        monitoring::flush(telemetry).await;
        terminal.note("stopped; every run was given back");
        Ok(Code::Fine)
    })
}

fn hooks(serving: Serving) -> Router {
    Router::new().route("/hooks/{flow}", post(hook)).with_state(serving)
}

/// What is sent to a webhook. Its size is refused before it is read, its form before its signature is looked at.
async fn hook(State(serving): State<Serving>, Path(flow): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let length = header_of(&headers, "content-length").and_then(|length| length.parse::<usize>().ok());
    let too_large = || refused(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body may have {} bytes", serving.body_max));
    if length.is_some_and(|length| length > serving.body_max) {
        return too_large();
    }
    if !is_json(&headers) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON, with the content type application/json");
    }
    let body = match tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, serving.body_max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return too_large(),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    match serving.host.receive(&flow, |name| header_of(&headers, name), &body).await {
        Ok(Taken { run, is_new: true }) => (StatusCode::ACCEPTED, Json(json!({ "run": run.to_string() }))).into_response(),
        Ok(Taken { run, is_new: false }) => {
            (StatusCode::OK, Json(json!({ "run": run.to_string(), "repeated": true }))).into_response()
        }
        Err(rejection) => rejected(&flow, &rejection),
    }
}

fn rejected(flow: &str, rejection: &Rejection) -> Response {
    let said = rejection.to_string();
    match rejection {
        Rejection::NotThere => refused(StatusCode::NOT_FOUND, &said),
        Rejection::Signature(_) => {
            tracing::warn!(flow, reason = said, "a delivery was refused");
            refused(StatusCode::UNAUTHORIZED, &said)
        }
        Rejection::NotJson(_) => refused(StatusCode::BAD_REQUEST, &said),
        Rejection::Mismatch { path, expected, found, .. } => {
            let problem = json!({ "error": said, "path": path, "expected": expected, "found": found });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response()
        }
        Rejection::Full { .. } => {
            let today = pmflow_host::now().rem_euclid(DAY_US);
            again_after((DAY_US - today) / 1_000_000, refused(StatusCode::TOO_MANY_REQUESTS, &said))
        }
        // What is wrong here is told to those who run it.
        Rejection::NoSecret(_) | Rejection::Host(_) => {
            tracing::error!(flow, error = said, "a delivery could not be taken");
            again_after(5, refused(StatusCode::SERVICE_UNAVAILABLE, "the delivery could not be taken; send it again"))
        }
    }
}

const DAY_US: i64 = 86_400_000_000;

fn again_after(seconds: i64, mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn refused(code: StatusCode, reason: &str) -> Response {
    (code, Json(json!({ "error": reason }))).into_response()
}

fn header_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = header_of(headers, "content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
