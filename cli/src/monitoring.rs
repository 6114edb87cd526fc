//! How a process is watched: its log, what it measures, and the addresses under which one asks how it is.

use crate::exit::{Failed, Result};
use crate::store::AnyStore;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use pmflow_host::Host;
use pmflow_host::secrets::{environment, know};
use pmflow_telemetry::{LogFormat, Telemetry, start_logs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Logging {
    /// Log lines as text, or as one JSON object each; PMFLOW_LOG sets which there are.
    #[arg(long, value_name = "FORMAT", value_enum, env = "PMFLOW_LOG_FORMAT", hide_env = true)]
    log_format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

const FILTER: &str = "info,sqlx=error";

impl Logging {
    /// Of a process that has a log.
    pub fn start(self) {
        let format = if self.log_format == Some(Format::Json) { LogFormat::Json } else { LogFormat::Text };
        know_passwords();
        start_logs(format, &environment("PMFLOW_LOG").unwrap_or_else(|| FILTER.to_owned()));
    }

    /// Of one that talks to a person: it has a log only when it is asked for.
    pub fn start_if_wanted(self) {
        if self.log_format.is_some() || environment("PMFLOW_LOG").is_some() || environment("SENTRY_DSN").is_some() {
            self.start();
        }
    }
}

/// What stands in addresses is no secret of a flow, and as little to be told.
fn know_passwords() {
    let address = environment("DATABASE_URL").unwrap_or_default();
    let userinfo = address.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if let Some((_, password)) = userinfo.and_then(|(userinfo, _)| userinfo.split_once(':')) {
        know(password);
    }
}

/// Of a process that shows what it measures.
pub fn telemetry() -> Result<Arc<Telemetry>> {
    Telemetry::shown().map(Arc::new).map_err(Failed::new)
}

/// The host of a command that ends with its run, observed where what happens is sent anywhere.
pub fn observed(host: Host<AnyStore>) -> Result<(Host<AnyStore>, Arc<Telemetry>)> {
    let telemetry = Arc::new(Telemetry::sent().map_err(Failed::new)?);
    let host = if telemetry.is_sent() { host.observed_by(telemetry.clone()) } else { host };
    Ok((host, telemetry))
}

/// Sends what is left before the process ends.
pub async fn flush(telemetry: Arc<Telemetry>) {
    let _ = tokio::task::spawn_blocking(move || telemetry.flush()).await;
}

/// What is asked of a process.
#[derive(Clone)]
pub struct Watched {
    pub store: Arc<AnyStore>,
    pub stopped: watch::Receiver<bool>,
    pub live: Arc<AtomicUsize>,
    pub telemetry: Arc<Telemetry>,
}

/// `/health`, `/ready`, `/metrics`.
pub fn router(watched: Watched) -> Router {
    Router::new()
        .route("/health", get(|| async { "alive" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watched)
}

async fn ready(State(watched): State<Watched>) -> (StatusCode, Json<serde_json::Value>) {
    let draining = *watched.stopped.borrow();
    let database = watched.store.is_reachable().await;
    let runs = watched.live.load(Ordering::Relaxed);
    let code = if database && !draining { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(serde_json::json!({ "database": database, "draining": draining, "runs": runs })))
}

async fn metrics(State(watched): State<Watched>) -> impl IntoResponse {
    watched.telemetry.gauge("pmflow_runs_live", watched.live.load(Ordering::Relaxed) as f64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], watched.telemetry.text())
}
