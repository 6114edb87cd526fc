//! Rows as statements take them: all rows of a table that a group of transitions writes go into one statement.

use super::fold::Head;
use crate::{Process, StoreError};
use pmflow_engine::{InstanceEnd, InstanceRow, LedgerRow, OutputRow, RunRow, StepRow};
use pmflow_ledger::EntryKind;
use pmflow_plan::{Failure, Money, Usage, Value};
use serde::Serialize;

/// What stands in one column of a row; none: NULL.
#[derive(Clone, Copy, Debug)]
pub enum Column<'v> {
    Integer(Option<i64>),
    Text(Option<&'v str>),
    Boolean(Option<bool>),
}

/// A row whose columns a statement takes by their places.
pub trait Columns {
    /// Hands over each column in its order, up to the first error.
    fn each<E>(&self, take: &mut impl FnMut(Column<'_>) -> Result<(), E>) -> Result<(), E>;
}

/// A value that stands in a column.
pub trait AsColumn {
    const NULL: Column<'static>;

    fn as_column(&self) -> Column<'_>;
}

impl AsColumn for i64 {
    const NULL: Column<'static> = Column::Integer(None);

    fn as_column(&self) -> Column<'_> {
        Column::Integer(Some(*self))
    }
}

impl AsColumn for u32 {
    const NULL: Column<'static> = Column::Integer(None);

    fn as_column(&self) -> Column<'_> {
        Column::Integer(Some(i64::from(*self)))
    }
}

impl AsColumn for bool {
    const NULL: Column<'static> = Column::Boolean(None);

    fn as_column(&self) -> Column<'_> {
        Column::Boolean(Some(*self))
    }
}

impl AsColumn for &str {
    const NULL: Column<'static> = Column::Text(None);

    fn as_column(&self) -> Column<'_> {
        Column::Text(Some(self))
    }
}

impl AsColumn for String {
    const NULL: Column<'static> = Column::Text(None);

    fn as_column(&self) -> Column<'_> {
        Column::Text(Some(self))
    }
}

impl<T: AsColumn> AsColumn for Option<T> {
    const NULL: Column<'static> = T::NULL;

    fn as_column(&self) -> Column<'_> {
        self.as_ref().map_or(T::NULL, AsColumn::as_column)
    }
}

impl<const N: usize> Columns for [Column<'_>; N] {
    fn each<E>(&self, take: &mut impl FnMut(Column<'_>) -> Result<(), E>) -> Result<(), E> {
        self.iter().try_for_each(|column| take(*column))
    }
}

/// The columns of a row in their order, those of `$first` before its own.
macro_rules! columns {
    ($row:ident $(<$lifetime:lifetime>)? $(after $first:ident)?: $($column:ident $(.$part:ident)?),+ $(,)?) => {
        impl Columns for $row $(<$lifetime>)? {
            fn each<E>(&self, take: &mut impl FnMut(Column<'_>) -> Result<(), E>) -> Result<(), E> {
                $(self.$first.each(take)?;)?
                $(take(self.$column $(.$part)?.as_column())?;)+
                Ok(())
            }
        }
    };
}
pub(super) use columns;

#[derive(Debug)]
pub struct RunChange<'w> {
    pub execution_id: i64,
    /// The row is changed only where it has these.
    pub run: &'w str,
    pub epoch: i64,
    pub base: i64,
    pub status: &'static str,
    pub sequence: i64,
    pub changed_at: i64,
    pub ended_at: Option<i64>,
    pub failure: Option<String>,
    pub state: &'w str,
    pub limit_pico: Option<i64>,
    pub held_pico: i64,
    pub settled_pico: i64,
    pub unknown_pico: i64,
    pub breaches: i64,
    pub items_started: i64,
    pub items_done: i64,
    pub items_failed: i64,
    pub rows_read: i64,
    pub outputs: i64,
    pub model_calls: i64,
    pub cache_hits: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    /// Of the root instance; none: as it was.
    pub root_status: Option<&'static str>,
    pub root_state: Option<&'w str>,
}

columns!(
    RunChange<'_>:
    execution_id, run, epoch, base, status, sequence, changed_at, ended_at, failure, state, limit_pico, held_pico,
    settled_pico, unknown_pico, breaches, items_started, items_done, items_failed, rows_read, outputs, model_calls,
    cache_hits, input_tokens, output_tokens, root_status, root_state,
);

#[derive(Debug)]
pub struct RunInsertion<'w> {
    pub change: RunChange<'w>,
    pub plan_id: &'w str,
    pub flow: &'w str,
    pub root_path: &'w str,
    pub simulated: bool,
    pub started_by: &'w str,
    pub setup: &'w str,
    pub origin: Option<&'w str>,
    pub input: String,
    pub created_at: i64,
    pub lease_process: &'w str,
    pub lease_host: &'w str,
    pub lease_number: u32,
}

columns!(
    RunInsertion<'_> after change:
    plan_id, flow, root_path, simulated, started_by, setup, origin, input, created_at, lease_process, lease_host,
    lease_number,
);

impl<'w> RunChange<'w> {
    pub fn of(head: &'w Head<'w>, row: &'w RunRow) -> Result<RunChange<'w>, StoreError> {
        Ok(RunChange {
            execution_id: head.execution,
            run: &row.id.0,
            epoch: count(head.epoch),
            base: count(head.base),
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
            root_status: head.root.map(|root| root.status.name()),
            root_state: head.root.map(|root| root.state),
        })
    }
}

/// What a new run has besides its row.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'w> {
    pub process: &'w Process,
    pub simulated: bool,
    pub started_by: &'w str,
    pub setup: &'w str,
    pub origin: Option<&'w str>,
}

