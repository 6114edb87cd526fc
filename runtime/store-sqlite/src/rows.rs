//! Rows as the statements in `queries/` read them: one JSON text holds all rows of a statement, so that a statement runs
//! once for a whole group of runs.

use pmflow_engine::{InstanceEnd, InstanceRow, LedgerRow, OutputRow, RunRow, StepRow};
use pmflow_ledger::EntryKind;
use pmflow_plan::{Failure, Money, Usage, Value};
use pmflow_store::{Process, StoreError};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct RunChange<'w> {
    execution_id: i64,
    status: &'static str,
    sequence: i64,
    changed_at: i64,
    ended_at: Option<i64>,
    failure: Option<String>,
    state: &'w str,
    limit_pico: Option<i64>,
    held_pico: i64,
    settled_pico: i64,
    unknown_pico: i64,
    breaches: i64,
    items_started: i64,
    items_done: i64,
    items_failed: i64,
    rows_read: i64,
    outputs: i64,
    model_calls: i64,
    cache_hits: i64,
    input_tokens: i64,
    output_tokens: i64,
}

#[derive(Serialize)]
pub(crate) struct RunInsertion<'w> {
    #[serde(flatten)]
    change: RunChange<'w>,
    run_id: &'w str,
    plan_id: &'w str,
    flow: &'w str,
    root_path: &'w str,
    simulated: bool,
    started_by: &'w str,
    setup: &'w str,
    input: String,
    created_at: i64,
    lease_process: &'w str,
    lease_host: &'w str,
    lease_number: u32,
}

impl<'w> RunChange<'w> {
    pub fn of(execution_id: i64, row: &'w RunRow) -> Result<RunChange<'w>, StoreError> {
        Ok(RunChange {
            execution_id,
            status: row.status.name(),
            sequence: count(row.sequence),
            changed_at: row.changed_at,
            ended_at: row.ended_at,
            failure: row.failure.as_ref().map(failure_text),
            state: &row.state,
            limit_pico: row.account.limit.map(|limit| pico("limit", limit)).transpose()?,
            held_pico: pico("sum of holds", row.account.held)?,
            settled_pico: pico("sum of costs", row.account.settled)?,
            unknown_pico: pico("sum of unknown costs", row.account.unknown)?,
            breaches: count(row.account.breaches),
            items_started: count(row.counters.items_started),
            items_done: count(row.counters.items_done),
            items_failed: count(row.counters.items_failed),
            rows_read: count(row.counters.rows_read),
            outputs: count(row.counters.outputs),
            model_calls: count(row.counters.model_calls),
            cache_hits: count(row.counters.cache_hits),
            input_tokens: count(row.counters.input_tokens),
            output_tokens: count(row.counters.output_tokens),
        })
    }
}

/// What a new run has besides its row.
pub(crate) struct Beginning<'w> {
    pub process: &'w Process,
    pub simulated: bool,
    pub started_by: &'w str,
    pub setup: &'w str,
}

