//! The project's database, and runs by the names that people give them.

use crate::exit::{Failed, Result};
use crate::project::Project;
use pmflow_engine::RunId;
use pmflow_store::{RunFilter, RunSummary, Store, StoreError};
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

/// Opens the database, making it when it is not there.
pub async fn open(project: &Project) -> Result<Arc<SqliteStore>> {
    let options = SqliteOptions::at(project.store_path());
    SqliteStore::open(options).await.map(Arc::new).map_err(failed)
}

/// Opens a database that must be there: to look at runs, there must have been one.
pub async fn open_existing(project: &Project) -> Result<Arc<SqliteStore>> {
    let path = project.store_path();
    if !path.exists() {
        return Err(Failed::new(format!("there is no run yet: `{}` does not exist", path.display()))
            .help("`pmflow run FLOW --simulate` makes a first one; or go to the folder of the project"));
    }
    open(project).await
}

pub fn failed(error: StoreError) -> Failed {
    Failed::new(error.to_string())
}

/// A run by its id, by the beginning of its id, or as `last`.
pub async fn find(store: &SqliteStore, wanted: &str) -> Result<RunSummary> {
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
