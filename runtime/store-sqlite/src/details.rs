//! A run's steps, failed items, ledger, approvals and history.

use crate::faults::Place;
use pmflow_engine::{CallId, Path, RunId};
use pmflow_ledger::Entry;
use pmflow_store::tables::decode::{self, Detail, UsageColumns, money, small, unsigned};
use pmflow_store::tables::rows::count;
use pmflow_store::{Approval, CallSample, FailedItem, HistoryRow, StepCursor, StoreError, StoredStep, UsageRow};
use sqlx::{SqlitePool, query_file, query_file_as};

/// The columns of `steps_list.sql` and `steps_failed.sql`.
struct StepColumns {
    instance: String,
    step: String,
    place: String,
    attempt: i64,
    kind: String,
    target: Option<String>,
    status: String,
    started_at: i64,
    ended_at: i64,
    result: Option<String>,
    failure: Option<String>,
    model: Option<String>,
    input_tokens: Option<i64>,
    cache_read_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    output_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    has_usage: bool,
    cost_pico: Option<i64>,
    from_cache: bool,
    input_key: Option<String>,
}

pub(crate) async fn steps(
    readers: &SqlitePool,
    place: &Place,
    run: &RunId,
    failed_only: bool,
    after: Option<&StepCursor>,
    rows_max: u32,
) -> Result<Vec<StoredStep>, StoreError> {
    let run_text = &*run.0;
    let (step, attempt) = after.map_or(("", 0), |cursor| (cursor.step.as_str(), i64::from(cursor.attempt)));
    let columns = if failed_only {
        let read = query_file_as!(StepColumns, "queries/steps_failed.sql", run_text, step, attempt, rows_max);
        read.fetch_all(readers).await
    } else {
        let read = query_file_as!(StepColumns, "queries/steps_list.sql", run_text, step, attempt, rows_max);
        read.fetch_all(readers).await
    };
    let columns = columns.map_err(|error| place.error(error))?;
    columns.into_iter().map(|columns| stored_step(columns).map_err(|detail| place.unreadable(detail))).collect()
}

fn stored_step(columns: StepColumns) -> Result<StoredStep, Detail> {
    let usage = UsageColumns {
        has_usage: columns.has_usage,
        input: columns.input_tokens,
        cache_read: columns.cache_read_tokens,
        cache_write: columns.cache_write_tokens,
        output: columns.output_tokens,
        reasoning: columns.reasoning_tokens,
    };
    Ok(StoredStep {
        instance: Path::from_stored(columns.instance),
        step: Path::from_stored(columns.step),
        place: columns.place,
        attempt: small(columns.attempt),
        kind: columns.kind,
        target: columns.target,
        status: decode::step_status(&columns.status)?,
        started_at: columns.started_at,
        ended_at: columns.ended_at,
        result: decode::optional_value(columns.result)?,
        failure: decode::failure(columns.failure)?,
        model: columns.model,
        usage: usage.usage(),
        cost: columns.cost_pico.map(money),
        from_cache: columns.from_cache,
        input_key: columns.input_key,
    })
}

pub(crate) async fn failed_items(
    readers: &SqlitePool,
    place: &Place,
    run: &RunId,
    after: Option<&str>,
    rows_max: u32,
) -> Result<Vec<FailedItem>, StoreError> {
    let (run_text, after) = (&*run.0, after.unwrap_or_default());
    let rows = query_file!("queries/items_failed.sql", run_text, after, rows_max).fetch_all(readers).await;
    let unreadable = |detail: Detail| place.unreadable(detail);
    let mut items = Vec::new();
    for row in rows.map_err(|error| place.error(error))? {
        items.push(FailedItem {
            path: Path::from_stored(row.path),
            index: unsigned(row.position),
            status: decode::instance_status(&row.status).map_err(unreadable)?,
            failure: decode::failure(row.failure).map_err(unreadable)?,
            input: decode::optional_value(row.input).map_err(unreadable)?,
            ended_at: row.ended_at,
        });
    }
    Ok(items)
}

