//! The PostgreSQL store: the suite of every store, and what can happen to a server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cuts;
mod faults;

use pmflow_store::conformance::Harness;
use pmflow_store_postgres::cluster::{Database, execute};
use pmflow_store_postgres::{PostgresOptions, PostgresStore, migrate};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Default)]
struct OnServer {
    /// By the address that the stores show.
    databases: Mutex<BTreeMap<String, Database>>,
}

impl Harness for OnServer {
    type Store = PostgresStore;

    async fn fresh(&self) -> PostgresStore {
        let (database, store) = fresh().await;
        self.databases.lock().unwrap().insert(store.address().to_owned(), database);
        store
    }

    async fn pass_time(&self, store: &PostgresStore, time: Duration) {
        let statement = format!(
            "UPDATE workflow_executions SET lease_since = lease_since - {0}, lease_until = lease_until - {0}",
            time.as_micros()
        );
        execute(&self.address(store), &statement).await.unwrap();
    }

    async fn reopened(&self, store: PostgresStore) -> PostgresStore {
        let address = self.address(&store);
        drop(store);
        PostgresStore::open(PostgresOptions::at(&address).unwrap()).await.unwrap()
    }
}

impl OnServer {
    fn address(&self, store: &PostgresStore) -> String {
        self.databases.lock().unwrap().get(store.address()).unwrap().address.clone()
    }
}

mod on_a_server {
    pmflow_store::conformance_tests!(super::OnServer::default());
}

async fn migrated() -> Database {
    let database = Database::create().await.unwrap();
    migrate(&PostgresOptions::at(&database.address).unwrap()).await.unwrap();
    database
}

async fn fresh() -> (Database, PostgresStore) {
    let database = migrated().await;
    let store = PostgresStore::open(PostgresOptions::at(&database.address).unwrap()).await.unwrap();
    (database, store)
}