impl<'w> RunInsertion<'w> {
    pub fn of(head: &'w Head<'w>, row: &'w RunRow, beginning: &Beginning<'w>) -> Result<RunInsertion<'w>, StoreError> {
        Ok(RunInsertion {
            change: RunChange::of(head, row)?,
            plan_id: &row.plan.0,
            flow: &row.flow,
            root_path: &head.facts.root_path,
            simulated: beginning.simulated,
            started_by: beginning.started_by,
            setup: beginning.setup,
            origin: beginning.origin,
            input: value_text(&row.input),
            created_at: row.created_at,
            lease_process: &beginning.process.id,
            lease_host: &beginning.process.host,
            lease_number: beginning.process.number,
        })
    }
}

#[derive(Debug)]
pub struct InstancePut<'w> {
    pub execution_id: i64,
    pub path: &'w str,
    pub parent: Option<&'w str>,
    pub parent_step: Option<&'w str>,
    pub position: i64,
    pub status: &'static str,
    pub state: Option<&'w str>,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub failure: Option<String>,
    pub yielded: Option<String>,
    pub input: Option<String>,
}

columns!(
    InstancePut<'_>:
    execution_id, path, parent, parent_step, position, status, state, started_at, ended_at, failure, yielded, input,
);

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

#[derive(Debug)]
pub struct InstanceEnding<'w> {
    pub execution_id: i64,
    pub path: &'w str,
    pub status: &'static str,
    pub ended_at: i64,
    pub failure: Option<String>,
    pub yielded: Option<String>,
    pub input: Option<String>,
}

columns!(
    InstanceEnding<'_>:
    execution_id, path, status, ended_at, failure, yielded, input,
);

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
#[derive(Debug)]
pub struct InstanceKey<'w> {
    pub execution_id: i64,
    pub path: &'w str,
}

columns!(
    InstanceKey<'_>:
    execution_id, path,
);

#[derive(Debug)]
pub struct BindingPut<'w> {
    pub execution_id: i64,
    pub instance: &'w str,
    pub name: &'w str,
    pub value: String,
}

columns!(
    BindingPut<'_>:
    execution_id, instance, name, value,
);

#[derive(Clone, Copy, Debug)]
pub struct UsageCounts {
    pub has_usage: bool,
    pub input_tokens: Option<i64>,
    pub cache_read_tokens: Option<i64>,
    pub cache_write_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub reasoning_tokens: Option<i64>,
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

#[derive(Debug)]
pub struct StepRecord<'w> {
    pub execution_id: i64,
    pub instance: &'w str,
    pub step: &'w str,
    pub place: &'w str,
    pub attempt: u32,
    pub kind: &'static str,
    pub target: Option<&'w str>,
    pub status: &'static str,
    pub started_at: i64,
    pub ended_at: i64,
    pub result: Option<String>,
    pub failure: Option<String>,
    pub model: Option<&'w str>,
    pub usage: UsageCounts,
    pub cost_pico: Option<i64>,
    pub from_cache: bool,
    pub input_key: Option<&'w str>,
}

columns!(
    StepRecord<'_>:
    execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model,
    usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens,
    usage.reasoning_tokens, usage.has_usage, cost_pico, from_cache, input_key,
);

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

#[derive(Debug)]
pub struct OutputInsertion<'w> {
    pub execution_id: i64,
    pub owner: &'w str,
    pub position: &'w str,
    pub instance: &'w str,
    pub step: &'w str,
    pub value: String,
    pub tags: String,
    pub at: i64,
}

columns!(
    OutputInsertion<'_>:
    execution_id, owner, position, instance, step, value, tags, at,
);

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

#[derive(Debug)]
pub struct TagInsertion<'w> {
    pub tag: &'w str,
    pub execution_id: i64,
    pub position: &'w str,
}

columns!(
    TagInsertion<'_>:
    tag, execution_id, position,
);

#[derive(Debug)]
pub struct UsageAppend<'w> {
    pub execution_id: i64,
    pub kind: &'static str,
    pub held_pico: i64,
    pub charged_pico: i64,
    pub breach: bool,
    pub instance: Option<&'w str>,
    pub step: Option<&'w str>,
    pub attempt: Option<u32>,
    pub prompt: Option<&'w str>,
    pub model: Option<&'w str>,
    pub usage: UsageCounts,
    pub idempotency_key: Option<&'w str>,
    pub at: i64,
}

columns!(
    UsageAppend<'_>:
    execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, usage.input_tokens,
    usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens, usage.reasoning_tokens, usage.has_usage,
    idempotency_key, at,
);

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

#[derive(Debug)]
pub struct CachePut<'w> {
    pub key: &'w str,
    pub value: String,
    pub flow: &'w str,
    pub prompt: &'w str,
    pub at: i64,
}

columns!(
    CachePut<'_>:
    key, value, flow, prompt, at,
);

#[derive(Debug)]
pub struct RequestTaken {
    pub request_id: i64,
    pub execution_id: i64,
}

columns!(
    RequestTaken:
    request_id, execution_id,
);

pub fn entry_kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Hold => "hold",
        EntryKind::Settle => "settle",
        EntryKind::Release => "release",
        EntryKind::Unknown => "unknown",
        EntryKind::Reconcile => "reconcile",
        EntryKind::RaiseLimit => "raise_limit",
    }
}

pub fn pico(what: &'static str, amount: Money) -> Result<i64, StoreError> {
    amount.to_i64().ok_or_else(|| StoreError::OutOfRange { what, amount: amount.to_string() })
}

/// A count as a database holds it. A provider may report any number: beyond 2⁶³ it is stored as the largest one.
pub fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub fn value_text(value: &Value) -> String {
    value.to_exact()
}

pub fn failure_text(failure: &Failure) -> String {
    json_text(failure)
}

pub fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
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
