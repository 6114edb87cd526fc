//! What a server answers, told apart by what a person can do about it.

use pmflow_engine::RunId;
use pmflow_store::StoreError;
use sqlx::migrate::MigrateError;
use std::time::Duration;

/// Where a store is and how patient it was: what its errors need to be told well.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Without the password.
    pub address: String,
    /// How long a statement waits for another program's lock.
    pub lock_wait: Duration,
}

impl Place {
    pub fn error(&self, error: sqlx::Error) -> StoreError {
        let place = self.address.clone();
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                self.by_code(&code, database.message())
            }
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => StoreError::Closed { place },
            sqlx::Error::PoolTimedOut => {
                StoreError::Unreachable { place, detail: "no connection became free in time".to_owned() }
            }
            sqlx::Error::Io(reason) => StoreError::Unreachable { place, detail: reason.to_string() },
            sqlx::Error::Tls(reason) => StoreError::Unreachable { place, detail: format!("TLS failed: {reason}") },
            // What a server sends while it goes down is cut anywhere.
            sqlx::Error::Protocol(detail) => StoreError::Unreachable { place, detail },
            sqlx::Error::Configuration(reason) => StoreError::Refused {
                place,
                detail: format!("the address cannot be used: {reason}"),
                fix: "it reads postgres://user:password@host:5432/database".to_owned(),
            },
            other => StoreError::Unreadable { place, detail: other.to_string() },
        }
    }

    pub fn migration_error(&self, error: MigrateError, known: i64) -> StoreError {
        let place = self.address.clone();
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.error(error),
            MigrateError::VersionMissing(found) if found > known => StoreError::NewerVersion { place, found, known },
            other => StoreError::OtherVersion { place, detail: other.to_string() },
        }
    }

    pub fn unreadable(&self, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Unreadable { place: self.address.clone(), detail: detail.to_string() }
    }

    pub fn slow(&self, waited: Duration) -> StoreError {
        let detail = format!("it did not answer within {} s", waited.as_secs());
        StoreError::Unreachable { place: self.address.clone(), detail }
    }

    pub fn refused(&self, detail: impl Into<String>, fix: impl Into<String>) -> StoreError {
        StoreError::Refused { place: self.address.clone(), detail: detail.into(), fix: fix.into() }
    }

    pub fn no_such_run(&self, run: &RunId) -> StoreError {
        StoreError::NoSuchRun { run: run.to_string(), place: self.address.clone() }
    }

    /// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    fn by_code(&self, code: &str, message: &str) -> StoreError {
        let place = self.address.clone();
        let detail = format!("PostgreSQL says: {message}");
        match code {
            "23505" => StoreError::RecordedBefore { run: String::new(), detail },
            // Deadlock, serialization, lock timeout, statement timeout.
            "40P01" | "40001" | "55P03" | "57014" => StoreError::Locked { place, waited: self.lock_wait },
            "53100" => StoreError::Full { place, detail },
            "25006" => StoreError::ReadOnly { place, detail },
            "28000" | "28P01" => self.refused(detail, "check the user and the password in the address"),
            "3D000" => self.refused(detail, "make it with `createdb`, or name another one in the address"),
            "42501" => {
                self.refused(detail, "give the user of the address the rights, or run `pmflow migrate` as the tables' owner")
            }
            "42P01" | "42703" | "42883" | "42804" => StoreError::ChangedByHand { place, detail },
            // Shutdown, crash, start-up, connections used up, a session ended from outside; class 08 is the connection itself.
            "57P01" | "57P02" | "57P03" | "53200" | "53300" | "25P03" => StoreError::Unreachable { place, detail },
            _ if code.starts_with("08") => StoreError::Unreachable { place, detail },
            _ => StoreError::Other { place, detail },
        }
    }
}
