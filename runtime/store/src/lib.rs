//! Where runs live. The trait speaks of runs, not of tables; every database passes the same [`conformance`] suite.
//!
//! A store is the only memory of the runtime: any process may die between any two lines. What a method has answered
//! with `Ok` is durable. A caller that drops a writing future before its answer does not know whether it was recorded.

pub mod budget;
mod commit;
pub mod conformance;
mod error;
mod gate;
mod lease;
mod memory;
mod prune;
mod reading;
mod request;
pub mod tables;
mod trigger;

pub use budget::{
    AlertDelivery, BREACH, Breach, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, Draw, Drawn, Refusal, Scope,
    Spender, SpendingRow,
};
pub use commit::{Committed, Conflict, Created, NewRun, RunCommit, StoredPlan};
pub use error::{Remedy, StoreError};
pub use gate::{Gates, LocalGates, Stepped};
pub use lease::{Claim, Claimed, Holder, LEASE, Lease, Process, RENEW_EVERY, Renewal};
pub use memory::MemoryStore;
pub use prune::{Cutoffs, Kept, LEDGER_KEPT, Prunable, Prune, Pruned};
pub use reading::{
    Approval, CachedAnswer, CallSample, FailedItem, HistoryRow, OutputCursor, OutputFilter, RunCursor, RunFilter, RunSummary,
    StepCursor, StoredOutput, StoredRun, StoredStep, UsageRow,
};
pub use request::{Answer, Ask, Request, RequestId};
pub use trigger::{Batch, Deployed, Deployment, Recorded, Recording, Trigger, TriggerChange, TriggerKind, TriggerState};

use pmflow_engine::{Gather, RunId, Time};
use pmflow_ledger::gate::Step;
use pmflow_plan::{Money, PlanId, Value};
use std::future::Future;
use std::time::Duration;

