//! Runs in PostgreSQL (14 or newer), shared by any number of processes.
//!
//! Transitions of many runs are committed together, by several connections that take turns; every commit is on the
//! server's disk before it is answered, also when the connection is cut in the middle of it. Who executes a run is settled
//! by leases on the server's clock. Requests wait for a server that is away, for as long as [`PostgresOptions::patience`].

mod apply;
mod budgets;
#[cfg(feature = "cluster")]
pub mod cluster;
mod columns;
mod deliveries;
mod details;
mod faults;
mod gates;
mod leases;
mod news;
mod open;
mod outputs;
mod patience;
mod plans;
mod prune;
mod records;
mod recover;
mod requests;
mod summaries;
mod text;
mod triggers;
mod writer;
mod writes;

pub use open::{Migrated, PostgresOptions, migrate};

use budgets::BudgetWriter;
use faults::Place;
use leases::Leases;
use news::News;
use patience::Patience;
use pmflow_engine::{Gather, GatherOf, RunId, Time};
use pmflow_ledger::gate::Step;
use pmflow_plan::{Money, PlanId, Value};
use pmflow_store::tables::group::Together;
use pmflow_store::tables::{decode, rows};
use pmflow_store::{
    AlertDelivery, Answer, Approval, Ask, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, CachedAnswer,
    CallSample, Claim, Claimed, Committed, Created, Deployed, Deployment, Draw, Drawn, FailedItem, Gates, HistoryRow, Lease,
    NewRun, OutputCursor, OutputFilter, Process, Prunable, Prune, Pruned, Recorded, Recording, Renewal, Request, RunCommit,
    RunCursor, RunFilter, RunSummary, SpendingRow, StepCursor, Stepped, Store, StoreError, StoredOutput, StoredPlan, StoredRun,
    StoredStep, Trigger, TriggerChange, UsageRow,
};
use sqlx::{PgPool, query_file, query_file_scalar};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use text::stored;
use triggers::Triggers;
use writer::{Outcome, Work, WriterHandle};

/// Read for all who ask at the same time.
type Reads<Q, A> = Arc<Together<Q, Result<A, StoreError>>>;

/// A database of runs. Clones share its connections.
#[derive(Clone)]
pub struct PostgresStore {
    writer: WriterHandle,
    pool: PgPool,
    place: Place,
    lease_us: i64,
    patience: Duration,
    answer_max: Duration,
    news: News,
    recovered: Reads<RunId, StoredRun>,
    requested: Reads<Vec<RunId>, Vec<Request>>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("address", &self.place.address).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens a database whose tables are there and fit this build. Must be called within a tokio runtime.
    pub async fn open(options: PostgresOptions) -> Result<PostgresStore, StoreError> {
        open::check(&options).await?;
        Ok(PostgresStore {
            writer: WriterHandle::start(&options),
            pool: options.pool(),
            place: options.place(),
            lease_us: options.lease_us(),
            patience: options.patience,
            answer_max: options.answer_max,
            news: News::of(&options),
            recovered: Arc::default(),
            requested: Arc::default(),
        })
    }

    /// The address without its password, as messages name it.
    pub fn address(&self) -> &str {
        &self.place.address
    }

    /// Whether the server answers, now.
    pub async fn is_reachable(&self, time_max: Duration) -> bool {
        let asked = sqlx::query("SELECT 1").execute(&self.pool);
        matches!(tokio::time::timeout(time_max, asked).await, Ok(Ok(_)))
    }

    /// Waits for a server that is away; `once` may be done again.
    async fn patiently<T, F>(&self, once: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut patience = Patience::of(self.patience);
        loop {
            match once().await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    fn leases(&self) -> Leases<'_> {
        Leases { pool: &self.pool, place: &self.place, lease_us: self.lease_us }
    }

    fn triggers_of(&self) -> Triggers<'_> {
        Triggers { pool: &self.pool, place: &self.place }
    }

    async fn recover_all(&self, runs: Vec<RunId>) -> Vec<Result<StoredRun, StoreError>> {
        let read = async {
            let snapshot = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
            let mut snapshot = snapshot.map_err(|error| self.place.error(error))?;
            let recovered = recover::runs(&mut snapshot, &self.place, &runs).await?;
            self.done(snapshot).await?;
            Ok(recovered)
        };
        each(&runs, self.in_time(read).await, |recovered, run| match recovered.get(run) {
            Some(recovered) => recovered.clone(),
            None => Err(self.place.no_such_run(run)),
        })
    }

