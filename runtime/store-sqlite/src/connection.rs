//! The writing connection. sqlx opens it and makes its checked queries; the rows of transitions, which are hundreds in a commit,
//! are given to SQLite value by value on the thread that asks for it. Through sqlx they went as one JSON text for each table, and
//! taking the values out of it again was two fifths of SQLite's time.

use crate::faults::Place;
use pmflow_store::StoreError;
use pmflow_store::tables::rows::{Column, Columns};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor};

/// As many statements as are kept prepared: all that there are.
const STATEMENTS_MAX: usize = 32;

pub(crate) struct Connection {
    /// A second way to the same connection, made when it is first used. Its statements have to go before the connection does.
    statements: Option<rusqlite::Connection>,
    opened: SqliteConnection,
}

impl Connection {
    pub fn new(opened: SqliteConnection) -> Connection {
        Connection { statements: None, opened }
    }

    /// For queries by sqlx. Never to be replaced by another connection.
    pub fn queries(&mut self) -> &mut SqliteConnection {
        &mut self.opened
    }

    /// For rows. SQLite's calls are made on the calling thread, while sqlx's own thread stands still.
    pub async fn rows<T>(&mut self, place: &Place, work: impl FnOnce(&Rows<'_>) -> T) -> Result<T, StoreError> {
        let mut locked = self.opened.lock_handle().await.map_err(|error| place.error(error))?;
        let statements = match self.statements.take() {
            Some(statements) => statements,
            None => {
                // SAFETY: it is a pointer to an open connection, which closes after `statements` is dropped: `close` sees to it, and
                // the order of the fields. `statements` does not close it itself, and is used only while the lock is held, that it is
                // dropped under included: sqlx's thread may still be busy with a statement that has answered with an error.
                #[allow(unsafe_code, reason = "sqlx has no way of its own to bind values without a thread in between")]
                let second = unsafe { rusqlite::Connection::from_handle(locked.as_raw_handle().as_ptr()) };
                let second = second.map_err(|error| place.direct_error(error))?;
                second.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
                second
            }
        };
        let done = work(&Rows { statements: &statements });
        self.statements = Some(statements);
        Ok(done)
    }

    pub async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.opened.execute("BEGIN IMMEDIATE").await.map(|_| ())
    }

    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.opened.execute("COMMIT").await.map(|_| ())
    }

    pub async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        self.opened.execute("ROLLBACK").await.map(|_| ())
    }

    /// Folds the write-ahead log back, and ends what transaction there is. A connection is not to be dropped without.
    pub async fn close(mut self) -> Result<(), sqlx::Error> {
        if let Some(statements) = self.statements.take() {
            // Where there is no lock to be had, there is no thread either.
            let locked = self.opened.lock_handle().await;
            drop(statements);
            drop(locked);
        }
        self.opened.close().await
    }
}

pub(crate) struct Rows<'c> {
    statements: &'c rusqlite::Connection,
}

impl Rows<'_> {
    pub fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.statements.prepare_cached(statement)?.raw_execute().map(|_| ())
    }

    /// Executes the statement with the columns of each row as its `?1`, `?2` and so on, and `besides` behind them. Returns how many
    /// rows of the table were touched.
    pub fn each<'r, R: Columns + 'r>(
        &self,
        statement: &str,
        rows: impl IntoIterator<Item = &'r R>,
        besides: Option<i64>,
    ) -> rusqlite::Result<usize> {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(0);
        }
        let mut statement = self.statements.prepare_cached(statement)?;
        let mut touched = 0;
        for row in rows {
            let next = bind(&mut statement, row)?;
            if let Some(number) = besides {
                statement.raw_bind_parameter(next, number)?;
            }
            touched += statement.raw_execute()?;
        }
        Ok(touched)
    }

    /// Whether the statement finds something.
    pub fn finds(&self, statement: &str, row: &impl Columns) -> rusqlite::Result<bool> {
        let mut statement = self.statements.prepare_cached(statement)?;
        bind(&mut statement, row)?;
        Ok(statement.raw_query().next()?.is_some())
    }
}

/// Returns the number of the parameter behind the last one.
fn bind(statement: &mut rusqlite::Statement<'_>, row: &impl Columns) -> rusqlite::Result<usize> {
    let mut next = 1;
    row.each(&mut |column| {
        match column {
            Column::Integer(number) => statement.raw_bind_parameter(next, number)?,
            Column::Text(text) => statement.raw_bind_parameter(next, text)?,
            Column::Boolean(truth) => statement.raw_bind_parameter(next, truth)?,
        }
        next += 1;
        Ok::<(), rusqlite::Error>(())
    })?;
    Ok(next)
}
