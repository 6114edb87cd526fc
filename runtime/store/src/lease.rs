//! Who executes a run.

use pmflow_engine::{RunId, Time};
use std::time::Duration;

/// How long a claim holds without being renewed, on the database's clock.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a claim is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);

/// A process that executes runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Unique for every start of a process, not only for its number.
    pub id: String,
    pub host: String,
    pub number: u32,
}

/// The right to write a run, until somebody with a higher epoch has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub run: RunId,
    pub epoch: u64,
}

/// A run that nobody executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub lease: Lease,
    /// So many processes in a row lost it without having recorded a step: they died, most likely of it.
    pub deaths: u32,
}

/// Who holds a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub process: Process,
    pub epoch: u64,
    pub since: Time,
    /// Without a renewal the run is free from then on.
    pub until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    Granted(Lease),
    /// Somebody else executes the run; [`Holder`] says who, in a sentence.
    Held(Holder),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    Held {
        until: Time,
    },
    /// The run belongs to another process, or to nobody: nothing more can be written with this lease.
    Lost,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the run is being executed by process {} on {} since {}. Wait until it ends, or stop that process; if it \
             died, the run is free at {}",
            self.process.number,
            self.process.host,
            moment(self.since),
            moment(self.until)
        )
    }
}

fn moment(time: Time) -> String {
    match chrono::DateTime::from_timestamp_micros(time) {
        Some(moment) => moment.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => format!("{time} µs after 1970"),
    }
}
