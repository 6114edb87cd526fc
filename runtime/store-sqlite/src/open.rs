//! Opening a database: its folder, its checks, its layout.

use crate::faults::Place;
use pmflow_store::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `PRAGMA application_id` of our files: "pmfl".
const APPLICATION: i64 = 0x706d_666c;
const FOLDER: &str = ".pmflow";
const FILE: &str = "pmflow.sqlite";

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub path: PathBuf,
    /// How long a request waits for another program's lock.
    pub busy_timeout: Duration,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// Connections that read side by side.
    pub readers_max: u32,
    /// The file may not grow beyond so many pages of 4 KiB; none: as far as the disk reaches.
    pub pages_max: Option<u32>,
}

impl SqliteOptions {
    /// A database at this path; its folder is made when it is missing.
    pub fn at(path: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions {
            path: path.into(),
            busy_timeout: Duration::from_secs(5),
            lease: pmflow_store::LEASE,
            readers_max: 4,
            pages_max: None,
        }
    }

    /// `.pmflow/pmflow.sqlite` in a project's folder. The folder keeps itself out of version control.
    pub fn in_project(project: &Path) -> SqliteOptions {
        SqliteOptions::at(project.join(FOLDER).join(FILE))
    }

    pub(crate) fn place(&self) -> Place {
        Place { path: self.path.display().to_string(), busy_timeout: self.busy_timeout }
    }

    fn connection(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(self.busy_timeout)
            .foreign_keys(true)
            .disable_statement_logging();
        match self.pages_max {
            Some(pages) => options.pragma("max_page_count", pages.to_string()),
            None => options,
        }
    }

    pub(crate) fn writer(&self) -> SqliteConnectOptions {
        self.connection()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // The write-ahead log is folded back every 16 MiB, so that steady writing is not slowed by it.
            .pragma("wal_autocheckpoint", "4096")
            // At each commit SQLite may look through all pages that it holds: with 32 MiB that was a fifth of a writer's time.
            .pragma("cache_size", "-8192")
    }

    pub(crate) fn reader(&self) -> SqliteConnectOptions {
        self.connection().pragma("query_only", "ON")
    }
}

/// Makes the folder. A folder called `.pmflow` gets a `.gitignore` that ignores all of it.
pub(crate) fn prepare_folder(options: &SqliteOptions) -> Result<(), StoreError> {
    let Some(folder) = options.path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let failed = |reason: std::io::Error| StoreError::Folder { place: folder.display().to_string(), reason: reason.to_string() };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let ignore = folder.join(".gitignore");
    if folder.file_name().is_some_and(|name| name == FOLDER) && !ignore.exists() {
        // A folder that cannot be written is told better when the database in it is opened.
        let _ = std::fs::write(ignore, "*\n");
    }
    Ok(())
}

/// The writing connection, once the file is known to be ours and of our layout.
pub(crate) async fn connect_and_migrate(options: &SqliteOptions) -> Result<SqliteConnection, StoreError> {
    let place = options.place();
    look_before_touching(options, &place).await?;
    let mut connection = connect_writer(options).await?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if layout(&mut connection, &place).await? == Some(known) {
        // Only compares; waits for nobody's lock.
        MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| place.migration_error(error, known))?;
        check_tables(&mut connection, &place).await?;
        return Ok(connection);
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| place.error(error))?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(|error| place.migration_error(error, known))?;
    transaction.commit().await.map_err(|error| place.error(error))?;
    check_tables(&mut connection, &place).await?;
    Ok(connection)
}

/// The writing connection changes a file's journal mode as soon as it is opened, so a file that exists is looked at by
/// one that changes nothing.
async fn look_before_touching(options: &SqliteOptions, place: &Place) -> Result<(), StoreError> {
    if !options.path.exists() {
        return Ok(());
    }
    let mut connection = options.reader().connect().await.map_err(|error| place.error(error))?;
    refuse_foreign(&mut connection, place).await?;
    connection.close().await.map_err(|error| place.error(error))
}

/// The newest migration that the file has; none in a new one.
async fn layout(connection: &mut SqliteConnection, place: &Place) -> Result<Option<i64>, StoreError> {
    let any = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(any).fetch_one(&mut *connection).await.map_err(|error| place.error(error))?;
    if tables == 0 {
        return Ok(None);
    }
    let newest = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await;
    newest.map_err(|error| place.error(error))
}

/// `queries/layout.sql` gives what stands in this file for a database that was just made; `./prepare` writes it.
const LAYOUT: &str = include_str!("../layout.txt");

/// Everything that the layout has must be there; what somebody added on top is theirs.
async fn check_tables(connection: &mut SqliteConnection, place: &Place) -> Result<(), StoreError> {
    let found = sqlx::query_scalar::<_, String>(include_str!("../queries/layout.sql")).fetch_all(connection).await;
    let found: BTreeSet<String> = found.map_err(|error| place.error(error))?.into_iter().collect();
    let missing: Vec<&str> = LAYOUT.lines().filter(|line| !found.contains(*line)).collect();
    let detail = match missing.as_slice() {
        [] => return Ok(()),
        [first] => format!("there is no {first}"),
        [first, rest @ ..] => format!("there is no {first}, and {} more differ", rest.len()),
    };
    Err(StoreError::ChangedByHand { place: place.path.clone(), detail })
}

/// Switching a new file to write-ahead logging needs it alone and does not wait for others by itself.
pub(crate) async fn connect_writer(options: &SqliteOptions) -> Result<SqliteConnection, StoreError> {
    let place = options.place();
    let started = Instant::now();
    loop {
        match options.writer().connect().await.map_err(|error| place.error(error)) {
            Err(StoreError::Locked { .. }) if started.elapsed() < options.busy_timeout => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(StoreError::Locked { place, .. }) => return Err(StoreError::Locked { place, waited: started.elapsed() }),
            other => return other,
        }
    }
}

async fn refuse_foreign(connection: &mut SqliteConnection, place: &Place) -> Result<(), StoreError> {
    let statement = "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)";
    let row = connection.fetch_one(statement).await.map_err(|error| place.error(error))?;
    let application: i64 = row.try_get(0).map_err(|error| place.error(error))?;
    let tables: i64 = row.try_get(1).map_err(|error| place.error(error))?;
    if application == APPLICATION || (application == 0 && tables == 0) {
        return Ok(());
    }
    let detail = "it is another program's SQLite file".to_owned();
    Err(StoreError::NotOurs { place: place.path.clone(), detail })
}
