//! Reaching a database: its address, its checks, its layout.

use crate::faults::Place;
use pmflow_store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, query_file, query_file_scalar};
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The oldest server that is supported, as it numbers itself.
const SERVER_MIN: i32 = 140_000;

/// How a database is reached.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    connect: PgConnectOptions,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
    /// Connections that commit groups of transitions.
    pub writers: u32,
    /// Connections for all the rest, at most.
    pub connections_max: u32,
    /// How long a request waits for a server that is away.
    pub patience: Duration,
    /// How long a statement waits for another program's lock.
    pub lock_wait: Duration,
    /// Longer than so no statement takes; a server that is silent for so long counts as away.
    pub answer_max: Duration,
}

impl PostgresOptions {
    /// `postgres://user:password@host:5432/database`, with what the address leaves out from `PGHOST`, `PGUSER`, ….
    pub fn at(address: &str) -> Result<PostgresOptions, StoreError> {
        let connect = PgConnectOptions::from_str(address).map_err(|error| StoreError::Refused {
            place: "that is named".to_owned(),
            detail: format!("its address cannot be read: {error}"),
            fix: "write it as postgres://user:password@host:5432/database".to_owned(),
        })?;
        Ok(PostgresOptions {
            connect: connect.application_name("pmflow"),
            lease: pmflow_store::LEASE,
            writers: 2,
            connections_max: 8,
            patience: Duration::from_secs(60),
            lock_wait: Duration::from_secs(5),
            answer_max: Duration::from_secs(30),
        })
    }

    /// The address as messages show it.
    pub fn address(&self) -> String {
        let connect = &self.connect;
        let host = connect.get_socket().map_or_else(|| connect.get_host().to_owned(), |socket| socket.display().to_string());
        let database = connect.get_database().unwrap_or(connect.get_username());
        format!("postgres://{}@{host}:{}/{database}", connect.get_username(), connect.get_port())
    }

    pub(crate) fn place(&self) -> Place {
        Place { address: self.address(), lock_wait: self.lock_wait }
    }

    pub(crate) fn connect(&self) -> PgConnectOptions {
        // A process that is stopped in the middle of a transaction must not keep its runs locked.
        let idle_max = self.answer_max.as_millis() / 3;
        let lock_wait = self.lock_wait.as_millis();
        self.connect
            .clone()
            .options([
                ("idle_in_transaction_session_timeout", idle_max.to_string()),
                ("lock_timeout", lock_wait.to_string()),
                ("statement_timeout", self.answer_max.as_millis().to_string()),
                // Tables grow from nothing to millions of rows: a plan that was made, and kept, while one was small must not read
                // it from end to end later. There is an index for everything that is asked.
                ("enable_seqscan", "off".to_owned()),
            ])
            .disable_statement_logging()
    }

    /// For groups of transitions: each of their statements looks rows up by an index, and is planned once.
    pub(crate) fn connect_writer(&self) -> PgConnectOptions {
        let by_index = [("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("plan_cache_mode", "force_generic_plan")];
        self.connect().options(by_index)
    }

    pub(crate) fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(self.connections_max.max(1))
            .acquire_timeout(self.answer_max)
            .connect_lazy_with(self.connect())
    }

    pub(crate) fn lease_us(&self) -> i64 {
        i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX)
    }
}

/// What `pmflow migrate` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// None: there were no tables.
    pub from: Option<i64>,
    pub to: i64,
}

/// Brings the tables to the layout that this build knows. Many may do so at once: the server lets one at a time.
pub async fn migrate(options: &PostgresOptions) -> Result<Migrated, StoreError> {
    let place = options.place();
    let mut connection = reached(options, &place).await?;
    check_server(&mut connection, &place).await?;
    let from = layout(&mut connection, &place).await?;
    if from.is_none() {
        refuse_foreign(&mut connection, &place).await?;
    }
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| place.migration_error(error, known()))?;
    check_tables(&mut connection, &place).await?;
    // What was done is committed.
    let _ = connection.close().await;
    Ok(Migrated { from, to: known() })
}

/// Refuses a server, a database or tables that runs cannot be kept in.
pub(crate) async fn check(options: &PostgresOptions) -> Result<(), StoreError> {
    let place = options.place();
    let mut connection = reached(options, &place).await?;
    check_server(&mut connection, &place).await?;
    match layout(&mut connection, &place).await? {
        Some(found) if found == known() => {}
        Some(found) if found > known() => {
            return Err(StoreError::NewerVersion { place: place.address, found, known: known() });
        }
        found => return Err(StoreError::NotMigrated { place: place.address, found, known: known() }),
    }
    check_made_by_this(&mut connection, &place).await?;
    check_tables(&mut connection, &place).await?;
    check_rights(&mut connection, &place).await?;
    let _ = connection.close().await;
    Ok(())
}

