//! What pmflow stores of a run of five calls, in its own tables, by a program that knows all of it beforehand: the run, a line of the
//! ledger for each hold and each settlement, the steps, the output, and five changes of the run's row. Texts are as long as its own.

use crate::probe::{Job, Writer, status};
use pmflow_store_postgres::{PostgresOptions, migrate};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};
use std::path::Path;

const PLAN: &str = "plan_048429903bb0070751ea5b02d38b7c782c73a7f91d4602209342becf2d421297";

const BEGIN: &str = "INSERT INTO workflow_executions (execution_id, run_id, plan_id, flow, root_path, simulated, started_by, setup, input, status,
  sequence, created_at, changed_at, state, held_pico, settled_pico, unknown_pico, breaches, items_started, items_done, items_failed, rows_read,
  outputs, model_calls, cache_hits, input_tokens, output_tokens, root_status, root_state, lease_epoch, lease_process, lease_host, lease_number,
  lease_since, lease_until)
SELECT run, '20261130-225625-' || run, 'PLAN', 'five', 'five', TRUE, 'somebody',
  '{\"folder\":\"\",\"simulate\":\"\",\"connector_urls\":{},\"provider_urls\":{},\"user\":\"\"}', '{}', 'running',
  1, 1796079385365472, 1796079385365472, '{\"format\":1,\"next_ticket\":1}', 25625000, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 'running', 'ROOT', 1, '01a22eac-1a18-7413-b9d4-ea1c508c967b', 'host', 18370,
  1796079385386000, 1796079400386000
FROM given WHERE step = 0";

const CHANGE: &str = "UPDATE workflow_executions AS stored
SET status = given.status, sequence = given.step + 1, changed_at = 1796079385441323 + given.step, ended_at = CASE given.step WHEN 5 THEN 1796079385441323 END,
  failure = NULL, state = '{\"format\":1,\"next_ticket\":5}', limit_pico = NULL, held_pico = 25625000, settled_pico = 6700000 * given.step,
  unknown_pico = 0, breaches = 0, items_started = 0, items_done = 0, items_failed = 0, rows_read = 0, outputs = given.step / 5,
  model_calls = given.step, cache_hits = 0, input_tokens = 42 * given.step, output_tokens = 5 * given.step,
  root_status = CASE given.step WHEN 5 THEN 'done' ELSE 'running' END, root_state = CASE given.step WHEN 5 THEN '' ELSE 'ROOT' END,
  lease_process = CASE WHEN given.step < 5 THEN stored.lease_process END, lease_host = CASE WHEN given.step < 5 THEN stored.lease_host END,
  lease_number = CASE WHEN given.step < 5 THEN stored.lease_number END, lease_since = CASE WHEN given.step < 5 THEN stored.lease_since END,
  lease_until = CASE WHEN given.step < 5 THEN stored.lease_until END
FROM given WHERE stored.execution_id = given.run AND given.step > 0";

const STEP: &str = "INSERT INTO node_executions (execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, model,
  input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico, from_cache, input_key)
SELECT run, 'five', 'five/step-' || step, 'five/step-' || step, 1, 'prompt', 'judge', 'done', 1796079385365472, 1796079385441323, '7', 'openai/gpt-6-luna',
  42, 0, 0, 5, 0, TRUE, 6700000, FALSE, 'ea4cc4f3248be8832d93454c5f03540b8deb3d596fc6bd865f6a630d4a275d0d'
FROM given WHERE step > 0";

/// The hold of the first call as the run begins; the settlement of each and the hold of the next one.
const SPEND: &str =
    "INSERT INTO token_usage_logs (execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model,
  input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at)
SELECT run, 'settle', 25625000, 6700000, FALSE, 'five', 'five/step-' || step, 1, 'judge', 'openai/gpt-6-luna',
  42, 0, 0, 5, 0, TRUE, 'pmflow-d5c59900581230a968394a801924ae56b65193d8', 1796079385441323
FROM given WHERE step > 0
UNION ALL
SELECT run, 'hold', 25625000, 0, FALSE, 'five', 'five/step-' || (step + 1), 1, 'judge', 'openai/gpt-6-luna',
  NULL, NULL, NULL, NULL, NULL, FALSE, 'pmflow-d5c59900581230a968394a801924ae56b65193d8', 1796079385441323
