//! What can go wrong between the runtime and its database, said so that a person can mend it.

use std::time::Duration;

/// A store's own trouble. Nothing of the batch that met it was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the database {place} was written by a newer pmflow (layout {found}; this one knows layouts up to {known}). \
         Upgrade pmflow, or use another database folder. Nothing was changed."
    )]
    NewerVersion { place: String, found: i64, known: i64 },

    #[error(
        "the database {place} has another layout than this pmflow made ({detail}). It was written by a build that is \
         neither older nor newer. Use the pmflow that made it, or another database folder. Nothing was changed."
    )]
    OtherVersion { place: String, detail: String },

    #[error(
        "{place} is not a pmflow database ({detail}). Move that file away and run again: a new database is made in its \
         place. Nothing was changed."
    )]
    NotOurs { place: String, detail: String },

    #[error(
        "the database {place} is damaged ({detail}). Restore it from a backup, or move it and its `-wal` and `-shm` \
         files away to start with an empty one; `sqlite3 FILE .recover` may save what is readable."
    )]
    Damaged { place: String, detail: String },

    #[error(
        "the database {place} cannot be written: {detail}. Runs are recorded before they act, so none can go on. Make \
         the file and its folder writable, or use a database folder elsewhere."
    )]
    ReadOnly { place: String, detail: String },

    #[error(
        "the database {place} has been locked by another program for {} s. Close what has it open (a database browser, a \
         backup, another pmflow that hangs) and run again.", waited.as_secs_f32()
    )]
    Locked { place: String, waited: Duration },

    #[error(
        "there is no room left for the database {place} ({detail}). What was recorded so far is intact. Free some disk \
         space: a run that had begun goes on where it stopped (`pmflow run --resume RUN`), one that had not is started again."
    )]
    Full { place: String, detail: String },

    #[error("the folder {place} for the database cannot be made: {reason}. Make it by hand, or choose another place.")]
    Folder { place: String, reason: String },

    #[error("there is no run `{run}`{}. `pmflow runs` lists them.", in_place(place))]
    NoSuchRun { run: String, place: String },

    #[error(
        "what run `{run}`{} was given and recorded was pruned, so it can neither go on nor be taken over from. Start a new run. \
         `[retention]` in pmflow.toml says how long runs are kept.",
        in_place(place)
    )]
    Pruned { run: String, place: String },

    #[error("there is no plan `{plan}`{}: the run that needs it cannot go on here.", in_place(place))]
    NoSuchPlan { plan: String, place: String },

    #[error("a {what} of {amount} is outside what the database can hold (at most $9,223,372). Nothing was recorded.")]
    OutOfRange { what: &'static str, amount: String },

    #[error("the database {place} holds something that this pmflow cannot read: {detail}.")]
    Unreadable { place: String, detail: String },

    #[error(
        "a transition of run `{run}` records again what is recorded already ({detail}). This is a defect of pmflow; nothing of \
         the transition was stored, and what was recorded stays as it is."
    )]
    RecordedBefore { run: String, detail: String },

    #[error("the store {place} was closed while the request was under way: it may or may not have been recorded.")]
    Closed { place: String },

    #[error(
        "the database {place} cannot be reached: {detail}. Check that its server runs and that the address is right. What was \
         recorded is safe there; runs go on once it is back."
    )]
    Unreachable { place: String, detail: String },

    #[error("the database {place} refuses to be used: {detail}. To mend it: {fix}.")]
    Refused { place: String, detail: String, fix: String },

    #[error("{}", not_migrated(place, *found, *known))]
    NotMigrated { place: String, found: Option<i64>, known: i64 },

    #[error(
        "the tables of the database {place} are not as pmflow made them: {detail}. Undo what was changed by hand, or \
         restore a backup. Nothing was changed."
    )]
    ChangedByHand { place: String, detail: String },

    #[error("the database {place} failed: {detail}.")]
    Other { place: String, detail: String },
}

/// What the runtime does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Pause the run: it can go on, from what is stored, once a person has mended the cause.
    Pause,
    /// The same request may succeed in a moment.
    Retry,
    /// The request itself cannot succeed.
    GiveUp,
}

impl StoreError {
    /// The database serves nobody at the moment: no run has a part in it.
    pub fn is_of_all_runs(&self) -> bool {
        use StoreError::{Closed, Full, Locked, ReadOnly, Unreachable};
        matches!(self, Full { .. } | ReadOnly { .. } | Locked { .. } | Unreachable { .. } | Closed { .. })
    }

    pub fn remedy(&self) -> Remedy {
        match self {
            StoreError::Locked { .. } | StoreError::Unreachable { .. } => Remedy::Retry,
            StoreError::Full { .. } | StoreError::ReadOnly { .. } | StoreError::Closed { .. } | StoreError::Other { .. } => {
                Remedy::Pause
            }
            StoreError::NewerVersion { .. }
            | StoreError::OtherVersion { .. }
            | StoreError::NotOurs { .. }
            | StoreError::Damaged { .. }
            | StoreError::Folder { .. }
            | StoreError::NoSuchRun { .. }
            | StoreError::NoSuchPlan { .. }
            | StoreError::Pruned { .. }
            | StoreError::OutOfRange { .. }
            | StoreError::Refused { .. }
            | StoreError::NotMigrated { .. }
            | StoreError::ChangedByHand { .. }
            | StoreError::RecordedBefore { .. }
            | StoreError::Unreadable { .. } => Remedy::GiveUp,
        }
    }
}

fn in_place(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" in {place}") }
}

fn not_migrated(place: &str, found: Option<i64>, known: i64) -> String {
    let state = match found {
        None => "has no tables of pmflow yet".to_owned(),
        Some(found) => format!("has layout {found}, and this pmflow needs layout {known}"),
    };
    format!("the database {place} {state}. Run `pmflow migrate` once.")
}
