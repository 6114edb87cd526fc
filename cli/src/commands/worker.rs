use crate::exit::{Code, Failed, Result};
use crate::monitoring::{self, Logging, Watched};
use crate::project::Project;
use crate::store::{AnyStore, block_on, open};
use crate::terminal::Terminal;
use pmflow_host::alerts::Alerts;
use pmflow_host::{Host, Worker, WorkerOptions};
use pmflow_telemetry::Telemetry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Execute runs that nobody executes, until told to stop
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  DATABASE_URL=postgres://pmflow@db.example/pmflow pmflow worker
  pmflow worker --runs 64 --drain 120

Any number of workers may share one PostgreSQL database. SIGTERM or Ctrl-C drains: nothing new
starts, calls under way are finished and recorded, and the runs are given to other workers. A second
signal stops at once. PMFLOW_LOG sets what is logged: error, warn, info (the default), debug. Traces
and metrics go to OTEL_EXPORTER_OTLP_ENDPOINT where that is set.")]
pub struct Arguments {
    /// Answer /health, /ready and /metrics over HTTP.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    #[command(flatten)]
    pub work: Work,

    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Work {
    /// Runs at once, at most; those that wait for a person or a time count.
    #[arg(long, value_name = "COUNT", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub runs: u32,

    /// Seconds that calls under way may take once it is told to stop.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub drain: u64,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    arguments.logging.start();
    let project = Project::here()?;
    let fault = super::run::fault()?;
    block_on(async {
        let stop = stop_signals()?;
        let store = open(&project).await?;
        terminal.note(&format!("working on up to {} runs at once, of the database {}", arguments.work.runs, store.place()));
        let alerts = alerts(&project, store.clone())?;
        let telemetry = monitoring::telemetry()?;
        tokio::spawn(project.settings.retention.keep(store.clone(), stop.clone()));
        let worker = worker(store.clone(), &arguments.work, fault, telemetry.clone());
        if let Some(address) = arguments.listen {
            let watched = Watched { store, stopped: stop.clone(), live: worker.live(), telemetry: telemetry.clone() };
            let (listener, address) = listen(address).await?;
            terminal.note(&format!("listening on http://{address}"));
            // Until the process ends.
            tokio::spawn(axum::serve(listener, monitoring::router(watched)).into_future());
        }
        tokio::join!(worker.work(stop.clone()), alerts.keep(stop));
        monitoring::flush(telemetry).await;
        terminal.note("stopped; every run was given back");
        Ok(Code::Fine)
    })
}

pub fn worker(store: Arc<AnyStore>, work: &Work, fault: pmflow_host::Fault, telemetry: Arc<Telemetry>) -> Worker<AnyStore> {
    let runs_max = usize::try_from(work.runs).unwrap_or(usize::MAX);
    let host = Host::new(store, fault).observed_by(telemetry);
    Worker::new(Arc::new(host), WorkerOptions { runs_max, drain: Duration::from_secs(work.drain) })
}

/// Tells of the budgets' alerts, as the project says.
pub fn alerts(project: &Project, store: Arc<AnyStore>) -> Result<Alerts<AnyStore>> {
    Alerts::new(store, crate::alerts::destinations(project)?).map_err(Failed::new)
}

pub async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let cannot_listen = |error: std::io::Error| {
        Failed::new(format!("cannot listen on {address}: {error}")).help("choose another one with --listen")
    };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let bound = listener.local_addr().map_err(cannot_listen)?;
    Ok((listener, bound))
}

/// Becomes true with the first signal; the second one ends the process.
pub fn stop_signals() -> Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let failed = |error: std::io::Error| Failed::new(format!("signals cannot be heard: {error}"));
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        loop {
            #[cfg(unix)]
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
            if stop.send_replace(true) {
                std::process::exit(130);
            }
        }
    });
    Ok(stopped)
}
