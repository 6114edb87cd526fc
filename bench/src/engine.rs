//! What a run costs, many at once: the engine, the host and the store in one process, without a provider.

use crate::server::{Server, Times};
use pmflow_compiler::emit;
use pmflow_compiler::types::check_project;
use pmflow_compiler::world::MemoryWorld;
use pmflow_host::{Approvals, Fault, Host, Setup};
use pmflow_plan::{Plan, SourceMap, Value};
use pmflow_store::{MemoryStore, Store};
use pmflow_store_postgres::{PostgresOptions, PostgresStore, migrate};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Five calls, one after the other: each is journaled before it is made and again with its answer.
const FLOW: &str = r#"prompt judge(before: int) -> int(1..10) {
  model:      "openai/gpt-6-luna"
  max_input:  100 tokens
  max_output: 20 tokens
  user:       "Judge {{ before }}"
}

flow five() {
  let one   = judge(0)
  let two   = judge(one)
  let three = judge(two)
  let four  = judge(three)
  let five  = judge(four)
  output five
}
"#;

/// Days from 1970 to the day that the flow is checked on.
const TODAY: i32 = 20_779;

/// What one measurement came to.
pub struct Rate {
    pub in_flight: usize,
    pub runs: usize,
    pub wall: Duration,
    /// Of this process.
    pub cpu: Duration,
    /// Of the database's server, where there is one.
    pub server_cpu: Option<Duration>,
}

impl Rate {
    pub fn print(&self, what: &str) {
        let per_run = |time: Duration| time.as_secs_f64() * 1000.0 / self.runs as f64;
        let per_second = self.runs as f64 / self.wall.as_secs_f64();
        let (wall, cpu) = (per_run(self.wall) * self.in_flight as f64, per_run(self.cpu));
        let server = self.server_cpu.map_or_else(|| "–".to_owned(), |cpu| format!("{:.3}", per_run(cpu)));
        println!("| {what} | {} | {} | {per_second:.0} | {wall:.1} | {cpu:.3} | {server} |", self.in_flight, self.runs);
    }
}

pub const HEAD: &str = "| what | in flight | runs | runs/s | ms per run | CPU ms per run | the server's |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |";

/// How many runs are measured with so many in flight.
pub fn sizes() -> [(usize, usize); 4] {
    [(1, 1_500), (32, 6_000), (256, 20_000), (1_024, 20_000)]
}

/// What of a measurement is wanted.
pub struct Only {
    /// None: all.
    pub store: Option<String>,
    pub in_flight: Option<usize>,
}

impl Only {
    pub fn has(&self, store: &str) -> bool {
        self.store.as_deref().is_none_or(|only| only == store)
    }
}

/// Measures every size that is wanted: takes the time and the processor's before and after.
pub fn each_size(what: &str, only: &Only, server: Option<&Server>, mut run: impl FnMut(usize, usize)) {
    for (in_flight, runs) in sizes().into_iter().filter(|(size, _)| only.in_flight.is_none_or(|only| only == *size)) {
        let server_cpu = || server.map(Server::cpu);
        let (started, before, server_before) = (Instant::now(), own_cpu(), server_cpu());
        run(in_flight, runs);
        let (wall, cpu) = (started.elapsed(), own_cpu().saturating_sub(before));
        let server_cpu = server_cpu().zip(server_before).map(|(after, before)| after.saturating_sub(before));
        Rate { in_flight, runs, wall, cpu, server_cpu }.print(what);
    }
}

pub fn runs(only: &Only) {
    println!("\n## runs: five journaled calls, one process; every commit is flushed to the disk\n\n{HEAD}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let measure = Measure { runtime: &runtime, only };
    if only.has("memory") {
        measure.store("no store, not durable", MemoryStore::new(), None);
    }
    if only.has("sqlite") {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let store = runtime.block_on(SqliteStore::open(SqliteOptions::in_project(folder.path())));
        measure.store("SQLite", store.expect("a new database can be opened"), None);
    }
    if only.has("postgres") {
        let server = Server::start();
        let options = PostgresOptions::at(&server.address()).expect("a cluster has an address");
        let store = runtime.block_on(async {
            migrate(&options).await.expect("an empty database can be migrated");
            PostgresStore::open(options).await
        });
        measure.store("PostgreSQL", store.expect("a migrated database can be opened"), Some(&server));
    }
}

struct Measure<'m> {
    runtime: &'m tokio::runtime::Runtime,
    only: &'m Only,
}

impl Measure<'_> {
    /// Drives runs of [`FLOW`] against a store.
    fn store<S: Store>(&self, what: &str, store: S, server: Option<&Server>) {
        let flow = compiled();
        let host = Arc::new(Host::new(Arc::new(store), Fault::none()));
        // Tables of tokens, connections and statements are made ready by the first run.
        self.runtime.block_on(one(&host, &flow));
        each_size(what, self.only, server, |in_flight, runs| self.runtime.block_on(drive(&host, &flow, in_flight, runs)));
    }
}

async fn drive<S: Store>(host: &Arc<Host<S>>, flow: &Flow, in_flight: usize, runs: usize) {
    let left = Arc::new(AtomicUsize::new(runs));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (host, flow, left) = (host.clone(), flow.clone(), left.clone());
        tasks.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                one(&host, &flow).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("a measured run does not panic");
    }
}

async fn one<S: Store>(host: &Host<S>, flow: &Flow) {
    let setup = Setup { simulate: Some(String::new()), ..Setup::default() };
    let started =
        host.start(flow.plan.clone(), flow.map.clone(), Value::Record(Default::default()), setup, Approvals::Wait).await;
    let end = started.expect("a run can be started").end.await.expect("a driver does not panic");
    let end = end.expect("a run is driven to its end");
    assert!(end.failure.is_none(), "a measured run failed: {:?}", end.failure);
}

#[derive(Clone)]
pub struct Flow {
    pub plan: Arc<Plan>,
    pub map: SourceMap,
}

pub fn compiled() -> Flow {
    let mut world = MemoryWorld::new(TODAY);
    let file = world.add("five.pmflow", FLOW);
    let checked = check_project(&world, &[file]);
    let (plan, map) = emit::emit(&checked, "five").expect("the flow has no mistake");
    Flow { plan: Arc::new(plan), map }
}

/// User and system time of this process so far.
pub fn own_cpu() -> Duration {
    Duration::from_millis(Times::of("self").map_or(0, |times| times.own * 10))
}
