//! What worker processes make of runs that are left to them: each claimed, read back, executed and recorded.

use crate::engine::{Flow, compiled};
use crate::measure::pmflow;
use crate::server::{Server, Times};
use pmflow_host::{Fault, Host, Setup};
use pmflow_plan::Value;
use pmflow_store_postgres::{PostgresOptions, PostgresStore, migrate};
use sqlx::Connection;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RUNS: usize = 10_000;
/// Runs are made by so many tasks side by side.
const MAKERS: usize = 64;

pub fn workers() {
    println!(
        "\n## workers: {RUNS} runs of five journaled calls, left to worker processes on one PostgreSQL, 256 at a time each\n"
    );
    println!("| workers | runs/s | CPU ms per run, workers | the server's |\n| ---: | ---: | ---: | ---: |");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    for count in [1, 2] {
        let server = Server::start();
        runtime.block_on(leave(&server.address()));
        let (started, server_before) = (Instant::now(), server.cpu());
        let mut workers: Vec<Child> = (0..count).map(|_| worker(&server.address())).collect();
        runtime.block_on(until_done(&server.address()));
        let (wall, server_cpu) = (started.elapsed(), server.cpu().saturating_sub(server_before));
        let ticks: u64 = workers.iter().filter_map(|worker| Times::of(&worker.id().to_string())).map(|times| times.own).sum();
        for worker in &mut workers {
            worker.kill().expect("a worker can be killed");
            worker.wait().expect("a worker can be waited for");
        }
        let per_run = |time: Duration| time.as_secs_f64() * 1000.0 / RUNS as f64;
        let (cpu, server_cpu) = (per_run(Duration::from_millis(ticks * 10)), per_run(server_cpu));
        println!("| {count} | {:.0} | {cpu:.3} | {server_cpu:.3} |", RUNS as f64 / wall.as_secs_f64());
    }
}

async fn leave(address: &str) {
    let options = PostgresOptions::at(address).expect("a cluster has an address");
    migrate(&options).await.expect("an empty database can be migrated");
    let store = PostgresStore::open(options).await.expect("a migrated database can be opened");
    let (host, Flow { plan, map }) = (Arc::new(Host::new(Arc::new(store), Fault::none())), compiled());
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..MAKERS {
        let (host, plan, map) = (host.clone(), plan.clone(), map.clone());
        tasks.spawn(async move {
            for _ in (lane..RUNS).step_by(MAKERS) {
                let setup = Setup { simulate: Some(String::new()), ..Setup::default() };
                let left = host.leave(plan.clone(), map.clone(), Value::Record(Default::default()), setup).await;
                left.expect("a run can be left to the workers");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("making runs does not panic");
    }
}

fn worker(address: &str) -> Child {
    let mut command = Command::new(pmflow());
    command.arg("worker").env("DATABASE_URL", address).env_remove("PMFLOW_STORE");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a worker can be started")
}

async fn until_done(address: &str) {
    let mut connection = sqlx::PgConnection::connect(address).await.expect("the server answers");
    loop {
        let open = "SELECT count(*) FROM workflow_executions WHERE status IN ('running', 'suspended')";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&mut connection).await.expect("runs can be counted");
        if open == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
