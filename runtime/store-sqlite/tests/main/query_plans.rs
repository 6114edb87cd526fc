//! No query may read a large table from end to end, or sort one: a run has millions of rows.

use crate::another_program;
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::Row;
use std::path::Path;

const LARGE: [&str; 9] =
    ["instance", "instances", "binding", "bindings", "node_executions", "output", "outputs", "token_usage_logs", "prompt_cache"];

/// Few rows each, so that sorting them costs nothing.
const MAY_SORT: [&str; 5] =
    ["approvals_open.sql", "history_list.sql", "requests_waiting.sql", "plan_prompts_get.sql", "spending.sql"];

#[tokio::test]
async fn every_query_finds_its_rows_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::in_project(folder.path())).await.unwrap();
    let mut connection = another_program(Path::new(store.path())).await;
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    let mut looked_at = 0;
    for entry in std::fs::read_dir(queries).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut plan = Vec::new();
        for statement in text.split(";\n") {
            let statement = format!("EXPLAIN QUERY PLAN {statement}");
            plan.extend(sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&mut connection).await.unwrap());
        }
        for line in plan.iter().map(|row| row.get::<String, _>("detail")) {
            let scanned = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            assert!(!scanned.is_some_and(|table| LARGE.contains(&table)), "{name} reads a whole table: {line}");
            let sorts = line.contains("TEMP B-TREE") && !MAY_SORT.contains(&name.as_str());
            assert!(!sorts, "{name} sorts: {line}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 50, "the queries were found");
}
