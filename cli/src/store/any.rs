//! The project's store, whichever it is.

use pmflow_engine::{Gather, RunId, Time};
use pmflow_ledger::gate::Step;
use pmflow_plan::{Money, PlanId, Value};
use pmflow_store::{
    AlertDelivery, Answer, Approval, Ask, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, CachedAnswer,
    CallSample, Claim, Claimed, Committed, Created, Deployed, Deployment, Draw, Drawn, FailedItem, Gates, HistoryRow, Lease,
    NewRun, OutputCursor, OutputFilter, Process, Prunable, Prune, Pruned, Recorded, Recording, Renewal, Request, RunCommit,
    RunCursor, RunFilter, RunSummary, SpendingRow, StepCursor, Stepped, Store, StoreError, StoredOutput, StoredPlan, StoredRun,
    StoredStep, Trigger, TriggerChange, UsageRow,
};
use pmflow_store_postgres::PostgresStore;
use pmflow_store_sqlite::SqliteStore;
use std::time::Duration;

#[derive(Clone, Debug)]
pub enum AnyStore {
    Sqlite(SqliteStore),
    /// Boxed, as it is much the larger one.
    Postgres(Box<PostgresStore>),
}

impl AnyStore {
    /// Its file, or its address without a password.
    pub fn place(&self) -> &str {
        match self {
            AnyStore::Sqlite(store) => store.path(),
            AnyStore::Postgres(store) => store.address(),
        }
    }

    /// Whether it could be written to, now.
    pub async fn is_reachable(&self) -> bool {
        match self {
            AnyStore::Sqlite(store) => store.runs(&RunFilter::default(), None, 1).await.is_ok(),
            AnyStore::Postgres(store) => store.is_reachable(Duration::from_secs(2)).await,
        }
    }
}

/// Writes each method as a call of the same one of whichever store it is.
macro_rules! passed_on {
    ($($name:ident($($argument:ident: $of:ty),*) -> $answer:ty;)*) => {
        impl Store for AnyStore {
            $(
                async fn $name(&self, $($argument: $of),*) -> $answer {
                    match self {
                        AnyStore::Sqlite(store) => store.$name($($argument),*).await,
                        AnyStore::Postgres(store) => store.$name($($argument),*).await,
                    }
                }
            )*
        }
    };
}

type Stored<T> = Result<T, StoreError>;

passed_on! {
    clock() -> Stored<Time>;
    prune(what: &Prune, rows_max: u32) -> Stored<Pruned>;
    prunable(what: &Prune) -> Stored<Prunable>;
    calls(flow: &str, rows_max: u32) -> Stored<Vec<CallSample>>;
    draw(draw: Draw) -> Stored<Drawn>;
    set_budget(limit: BudgetLimit, by: &str) -> Stored<()>;
    standing_budgets() -> Stored<Vec<BudgetLimit>>;
    raise_budget(key: &BudgetKey, start: &str, limit: Money, by: &str) -> Stored<Option<BudgetAccount>>;
    budgets(rows_max: u32) -> Stored<Vec<BudgetAccount>>;
    budget_ledger(of: Option<(&BudgetKey, &str)>, after: u64, rows_max: u32) -> Stored<Vec<BudgetLine>>;
    budget_alerts(open_only: bool, rows_max: u32) -> Stored<Vec<BudgetAlert>>;
    alert_delivered(alert: i64) -> Stored<()>;
    spending(from: Time, until: Time, simulated: bool) -> Stored<Vec<SpendingRow>>;
    put_plan(plan: StoredPlan) -> Stored<()>;
    plan(id: &PlanId) -> Stored<StoredPlan>;
    create(run: NewRun) -> Stored<Created>;
    commit(batch: Vec<RunCommit>) -> Stored<Vec<Committed>>;
    claim(run: &RunId, process: &Process, gone: Option<u64>) -> Stored<Claim>;
    claim_free(process: &Process, runs_max: u32) -> Stored<Vec<Claimed>>;
    bury(lease: &Lease) -> Stored<()>;
    survived(lease: &Lease) -> Stored<()>;
    take_alerts(destinations: &[String], hold: Duration) -> Stored<Vec<AlertDelivery>>;
    settle_alert(alert: i64, destination: &str, failed: Option<(String, Duration)>) -> Stored<()>;
    deploy(deployment: Deployment) -> Stored<()>;
    undeploy(flow: &str) -> Stored<bool>;
    deployments() -> Stored<Vec<Deployed>>;
    pause_schedule(flow: &str, paused: bool) -> Stored<bool>;
    record_triggers(recording: Recording) -> Stored<Recorded>;
    triggers(flow: Option<&str>, open_only: bool, rows_max: u32) -> Stored<Vec<Trigger>>;
    change_trigger(change: TriggerChange) -> Stored<bool>;
    news(time_max: Duration) -> ();
    renew(leases: &[Lease]) -> Stored<Vec<Renewal>>;
    release(lease: &Lease) -> Stored<()>;
    recover(run: &RunId) -> Stored<StoredRun>;
    ask(run: &RunId, ask: Ask) -> Stored<Answer>;
    requests(runs: &[RunId]) -> Stored<Vec<Request>>;
    cached(key: &str, age_ms_max: u64) -> Stored<Option<CachedAnswer>>;
    gather(run: &RunId, gather: &Gather) -> Stored<Vec<Value>>;
    runs(filter: &RunFilter, after: Option<RunCursor>, rows_max: u32) -> Stored<Vec<RunSummary>>;
    run(run: &RunId) -> Stored<RunSummary>;
    steps(run: &RunId, failed_only: bool, after: Option<&StepCursor>, rows_max: u32) -> Stored<Vec<StoredStep>>;
    failed_items(run: &RunId, after: Option<&str>, rows_max: u32) -> Stored<Vec<FailedItem>>;
    outputs(filter: &OutputFilter, after: Option<&OutputCursor>, rows_max: u32) -> Stored<Vec<StoredOutput>>;
    usage(run: &RunId, after: u64, rows_max: u32) -> Stored<Vec<UsageRow>>;
    approvals(run: Option<&RunId>) -> Stored<Vec<Approval>>;
    history(flow: &str) -> Stored<Vec<HistoryRow>>;
    step_gate(name: &str, step: Step) -> Stored<Stepped>;
    gates(names: &[String]) -> Stored<Gates>;
}
