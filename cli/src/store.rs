//! The project's database, and runs by the names that people give them.

mod any;

pub use any::AnyStore;

use crate::exit::{Failed, Result};
use crate::project::{Project, StorePlace};
use pmflow_engine::RunId;
use pmflow_store::{RunFilter, RunSummary, Store, StoreError};
use pmflow_store_postgres::{PostgresOptions, PostgresStore};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use std::future::Future;
use std::sync::Arc;

/// Runs a command's asynchronous part.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
    // What is still under way is not waited for: everything that counts is committed.
    runtime.shutdown_background();
    result
}

/// Opens the database. A file is made when it is not there; on a server, the tables must be.
pub async fn open(project: &Project) -> Result<Arc<AnyStore>> {
    let opened = match project.store_place() {
        StorePlace::File(path) => SqliteStore::open(SqliteOptions::at(path)).await.map(AnyStore::Sqlite),
        StorePlace::Server(address) => match PostgresOptions::at(&address) {
            Ok(options) => PostgresStore::open(options).await.map(|store| AnyStore::Postgres(Box::new(store))),
            Err(error) => Err(error),
        },
    };
    opened.map(Arc::new).map_err(failed)
}

/// The file of a database that nobody has made yet.
pub fn missing(project: &Project) -> Option<std::path::PathBuf> {
    match project.store_place() {
        StorePlace::File(path) if !path.exists() => Some(path),
        StorePlace::File(_) | StorePlace::Server(_) => None,
    }
}

/// Opens a database that must be there: to look at runs, there must have been one.
pub async fn open_existing(project: &Project) -> Result<Arc<AnyStore>> {
    if let Some(path) = missing(project) {
        return Err(Failed::new(format!("there is no run yet: `{}` does not exist", path.display()))
            .help("`pmflow run FLOW --simulate` makes a first one; or go to the folder of the project"));
    }
    open(project).await
}

pub fn failed(error: StoreError) -> Failed {
    Failed::new(error.to_string())
}

/// A run by its id, by the beginning of its id, or as `last`.
pub async fn find(store: &AnyStore, wanted: &str) -> Result<RunSummary> {
    if wanted != "last" {
        match store.run(&RunId(wanted.into())).await {
            Ok(run) => return Ok(run),
            Err(StoreError::NoSuchRun { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let mut matching = Vec::new();
    let mut after = None;
    loop {
        let page = store.runs(&RunFilter::default(), after, 500).await.map_err(failed)?;
        let Some(end) = page.last() else { break };
        after = Some(end.cursor);
        if wanted == "last" {
            matching.extend(page.into_iter().next());
            break;
        }
        matching.extend(page.into_iter().filter(|run| run.id.0.starts_with(wanted)));
    }
    match (matching.len(), matching.into_iter().next()) {
        (1, Some(run)) => Ok(run),
        (0, _) if wanted == "last" => {
            Err(Failed::new("there is no run yet").help("`pmflow run FLOW --simulate` makes a first one"))
        }
        (0, _) => Err(Failed::new(format!("there is no run `{wanted}`")).help("`pmflow runs` lists them; `last` is the newest")),
        (count, _) => {
            Err(Failed::new(format!("{count} runs begin with `{wanted}`")).help("give more of the id; `pmflow runs` lists them"))
        }
    }
}