/// A database of runs. Cheap to share behind an `Arc`; every method may be called by many tasks at once.
pub trait Store: Send + Sync + 'static {
    /// The database's clock, by which leases, schedules and budgets go.
    fn clock(&self) -> impl Future<Output = Result<Time, StoreError>> + Send;

    /// Keeps a plan. Storing the same plan again changes nothing but what `workflows` calls current.
    fn put_plan(&self, plan: StoredPlan) -> impl Future<Output = Result<(), StoreError>> + Send;

    fn plan(&self, id: &PlanId) -> impl Future<Output = Result<StoredPlan, StoreError>> + Send;

    /// Stores a new run with its first transition and claims it for the process that made it. The run is durable when
    /// this returns. Creating a run whose id exists changes nothing.
    fn create(&self, run: NewRun) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Stores transitions of any number of runs, each whole or not at all, in the order given. Several transitions of one
    /// run may stand in one batch; after one that conflicts, the later ones of that run conflict as well. The answers
    /// stand in the order of the batch. An error means that nothing of the batch was stored. A run that the batch leaves ended or
    /// suspended is given back with it, as by [`Store::release`].
    fn commit(&self, batch: Vec<RunCommit>) -> impl Future<Output = Result<Vec<Committed>, StoreError>> + Send;

    /// Takes a run for a process. Granted when nobody holds it, when the holder's lease is over, or when `gone` names
    /// the epoch of a holder that the caller has proved to be dead. Every grant has a higher epoch, and what an earlier
    /// holder still sends is refused.
    fn claim(&self, run: &RunId, process: &Process, gone: Option<u64>) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Takes runs that nobody executes and that have something to do, oldest first, at most `runs_max`: running ones, and
    /// suspended ones of which something was asked. Several processes may do so at once; each run goes to one of them.
    fn claim_free(&self, process: &Process, runs_max: u32) -> impl Future<Output = Result<Vec<Claimed>, StoreError>> + Send;

    /// The process that has this lease is proved to be dead: its lease is over. Does nothing when somebody else has the run.
    fn bury(&self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The process that had this lease is alive: that the run was taken from it is not counted as a death ([`Claimed::deaths`]).
    fn survived(&self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns when there may be something to claim, and at the latest after that time. Only a hint: who waits looks anyway.
    fn news(&self, time_max: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time_max)
    }

    /// Extends leases, at least every [`RENEW_EVERY`]. Answers stand in the order given.
    fn renew(&self, leases: &[Lease]) -> impl Future<Output = Result<Vec<Renewal>, StoreError>> + Send;

    /// Gives a run back. Does nothing when somebody else holds it by now.
    fn release(&self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All that a recovery needs, as of one moment.
    fn recover(&self, run: &RunId) -> impl Future<Output = Result<StoredRun, StoreError>> + Send;

    /// Leaves a request for the process that executes the run: durable when this returns.
    fn ask(&self, run: &RunId, ask: Ask) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// Requests that were not taken up yet, oldest first. Cheap enough to be asked several times a second. A request is
    /// taken up by naming it in the [`RunCommit`] of its transition.
    fn requests(&self, runs: &[RunId]) -> impl Future<Output = Result<Vec<Request>, StoreError>> + Send;

    /// An answer that is not older than so many milliseconds, on the database's clock.
    fn cached(&self, key: &str, age_ms_max: u64) -> impl Future<Output = Result<Option<CachedAnswer>, StoreError>> + Send;

    /// What the ended instances of a loop or of a called flow left, in order.
    fn gather(&self, run: &RunId, gather: &Gather) -> impl Future<Output = Result<Vec<Value>, StoreError>> + Send;

    /// Newest first, from behind `after`, at most `rows_max`.
    fn runs(
        &self,
        filter: &RunFilter,
        after: Option<RunCursor>,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<RunSummary>, StoreError>> + Send;

    fn run(&self, run: &RunId) -> impl Future<Output = Result<RunSummary, StoreError>> + Send;

    /// A run's step attempts by path, then attempt. `failed_only` leaves out what was done.
    fn steps(
        &self,
        run: &RunId,
        failed_only: bool,
        after: Option<&StepCursor>,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<StoredStep>, StoreError>> + Send;

    /// Items that failed or were put aside, by path, from behind `after`.
    fn failed_items(
        &self,
        run: &RunId,
        after: Option<&str>,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<FailedItem>, StoreError>> + Send;

    /// The runs' own outputs: oldest run first, within a run in the order of its rows and steps.
    fn outputs(
        &self,
        filter: &OutputFilter,
        after: Option<&OutputCursor>,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<StoredOutput>, StoreError>> + Send;

    /// A run's ledger in the order in which it was written, from behind line `after`.
    fn usage(&self, run: &RunId, after: u64, rows_max: u32) -> impl Future<Output = Result<Vec<UsageRow>, StoreError>> + Send;

    /// Approvals that nobody decided yet, oldest first; of one run, or of all.
    fn approvals(&self, run: Option<&RunId>) -> impl Future<Output = Result<Vec<Approval>, StoreError>> + Send;

    /// What past calls of a flow's prompts came to.
    fn history(&self, flow: &str) -> impl Future<Output = Result<Vec<HistoryRow>, StoreError>> + Send;

    /// Calls of a flow's prompts that were answered and paid for, those of the newest run first, at most `rows_max`. Simulated
    /// runs are left out.
    fn calls(&self, flow: &str, rows_max: u32) -> impl Future<Output = Result<Vec<CallSample>, StoreError>> + Send;

    /// Takes money for a run out of every budget that applies to it, all or none, and gives back what the run no longer needs.
    /// A commit that ends or suspends a run gives back the rest, in its own transaction.
    fn draw(&self, draw: Draw) -> impl Future<Output = Result<Drawn, StoreError>> + Send;

    /// Sets a standing limit; it holds from the next draw on, and for the account of the present period at once.
    fn set_budget(&self, limit: BudgetLimit, by: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Standing limits, by key.
    fn standing_budgets(&self) -> impl Future<Output = Result<Vec<BudgetLimit>, StoreError>> + Send;

    /// Raises the limit of one account, for its period alone. None: there is no such account.
    fn raise_budget(
        &self,
        key: &BudgetKey,
        start: &str,
        limit: Money,
        by: &str,
    ) -> impl Future<Output = Result<Option<BudgetAccount>, StoreError>> + Send;

    /// Accounts, newest period first, at most `rows_max`.
    fn budgets(&self, rows_max: u32) -> impl Future<Output = Result<Vec<BudgetAccount>, StoreError>> + Send;

    /// The append-only ledger of shared budgets from behind a line, oldest first; of one account when it is named.
    fn budget_ledger(
        &self,
        of: Option<(&BudgetKey, &str)>,
        after: u64,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<BudgetLine>, StoreError>> + Send;

    /// Alerts, oldest first; `open_only` leaves out those that were delivered.
    fn budget_alerts(&self, open_only: bool, rows_max: u32) -> impl Future<Output = Result<Vec<BudgetAlert>, StoreError>> + Send;

    fn alert_delivered(&self, alert: i64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Alerts that some of these destinations have still to be told of, each for its destination; nobody else is given them before
    /// `hold` is over. What was given and never settled is given again.
    fn take_alerts(
        &self,
        destinations: &[String],
        hold: Duration,
    ) -> impl Future<Output = Result<Vec<AlertDelivery>, StoreError>> + Send;

    /// What came of one: delivered, or to be tried again after a while. An alert counts as delivered once all of its destinations have
    /// it.
    fn settle_alert(
        &self,
        alert: i64,
        destination: &str,
        failed: Option<(String, Duration)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts a flow in force, or its new definition. Its schedule counts from now on; whether it is paused stays as it was.
    fn deploy(&self, deployment: Deployment) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes a flow out of force, with what still waited to be started. False: it was not in force.
    fn undeploy(&self, flow: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// By flow.
    fn deployments(&self) -> impl Future<Output = Result<Vec<Deployed>, StoreError>> + Send;

    /// Stops a schedule, or lets it go on: then it counts from now on. False: the flow is not in force.
    fn pause_schedule(&self, flow: &str, paused: bool) -> impl Future<Output = Result<bool, StoreError>> + Send;

    fn record_triggers(&self, recording: Recording) -> impl Future<Output = Result<Recorded, StoreError>> + Send;

    /// Of one flow or of all: the open ones oldest first, or all of them newest first.
    fn triggers(
        &self,
        flow: Option<&str>,
        open_only: bool,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<Trigger>, StoreError>> + Send;

    /// False: it stands elsewhere by now, and nothing was changed.
    fn change_trigger(&self, change: TriggerChange) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What runs that began at or after `from` and before `until` spent, by day, flow, model and person. Simulated runs
    /// are left out unless they are asked for.
    fn spending(
        &self,
        from: Time,
        until: Time,
        simulated: bool,
    ) -> impl Future<Output = Result<Vec<SpendingRow>, StoreError>> + Send;

    /// Steps the gate of this name for all processes that share the store. What a gate knows may be lost when a server
    /// fails: then it is learnt again.
    fn step_gate(&self, name: &str, step: Step) -> impl Future<Output = Result<Stepped, StoreError>> + Send;

    /// Removes what is older than it says, one piece of about so many rows in one transaction; called again until
    /// [`Pruned::is_done`]. Runs that have not ended, that somebody holds, or that a run which is kept whole took over from are
    /// left alone. Between two pieces, and after the last, everything else reads as before.
    fn prune(&self, what: &Prune, rows_max: u32) -> impl Future<Output = Result<Pruned, StoreError>> + Send;

    /// About what [`Store::prune`] would remove. Changes nothing.
    fn prunable(&self, what: &Prune) -> impl Future<Output = Result<Prunable, StoreError>> + Send;

    /// Gates as they stand. Cheap enough to be asked several times a second.
    fn gates(&self, names: &[String]) -> impl Future<Output = Result<Gates, StoreError>> + Send;
}
