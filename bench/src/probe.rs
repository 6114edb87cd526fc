//! Rows with nothing around them: what the disk and the database allow. Runs of five steps; whoever waits is committed together, each
//! table with one statement. `bare`: a step is a row and an update of its run, the least that a durable run can be. `same rows`: the tables,
//! columns and indexes of pmflow with all that it writes, see `same_rows.rs`.

use crate::engine::{HEAD, Only, each_size};
use crate::same_rows;
use crate::server::Server;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

const STEPS: i64 = 5;
const GROUP_MAX: usize = 2048;

const TABLES_SQLITE: &str = "
CREATE TABLE runs (run INTEGER PRIMARY KEY, status TEXT NOT NULL, sequence INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
CREATE TABLE steps (run INTEGER NOT NULL, step INTEGER NOT NULL, result TEXT NOT NULL, PRIMARY KEY (run, step)) STRICT;
";

const TABLES_POSTGRES: &str = "
CREATE TABLE runs (run bigint PRIMARY KEY, status text NOT NULL, sequence bigint NOT NULL, state text NOT NULL);
CREATE TABLE steps (run bigint NOT NULL, step bigint NOT NULL, result text NOT NULL, PRIMARY KEY (run, step));
";

/// A state of about the size that the engine keeps.
const STATE: &str = r#"{"flow":"five","at":{"one":"done","two":"done","three":"open"},"values":{"one":3,"two":4},"holds":[]}"#;

pub struct Job {
    pub run: i64,
    /// 0: the run begins.
    pub step: i64,
    done: oneshot::Sender<()>,
}

/// A connection of either database.
pub trait Writer: Send + 'static {
    /// All of a group in one transaction.
    fn commit(&mut self, group: &[Job]) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

pub fn probe(only: &Only) {
    println!("\n## probe: rows without an engine, group commit; every commit is flushed to the disk\n\n{HEAD}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    if only.has("sqlite") {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        each_size("SQLite, bare", only, None, |in_flight, runs| {
            runtime.block_on(async { drive(sqlite(folder.path()).await, in_flight, runs).await });
        });
        each_size("SQLite, same rows", only, None, |in_flight, runs| {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            runtime.block_on(async { drive(same_rows::sqlite(folder.path()).await, in_flight, runs).await });
        });
    }
    if only.has("postgres") {
        let server = Server::start();
        let address = server.address();
        each_size("PostgreSQL, bare", only, Some(&server), |in_flight, runs| {
            runtime.block_on(async { drive(postgres(&address).await, in_flight, runs).await });
        });
        runtime.block_on(same_rows::migrated(&address));
        each_size("PostgreSQL, same rows", only, Some(&server), |in_flight, runs| {
            runtime.block_on(async { drive(same_rows::postgres(&address).await, in_flight, runs).await });
        });
    }
}

async fn drive(writer: impl Writer, in_flight: usize, runs: usize) {
    let (jobs, waiting) = mpsc::channel(4096);
    let writer = tokio::spawn(write(writer, waiting));
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..in_flight {
        tasks.spawn(ask(jobs.clone(), (lane..runs).step_by(in_flight)));
    }
    drop(jobs);
    while tasks.join_next().await.is_some() {}
    writer.await.expect("the writer ends");
}

async fn ask(jobs: mpsc::Sender<Job>, runs: impl Iterator<Item = usize>) {
    for run in runs {
        for step in 0..=STEPS {
            let (done, answer) = oneshot::channel();
            let job = Job { run: i64::try_from(run).unwrap_or(i64::MAX), step, done };
            assert!(jobs.send(job).await.is_ok(), "the writer lives");
            answer.await.expect("the writer answers");
        }
    }
}

async fn write(mut writer: impl Writer, mut waiting: mpsc::Receiver<Job>) {
    while let Some(first) = waiting.recv().await {
        tokio::task::yield_now().await;
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(job) = waiting.try_recv()
        {
            group.push(job);
        }
        writer.commit(&group).await.expect("a group can be committed");
        for job in group {
            // Nobody waits any more: fine.
            let _ = job.done.send(());
        }
    }
}

