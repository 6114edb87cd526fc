//! SQLite's result codes, told apart by what a person can do about them.

use pmflow_store::StoreError;
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use std::time::Duration;

/// Primary result codes (<https://www.sqlite.org/rescode.html>); the low byte of an extended one.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const PERMISSION: i32 = 3;
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;
/// The shared-memory file beside the database could not grow.
const SHARED_MEMORY_SIZE: i32 = 4874;

/// A row whose key is taken: a primary key, or another unique one.
const KEY_TAKEN: [i32; 2] = [1555, 2067];

fn code(told: &dyn DatabaseError) -> i32 {
    told.code().and_then(|code| code.parse().ok()).unwrap_or(1)
}

/// Where a store is and how patient it was: what its errors need to be told well.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub path: String,
    pub busy_timeout: Duration,
}

impl Place {
    pub fn error(&self, error: sqlx::Error) -> StoreError {
        let place = self.path.clone();
        match error {
            sqlx::Error::Database(database) => self.by_code(code(&*database), format!("SQLite says: {}", database.message())),
            sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => StoreError::Closed { place },
            sqlx::Error::PoolTimedOut => StoreError::Locked { place, waited: self.busy_timeout },
            sqlx::Error::Io(reason) => StoreError::Other { place, detail: reason.to_string() },
            other => StoreError::Unreadable { place, detail: other.to_string() },
        }
    }

    /// Of a statement that did not go through sqlx.
    pub fn direct_error(&self, error: rusqlite::Error) -> StoreError {
        match error {
            rusqlite::Error::SqliteFailure(failure, told) => {
                let told = told.unwrap_or_else(|| failure.to_string());
                self.by_code(failure.extended_code, format!("SQLite says: {told}"))
            }
            other => self.unreadable(other),
        }
    }

    pub fn migration_error(&self, error: MigrateError, known: i64) -> StoreError {
        let place = self.path.clone();
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.error(error),
            MigrateError::VersionMissing(found) if found > known => StoreError::NewerVersion { place, found, known },
            other => StoreError::OtherVersion { place, detail: other.to_string() },
        }
    }

    pub fn unreadable(&self, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Unreadable { place: self.path.clone(), detail: detail.to_string() }
    }

    fn by_code(&self, code: i32, detail: String) -> StoreError {
        let place = self.path.clone();
        if KEY_TAKEN.contains(&code) {
            // The statement spoke for many runs: the writer tries each alone and names the one.
            return StoreError::RecordedBefore { run: String::new(), detail };
        }
        if code == SHARED_MEMORY_SIZE {
            return StoreError::Full { place, detail };
        }
        match code & 0xff {
            BUSY | LOCKED => StoreError::Locked { place, waited: self.busy_timeout },
            READ_ONLY | PERMISSION | CANNOT_OPEN => StoreError::ReadOnly { place, detail },
            CORRUPT => StoreError::Damaged { place, detail },
            NOT_A_DATABASE => StoreError::NotOurs { place, detail },
            FULL => StoreError::Full { place, detail },
            _ => StoreError::Other { place, detail },
        }
    }
}
