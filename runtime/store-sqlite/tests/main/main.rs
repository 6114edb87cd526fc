//! The SQLite store: the suite of every store, and what can happen to a file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod durability;
mod faults;
mod folder;
mod query_plans;

use pmflow_store::conformance::Harness;
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::{ConnectOptions, Connection, Executor};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Default)]
struct InFile {
    folders: Mutex<Vec<tempfile::TempDir>>,
}

impl Harness for InFile {
    type Store = SqliteStore;

    async fn fresh(&self) -> SqliteStore {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteOptions::in_project(folder.path())).await.unwrap();
        self.folders.lock().unwrap().push(folder);
        store
    }

    async fn pass_time(&self, store: &SqliteStore, time: Duration) {
        let statement = format!(
            "UPDATE workflow_executions SET lease_since = lease_since - {0}, lease_until = lease_until - {0}",
            time.as_micros()
        );
        execute(Path::new(store.path()), &statement).await;
    }

    async fn reopened(&self, store: SqliteStore) -> SqliteStore {
        let path = store.path().to_owned();
        store.close().await;
        SqliteStore::open(SqliteOptions::at(path)).await.unwrap()
    }
}

mod in_a_file {
    pmflow_store::conformance_tests!(super::InFile::default());
}

/// Runs a statement from beside the store, as another program would.
async fn execute(path: &Path, statement: &str) {
    let mut connection = another_program(path).await;
    connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

async fn another_program(path: &Path) -> sqlx::SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

/// `PRAGMA integrity_check` and the foreign keys.
async fn assert_intact(path: &Path) {
    let mut connection = another_program(path).await;
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert_eq!(dangling.len(), 0);
    connection.close().await.unwrap();
}