    /// Others wait for the answer as well: a connection that has fallen silent does not hold them up.
    async fn in_time<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        tokio::time::timeout(self.answer_max, read).await.unwrap_or_else(|_| Err(self.place.slow(self.answer_max)))
    }

    async fn requests_of_all(&self, questions: Vec<Vec<RunId>>) -> Vec<Result<Vec<Request>, StoreError>> {
        let runs: Vec<RunId> = questions.iter().flatten().cloned().collect();
        let read = self.in_time(requests::waiting(&self.pool, &self.place, &runs)).await;
        each(&questions, read, |requests, runs| {
            let runs: BTreeSet<&RunId> = runs.iter().collect();
            requests.iter().filter(|(run, _)| runs.contains(run)).map(|(_, request)| request.clone()).collect()
        })
    }

    async fn cached_once(&self, key: &str, age_ms_max: u64) -> Result<Option<CachedAnswer>, StoreError> {
        let age_us_max = rows::count(age_ms_max.saturating_mul(1000));
        let row = query_file!("queries/cache_get.sql", stored(key) as _, age_us_max).fetch_optional(&self.pool).await;
        let Some(row) = row.map_err(|error| self.place.error(error))? else { return Ok(None) };
        let value = decode::value(&row.value).map_err(|detail| self.place.unreadable(detail))?;
        Ok(Some(CachedAnswer { value, at: row.at }))
    }

    async fn gather_once(&self, run: &RunId, gather: &Gather) -> Result<Vec<Value>, StoreError> {
        let run = stored(&run.0);
        let texts = match &gather.of {
            GatherOf::Yields => {
                let (step, instance) = (stored(gather.step.as_str()), stored(gather.instance.as_str()));
                query_file_scalar!("queries/gather_yields.sql", &*run, &*step, &*instance).fetch_all(&self.pool).await
            }
            GatherOf::Outputs { owner } => {
                let owner = stored(owner.as_str());
                query_file_scalar!("queries/gather_outputs.sql", &*run, &*owner).fetch_all(&self.pool).await
            }
        };
        let texts = texts.map_err(|error| self.place.error(error))?;
        texts.iter().map(|text| decode::value(text).map_err(|detail| self.place.unreadable(detail))).collect()
    }

    /// Most runs share no budget: they cost one read, and no transaction.
    async fn draw_once(&self, draw: &Draw) -> Result<Drawn, StoreError> {
        if let Some(drawn) = budgets::free(&self.pool, &self.place, draw).await? {
            return Ok(drawn);
        }
        self.writer.draws(&draw.lease.run);
        let mut writing = self.begin().await?;
        let drawn = self.writing(&mut writing).draw(draw).await?;
        self.done(writing).await?;
        Ok(drawn)
    }

    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, StoreError> {
        self.pool.begin().await.map_err(|error| self.place.error(error))
    }

    async fn done(&self, transaction: sqlx::Transaction<'static, sqlx::Postgres>) -> Result<(), StoreError> {
        transaction.commit().await.map_err(|error| self.place.error(error))
    }

    async fn acquired(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, StoreError> {
        self.pool.acquire().await.map_err(|error| self.place.error(error))
    }

    fn writing<'s>(&'s self, connection: &'s mut sqlx::PgConnection) -> BudgetWriter<'s> {
        BudgetWriter { connection, place: &self.place }
    }

    fn mismatched(&self) -> StoreError {
        StoreError::Other { place: self.place.address.clone(), detail: "the writer answered another question".to_owned() }
    }
}

/// Gives each question its part of what was read for all of them.
fn each<Q, T, A>(
    questions: &[Q],
    read: Result<T, StoreError>,
    part: impl Fn(&T, &Q) -> Result<A, StoreError>,
) -> Vec<Result<A, StoreError>> {
    match read {
        Ok(read) => questions.iter().map(|question| part(&read, question)).collect(),
        Err(error) => questions.iter().map(|_| Err(error.clone())).collect(),
    }
}

impl Store for PostgresStore {
    async fn step_gate(&self, name: &str, step: Step) -> Result<Stepped, StoreError> {
        self.patiently(|| gates::step(&self.pool, &self.place, name, &step)).await
    }

    async fn gates(&self, names: &[String]) -> Result<Gates, StoreError> {
        gates::read(&self.pool, &self.place, names).await
    }

    async fn prune(&self, what: &Prune, rows_max: u32) -> Result<Pruned, StoreError> {
        self.patiently(|| prune::piece(&self.pool, &self.place, what, rows_max)).await
    }

