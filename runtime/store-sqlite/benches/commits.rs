//! What the store costs: runs of five journaled steps with 256 of them in flight, and pages of a run with many items.
//! `cargo bench -p pmflow-store-sqlite` prints a table; two numbers behind `--` set the runs and the items.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use pmflow_engine::{InstanceStatus, RunId, Write};
use pmflow_plan::Value;
use pmflow_store::conformance::samples::{created, end, item, lead_loop, new_run, output, plan, root, step, stored, transition};
use pmflow_store::{Created, OutputCursor, OutputFilter, RunFilter, StepCursor, Store};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const IN_FLIGHT: usize = 256;
const STEPS: u64 = 5;

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let runs = numbers.first().copied().unwrap_or(20_000);
    let items = numbers.get(1).copied().unwrap_or(200_000);
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::in_project(folder.path())).await.unwrap();
    store.put_plan(plan()).await.unwrap();
    println!("{:<58} {:>10} {:>14}", "what", "seconds", "per second");
    many_runs(&store, runs, "a commit per step", one_commit_per_step).await;
    many_runs(&store, runs, "a commit for all five steps", one_commit_for_all).await;
    many_items(&store, items).await;
    reading(&store, items).await;
    store.close().await;
}

fn line(what: &str, started: Instant, count: usize) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{what:<58} {seconds:>10.3} {:>14.0}", count as f64 / seconds);
}

async fn many_runs<F, W>(store: &SqliteStore, runs: usize, what: &str, work: F)
where
    F: Fn(SqliteStore, String) -> W + Copy + Send + 'static,
    W: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..IN_FLIGHT {
        let (store, next, kind) = (store.clone(), next.clone(), what.to_owned());
        tasks.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= runs {
                    break;
                }
                work(store.clone(), format!("{kind} {number}")).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    line(&format!("{runs} runs of {STEPS} steps, {IN_FLIGHT} in flight, {what}"), started, runs);
}

async fn one_commit_per_step(store: SqliteStore, run: String) {
    let Created::Run { lease, .. } = store.create(new_run(&run)).await.unwrap() else { panic!("{run} exists") };
    for sequence in 2..2 + STEPS {
        let fit = Write::RecordStep(step(&root(), &format!("fit{sequence}"), 1));
        store.commit(vec![transition(&lease, sequence, vec![fit])]).await.unwrap();
    }
}

async fn one_commit_for_all(store: SqliteStore, run: String) {
    let Created::Run { lease, .. } = store.create(new_run(&run)).await.unwrap() else { panic!("{run} exists") };
    let steps = (0..STEPS).map(|number| Write::RecordStep(step(&root(), &format!("fit{number}"), 1)));
    store.commit(vec![transition(&lease, 2, steps.collect())]).await.unwrap();
}

/// One run with a loop: 64 items end in each transition.
async fn many_items(store: &SqliteStore, items: usize) {
    let lease = created(store, "large").await;
    let started = Instant::now();
    let numbers: Vec<u64> = (0..items as u64).collect();
    for (sequence, numbers) in (2..).zip(numbers.chunks(64)) {
        let writes = numbers.iter().flat_map(|number| {
            let path = lead_loop().item(&format!("lead{number}@example.com"));
            let tag = if number % 10 == 0 { "spam" } else { "ham" };
            [
                Write::InsertInstance(item(&format!("lead{number}@example.com"), *number)),
                Write::RecordStep(step(&path, "fit", 1)),
                Write::Output(output(&path, &format!("{number:09}"), &[tag], 1)),
                Write::EndInstance(end(&path, InstanceStatus::Done, Some(Value::Int(1)))),
            ]
        });
        stored(store, transition(&lease, sequence, writes.collect())).await;
    }
    line("items of one run, each with a step, an output and its end", started, items);
}

async fn reading(store: &SqliteStore, items: usize) {
    let run = RunId("large".into());
    let one_run = OutputFilter { run: Some(run.clone()), ..OutputFilter::default() };
    let started = Instant::now();
    let (mut after, mut count): (Option<OutputCursor>, usize) = (None, 0);
    loop {
        let page = store.outputs(&one_run, after.as_ref(), 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        (after, count) = (Some(last.cursor.clone()), count + page.len());
    }
    line("outputs of that run, all, 1,000 a page", started, count);

    let last_position = format!("{:09}", items.saturating_sub(101));
    let first = store.outputs(&one_run, None, 1).await.unwrap();
    let cursor = first.first().map(|output| OutputCursor { run: output.cursor.run, order: last_position });
    let started = Instant::now();
    let page = store.outputs(&one_run, cursor.as_ref(), 100).await.unwrap();
    line("its last page of 100 outputs", started, page.len());

    let tagged = OutputFilter { tag: Some("spam".to_owned()), ..one_run };
    let started = Instant::now();
    let page = store.outputs(&tagged, cursor.as_ref(), 100).await.unwrap();
    line("the last tagged outputs", started, page.len());

    let started = Instant::now();
    let middle = StepCursor { step: lead_loop().item("lead5"), attempt: 1 };
    let page = store.steps(&run, false, Some(&middle), 100).await.unwrap();
    line("100 steps from its middle", started, page.len());

    let started = Instant::now();
    let failed = store.steps(&run, true, None, 100).await.unwrap();
    let items = store.failed_items(&run, None, 100).await.unwrap();
    line("its failed steps and items (none)", started, failed.len() + items.len());

    let started = Instant::now();
    let page = store.runs(&RunFilter::default(), None, 100).await.unwrap();
    line("the newest 100 runs", started, page.len());

    let started = Instant::now();
    store.recover(&run).await.unwrap();
    line("its recovery", started, 1);
}
