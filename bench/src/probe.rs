//! The same rows with nothing around them: what the disk and the database allow. Runs of five steps, each step a row and an
//! update of its run; whoever waits is committed together.

use crate::engine::{HEAD, Rate, own_cpu, sizes};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use std::path::Path;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

const STEPS: i64 = 5;
const GROUP_MAX: usize = 2048;

const TABLES: &str = "
CREATE TABLE runs (run INTEGER PRIMARY KEY, status TEXT NOT NULL, sequence INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
CREATE TABLE steps (run INTEGER NOT NULL, step INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (run, step)) STRICT;
";

/// A state of about the size that the engine keeps.
const STATE: &str = r#"{"flow":"five","at":{"one":"done","two":"done","three":"open"},"values":{"one":3,"two":4},"holds":[]}"#;

struct Job {
    run: i64,
    /// 0: the run begins.
    step: i64,
    done: oneshot::Sender<()>,
}

pub fn probe() {
    println!("\n## probe: the rows of `runs` without an engine, SQLite with synchronous=FULL, group commit\n\n{HEAD}");
    for (in_flight, runs) in sizes() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        measure(folder.path(), in_flight, runs).print("bare sqlx");
    }
}

fn measure(folder: &Path, in_flight: usize, runs: usize) -> Rate {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let connection = open(folder).await;
        let (jobs, waiting) = mpsc::channel(4096);
        let writer = tokio::spawn(write(connection, waiting));
        let (started, cpu_before) = (Instant::now(), own_cpu());
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..in_flight {
            let jobs = jobs.clone();
            let own = (lane..runs).step_by(in_flight);
            tasks.spawn(async move {
                for run in own {
                    for step in 0..=STEPS {
                        let (done, answer) = oneshot::channel();
                        let job = Job { run: i64::try_from(run).unwrap_or(i64::MAX), step, done };
                        assert!(jobs.send(job).await.is_ok(), "the writer lives");
                        answer.await.expect("the writer answers");
                    }
                }
            });
        }
        drop(jobs);
        while tasks.join_next().await.is_some() {}
        writer.await.expect("the writer ends");
        Rate { in_flight, runs, wall: started.elapsed(), cpu: own_cpu().saturating_sub(cpu_before) }
    })
}

async fn open(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("probe.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("a new database can be opened");
    connection.execute(TABLES).await.expect("tables can be made");
    connection
}

async fn write(mut connection: SqliteConnection, mut waiting: mpsc::Receiver<Job>) {
    while let Some(first) = waiting.recv().await {
        tokio::task::yield_now().await;
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(job) = waiting.try_recv()
        {
            group.push(job);
        }
        commit(&mut connection, &group).await.expect("a group can be committed");
        for job in group {
            // Nobody waits any more: fine.
            let _ = job.done.send(());
        }
    }
}

async fn commit(connection: &mut SqliteConnection, group: &[Job]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for job in group {
        if job.step == 0 {
            let begin = sqlx::query("INSERT INTO runs (run, status, sequence, state) VALUES (?, 'running', 1, ?)");
            begin.bind(job.run).bind(STATE).execute(&mut *transaction).await?;
            continue;
        }
        let record = sqlx::query("INSERT INTO steps (run, step, result) VALUES (?, ?, '{\"value\":7}')");
        record.bind(job.run).bind(job.step).execute(&mut *transaction).await?;
        let change = sqlx::query("UPDATE runs SET sequence = ?, state = ?, status = ? WHERE run = ?");
        let status = if job.step == STEPS { "succeeded" } else { "running" };
        change.bind(job.step + 1).bind(STATE).bind(status).bind(job.run).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