    async fn prunable(&self, what: &Prune) -> Result<Prunable, StoreError> {
        let cutoffs = what.cutoffs(self.clock().await?);
        self.patiently(|| prune::count(&self.pool, &self.place, what, cutoffs)).await
    }

    async fn clock(&self) -> Result<Time, StoreError> {
        self.patiently(|| async { self.writing(&mut *self.acquired().await?).now().await }).await
    }

    async fn draw(&self, draw: Draw) -> Result<Drawn, StoreError> {
        self.patiently(|| self.draw_once(&draw)).await
    }

    async fn set_budget(&self, limit: BudgetLimit, by: &str) -> Result<(), StoreError> {
        let once = || async {
            let mut writing = self.begin().await?;
            self.writing(&mut writing).set(&limit, by).await?;
            self.done(writing).await
        };
        self.patiently(once).await
    }

    async fn standing_budgets(&self) -> Result<Vec<BudgetLimit>, StoreError> {
        self.patiently(|| async { budgets::standing(&mut *self.acquired().await?, &self.place).await }).await
    }

    async fn raise_budget(
        &self,
        key: &BudgetKey,
        start: &str,
        limit: Money,
        by: &str,
    ) -> Result<Option<BudgetAccount>, StoreError> {
        let once = || async {
            let mut writing = self.begin().await?;
            let raised = self.writing(&mut writing).raise(key, start, limit, by).await?;
            self.done(writing).await?;
            Ok(raised)
        };
        self.patiently(once).await
    }

    async fn budgets(&self, rows_max: u32) -> Result<Vec<BudgetAccount>, StoreError> {
        self.patiently(|| budgets::accounts(&self.pool, &self.place, rows_max)).await
    }

