use super::worker::{Work, log_to_stderr, stop_signals, worker};
use crate::exit::{Code, Failed, Result};
use crate::project::Project;
use crate::store::{AnyStore, block_on, open};
use crate::terminal::Terminal;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// Answer over HTTP: health, readiness; with --worker, execute runs as well
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow serve --worker                        all in one process
  pmflow serve --listen 0.0.0.0:8080           behind a load balancer

  GET /health   200 as long as the process lives
  GET /ready    200 while the database answers, 503 while it does not or while this process drains")]
pub struct Arguments {
    /// Execute runs in this process too.
    #[arg(long)]
    worker: bool,

    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    work: Work,
}

#[derive(Clone)]
struct Serving {
    store: Arc<AnyStore>,
    stopped: watch::Receiver<bool>,
    live: Arc<AtomicUsize>,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    log_to_stderr();
    let project = Project::here()?;
    let fault = super::run::fault()?;
    block_on(async {
        let stopped = stop_signals()?;
        let store = open(&project).await?;
        let cannot_listen = |error: std::io::Error| {
            Failed::new(format!("cannot listen on {}: {error}", arguments.listen)).help("choose another one with --listen")
        };
        let listener = tokio::net::TcpListener::bind(arguments.listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let worker = arguments.worker.then(|| worker(store.clone(), &arguments.work, fault));
        let live = worker.as_ref().map(|worker| worker.live()).unwrap_or_default();
        let router = router(Serving { store, stopped: stopped.clone(), live });
        terminal.note(&format!("listening on http://{address}"));
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let until_drained = async {
            // Either word ends it.
            let _ = finished.await;
        };
        let server = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(until_drained).into_future());
        match worker {
            Some(worker) => worker.work(stopped).await,
            None => {
                let mut stopped = stopped;
                // An error says that nobody can tell it to stop any more.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }
        }
        // Not ready while the worker drained, and gone now.
        let _ = finish.send(());
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), server).await;
        terminal.note("stopped; every run was given back");
        Ok(Code::Fine)
    })
}

fn router(serving: Serving) -> Router {
    Router::new().route("/health", get(|| async { "alive" })).route("/ready", get(ready)).with_state(serving)
}

async fn ready(State(serving): State<Serving>) -> (StatusCode, Json<serde_json::Value>) {
    let draining = *serving.stopped.borrow();
    let database = serving.store.is_reachable().await;
    let runs = serving.live.load(Ordering::Relaxed);
    let code = if database && !draining { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(serde_json::json!({ "database": database, "draining": draining, "runs": runs })))
}