pub(crate) async fn usage(
    readers: &SqlitePool,
    place: &Place,
    run: &RunId,
    after: u64,
    rows_max: u32,
) -> Result<Vec<UsageRow>, StoreError> {
    let (run_text, after) = (&*run.0, count(after));
    let rows = query_file!("queries/usage_list.sql", run_text, after, rows_max).fetch_all(readers).await;
    let mut lines = Vec::new();
    for row in rows.map_err(|error| place.error(error))? {
        let kind = decode::entry_kind(&row.kind).map_err(|detail| place.unreadable(detail))?;
        let usage = UsageColumns {
            has_usage: row.has_usage,
            input: row.input_tokens,
            cache_read: row.cache_read_tokens,
            cache_write: row.cache_write_tokens,
            output: row.output_tokens,
            reasoning: row.reasoning_tokens,
        };
        let call = match (row.instance, row.step, row.attempt) {
            (Some(instance), Some(step), Some(attempt)) => {
                Some(CallId { instance: Path::from_stored(instance), step: Path::from_stored(step), attempt: small(attempt) })
            }
            _ => None,
        };
        lines.push(UsageRow {
            line: unsigned(row.usage_id),
            entry: Entry { kind, held: money(row.held_pico), charged: money(row.charged_pico), breach: row.breach },
            call,
            prompt: row.prompt,
            model: row.model,
            usage: usage.usage(),
            idempotency_key: row.idempotency_key,
            at: row.at,
        });
    }
    Ok(lines)
}

pub(crate) async fn approvals(readers: &SqlitePool, place: &Place, run: Option<&RunId>) -> Result<Vec<Approval>, StoreError> {
    let run_text = run.map(|run| &*run.0);
    let rows = query_file!("queries/approvals_open.sql", run_text).fetch_all(readers).await;
    let rows = rows.map_err(|error| place.error(error))?.into_iter().map(|row| Approval {
        run: RunId(row.run_id.into()),
        flow: row.flow,
        instance: Path::from_stored(row.instance),
        step: Path::from_stored(row.step),
        text: row.text,
        by: row.role,
        until: row.until,
        at: row.at,
    });
    Ok(rows.collect())
}

pub(crate) async fn history(readers: &SqlitePool, place: &Place, flow: &str) -> Result<Vec<HistoryRow>, StoreError> {
    let rows = query_file!("queries/history_list.sql", flow).fetch_all(readers).await;
    let rows = rows.map_err(|error| place.error(error))?.into_iter().map(|row| HistoryRow {
        flow: row.flow,
        place: row.place,
        prompt: row.prompt,
        prompt_hash: row.hash,
        model: row.model,
        calls: unsigned(row.calls),
        cache_hits: unsigned(row.cache_hits),
        failures: unsigned(row.failures),
        input_tokens: unsigned(row.input_tokens),
        output_tokens: unsigned(row.output_tokens),
        latency_us: unsigned(row.latency_us),
        cost: money(row.cost_pico),
    });
    Ok(rows.collect())
}

pub(crate) async fn calls(readers: &SqlitePool, place: &Place, flow: &str, rows_max: u32) -> Result<Vec<CallSample>, StoreError> {
    let rows = query_file!("queries/calls_list.sql", flow, rows_max).fetch_all(readers).await;
    let sample = rows.map_err(|error| place.error(error))?.into_iter().map(|row| {
        let usage = UsageColumns {
            has_usage: row.has_usage,
            input: row.input_tokens,
            cache_read: row.cache_read_tokens,
            cache_write: row.cache_write_tokens,
            output: row.output_tokens,
            reasoning: row.reasoning_tokens,
        };
        CallSample {
            place: row.place,
            prompt: row.target,
            prompt_hash: row.hash,
            model: row.model,
            usage: usage.usage(),
            latency_us: unsigned(row.ended_at.saturating_sub(row.started_at)),
            cost: money(row.cost_pico.unwrap_or(0)),
            at: row.ended_at,
        }
    });
    Ok(sample.collect())
}