    async fn budget_ledger(
        &self,
        of: Option<(&BudgetKey, &str)>,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<BudgetLine>, StoreError> {
        self.patiently(|| budgets::lines(&self.pool, &self.place, of, after, rows_max)).await
    }

    async fn budget_alerts(&self, open_only: bool, rows_max: u32) -> Result<Vec<BudgetAlert>, StoreError> {
        self.patiently(|| budgets::alerts(&self.pool, &self.place, open_only, rows_max)).await
    }

    async fn alert_delivered(&self, alert: i64) -> Result<(), StoreError> {
        self.patiently(|| async { self.writing(&mut *self.acquired().await?).delivered(alert).await }).await
    }

    async fn take_alerts(&self, destinations: &[String], hold: Duration) -> Result<Vec<AlertDelivery>, StoreError> {
        self.patiently(|| deliveries::take(&self.pool, &self.place, destinations, hold)).await
    }

    async fn settle_alert(&self, alert: i64, destination: &str, failed: Option<(String, Duration)>) -> Result<(), StoreError> {
        self.patiently(|| deliveries::settle(&self.pool, &self.place, alert, destination, failed.as_ref())).await
    }

    async fn deploy(&self, deployment: Deployment) -> Result<(), StoreError> {
        self.patiently(|| async { self.triggers_of().deploy(&deployment).await }).await
    }

    async fn undeploy(&self, flow: &str) -> Result<bool, StoreError> {
        self.patiently(|| async { self.triggers_of().undeploy(flow).await }).await
    }

    async fn deployments(&self) -> Result<Vec<Deployed>, StoreError> {
        self.patiently(|| async { self.triggers_of().deployments().await }).await
    }

    async fn pause_schedule(&self, flow: &str, paused: bool) -> Result<bool, StoreError> {
        self.patiently(|| async { self.triggers_of().pause(flow, paused).await }).await
    }

    async fn record_triggers(&self, recording: Recording) -> Result<Recorded, StoreError> {
        self.patiently(|| async { self.triggers_of().record(&recording).await }).await
    }

    async fn triggers(&self, flow: Option<&str>, open_only: bool, rows_max: u32) -> Result<Vec<Trigger>, StoreError> {
        self.patiently(|| async { self.triggers_of().list(flow, open_only, rows_max).await }).await
    }

    async fn change_trigger(&self, change: TriggerChange) -> Result<bool, StoreError> {
        self.patiently(|| async { self.triggers_of().change(&change).await }).await
    }

    async fn spending(&self, from: Time, until: Time, simulated: bool) -> Result<Vec<SpendingRow>, StoreError> {
        self.patiently(|| budgets::spending(&self.pool, &self.place, from, until, simulated)).await
    }

    async fn put_plan(&self, plan: StoredPlan) -> Result<(), StoreError> {
        self.patiently(|| plans::put(&self.pool, &self.place, &plan)).await
    }

    async fn plan(&self, id: &PlanId) -> Result<StoredPlan, StoreError> {
        self.patiently(|| plans::get(&self.pool, &self.place, id)).await
    }

    async fn create(&self, run: NewRun) -> Result<Created, StoreError> {
        run.check()?;
        match self.writer.write(Work::Create(run)).await? {
            Outcome::Created(created) => Ok(created),
            Outcome::Committed(_) => Err(self.mismatched()),
        }
    }

    async fn commit(&self, batch: Vec<RunCommit>) -> Result<Vec<Committed>, StoreError> {
        match self.writer.write(Work::Commit(batch)).await? {
            Outcome::Committed(committed) => Ok(committed),
            Outcome::Created(_) => Err(self.mismatched()),
        }
    }

    async fn claim(&self, run: &RunId, process: &Process, gone: Option<u64>) -> Result<Claim, StoreError> {
        self.patiently(|| async { self.leases().claim(run, process, gone).await }).await
    }

    async fn claim_free(&self, process: &Process, runs_max: u32) -> Result<Vec<Claimed>, StoreError> {
        self.patiently(|| async { self.leases().claim_free(process, runs_max).await }).await
    }

    async fn bury(&self, lease: &Lease) -> Result<(), StoreError> {
        self.patiently(|| async { self.leases().bury(lease).await }).await
    }

    async fn survived(&self, lease: &Lease) -> Result<(), StoreError> {
        self.patiently(|| async { self.leases().survived(lease).await }).await
    }

    async fn news(&self, time_max: Duration) {
        self.news.wait(time_max).await;
    }

    async fn renew(&self, leases: &[Lease]) -> Result<Vec<Renewal>, StoreError> {
        self.patiently(|| async { self.leases().renew(leases).await }).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.patiently(|| async { self.leases().release(lease).await }).await
    }

    async fn recover(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        self.patiently(|| self.recovered.ask(run.clone(), |runs| self.recover_all(runs))).await
    }

    async fn ask(&self, run: &RunId, ask: Ask) -> Result<Answer, StoreError> {
        self.patiently(|| requests::ask(&self.pool, &self.place, run, &ask)).await
    }

    async fn requests(&self, runs: &[RunId]) -> Result<Vec<Request>, StoreError> {
        self.patiently(|| self.requested.ask(runs.to_vec(), |questions| self.requests_of_all(questions))).await
    }

    async fn cached(&self, key: &str, age_ms_max: u64) -> Result<Option<CachedAnswer>, StoreError> {
        self.patiently(|| self.cached_once(key, age_ms_max)).await
    }

    async fn gather(&self, run: &RunId, gather: &Gather) -> Result<Vec<Value>, StoreError> {
        self.patiently(|| self.gather_once(run, gather)).await
    }

    async fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, rows_max: u32) -> Result<Vec<RunSummary>, StoreError> {
        self.patiently(|| summaries::list(&self.pool, &self.place, filter, after, rows_max)).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, StoreError> {
        self.patiently(|| summaries::one(&self.pool, &self.place, run)).await
    }

    async fn steps(
        &self,
        run: &RunId,
        failed_only: bool,
        after: Option<&StepCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredStep>, StoreError> {
        self.patiently(|| details::steps(&self.pool, &self.place, run, failed_only, after, rows_max)).await
    }

    async fn failed_items(&self, run: &RunId, after: Option<&str>, rows_max: u32) -> Result<Vec<FailedItem>, StoreError> {
        self.patiently(|| details::failed_items(&self.pool, &self.place, run, after, rows_max)).await
    }

    async fn outputs(
        &self,
        filter: &OutputFilter,
        after: Option<&OutputCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredOutput>, StoreError> {
        self.patiently(|| outputs::list(&self.pool, &self.place, filter, after, rows_max)).await
    }

    async fn usage(&self, run: &RunId, after: u64, rows_max: u32) -> Result<Vec<UsageRow>, StoreError> {
        self.patiently(|| details::usage(&self.pool, &self.place, run, after, rows_max)).await
    }

    async fn approvals(&self, run: Option<&RunId>) -> Result<Vec<Approval>, StoreError> {
        self.patiently(|| details::approvals(&self.pool, &self.place, run)).await
    }

    async fn history(&self, flow: &str) -> Result<Vec<HistoryRow>, StoreError> {
        self.patiently(|| details::history(&self.pool, &self.place, flow)).await
    }

    async fn calls(&self, flow: &str, rows_max: u32) -> Result<Vec<CallSample>, StoreError> {
        self.patiently(|| details::calls(&self.pool, &self.place, flow, rows_max)).await
    }
}