impl<'w> RunInsertion<'w> {
    pub fn of(
        execution_id: i64,
        root_path: &'w str,
        row: &'w RunRow,
        beginning: &Beginning<'w>,
    ) -> Result<RunInsertion<'w>, StoreError> {
        Ok(RunInsertion {
            change: RunChange::of(execution_id, row)?,
            run_id: &row.id.0,
            plan_id: &row.plan.0,
            flow: &row.flow,
            root_path,
            simulated: beginning.simulated,
            started_by: beginning.started_by,
            setup: beginning.setup,
            input: value_text(&row.input),
            created_at: row.created_at,
            lease_process: &beginning.process.id,
            lease_host: &beginning.process.host,
            lease_number: beginning.process.number,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct InstancePut<'w> {
    execution_id: i64,
    path: &'w str,
    parent: Option<&'w str>,
    parent_step: Option<&'w str>,
    position: i64,
    status: &'static str,
    state: Option<&'w str>,
    started_at: i64,
    ended_at: Option<i64>,
    failure: Option<String>,
    yielded: Option<String>,
    input: Option<String>,
}

impl<'w> InstancePut<'w> {
    pub fn live(execution_id: i64, row: &'w InstanceRow) -> InstancePut<'w> {
        InstancePut {
            execution_id,
            path: row.path.as_str(),
            parent: row.parent.as_ref().map(|path| path.as_str()),
            parent_step: row.parent_step.as_ref().map(|path| path.as_str()),
            position: count(row.index),
            status: row.status.name(),
            state: Some(&row.state),
            started_at: row.started_at,
            ended_at: None,
            failure: None,
            yielded: None,
            input: None,
        }
    }

    pub fn ended(execution_id: i64, row: &'w InstanceRow, end: &'w InstanceEnd) -> InstancePut<'w> {
        InstancePut {
            status: end.status.name(),
            state: None,
            ended_at: Some(end.ended_at),
            failure: end.failure.as_ref().map(failure_text),
            yielded: end.yielded.as_ref().map(value_text),
            input: end.input.as_ref().map(value_text),
            ..InstancePut::live(execution_id, row)
        }
    }
}

#[derive(Serialize)]
pub(crate) struct InstanceEnding<'w> {
    execution_id: i64,
    path: &'w str,
    status: &'static str,
    ended_at: i64,
    failure: Option<String>,
    yielded: Option<String>,
    input: Option<String>,
}

impl<'w> InstanceEnding<'w> {
    pub fn of(execution_id: i64, end: &'w InstanceEnd) -> InstanceEnding<'w> {
        InstanceEnding {
            execution_id,
            path: end.path.as_str(),
            status: end.status.name(),
            ended_at: end.ended_at,
            failure: end.failure.as_ref().map(failure_text),
            yielded: end.yielded.as_ref().map(value_text),
            input: end.input.as_ref().map(value_text),
        }
    }
}

/// Names an instance.
#[derive(Serialize)]
pub(crate) struct InstanceKey<'w> {
    pub execution_id: i64,
    pub path: &'w str,
}

#[derive(Serialize)]
pub(crate) struct BindingPut<'w> {
    pub execution_id: i64,
    pub instance: &'w str,
    pub name: &'w str,
    pub value: String,
}

#[derive(Serialize)]
struct UsageCounts {
    has_usage: bool,
    input_tokens: Option<i64>,
    cache_read_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    output_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
}

