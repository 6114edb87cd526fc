//! Runs in one SQLite file: what `pmflow run` uses unless it is told otherwise. Needs no server and no setup.
//!
//! One connection writes, and commits many runs together; others read beside it (write-ahead log). Every commit is on the
//! disk before it is answered. Any number of processes may use the file at once: who executes a run is settled by leases
//! on the clock of the machine that the file is on.

mod apply;
mod budgets;
mod connection;
mod details;
mod faults;
mod open;
mod outputs;
mod prune;
mod recover;
mod single;
mod summaries;
mod triggers;
mod writer;

pub use open::SqliteOptions;

use faults::Place;
use pmflow_engine::{Gather, GatherOf, RunId, Time};
use pmflow_ledger::gate::Step;
use pmflow_plan::{Money, PlanId, Value};
use pmflow_store::tables::{decode, rows};
use pmflow_store::{
    AlertDelivery, Answer, Approval, Ask, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, CachedAnswer,
    CallSample, Claim, Claimed, Committed, Created, Deployed, Deployment, Draw, Drawn, FailedItem, Gates, HistoryRow, Lease,
    LocalGates, NewRun, OutputCursor, OutputFilter, Process, Prunable, Prune, Pruned, Recorded, Recording, Renewal, Request,
    RequestId, RunCommit, RunCursor, RunFilter, RunSummary, SpendingRow, StepCursor, Stepped, Store, StoreError, StoredOutput,
    StoredPlan, StoredRun, StoredStep, Trigger, TriggerChange, UsageRow,
};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, query_file, query_file_scalar};
use std::collections::BTreeMap;
use std::time::Duration;
use triggers::{TriggerDone, TriggerWork};
use writer::{Outcome, Work, WriterHandle};

/// An open database. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct SqliteStore {
    writer: WriterHandle,
    readers: SqlitePool,
    place: Place,
    gates: LocalGates,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.place.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, and makes its folder and the file itself where they are missing. Must be called within a tokio
    /// runtime, which the store's writer runs on.
    pub async fn open(options: SqliteOptions) -> Result<SqliteStore, StoreError> {
        open::prepare_folder(&options)?;
        let connection = open::connect_and_migrate(&options).await?;
        let place = options.place();
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers_max.max(1))
            .acquire_timeout(options.busy_timeout)
            .connect_lazy_with(options.reader());
        Ok(SqliteStore { writer: WriterHandle::start(options, connection), readers, place, gates: LocalGates::default() })
    }

    /// The file, as messages name it.
    pub fn path(&self) -> &str {
        &self.place.path
    }

    /// Waits until what was asked for is done and closes the file. Clones cannot be used any more.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Bytes of the file that nothing takes up.
    pub async fn free_bytes(&self) -> Result<u64, StoreError> {
        let statement = "SELECT (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)";
        let free: i64 = sqlx::query_scalar(statement).fetch_one(&self.readers).await.map_err(|error| self.place.error(error))?;
        Ok(decode::unsigned(free))
    }

    /// Rewrites the file without what nothing takes up. Needs as much room again on the disk meanwhile, and others wait.
    pub async fn vacuum(&self) -> Result<(), StoreError> {
        self.writer.write(Work::Vacuum).await.map(|_| ())
    }

    async fn trigger(&self, work: TriggerWork) -> Result<TriggerDone, StoreError> {
        match self.writer.write(Work::Trigger(work)).await? {
            Outcome::Trigger(done) => Ok(done),
            _ => Err(self.mismatched()),
        }
    }

    async fn changed(&self, work: TriggerWork) -> Result<bool, StoreError> {
        match self.trigger(work).await? {
            TriggerDone::Changed(changed) => Ok(changed),
            _ => Err(self.mismatched()),
        }
    }

    fn mismatched(&self) -> StoreError {
        StoreError::Other { place: self.place.path.clone(), detail: "the writer answered another question".to_owned() }
    }
}

impl Store for SqliteStore {
    async fn step_gate(&self, name: &str, step: Step) -> Result<Stepped, StoreError> {
        Ok(self.gates.step(name, &step, self.clock().await?))
    }

