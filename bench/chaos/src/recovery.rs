//! How long runs stand still when the worker that executes them is killed.

use crate::provider::Provider;
use crate::workers::Workers;
use crate::{Arguments, flow, options};
use pmflow_host::{Fault, Host, Setup};
use pmflow_plan::Value;
use pmflow_store_postgres::cluster::{Cluster, ClusterOptions};
use pmflow_store_postgres::{PostgresStore, migrate};
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Under way at each kill; both workers together have room for twice as many.
const RUNS: u32 = 100;

/// Kills one of two workers under load, once a round, and says how long it takes until the last of its runs is taken up: by the
/// other one, or by one that is started in its place.
pub async fn measure(rounds: u32, arguments: &Arguments) -> Result<(), String> {
    let arguments = Arguments { workers: 2, latency: 20_000..20_001, ..arguments.clone() };
    let cluster = Cluster::start(&ClusterOptions { is_flushed: true, settings: Vec::new() })?;
    let address = cluster.address("postgres");
    migrate(&options(&address, &arguments)?).await.map_err(|error| error.to_string())?;
    let provider = Provider::start(arguments.latency.clone()).await?;
    let store = PostgresStore::open(options(&address, &arguments)?).await.map_err(|error| error.to_string())?;
    let workers = Workers::start(&arguments, &address)?;
    let mut observer = PgConnection::connect(&address).await.map_err(|error| error.to_string())?;
    let bound = Duration::from_secs(arguments.lease + 2);
    for round in 1..=rounds {
        leave(&store, &provider).await?;
        let (victim, held) = busiest(&mut observer, &workers).await?;
        let since = Instant::now();
        let number = workers.number(victim);
        let is_restarted = round.is_multiple_of(2);
        workers.kill_alone(victim)?;
        if is_restarted {
            workers.replace(victim)?;
        }
        while count(&mut observer, number).await? > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let took = since.elapsed();
        let by = if is_restarted { "restarted on its machine" } else { "the other one" };
        println!("round {round}: {held} runs of a killed worker were taken up within {:.1} s ({by})", took.as_secs_f64());
        if took > bound {
            return Err(format!("that is longer than {} s", bound.as_secs()));
        }
        if !is_restarted {
            workers.replace(victim)?;
        }
        sqlx::query("UPDATE workflow_executions SET lease_until = 0, lease_epoch = lease_epoch + 1, status = 'cancelled'")
            .execute(&mut observer)
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn leave(store: &PostgresStore, provider: &Provider) -> Result<(), String> {
    let host = Host::new(Arc::new(store.clone()), Fault::none());
    let (plan, map) = flow::plan()?;
    let provider_urls = BTreeMap::from([("openai".to_owned(), provider.address())]);
    let setup = Setup { provider_urls, ..Setup::default() };
    for number in 0..RUNS {
        let input = Value::record([("number", Value::text(number.to_string()))]);
        host.leave(plan.clone(), map.clone(), input, setup.clone()).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The worker with the most runs, once all are taken up.
async fn busiest(observer: &mut PgConnection, workers: &Workers) -> Result<(usize, i64), String> {
    loop {
        let (first, second) = (count(observer, workers.number(0)).await?, count(observer, workers.number(1)).await?);
        if first + second == i64::from(RUNS) {
            return Ok(if second > first { (1, second) } else { (0, first) });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(observer: &mut PgConnection, process: u32) -> Result<i64, String> {
    let held = "SELECT count(*) FROM workflow_executions WHERE lease_number = $1 AND status = 'running'";
    sqlx::query_scalar(held).bind(i64::from(process)).fetch_one(observer).await.map_err(|error| error.to_string())
}
