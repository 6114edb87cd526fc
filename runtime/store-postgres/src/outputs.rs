//! Stored results, page by page. A page starts where the last one ended, so the millionth costs what the first did.

use crate::faults::Place;
use crate::text::{path, read, stored};
use pmflow_engine::RunId;
use pmflow_store::tables::decode::{self, Detail};
use pmflow_store::{OutputCursor, OutputFilter, RunCursor, StoreError, StoredOutput};
use sqlx::{PgPool, query_file, query_file_as};

/// The columns of the four `outputs_*.sql` that list.
struct OutputColumns {
    execution_id: i64,
    run_id: String,
    flow: String,
    simulated: bool,
    instance: String,
    step: String,
    position: String,
    value: String,
    tags: String,
    at: i64,
}

pub(crate) async fn list(
    readers: &PgPool,
    place: &Place,
    filter: &OutputFilter,
    after: Option<&OutputCursor>,
    rows_max: u32,
) -> Result<Vec<StoredOutput>, StoreError> {
    let pages = Pages { readers, place, filter };
    let columns = match &filter.run {
        Some(run) => match pages.execution(run).await? {
            Some(execution) => pages.of_run(execution, after.map_or("", |cursor| &cursor.order), rows_max).await?,
            None => Vec::new(),
        },
        None => pages.of_runs(after, rows_max).await?,
    };
    columns.into_iter().map(|columns| stored_output(columns).map_err(|detail| place.unreadable(detail))).collect()
}

struct Pages<'p> {
    readers: &'p PgPool,
    place: &'p Place,
    filter: &'p OutputFilter,
}

impl Pages<'_> {
    /// None when the run belongs to another flow than the one asked for.
    async fn execution(&self, run: &RunId) -> Result<Option<i64>, StoreError> {
        let run_text = &*stored(&run.0);
        let read = query_file!("queries/execution_of.sql", run_text).fetch_optional(self.readers).await;
        match read.map_err(|error| self.place.error(error))? {
            Some(row) => {
                let is_asked_for = self.filter.flow.as_ref().is_none_or(|flow| *flow == row.flow);
                Ok(is_asked_for.then_some(row.execution_id))
            }
            None => Err(StoreError::NoSuchRun { run: run.to_string(), place: self.place.address.clone() }),
        }
    }

    /// The rest of the run that the last page ended in, then the runs behind it.
    async fn of_runs(&self, after: Option<&OutputCursor>, rows_max: u32) -> Result<Vec<OutputColumns>, StoreError> {
        let Some(cursor) = after else { return self.behind(0, rows_max).await };
        let mut page = self.of_run(cursor.run.0, &cursor.order, rows_max).await?;
        let rest = rows_max.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        if rest > 0 {
            page.extend(self.behind(cursor.run.0, rest).await?);
        }
        Ok(page)
    }

    async fn of_run(&self, execution: i64, position: &str, rows_max: u32) -> Result<Vec<OutputColumns>, StoreError> {
        let (from, until, position) = (self.filter.from, self.filter.until, &*stored(position));
        let page = match &self.filter.tag {
            Some(tag) => {
                query_file_as!(
                    OutputColumns,
                    "queries/outputs_tagged_of_run.sql",
                    execution,
                    position,
                    from,
                    until,
                    i64::from(rows_max),
                    stored(tag) as _
                )
                .fetch_all(self.readers)
                .await
            }
            None => {
                query_file_as!(OutputColumns, "queries/outputs_of_run.sql", execution, position, from, until, i64::from(rows_max))
                    .fetch_all(self.readers)
                    .await
            }
        };
        page.map_err(|error| self.place.error(error))
    }

    async fn behind(&self, execution: i64, rows_max: u32) -> Result<Vec<OutputColumns>, StoreError> {
        let (flow, from, until) = (self.filter.flow.as_deref(), self.filter.from, self.filter.until);
        let page = match &self.filter.tag {
            Some(tag) => {
                query_file_as!(
                    OutputColumns,
                    "queries/outputs_tagged_of_runs.sql",
                    execution,
                    flow,
                    from,
                    until,
                    i64::from(rows_max),
                    stored(tag) as _
                )
                .fetch_all(self.readers)
                .await
            }
            None => {
                query_file_as!(OutputColumns, "queries/outputs_of_runs.sql", execution, flow, from, until, i64::from(rows_max))
                    .fetch_all(self.readers)
                    .await
            }
        };
        page.map_err(|error| self.place.error(error))
    }
}

fn stored_output(columns: OutputColumns) -> Result<StoredOutput, Detail> {
    Ok(StoredOutput {
        cursor: OutputCursor { run: RunCursor(columns.execution_id), order: read(columns.position) },
        run: RunId(columns.run_id.into()),
        flow: columns.flow,
        simulated: columns.simulated,
        instance: path(columns.instance),
        step: path(columns.step),
        value: decode::kept_value(&columns.value)?,
        tags: decode::json("an output's tags", &columns.tags)?,
        at: columns.at,
    })
}