    async fn gates(&self, names: &[String]) -> Result<Gates, StoreError> {
        Ok(self.gates.read(names, self.clock().await?))
    }

    async fn prune(&self, what: &Prune, rows_max: u32) -> Result<Pruned, StoreError> {
        match self.writer.write(Work::Prune { what: what.clone(), rows_max }).await? {
            Outcome::Pruned(pruned) => Ok(pruned),
            _ => Err(self.mismatched()),
        }
    }

    async fn prunable(&self, what: &Prune) -> Result<Prunable, StoreError> {
        prune::count(&self.readers, &self.place, what, what.cutoffs(self.clock().await?)).await
    }

    async fn clock(&self) -> Result<Time, StoreError> {
        let now = query_file_scalar!("queries/budget_now.sql").fetch_one(&self.readers).await;
        now.map_err(|error| self.place.error(error))
    }

    async fn put_plan(&self, plan: StoredPlan) -> Result<(), StoreError> {
        self.writer.write(Work::PutPlan(plan)).await.map(|_| ())
    }

    async fn plan(&self, id: &PlanId) -> Result<StoredPlan, StoreError> {
        let row = query_file!("queries/plan_get.sql", id.0).fetch_optional(&self.readers).await;
        let Some(row) = row.map_err(|error| self.place.error(error))? else {
            return Err(StoreError::NoSuchPlan { plan: id.0.clone(), place: self.place.path.clone() });
        };
        let prompts = query_file!("queries/plan_prompts_get.sql", id.0).fetch_all(&self.readers).await;
        let prompts: BTreeMap<String, String> =
            prompts.map_err(|error| self.place.error(error))?.into_iter().map(|row| (row.prompt, row.hash)).collect();
        let source_map = decode::json("a source map", &row.source_map).map_err(|detail| self.place.unreadable(detail))?;
        Ok(StoredPlan { id: id.clone(), flow: row.flow, bytes: row.bytes, source_map, prompts })
    }

    async fn create(&self, run: NewRun) -> Result<Created, StoreError> {
        run.check()?;
        match self.writer.write(Work::Create(run)).await? {
            Outcome::Created(created) => Ok(created),
            _ => Err(self.mismatched()),
        }
    }

    async fn commit(&self, batch: Vec<RunCommit>) -> Result<Vec<Committed>, StoreError> {
        match self.writer.write(Work::Commit(batch)).await? {
            Outcome::Committed(committed) => Ok(committed),
            _ => Err(self.mismatched()),
        }
    }

    async fn claim(&self, run: &RunId, process: &Process, gone: Option<u64>) -> Result<Claim, StoreError> {
        match self.writer.write(Work::Claim { run: run.clone(), process: process.clone(), gone }).await? {
            Outcome::Claimed(claim) => Ok(claim),
            _ => Err(self.mismatched()),
        }
    }

    async fn claim_free(&self, process: &Process, runs_max: u32) -> Result<Vec<Claimed>, StoreError> {
        match self.writer.write(Work::ClaimFree { process: process.clone(), runs_max }).await? {
            Outcome::ClaimedFree(leases) => Ok(leases),
            _ => Err(self.mismatched()),
        }
    }

    async fn bury(&self, lease: &Lease) -> Result<(), StoreError> {
        self.writer.write(Work::Bury(lease.clone())).await.map(|_| ())
    }

