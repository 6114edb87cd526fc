//! Retention: what is removed, and when.
//!
//! Payloads and metadata age separately. A run that ended is first emptied: what it was given, what its steps answered, what it put
//! out. Later its rows go. Money is kept longest: a run that spent some keeps one row, with its sums, as long as its ledger.

use pmflow_engine::Time;
use std::time::Duration;

/// Ledgers are never pruned earlier: thirteen months, at their longest.
pub const LEDGER_KEPT: Duration = Duration::from_secs(397 * 86_400);

/// What to remove; none of a time means nothing of that kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Only of this flow. What belongs to none, such as budgets, is left alone then.
    pub flow: Option<String>,
    /// Payloads of runs that ended before, and cached answers from before.
    pub payloads_before: Option<Time>,
    /// Rows of runs that ended before, and plans that nothing needs any more.
    pub runs_before: Option<Time>,
    /// Ledgers of such runs, accounts of budgets, alerts and triggers from before. None: as `runs_before`.
    pub ledger_before: Option<Time>,
}

/// The moments that count, on the database's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoffs {
    pub payloads: Option<Time>,
    pub runs: Option<Time>,
    /// At least [`LEDGER_KEPT`] ago.
    pub ledger: Time,
}

/// What one piece came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs whose payloads began to go.
    pub emptied: u64,
    /// Runs whose rows began to go.
    pub removed: u64,
    /// Rows emptied or deleted.
    pub rows: u64,
    /// Nothing was left to do, or another process is at it.
    pub is_done: bool,
}

/// About what would be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prunable {
    /// Runs that would lose their payloads and keep their rows, or lose both; the rows concerned and their size.
    pub emptied: u64,
    pub removed: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// What retention has left of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    #[default]
    Whole,
    /// Neither input nor results nor outputs' values.
    Metadata,
    /// One row: its state, its counts, its money, and its ledger.
    Sums,
}

impl Prune {
    pub fn cutoffs(&self, now: Time) -> Cutoffs {
        let longest = now.saturating_sub(Time::try_from(LEDGER_KEPT.as_micros()).unwrap_or(Time::MAX));
        let ledger = self.ledger_before.or(self.runs_before).unwrap_or(Time::MIN).min(longest);
        // A moment in the future would take what has not ended yet.
        let past = |moment: Option<Time>| moment.map(|moment| moment.min(now));
        Cutoffs { payloads: past(self.payloads_before), runs: past(self.runs_before), ledger }
    }
}

impl Cutoffs {
    /// Accounts whose period began before this day ended before the ledger's cutoff, in every time zone.
    pub fn accounts_before(&self) -> String {
        const LONGEST_PERIOD: Time = 33 * 86_400_000_000;
        let moment = chrono::DateTime::from_timestamp_micros(self.ledger.saturating_sub(LONGEST_PERIOD));
        moment.unwrap_or(chrono::DateTime::UNIX_EPOCH).format("%Y-%m-%d").to_string()
    }
}

impl Pruned {
    /// Both together; done when the other is.
    pub fn and(self, other: Pruned) -> Pruned {
        Pruned {
            emptied: self.emptied + other.emptied,
            removed: self.removed + other.removed,
            rows: self.rows + other.rows,
            is_done: other.is_done,
        }
    }
}

impl Kept {
    pub fn name(self) -> &'static str {
        match self {
            Kept::Whole => "whole",
            Kept::Metadata => "metadata",
            Kept::Sums => "sums",
        }
    }
}
