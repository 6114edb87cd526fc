//! Writes that concern one run or plan: leases, requests, plans.

use crate::budgets::BudgetWriter;
use crate::faults::Place;
use crate::prune::Pruner;
use crate::triggers::TriggerWriter;
use crate::writer::{Outcome, Work};
use pmflow_engine::RunId;
use pmflow_store::tables::decode::{self, LeaseColumns};
use pmflow_store::tables::rows::json_text;
use pmflow_store::{Answer, Ask, Claim, Claimed, Lease, Process, Renewal, RequestId, StoreError, StoredPlan};
use sqlx::{SqliteConnection, query_file, query_file_scalar};

pub(crate) struct Single<'c> {
    pub connection: &'c mut SqliteConnection,
    pub place: &'c Place,
    pub lease_us: i64,
}

impl Single<'_> {
    pub async fn apply(&mut self, work: &Work) -> Result<Outcome, StoreError> {
        match work {
            Work::PutPlan(plan) => self.put_plan(plan).await.map(|()| Outcome::Done),
            Work::Claim { run, process, gone } => self.claim(run, process, *gone).await.map(Outcome::Claimed),
            Work::ClaimFree { process, runs_max } => self.claim_free(process, *runs_max).await.map(Outcome::ClaimedFree),
            Work::Renew(leases) => self.renew(leases).await.map(Outcome::Renewed),
            Work::Release(lease) => self.release(lease).await.map(|()| Outcome::Done),
            Work::Ask { run, ask } => self.ask(run, ask).await.map(Outcome::Asked),
            Work::Draw(draw) => self.budgets().draw(draw).await.map(Outcome::Drawn),
            Work::SetBudget { limit, by } => self.budgets().set(limit, by).await.map(|()| Outcome::Done),
            Work::RaiseBudget { key, start, limit, by } => {
                self.budgets().raise(key, start, *limit, by).await.map(Outcome::Raised)
            }
            Work::AlertDelivered(alert) => self.budgets().delivered(*alert).await.map(|()| Outcome::Done),
            Work::Bury(lease) => self.bury(lease).await.map(|()| Outcome::Done),
            Work::Survived(lease) => self.survived(lease).await.map(|()| Outcome::Done),
            Work::Prune { what, rows_max } => {
                Pruner::piece(&mut *self.connection, self.place, what, *rows_max).await.map(Outcome::Pruned)
            }
            Work::Trigger(work) => {
                let mut writer = TriggerWriter { connection: &mut *self.connection, place: self.place };
                writer.apply(work).await.map(Outcome::Trigger)
            }
            // Transitions go together with their neighbours, see `Applier`.
            Work::Create(_) | Work::Commit(_) | Work::Vacuum | Work::Close => Ok(Outcome::Done),
        }
    }

    fn budgets(&mut self) -> BudgetWriter<'_> {
        BudgetWriter { connection: &mut *self.connection, place: self.place }
    }

    async fn put_plan(&mut self, plan: &StoredPlan) -> Result<(), StoreError> {
        let (id, source_map) = (&plan.id.0, json_text(&plan.source_map));
        let put = query_file!("queries/plan_put.sql", id, plan.flow, plan.bytes, source_map);
        put.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        for (prompt, hash) in &plan.prompts {
            let put = query_file!("queries/plan_prompt_put.sql", id, prompt, hash);
            put.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        }
        let put = query_file!("queries/workflow_put.sql", plan.flow, id);
        put.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(())
    }

    async fn claim(&mut self, run: &RunId, process: &Process, gone: Option<u64>) -> Result<Claim, StoreError> {
        let run_text = &*run.0;
        let read = query_file!("queries/lease_read.sql", run_text).fetch_optional(&mut *self.connection).await;
        let row = read.map_err(|error| self.place.error(error))?.ok_or_else(|| self.no_such_run(run))?;
        let lease = LeaseColumns {
            epoch: row.lease_epoch,
            process: row.lease_process,
            host: row.lease_host,
            number: row.lease_number,
            since: row.lease_since,
            until: row.lease_until,
            now: row.now,
        };
        if let Some(holder) = lease.holder().filter(|holder| gone != Some(holder.epoch)) {
            return Ok(Claim::Held(holder));
        }
        let number = i64::from(process.number);
        let (id, host, execution) = (&process.id, &process.host, row.execution_id);
        let grant = query_file_scalar!("queries/lease_grant.sql", id, host, number, self.lease_us, execution);
        let epoch = grant.fetch_one(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(Claim::Granted(Lease { run: run.clone(), epoch: decode::unsigned(epoch) }))
    }

    async fn claim_free(&mut self, process: &Process, runs_max: u32) -> Result<Vec<Claimed>, StoreError> {
        let (id, host, number) = (&process.id, &process.host, i64::from(process.number));
        let claim = query_file!("queries/leases_claim.sql", id, host, number, self.lease_us, runs_max);
        let claimed = claim.fetch_all(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        let lease = |run: String, epoch: i64| Lease { run: RunId(run.into()), epoch: decode::unsigned(epoch) };
        let claimed = claimed.into_iter();
        let claimed =
            claimed.map(|row| Claimed { lease: lease(row.run_id, row.lease_epoch), deaths: decode::small(row.lost_count) });
        Ok(claimed.collect())
    }

    async fn bury(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let (run, epoch) = (&*lease.run.0, pmflow_store::tables::rows::count(lease.epoch));
        let bury = query_file!("queries/lease_bury.sql", run, epoch).execute(&mut *self.connection).await;
        bury.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn survived(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let (run, epoch) = (&*lease.run.0, pmflow_store::tables::rows::count(lease.epoch));
        let survived = query_file!("queries/lease_survived.sql", run, epoch).execute(&mut *self.connection).await;
        survived.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn renew(&mut self, leases: &[Lease]) -> Result<Vec<Renewal>, StoreError> {
        let mut renewals = Vec::with_capacity(leases.len());
        for lease in leases {
            let (run, epoch) = (&*lease.run.0, pmflow_store::tables::rows::count(lease.epoch));
            let renew = query_file_scalar!("queries/lease_renew.sql", self.lease_us, run, epoch);
            let until = renew.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
            renewals.push(until.map_or(Renewal::Lost, |until| Renewal::Held { until }));
        }
        Ok(renewals)
    }

    async fn release(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let (run, epoch) = (&*lease.run.0, pmflow_store::tables::rows::count(lease.epoch));
        let release = query_file!("queries/lease_release.sql", run, epoch);
        release.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn ask(&mut self, run: &RunId, ask: &Ask) -> Result<Answer, StoreError> {
        let run_text = &*run.0;
        let read = query_file!("queries/execution_of.sql", run_text).fetch_optional(&mut *self.connection).await;
        let row = read.map_err(|error| self.place.error(error))?.ok_or_else(|| self.no_such_run(run))?;
        let status = decode::run_status(&row.status).map_err(|detail| self.place.unreadable(detail))?;
        if !ask.suits(status) {
            return Ok(Answer::Ended(status));
        }
        if let Some(answer) = self.earlier_answer(row.execution_id, ask).await? {
            return Ok(answer);
        }
        let (kind, step, body) = (ask.kind(), step_of(ask), json_text(ask));
        let put = query_file_scalar!("queries/request_put.sql", row.execution_id, kind, step, body);
        let id = put.fetch_one(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(Answer::Recorded(RequestId(id)))
    }

    /// Set when the request adds nothing to what was asked, or decided, before.
    async fn earlier_answer(&mut self, execution: i64, ask: &Ask) -> Result<Option<Answer>, StoreError> {
        let (kind, step) = (ask.kind(), step_of(ask));
        if let Ask::Decide { .. } = ask {
            let read = query_file!("queries/approval_state.sql", execution, step).fetch_optional(&mut *self.connection).await;
            let Some(row) = read.map_err(|error| self.place.error(error))? else { return Ok(Some(Answer::NothingToDecide)) };
            match (row.closed_at, row.approved, row.decided_by) {
                (None, _, _) => {}
                (Some(_), Some(approved), by) => {
                    return Ok(Some(Answer::AlreadyDecided { approved, by: by.unwrap_or_default() }));
                }
                (Some(_), None, _) => return Ok(Some(Answer::NothingToDecide)),
            }
        }
        let waiting = query_file!("queries/request_waiting.sql", execution, kind, step);
        let waiting = waiting.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        let Some(row) = waiting else { return Ok(None) };
        let earlier: Ask = decode::json("a request", &row.body).map_err(|detail| self.place.unreadable(detail))?;
        Ok(ask.after(&earlier, RequestId(row.request_id)))
    }

    fn no_such_run(&self, run: &RunId) -> StoreError {
        StoreError::NoSuchRun { run: run.to_string(), place: self.place.path.clone() }
    }
}

fn step_of(ask: &Ask) -> &str {
    match ask {
        Ask::Decide { step, .. } => step.as_str(),
        Ask::Cancel { .. } | Ask::Pause { .. } | Ask::RaiseLimit { .. } => "",
    }
}
