//! Columns read back as the values they were.

use crate::{Holder, Kept, Process};
use pmflow_engine::{InstanceRow, InstanceStatus, Path, RunStatus, StepStatus, Time};
use pmflow_ledger::EntryKind;
use pmflow_plan::{Failure, Money, Usage, Value};
use serde::de::DeserializeOwned;

/// What could not be read, for a message.
pub type Detail = String;

pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub fn money(pico: i64) -> Money {
    Money::from_pico(i128::from(pico))
}

pub fn json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Detail> {
    serde_json::from_str(text).map_err(|error| format!("{what} is no longer what was stored: {error}"))
}

pub fn value(text: &str) -> Result<Value, Detail> {
    Value::from_exact(text).map_err(|error| format!("a value is no longer what was stored: {error}"))
}

/// A value that must be there; retention leaves an empty text where one was.
pub fn kept_value(text: &str) -> Result<Option<Value>, Detail> {
    if text.is_empty() { Ok(None) } else { value(text).map(Some) }
}

pub fn kept(stage: i64) -> Kept {
    match stage {
        0 => Kept::Whole,
        1 | 2 => Kept::Metadata,
        _ => Kept::Sums,
    }
}

pub fn optional_value(text: Option<String>) -> Result<Option<Value>, Detail> {
    text.map(|text| value(&text)).transpose()
}

pub fn failure(text: Option<String>) -> Result<Option<Failure>, Detail> {
    text.map(|text| json("a failure", &text)).transpose()
}

pub fn run_status(name: &str) -> Result<RunStatus, Detail> {
    use RunStatus::{Cancelled, Failed, Running, Succeeded, Suspended};
    by_name("a run's status", name, [Running, Suspended, Succeeded, Failed, Cancelled], RunStatus::name)
}

/// A live root instance out of its run's row; it starts with its run.
pub fn root(flow: &str, status: &str, state: String, started_at: Time) -> Result<InstanceRow, Detail> {
    let status = instance_status(status)?;
    Ok(InstanceRow { path: Path::root(flow), parent: None, parent_step: None, index: 0, status, state, started_at })
}

pub fn instance_status(name: &str) -> Result<InstanceStatus, Detail> {
    use InstanceStatus::{Done, Failed, Quarantined, Running, Waiting};
    by_name("an instance's status", name, [Waiting, Running, Done, Failed, Quarantined], InstanceStatus::name)
}

pub fn step_status(name: &str) -> Result<StepStatus, Detail> {
    by_name("a step's status", name, [StepStatus::Done, StepStatus::Retried, StepStatus::Failed], StepStatus::name)
}

pub fn entry_kind(name: &str) -> Result<EntryKind, Detail> {
    use EntryKind::{Hold, RaiseLimit, Reconcile, Release, Settle, Unknown};
    let kinds = [Hold, Settle, Release, Unknown, Reconcile, RaiseLimit];
    by_name("a ledger line's kind", name, kinds, super::rows::entry_kind_name)
}

fn by_name<T: Copy, const N: usize>(what: &str, name: &str, all: [T; N], name_of: fn(T) -> &'static str) -> Result<T, Detail> {
    all.into_iter().find(|candidate| name_of(*candidate) == name).ok_or_else(|| format!("{what} is `{name}`"))
}

/// The five counts of a usage as their columns stand.
#[derive(Debug)]
pub struct UsageColumns {
    pub has_usage: bool,
    pub input: Option<i64>,
    pub cache_read: Option<i64>,
    pub cache_write: Option<i64>,
    pub output: Option<i64>,
    pub reasoning: Option<i64>,
}

impl UsageColumns {
    pub fn usage(self) -> Option<Usage> {
        self.has_usage.then(|| Usage {
            input_tokens: self.input.map(unsigned),
            cache_read_tokens: self.cache_read.map(unsigned),
            cache_write_tokens: self.cache_write.map(unsigned),
            output_tokens: self.output.map(unsigned),
            reasoning_tokens: self.reasoning.map(unsigned),
        })
    }
}

/// A run's lease columns, with the moment at which they were read.
#[derive(Debug)]
pub struct LeaseColumns {
    pub epoch: i64,
    pub process: Option<String>,
    pub host: Option<String>,
    pub number: Option<i64>,
    pub since: Option<i64>,
    pub until: Option<i64>,
    pub now: i64,
}

impl LeaseColumns {
    /// Who holds the run at that moment.
    pub fn holder(self) -> Option<Holder> {
        let until = self.until.filter(|until| *until > self.now)?;
        let process = Process { id: self.process?, host: self.host?, number: small(self.number?) };
        Some(Holder { process, epoch: unsigned(self.epoch), since: self.since?, until })
    }
}