FROM given WHERE step < 5";

const PUT_OUT: &str = "INSERT INTO outputs (execution_id, owner, position, instance, step, value, tags, at)
SELECT run, 'five', 'a5', 'five', 'five/output-1', '7', '[]', 1796079385441323 FROM given WHERE step = 5";

/// About what the engine keeps of a flow in the middle of five steps.
const ROOT: &str =
    r#"{"format":1,"at":{"step":{"index":3,"wait":{"call":{"ticket":4,"attempt":1}}}},"let":{"one":3,"two":4,"three":7}}"#;

const STATEMENTS: [&str; 5] = [BEGIN, CHANGE, STEP, SPEND, PUT_OUT];

/// With the rows that it is about in front.
fn statement(given: &str, statement: &str) -> String {
    format!("WITH given AS ({given}) {}", statement.replace("PLAN", PLAN).replace("ROOT", ROOT))
}

pub struct Sqlite {
    connection: SqliteConnection,
    statements: Vec<String>,
}

pub async fn sqlite(folder: &Path) -> Sqlite {
    let path = folder.join("probe.sqlite");
    let store = SqliteStore::open(SqliteOptions::at(&path)).await.expect("a new database can be opened");
    store.close().await;
    // As the store does.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("wal_autocheckpoint", "4096")
        .pragma("cache_size", "-8192");
    let mut connection = SqliteConnection::connect_with(&options).await.expect("a database can be opened");
    let plan =
        format!("INSERT INTO plans (plan_id, flow, bytes, source_map, created_at) VALUES ('{PLAN}', 'five', x'00', '{{}}', 0)");
    connection.execute(sqlx::AssertSqlSafe(plan)).await.expect("a plan can be stored");
    let given = "SELECT value ->> 0 AS run, value ->> 1 AS step, value ->> 2 AS status FROM jsonb_each(?)";
    Sqlite { connection, statements: STATEMENTS.iter().map(|text| statement(given, text)).collect() }
}

impl Writer for Sqlite {
    async fn commit(&mut self, group: &[Job]) -> Result<(), sqlx::Error> {
        let rows: Vec<serde_json::Value> = group.iter().map(|job| serde_json::json!([job.run, job.step, status(job)])).collect();
        let rows = serde_json::Value::from(rows).to_string();
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for statement in &self.statements {
            sqlx::query(sqlx::AssertSqlSafe(statement.as_str())).bind(&rows).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

pub struct Postgres {
    connection: PgConnection,
    statements: Vec<String>,
}

pub async fn migrated(address: &str) {
    // The bare rows are gone before: a database with somebody else's tables is refused.
    let mut connection = PgConnection::connect(address).await.expect("the server answers");
    connection.execute("DROP TABLE IF EXISTS runs, steps").await.expect("tables can be dropped");
    let options = PostgresOptions::at(address).expect("a cluster has an address");
    migrate(&options).await.expect("an empty database can be migrated");
    let plan =
        format!("INSERT INTO plans (plan_id, flow, bytes, source_map, created_at) VALUES ('{PLAN}', 'five', '', '{{}}', 0)");
    connection.execute(sqlx::AssertSqlSafe(plan)).await.expect("a plan can be stored");
}

pub async fn postgres(address: &str) -> Postgres {
    let mut connection = PgConnection::connect(address).await.expect("the server answers");
    connection
        .execute("TRUNCATE workflow_executions, node_executions, token_usage_logs, outputs CASCADE")
        .await
        .expect("tables can be emptied");
    let given = "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS given (run, step, status)";
    Postgres { connection, statements: STATEMENTS.iter().map(|text| statement(given, text)).collect() }
}

impl Writer for Postgres {
    async fn commit(&mut self, group: &[Job]) -> Result<(), sqlx::Error> {
        let runs: Vec<i64> = group.iter().map(|job| job.run).collect();
        let steps: Vec<i64> = group.iter().map(|job| job.step).collect();
        let statuses: Vec<&str> = group.iter().map(status).collect();
        let mut transaction = self.connection.begin().await?;
        for statement in &self.statements {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement.as_str())).bind(&runs).bind(&steps).bind(&statuses);
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}