    async fn survived(&self, lease: &Lease) -> Result<(), StoreError> {
        self.writer.write(Work::Survived(lease.clone())).await.map(|_| ())
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Renewal>, StoreError> {
        match self.writer.write(Work::Renew(leases.to_vec())).await? {
            Outcome::Renewed(renewals) => Ok(renewals),
            _ => Err(self.mismatched()),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.writer.write(Work::Release(lease.clone())).await.map(|_| ())
    }

    async fn recover(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        let mut snapshot = self.readers.begin().await.map_err(|error| self.place.error(error))?;
        recover::run(&mut snapshot, &self.place, run).await
    }

    async fn ask(&self, run: &RunId, ask: Ask) -> Result<Answer, StoreError> {
        match self.writer.write(Work::Ask { run: run.clone(), ask }).await? {
            Outcome::Asked(answer) => Ok(answer),
            _ => Err(self.mismatched()),
        }
    }

    async fn requests(&self, runs: &[RunId]) -> Result<Vec<Request>, StoreError> {
        let given = rows::json_text(runs);
        let rows = query_file!("queries/requests_waiting.sql", given).fetch_all(&self.readers).await;
        let mut requests = Vec::new();
        for row in rows.map_err(|error| self.place.error(error))? {
            requests.push(Request {
                id: RequestId(row.request_id),
                run: RunId(row.run_id.into()),
                ask: decode::json("a request", &row.body).map_err(|detail| self.place.unreadable(detail))?,
                instance: row.instance.map(pmflow_engine::Path::from_stored),
                at: row.at,
            });
        }
        Ok(requests)
    }

    async fn cached(&self, key: &str, age_ms_max: u64) -> Result<Option<CachedAnswer>, StoreError> {
        let age_us_max = rows::count(age_ms_max.saturating_mul(1000));
        let row = query_file!("queries/cache_get.sql", key, age_us_max).fetch_optional(&self.readers).await;
        let Some(row) = row.map_err(|error| self.place.error(error))? else { return Ok(None) };
        let value = decode::value(&row.value).map_err(|detail| self.place.unreadable(detail))?;
        Ok(Some(CachedAnswer { value, at: row.at }))
    }

    async fn gather(&self, run: &RunId, gather: &Gather) -> Result<Vec<Value>, StoreError> {
        let run_text = &*run.0;
        let texts = match &gather.of {
            GatherOf::Yields => {
                let (step, instance) = (gather.step.as_str(), gather.instance.as_str());
                query_file_scalar!("queries/gather_yields.sql", run_text, step, instance).fetch_all(&self.readers).await
            }
            GatherOf::Outputs { owner } => {
                let owner = owner.as_str();
                query_file_scalar!("queries/gather_outputs.sql", run_text, owner).fetch_all(&self.readers).await
            }
        };
        let texts = texts.map_err(|error| self.place.error(error))?;
        texts.iter().map(|text| decode::value(text).map_err(|detail| self.place.unreadable(detail))).collect()
    }

    async fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, rows_max: u32) -> Result<Vec<RunSummary>, StoreError> {
        summaries::list(&self.readers, &self.place, filter, after, rows_max).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, StoreError> {
        summaries::one(&self.readers, &self.place, run).await
    }

    async fn steps(
        &self,
        run: &RunId,
        failed_only: bool,
        after: Option<&StepCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredStep>, StoreError> {
        details::steps(&self.readers, &self.place, run, failed_only, after, rows_max).await
    }

    async fn failed_items(&self, run: &RunId, after: Option<&str>, rows_max: u32) -> Result<Vec<FailedItem>, StoreError> {
        details::failed_items(&self.readers, &self.place, run, after, rows_max).await
    }

    async fn outputs(
        &self,
        filter: &OutputFilter,
        after: Option<&OutputCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredOutput>, StoreError> {
        outputs::list(&self.readers, &self.place, filter, after, rows_max).await
    }

    async fn usage(&self, run: &RunId, after: u64, rows_max: u32) -> Result<Vec<UsageRow>, StoreError> {
        details::usage(&self.readers, &self.place, run, after, rows_max).await
    }

    async fn approvals(&self, run: Option<&RunId>) -> Result<Vec<Approval>, StoreError> {
        details::approvals(&self.readers, &self.place, run).await
    }

    async fn history(&self, flow: &str) -> Result<Vec<HistoryRow>, StoreError> {
        details::history(&self.readers, &self.place, flow).await
    }

    async fn calls(&self, flow: &str, rows_max: u32) -> Result<Vec<CallSample>, StoreError> {
        details::calls(&self.readers, &self.place, flow, rows_max).await
    }

    async fn draw(&self, draw: Draw) -> Result<Drawn, StoreError> {
        match self.writer.write(Work::Draw(draw)).await? {
            Outcome::Drawn(drawn) => Ok(drawn),
            _ => Err(self.mismatched()),
        }
    }

    async fn set_budget(&self, limit: BudgetLimit, by: &str) -> Result<(), StoreError> {
        self.writer.write(Work::SetBudget { limit, by: by.to_owned() }).await.map(|_| ())
    }

    async fn standing_budgets(&self) -> Result<Vec<BudgetLimit>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(|error| self.place.error(error))?;
        budgets::standing(&mut reader, &self.place).await
    }

    async fn raise_budget(
        &self,
        key: &BudgetKey,
        start: &str,
        limit: Money,
        by: &str,
    ) -> Result<Option<BudgetAccount>, StoreError> {
        let (key, start, by) = (key.clone(), start.to_owned(), by.to_owned());
        match self.writer.write(Work::RaiseBudget { key, start, limit, by }).await? {
            Outcome::Raised(account) => Ok(account),
            _ => Err(self.mismatched()),
        }
    }

    async fn budgets(&self, rows_max: u32) -> Result<Vec<BudgetAccount>, StoreError> {
        budgets::accounts(&self.readers, &self.place, rows_max).await
    }

    async fn budget_ledger(
        &self,
        of: Option<(&BudgetKey, &str)>,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<BudgetLine>, StoreError> {
        budgets::lines(&self.readers, &self.place, of, after, rows_max).await
    }

    async fn budget_alerts(&self, open_only: bool, rows_max: u32) -> Result<Vec<BudgetAlert>, StoreError> {
        budgets::alerts(&self.readers, &self.place, open_only, rows_max).await
    }

    async fn alert_delivered(&self, alert: i64) -> Result<(), StoreError> {
        self.writer.write(Work::AlertDelivered(alert)).await.map(|_| ())
    }

    async fn take_alerts(&self, destinations: &[String], hold: Duration) -> Result<Vec<AlertDelivery>, StoreError> {
        match self.trigger(TriggerWork::TakeAlerts { destinations: destinations.to_vec(), hold }).await? {
            TriggerDone::Taken(taken) => Ok(taken),
            _ => Err(self.mismatched()),
        }
    }

    async fn settle_alert(&self, alert: i64, destination: &str, failed: Option<(String, Duration)>) -> Result<(), StoreError> {
        self.trigger(TriggerWork::SettleAlert { alert, destination: destination.to_owned(), failed }).await.map(|_| ())
    }

    async fn deploy(&self, deployment: Deployment) -> Result<(), StoreError> {
        self.trigger(TriggerWork::Deploy(deployment)).await.map(|_| ())
    }

    async fn undeploy(&self, flow: &str) -> Result<bool, StoreError> {
        self.changed(TriggerWork::Undeploy(flow.to_owned())).await
    }

    async fn deployments(&self) -> Result<Vec<Deployed>, StoreError> {
        match self.trigger(TriggerWork::Deployments).await? {
            TriggerDone::Deployments(deployments) => Ok(deployments),
            _ => Err(self.mismatched()),
        }
    }

    async fn pause_schedule(&self, flow: &str, paused: bool) -> Result<bool, StoreError> {
        self.changed(TriggerWork::Pause { flow: flow.to_owned(), paused }).await
    }

    async fn record_triggers(&self, recording: Recording) -> Result<Recorded, StoreError> {
        match self.trigger(TriggerWork::Record(recording)).await? {
            TriggerDone::Recorded(recorded) => Ok(recorded),
            _ => Err(self.mismatched()),
        }
    }

    async fn triggers(&self, flow: Option<&str>, open_only: bool, rows_max: u32) -> Result<Vec<Trigger>, StoreError> {
        triggers::list(&self.readers, &self.place, flow, open_only, rows_max).await
    }

    async fn change_trigger(&self, change: TriggerChange) -> Result<bool, StoreError> {
        self.changed(TriggerWork::Change(change)).await
    }

    async fn spending(&self, from: Time, until: Time, simulated: bool) -> Result<Vec<SpendingRow>, StoreError> {
        budgets::spending(&self.readers, &self.place, from, until, simulated).await
    }
}
