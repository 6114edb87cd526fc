//! What people ask of runs.

use crate::columns::texts;
use crate::faults::Place;
use crate::text::{path, stored};
use pmflow_engine::RunId;
use pmflow_store::tables::decode;
use pmflow_store::tables::rows::json_text;
use pmflow_store::{Answer, Ask, Request, RequestId, StoreError};
use sqlx::{PgConnection, PgPool, query_file, query_file_scalar};

/// What is asked of a run, if it can be read.
pub(crate) type Found = (RunId, Result<Request, StoreError>);

pub(crate) async fn waiting(pool: &PgPool, place: &Place, runs: &[RunId]) -> Result<Vec<Found>, StoreError> {
    let read = query_file!("queries/requests_waiting.sql", texts(runs, |run| &run.0) as _).fetch_all(pool).await;
    let mut requests = Vec::new();
    for row in read.map_err(|error| place.error(error))? {
        let run = RunId(row.run_id.into());
        let ask = decode::json("a request", &row.body).map_err(|detail| place.unreadable(detail));
        let (id, instance) = (RequestId(row.request_id), row.instance.map(path));
        let request = ask.map(|ask| Request { id, run: run.clone(), ask, instance, at: row.at });
        requests.push((run, request));
    }
    Ok(requests)
}

pub(crate) async fn ask(pool: &PgPool, place: &Place, run: &RunId, ask: &Ask) -> Result<Answer, StoreError> {
    let mut transaction = pool.begin().await.map_err(|error| place.error(error))?;
    let answer = Asking { connection: &mut transaction, place }.ask(run, ask).await?;
    transaction.commit().await.map_err(|error| place.error(error))?;
    Ok(answer)
}

struct Asking<'c> {
    connection: &'c mut PgConnection,
    place: &'c Place,
}

impl Asking<'_> {
    async fn ask(&mut self, run: &RunId, ask: &Ask) -> Result<Answer, StoreError> {
        // Locks the run's row: who asks at the same time, or ends the run, comes before or after.
        let read = query_file!("queries/execution_locked.sql", stored(&run.0) as _).fetch_optional(&mut *self.connection).await;
        let row = read.map_err(|error| self.place.error(error))?.ok_or_else(|| self.place.no_such_run(run))?;
        let status = decode::run_status(&row.status).map_err(|detail| self.place.unreadable(detail))?;
        if !ask.suits(status) {
            return Ok(Answer::Ended(status));
        }
        if let Some(answer) = self.earlier_answer(row.execution_id, ask).await? {
            return Ok(answer);
        }
        let put = query_file_scalar!(
            "queries/request_put.sql",
            row.execution_id,
            ask.kind(),
            stored(step_of(ask)) as _,
            json_text(ask)
        );
        let id = put.fetch_one(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(Answer::Recorded(RequestId(id)))
    }

    /// Set when the request adds nothing to what was asked, or decided, before.
    async fn earlier_answer(&mut self, execution: i64, ask: &Ask) -> Result<Option<Answer>, StoreError> {
        let step = stored(step_of(ask));
        if let Ask::Decide { .. } = ask {
            let read = query_file!("queries/approval_state.sql", execution, &*step).fetch_optional(&mut *self.connection).await;
            let Some(row) = read.map_err(|error| self.place.error(error))? else { return Ok(Some(Answer::NothingToDecide)) };
            match (row.closed_at, row.approved, row.decided_by) {
                (None, _, _) => {}
                (Some(_), Some(approved), by) => {
                    return Ok(Some(Answer::AlreadyDecided { approved, by: crate::text::read(by.unwrap_or_default()) }));
                }
                (Some(_), None, _) => return Ok(Some(Answer::NothingToDecide)),
            }
        }
        let waiting = query_file!("queries/request_waiting.sql", execution, ask.kind(), &*step);
        let waiting = waiting.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        let Some(row) = waiting else { return Ok(None) };
        let earlier: Ask = decode::json("a request", &row.body).map_err(|detail| self.place.unreadable(detail))?;
        Ok(ask.after(&earlier, RequestId(row.request_id)))
    }
}

fn step_of(ask: &Ask) -> &str {
    match ask {
        Ask::Decide { step, .. } => step.as_str(),
        Ask::Cancel { .. } | Ask::Pause { .. } | Ask::RaiseLimit { .. } => "",
    }
}
