//! What a run costs, many at once: the engine, the host and the store in one process, without a provider.

use pmflow_compiler::emit;
use pmflow_compiler::types::check_project;
use pmflow_compiler::world::MemoryWorld;
use pmflow_host::{Approvals, Fault, Host, Setup};
use pmflow_plan::{Plan, SourceMap, Value};
use pmflow_store::Store;
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
}

impl Rate {
    pub fn per_second(&self) -> f64 {
        self.runs as f64 / self.wall.as_secs_f64()
    }

    pub fn print(&self, what: &str) {
        let cpu = self.cpu.as_secs_f64() * 1000.0 / self.runs as f64;
        let wall = self.wall.as_secs_f64() * 1000.0 * self.in_flight as f64 / self.runs as f64;
        println!("| {what} | {} | {} | {:.0} | {wall:.1} | {cpu:.3} |", self.in_flight, self.runs, self.per_second());
    }
}

pub const HEAD: &str =
    "| what | in flight | runs | runs/s | ms per run | CPU ms per run |\n| --- | ---: | ---: | ---: | ---: | ---: |";

/// How many runs are measured with so many in flight.
pub fn sizes() -> [(usize, usize); 3] {
    [(1, 200), (32, 4_000), (256, 10_000)]
}

pub fn runs() {
    println!("\n## runs: five journaled steps, SQLite with synchronous=FULL, one process\n\n{HEAD}");
    for (in_flight, runs) in sizes() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = folder.path().to_owned();
        let open = move || async move {
            SqliteStore::open(SqliteOptions::in_project(&folder)).await.expect("a new database can be opened")
        };
        measure(open, in_flight, runs).print("engine, host, store");
    }
}

/// Drives so many runs of [`FLOW`] against a store, `in_flight` at a time.
fn measure<S: Store, F: Future<Output = S>>(open: impl FnOnce() -> F, in_flight: usize, runs: usize) -> Rate {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let (plan, map) = compiled();
    runtime.block_on(async {
        let host = Arc::new(Host::new(Arc::new(open().await), Fault::none()));
        // Tables of tokens, connections and statements are made ready by the first run.
        one(&host, &plan, &map).await;
        let left = Arc::new(AtomicUsize::new(runs));
        let (started, cpu_before) = (Instant::now(), own_cpu());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            let (host, plan, map, left) = (host.clone(), plan.clone(), map.clone(), left.clone());
            tasks.spawn(async move {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    one(&host, &plan, &map).await;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("a measured run does not panic");
        }
        Rate { in_flight, runs, wall: started.elapsed(), cpu: own_cpu().saturating_sub(cpu_before) }
    })
}

async fn one<S: Store>(host: &Host<S>, plan: &Plan, map: &SourceMap) {
    let setup = Setup { simulate: Some(String::new()), ..Setup::default() };
    let started = host.start(plan.clone(), map.clone(), Value::Record(Default::default()), setup, Approvals::Wait).await;
    let end = started.expect("a run can be started").end.await.expect("a driver does not panic");
    let end = end.expect("a run is driven to its end");
    assert!(end.failure.is_none(), "a measured run failed: {:?}", end.failure);
}

fn compiled() -> (Plan, SourceMap) {
    let mut world = MemoryWorld::new(TODAY);
    let file = world.add("five.pmflow", FLOW);
    let checked = check_project(&world, &[file]);
    emit::emit(&checked, "five").expect("the flow has no mistake")
}

/// User and system time of this process so far.
pub fn own_cpu() -> Duration {
    // In hundredths of a second: the fourteenth and fifteenth field, counted behind the name in brackets.
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