impl UsageCounts {
    fn of(usage: Option<&Usage>) -> UsageCounts {
        let reported = usage.copied().unwrap_or_default();
        UsageCounts {
            has_usage: usage.is_some(),
            input_tokens: reported.input_tokens.map(count),
            cache_read_tokens: reported.cache_read_tokens.map(count),
            cache_write_tokens: reported.cache_write_tokens.map(count),
            output_tokens: reported.output_tokens.map(count),
            reasoning_tokens: reported.reasoning_tokens.map(count),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct StepRecord<'w> {
    execution_id: i64,
    instance: &'w str,
    step: &'w str,
    place: &'w str,
    attempt: u32,
    kind: &'static str,
    target: Option<&'w str>,
    status: &'static str,
    started_at: i64,
    ended_at: i64,
    result: Option<String>,
    failure: Option<String>,
    model: Option<&'w str>,
    #[serde(flatten)]
    usage: UsageCounts,
    cost_pico: Option<i64>,
    from_cache: bool,
    input_key: Option<&'w str>,
}

impl<'w> StepRecord<'w> {
    pub fn of(execution_id: i64, row: &'w StepRow) -> Result<StepRecord<'w>, StoreError> {
        Ok(StepRecord {
            execution_id,
            instance: row.instance.as_str(),
            step: row.step.as_str(),
            place: &row.place,
            attempt: row.attempt,
            kind: row.kind,
            target: row.target.as_deref(),
            status: row.status.name(),
            started_at: row.started_at,
            ended_at: row.ended_at,
            result: row.result.as_ref().map(value_text),
            failure: row.failure.as_ref().map(failure_text),
            model: row.model.as_deref(),
            usage: UsageCounts::of(row.usage.as_ref()),
            cost_pico: row.cost.map(|cost| pico("cost of a step", cost)).transpose()?,
            from_cache: row.from_cache,
            input_key: row.input_key.as_deref(),
        })
    }
}

#[derive(Serialize)]
pub(crate) struct OutputInsertion<'w> {
    execution_id: i64,
    owner: &'w str,
    position: &'w str,
    instance: &'w str,
    step: &'w str,
    value: String,
    tags: String,
    at: i64,
}

impl<'w> OutputInsertion<'w> {
    pub fn of(execution_id: i64, row: &'w OutputRow) -> OutputInsertion<'w> {
        OutputInsertion {
            execution_id,
            owner: row.owner.as_str(),
            position: &row.order,
            instance: row.instance.as_str(),
            step: row.step.as_str(),
            value: value_text(&row.value),
            tags: json_text(&row.tags),
            at: row.at,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct TagInsertion<'w> {
    pub tag: &'w str,
    pub execution_id: i64,
    pub position: &'w str,
}

#[derive(Serialize)]
pub(crate) struct UsageAppend<'w> {
    execution_id: i64,
    kind: &'static str,
    held_pico: i64,
    charged_pico: i64,
    breach: bool,
    instance: Option<&'w str>,
    step: Option<&'w str>,
    attempt: Option<u32>,
    prompt: Option<&'w str>,
    model: Option<&'w str>,
    #[serde(flatten)]
    usage: UsageCounts,
    idempotency_key: Option<&'w str>,
    at: i64,
}

impl<'w> UsageAppend<'w> {
    pub fn of(execution_id: i64, row: &'w LedgerRow) -> Result<UsageAppend<'w>, StoreError> {
        let call = row.call.as_ref();
        Ok(UsageAppend {
            execution_id,
            kind: entry_kind_name(row.entry.kind),
            held_pico: pico("hold", row.entry.held)?,
            charged_pico: pico("charge", row.entry.charged)?,
            breach: row.entry.breach,
            instance: call.map(|call| call.instance.as_str()),
            step: call.map(|call| call.step.as_str()),
            attempt: call.map(|call| call.attempt),
            prompt: row.prompt.as_deref(),
            model: row.model.as_deref(),
            usage: UsageCounts::of(row.usage.as_ref()),
            idempotency_key: row.idempotency_key.as_deref(),
            at: row.at,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct CachePut<'w> {
    pub key: &'w str,
    pub value: String,
    pub flow: &'w str,
    pub prompt: &'w str,
    pub at: i64,
}

#[derive(Serialize)]
pub(crate) struct RequestTaken {
    pub request_id: i64,
    pub execution_id: i64,
}

pub(crate) fn entry_kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Hold => "hold",
        EntryKind::Settle => "settle",
        EntryKind::Release => "release",
        EntryKind::Unknown => "unknown",
        EntryKind::Reconcile => "reconcile",
        EntryKind::RaiseLimit => "raise_limit",
    }
}

pub(crate) fn pico(what: &'static str, amount: Money) -> Result<i64, StoreError> {
    amount.to_i64().ok_or_else(|| StoreError::OutOfRange { what, amount: amount.to_string() })
}

/// A count as SQLite holds it. A provider may report any number: beyond 2⁶³ it is stored as the largest one.
pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn value_text(value: &Value) -> String {
    value.to_exact()
}

pub(crate) fn failure_text(failure: &Failure) -> String {
    json_text(failure)
}

pub(crate) fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and names as keys can always be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_beyond_the_database_are_kept_at_its_largest() {
        assert_eq!(count(u64::MAX), i64::MAX);
        assert_eq!(count(7), 7);
    }
}