pub fn status(job: &Job) -> &'static str {
    if job.step == STEPS { "succeeded" } else { "running" }
}

/// A new file each time, for each measurement numbers its runs from 0.
async fn sqlite(folder: &Path) -> SqliteConnection {
    let path = folder.join("probe.sqlite");
    for name in ["probe.sqlite", "probe.sqlite-wal", "probe.sqlite-shm"] {
        // The first time there is none.
        let _ = std::fs::remove_file(folder.join(name));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("a new database can be opened");
    connection.execute(TABLES_SQLITE).await.expect("tables can be made");
    connection
}

impl Writer for SqliteConnection {
    async fn commit(&mut self, group: &[Job]) -> Result<(), sqlx::Error> {
        let rows = |begin: bool| {
            let row = |job: &Job| json!([job.run, job.step, status(job), STATE]);
            let chosen: Vec<serde_json::Value> = group.iter().filter(|job| (job.step == 0) == begin).map(row).collect();
            serde_json::Value::from(chosen).to_string()
        };
        let (begun, gone_on) = (rows(true), rows(false));
        let mut transaction = self.begin_with("BEGIN IMMEDIATE").await?;
        let begin =
            "INSERT INTO runs (run, status, sequence, state) SELECT value ->> 0, 'running', 1, value ->> 3 FROM jsonb_each(?)";
        sqlx::query(begin).bind(&begun).execute(&mut *transaction).await?;
        let record = "INSERT INTO steps (run, step, result) SELECT value ->> 0, value ->> 1, '{\"value\":7}' FROM jsonb_each(?)";
        sqlx::query(record).bind(&gone_on).execute(&mut *transaction).await?;
        let change = "UPDATE runs SET sequence = (given.value ->> 1) + 1, status = given.value ->> 2, state = given.value ->> 3 \
                      FROM jsonb_each(?) AS given WHERE run = given.value ->> 0";
        sqlx::query(change).bind(&gone_on).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}

async fn postgres(address: &str) -> PgConnection {
    let mut connection = PgConnection::connect(address).await.expect("the server answers");
    connection.execute("DROP TABLE IF EXISTS runs, steps").await.expect("tables can be dropped");
    connection.execute(TABLES_POSTGRES).await.expect("tables can be made");
    connection
}

impl Writer for PgConnection {
    async fn commit(&mut self, group: &[Job]) -> Result<(), sqlx::Error> {
        let (begun, gone_on): (Vec<&Job>, Vec<&Job>) = group.iter().partition(|job| job.step == 0);
        let runs = |jobs: &[&Job]| jobs.iter().map(|job| job.run).collect::<Vec<i64>>();
        let states = |jobs: &[&Job]| vec![STATE; jobs.len()];
        let steps: Vec<i64> = gone_on.iter().map(|job| job.step).collect();
        let statuses: Vec<&str> = gone_on.iter().map(|job| status(job)).collect();
        let mut transaction = self.begin().await?;
        let begin = "INSERT INTO runs (run, status, sequence, state) \
                     SELECT run, 'running', 1, state FROM unnest($1::bigint[], $2::text[]) AS given (run, state)";
        sqlx::query(begin).bind(runs(&begun)).bind(states(&begun)).execute(&mut *transaction).await?;
        let record = "INSERT INTO steps (run, step, result) \
                      SELECT run, step, '{\"value\":7}' FROM unnest($1::bigint[], $2::bigint[]) AS given (run, step)";
        sqlx::query(record).bind(runs(&gone_on)).bind(&steps).execute(&mut *transaction).await?;
        let change = "UPDATE runs SET sequence = given.step + 1, status = given.status, state = given.state \
                      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS given (run, step, status, state) \
                      WHERE runs.run = given.run";
        let change = sqlx::query(change).bind(runs(&gone_on)).bind(&steps).bind(&statuses).bind(states(&gone_on));
        change.execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