fn known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn reached(options: &PostgresOptions, place: &Place) -> Result<PgConnection, StoreError> {
    match tokio::time::timeout(options.answer_max, options.connect().connect()).await {
        Ok(connected) => connected.map_err(|error| place.error(error)),
        Err(_) => Err(place.slow(options.answer_max)),
    }
}

async fn check_server(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let server = query_file!("queries/server.sql").fetch_one(connection).await.map_err(|error| place.error(error))?;
    if server.version < SERVER_MIN {
        return Err(place.refused(format!("its server is PostgreSQL {}", server.version_name), "use PostgreSQL 14 or newer"));
    }
    if server.encoding != "UTF8" {
        let detail = format!("its encoding is {}", server.encoding);
        return Err(place.refused(detail, "make the database with `createdb --encoding=UTF8 --template=template0`"));
    }
    if server.is_standby || server.is_read_only {
        return Err(StoreError::ReadOnly {
            place: place.address.clone(),
            detail: if server.is_standby { "it is a standby server" } else { "its transactions are read-only" }.to_owned(),
        });
    }
    if matches!(server.synchronous_commit.as_str(), "off") {
        let fix = "set `synchronous_commit` to `on` for this database or user";
        return Err(place.refused("it answers before what it was told is on the disk (synchronous_commit = off)", fix));
    }
    Ok(())
}

/// The newest migration that was applied; none in a database without any.
async fn layout(connection: &mut PgConnection, place: &Place) -> Result<Option<i64>, StoreError> {
    let any = sqlx::query_scalar::<_, bool>("SELECT to_regclass('pmflow_migrations') IS NOT NULL");
    if !any.fetch_one(&mut *connection).await.map_err(|error| place.error(error))? {
        return Ok(None);
    }
    let newest = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM pmflow_migrations WHERE success");
    newest.fetch_one(connection).await.map_err(|error| place.error(error))
}

async fn check_made_by_this(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let applied = sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT version, checksum FROM pmflow_migrations ORDER BY version");
    for (version, checksum) in applied.fetch_all(connection).await.map_err(|error| place.error(error))? {
        let own = MIGRATIONS.iter().find(|migration| migration.version == version);
        if own.is_none_or(|migration| *migration.checksum != *checksum) {
            let detail = format!("migration {version} was another one");
            return Err(StoreError::OtherVersion { place: place.address.clone(), detail });
        }
    }
    Ok(())
}

/// Another program's tables may have the names of ours.
async fn refuse_foreign(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let taken = query_file_scalar!("queries/tables_taken.sql", &names() as _).fetch_all(connection).await;
    let taken = taken.map_err(|error| place.error(error))?;
    if taken.is_empty() {
        return Ok(());
    }
    let detail = format!("another program has tables of the same names in it: {}", taken.join(", "));
    Err(place.refused(detail, "use a database of its own, or a schema: …/database?options[search_path]=pmflow"))
}

/// `queries/layout.sql` gives what stands in this file for a database that was just made; `./prepare` writes it.
const LAYOUT: &str = include_str!("../layout.txt");

/// The tables and types of the layout.
fn names() -> Vec<String> {
    let name = |line: &'static str| match line.strip_prefix("place ") {
        Some(place) => place.split([' ', ':']).nth(2),
        None => line.split([' ', '.']).nth(1),
    };
    let names: BTreeSet<&str> = LAYOUT.lines().filter_map(name).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Everything that the layout has must be there; what somebody added on top is theirs, unless it makes writing impossible.
async fn check_tables(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let found = query_file_scalar!("queries/layout.sql", &names() as _).fetch_all(connection).await;
    let found = found.map_err(|error| place.error(error))?;
    let missing: Vec<&str> = LAYOUT.lines().filter(|line| !found.iter().any(|found| found == line)).collect();
    let in_the_way = |line: &&String| line.starts_with("place ") || line.starts_with("column ") && line.ends_with(" required");
    let added: Vec<&String> = found.iter().filter(in_the_way).filter(|line| !LAYOUT.lines().any(|own| own == *line)).collect();
    let detail = match (missing.as_slice(), added.as_slice()) {
        ([], []) => return Ok(()),
        ([first], _) => format!("there is no {first}"),
        ([first, rest @ ..], _) => format!("there is no {first}, and {} more differ", rest.len()),
        ([], [first, ..]) => format!("there is one more {first}"),
    };
    Err(StoreError::ChangedByHand { place: place.address.clone(), detail })
}

async fn check_rights(connection: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    let lacking = query_file_scalar!("queries/rights_lacking.sql", &names() as _).fetch_all(connection).await;
    let lacking = lacking.map_err(|error| place.error(error))?;
    if lacking.is_empty() {
        return Ok(());
    }
    let fix = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … TO the user of the address";
    Err(place.refused(format!("its user may not read and write {}", lacking.join(", ")), fix))
}
