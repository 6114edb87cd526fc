//! Runs of three paid steps while everything around them fails: PostgreSQL is stopped, gently and as if it crashed, workers
//! are killed and paused, connections are cut at a commit. At the end nothing may be lost or done twice.
//!
//! `cargo run --release -p pmflow-chaos` takes ten minutes; `--runs`, `--pause` and others make it smaller. With `--recovery` it
//! measures how long the runs of a worker that is killed stand still, with `--reservations` it tries a budget that many runs share.

mod checks;
mod faults;
mod flow;
mod provider;
mod recovery;
mod reservations;
mod workers;

use clap::Parser as _;
use faults::Faults;
use pmflow_host::{Fault, Host, Setup};
use pmflow_plan::Value;
use pmflow_store_postgres::cluster::{Cluster, ClusterOptions, Cuts, Proxy};
use pmflow_store_postgres::{PostgresOptions, PostgresStore, migrate};
use provider::Provider;
use std::collections::BTreeMap;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workers::Workers;

#[derive(Clone, Debug, clap::Parser)]
pub struct Arguments {
    #[arg(long, default_value = "5000")]
    runs: u32,

    #[arg(long, default_value = "3")]
    workers: usize,

    /// Seconds between two stops of PostgreSQL.
    #[arg(long, default_value = "5..40", value_parser = range)]
    pause: Range<u64>,

    /// Runs that are left to the workers per second, so that there is work under way all the time.
    #[arg(long, default_value = "20")]
    rate: u32,

    /// Measure a recovery instead: one of two workers is killed, once for each of so many rounds.
    #[arg(long, value_name = "ROUNDS")]
    recovery: Option<u32>,

    /// Try a budget of a team instead, which suffices for six in ten of the runs, in so many rounds.
    #[arg(long, value_name = "ROUNDS")]
    reservations: Option<u32>,

    /// At least so many stops of PostgreSQL; the last tenth of the runs is left behind them.
    #[arg(long, default_value = "8")]
    restarts: u32,

    /// Milliseconds that the provider takes.
    #[arg(long, default_value = "200..3000", value_parser = range)]
    latency: Range<u64>,

    /// Seconds that a lease holds; it is renewed every five.
    #[arg(long, default_value = "15")]
    lease: u64,

    /// The faults are drawn from it.
    #[arg(long, default_value = "1")]
    seed: u64,

    /// Used by the program itself: be a worker on this database.
    #[arg(long, hide = true)]
    work_on: Option<String>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is not of the form 5..40");
    let (from, until) = text.split_once("..").ok_or_else(wrong)?;
    let (from, until) = (from.parse().map_err(|_| wrong())?, until.parse().map_err(|_| wrong())?);
    if from < until { Ok(from..until) } else { Err(wrong()) }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.work_on {
        Some(address) => workers::work(address, &arguments).await,
        None => match (arguments.recovery, arguments.reservations) {
            (Some(rounds), _) => recovery::measure(rounds, &arguments).await,
            (None, Some(rounds)) => reservations::measure(rounds, &arguments).await,
            (None, None) => chaos(&arguments).await,
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("chaos: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn chaos(arguments: &Arguments) -> Result<(), String> {
    let started = Instant::now();
    let cluster = Arc::new(Cluster::start(&ClusterOptions { is_flushed: true, settings: Vec::new() })?);
    let address = cluster.address("postgres");
    migrate(&options(&address, arguments)?).await.map_err(|error| error.to_string())?;
    let proxy = Proxy::start(&address, Cuts { before_commit: 97, after_commit: 61 }).await?;
    let provider = Provider::start(arguments.latency.clone()).await?;
    let store = PostgresStore::open(options(&address, arguments)?).await.map_err(|error| error.to_string())?;

    let workers = Arc::new(Workers::start(arguments, &proxy.address)?);
    let faults = Faults::start(arguments, cluster.clone(), workers.clone());
    leave_runs(store.clone(), arguments, &provider, &faults).await?;
    println!("{:>5} s: {} runs are left to the workers", started.elapsed().as_secs(), arguments.runs);
    await_end(&store, &address, arguments, started, &faults).await?;
    let faults = faults.stop().await?;
    workers.stop()?;

    println!("faults: {faults}, {} connections cut at a commit", proxy.cuts());
    let figures = checks::all(&store, &address, arguments, &provider).await?;
    println!("{figures}");
    println!("every run is right; {} s", started.elapsed().as_secs());
    Ok(())
}

pub fn options(address: &str, arguments: &Arguments) -> Result<PostgresOptions, String> {
    let mut options = PostgresOptions::at(address).map_err(|error| error.to_string())?;
    options.lease = Duration::from_secs(arguments.lease);
    options.patience = Duration::from_secs(300);
    Ok(options)
}

/// While the faults are going on already: at the rate that is wanted, and the last tenth only after as many stops as are wanted.
async fn leave_runs(store: PostgresStore, arguments: &Arguments, provider: &Provider, faults: &Faults) -> Result<(), String> {
    let host = Arc::new(Host::new(Arc::new(store), Fault::none()));
    let (plan, map) = flow::plan()?;
    let provider_urls = BTreeMap::from([("openai".to_owned(), provider.address())]);
    let setup = Setup { provider_urls, ..Setup::default() };
    let mut leaving = tokio::task::JoinSet::new();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / arguments.rate.max(1));
    for number in 0..arguments.runs {
        pace.tick().await;
        while number == arguments.runs - arguments.runs / 10 && faults.restarts() < arguments.restarts {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (host, plan, map, setup) = (host.clone(), plan.clone(), map.clone(), setup.clone());
        let input = Value::record([("number", Value::text(number.to_string()))]);
        leaving.spawn(async move { host.leave(plan, map, input, setup).await });
        if leaving.len() >= 64
            && let Some(left) = leaving.join_next().await
        {
            left.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
    }
    while let Some(left) = leaving.join_next().await {
        left.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Every run must have ended within the time that its steps and a generous share of faults take.
async fn await_end(
    store: &PostgresStore,
    address: &str,
    arguments: &Arguments,
    started: Instant,
    faults: &Faults,
) -> Result<(), String> {
    let deadline = started.elapsed() + Duration::from_secs(120 + u64::from(arguments.runs) / 4);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        checks::raise_limits(store).await?;
        let open = checks::open_runs(address).await;
        if open == Some(0) && faults.restarts() >= arguments.restarts {
            return Ok(());
        }
        if started.elapsed() > deadline {
            return Err(format!("after {} s, {open:?} runs have not ended", started.elapsed().as_secs()));
        }
    }
}
