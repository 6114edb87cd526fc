//! Many runs' transitions in one transaction: read how the runs stand, judge each transition, fold the accepted ones, and
//! write each table with one statement.

use crate::budgets::BudgetWriter;
use crate::faults::{Place, key_taken, moved_on};
use pmflow_engine::{RunId, RunStatus, Write};
use pmflow_ledger::Account;
use pmflow_store::tables::decode;
use pmflow_store::tables::fold::{Accepted, ApprovalChange, Changes, ExistingInstances, Head, runs_changed, runs_made};
use pmflow_store::tables::judge::{Heads, Judged, Step, Verdict, beginning, first_row, judge_next, to_be_read};
use pmflow_store::tables::known::{Belongings, Facts, KnownRuns, Outlook};
use pmflow_store::tables::rows::{InstanceKey, json_text};
use pmflow_store::{Breach, Conflict, NewRun, StoreError};
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::{query_file, query_file_scalar};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a group's statements came to, before their commit.
pub(crate) enum Applied {
    Written(Vec<Verdict>, Outlook),
    /// A run moved on since it was last written here.
    Overtaken,
}

pub(crate) struct Applier<'c> {
    pub connection: &'c mut SqliteConnection,
    pub place: &'c Place,
    pub lease_us: i64,
    pub memory: &'c mut Memory,
}

/// What need not be read again.
#[derive(Default)]
pub(crate) struct Memory {
    /// Plans that are known to be stored; one that is used is not deleted.
    plans: BTreeSet<String>,
    pub known: KnownRuns,
    /// The highest number that a run got here. Where another process gave the next one since, inserting says so.
    last_execution: Option<i64>,
}

impl Memory {
    /// A group was not written: what was gathered for it may never have been.
    pub fn forget(&mut self, steps: &[Step<'_>]) {
        self.plans.clear();
        self.known.forget(steps.iter().filter_map(Step::run));
        self.last_execution = None;
    }
}

/// Who begins and commits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transaction {
    Callers,
    Own,
}

impl Applier<'_> {
    /// Within a transaction that is the caller's. Verdicts stand in the order of the steps.
    pub async fn apply(&mut self, steps: &[Step<'_>]) -> Result<Applied, StoreError> {
        let mut heads = self.heads(steps).await?;
        let mut last_execution = self.last_execution(steps).await?;
        let judged: Vec<Judged> = steps.iter().map(|step| judge(step, &mut heads, &mut last_execution)).collect();
        let accepted = accepted(steps, &judged, &heads);
        let existing = self.existing(&accepted).await?;
        let (verdicts, changes) = folded(steps, judged, &accepted, &existing)?;
        if !self.write_transitions(Transaction::Callers, &heads, &changes).await? {
            return Ok(Applied::Overtaken);
        }
        self.memory.last_execution = Some(last_execution).filter(|last| *last > 0).or(self.memory.last_execution);
        self.write(&changes).await?;
        self.alert_breaches(changes).await?;
        self.close_shares(&heads).await?;
        Ok(Applied::Written(verdicts, Outlook::of(&heads)))
    }

    /// Runs that begin, and transitions that follow from where their runs are known to stand, as long as they write nothing but
    /// what goes in one hand-over: it is a transaction of its own, and has ended. None: nothing was done.
    pub async fn apply_at_once(&mut self, steps: &[Step<'_>]) -> Result<Option<Applied>, StoreError> {
        let mut heads = Heads::new();
        let unread = to_be_read(steps, &self.memory.known, &mut heads);
        let last_execution = self.memory.last_execution;
        let is_known = |step: &Step<'_>| match step {
            Step::New(new) => last_execution.is_some() && new.origin.is_none() && self.is_planned(new),
            Step::Next(next) => !unread.contains(&next.lease.run) && !next.writes.iter().any(|w| inserted_path(w).is_some()),
        };
        if !steps.iter().all(is_known) {
            return Ok(None);
        }
        let mut last_execution = last_execution.unwrap_or(0);
        let judged: Vec<Judged> = steps.iter().map(|step| judge(step, &mut heads, &mut last_execution)).collect();
        let accepted = accepted(steps, &judged, &heads);
        let (verdicts, changes) = folded(steps, judged, &accepted, &ExistingInstances::new())?;
        if !changes.is_plain() || shares_closed(&heads).next().is_some() {
            return Ok(None);
        }
        let written = self.write_transitions(Transaction::Own, &heads, &changes).await?;
        self.memory.last_execution = self.memory.last_execution.map(|_| last_execution);
        Ok(Some(if written { Applied::Written(verdicts, Outlook::of(&heads)) } else { Applied::Overtaken }))
    }

    fn is_planned(&self, new: &NewRun) -> bool {
        matches!(new.writes.first(), Some(Write::PutRun(row)) if self.memory.plans.contains(&row.plan.0))
    }

    async fn heads<'w>(&mut self, steps: &[Step<'w>]) -> Result<Heads<'w>, StoreError> {
        let mut heads = Heads::new();
        let runs = to_be_read(steps, &self.memory.known, &mut heads);
        if runs.is_empty() {
            return Ok(heads);
        }
        let given = json_text(&runs);
        let rows = query_file!("queries/fences.sql", given).fetch_all(&mut *self.connection).await;
        for row in rows.map_err(|error| self.place.error(error))? {
            let Some(run) = runs.get(&RunId(row.run_id.into())) else { continue };
            let (epoch, sequence) = (decode::unsigned(row.lease_epoch), decode::unsigned(row.sequence));
            let status = decode::run_status(&row.status).map_err(|detail| self.place.unreadable(detail))?;
            let facts = Facts { root_path: row.root_path, flow: row.flow, plan: row.plan_id, simulated: row.simulated };
            let head = Head::stored(row.execution_id, epoch, sequence, status, Arc::new(facts), Belongings::UNKNOWN);
            heads.insert(run, head);
        }
        Ok(heads)
    }

    /// The highest number of a run, read only when a run begins; every new run's plan is stored.
    async fn last_execution(&mut self, steps: &[Step<'_>]) -> Result<i64, StoreError> {
        let mut any = false;
        for step in steps {
            if let Step::New(new) = step {
                any = true;
                self.require_plan(new).await?;
                self.require_origin(new).await?;
            }
        }
        if !any {
            return Ok(0);
        }
        let last = query_file_scalar!("queries/last_execution.sql").fetch_one(&mut *self.connection).await;
        last.map_err(|error| self.place.error(error))
    }

    async fn require_plan(&mut self, new: &NewRun) -> Result<(), StoreError> {
        let Some(Write::PutRun(row)) = new.writes.first() else { return Ok(()) };
        if self.memory.plans.contains(&row.plan.0) {
            return Ok(());
        }
        let known = query_file_scalar!("queries/plan_known.sql", row.plan.0).fetch_one(&mut *self.connection).await;
        if known.map_err(|error| self.place.error(error))? == 0 {
            return Err(StoreError::NoSuchPlan { plan: row.plan.0.clone(), place: self.place.path.clone() });
        }
        self.memory.plans.insert(row.plan.0.clone());
        Ok(())
    }

    /// What a run takes over from is there, and from here on stays as long as the run does.
    async fn require_origin(&mut self, new: &NewRun) -> Result<(), StoreError> {
        let Some(origin) = &new.origin else { return Ok(()) };
        let kept = query_file_scalar!("queries/origin_kept.sql", &*origin.0).fetch_optional(&mut *self.connection).await;
        match kept.map_err(|error| self.place.error(error))? {
            Some(0) => Ok(()),
            _ => Err(StoreError::Pruned { run: origin.to_string(), place: self.place.path.clone() }),
        }
    }

    async fn existing(&mut self, accepted: &[Option<Accepted<'_>>]) -> Result<ExistingInstances, StoreError> {
        let mut keys = Vec::new();
        for accepted in accepted.iter().flatten().filter(|accepted| accepted.head.beginning.is_none()) {
            let key = |path| InstanceKey { execution_id: accepted.head.execution, path };
            keys.extend(accepted.writes.iter().filter_map(inserted_path).map(key));
        }
        if keys.is_empty() {
            return Ok(ExistingInstances::new());
        }
        let given = json_text(&keys);
        let rows = query_file!("queries/instances_existing.sql", given).fetch_all(&mut *self.connection).await;
        Ok(rows.map_err(|error| self.place.error(error))?.into_iter().map(|row| (row.execution_id, row.path)).collect())
    }

    /// A call that was billed above its hold is told of, unless it is none but in play.
    async fn alert_breaches(&mut self, changes: Changes<'_>) -> Result<(), StoreError> {
        for breach in Breach::told_of(changes.breaches) {
            BudgetWriter { connection: &mut *self.connection, place: self.place }.alert_breach(&breach).await?;
        }
        Ok(())
    }

    async fn close_shares(&mut self, heads: &Heads<'_>) -> Result<(), StoreError> {
        let closed: Vec<(i64, &Account)> = shares_closed(heads).collect();
        if closed.is_empty() {
            return Ok(());
        }
        BudgetWriter { connection: &mut *self.connection, place: self.place }.close(&closed).await
    }

    /// False: a run did not stand as it was known to, or the number or the name of a new one is taken.
    async fn write_transitions(&mut self, by: Transaction, heads: &Heads<'_>, changes: &Changes<'_>) -> Result<bool, StoreError> {
        let (made, changed) = (runs_made(heads.values())?, runs_changed(heads.values())?);
        let Changes { steps, usage, outputs, .. } = changes;
        // What is added to the history comes from steps.
        if made.is_empty() && changed.is_empty() && steps.is_empty() && usage.is_empty() && outputs.is_empty() {
            return Ok(true);
        }
        let (lease_us, all) = (self.lease_us, i64::try_from(changed.len()).unwrap_or(i64::MAX));
        let (made, changed) = (json_text(&made), json_text(&changed));
        let (steps, usage, outputs) = (json_text(steps), json_text(usage), json_text(outputs));
        let history = json_text(&changes.history.rows());
        let done = match by {
            Transaction::Callers => {
                query_file!("queries/transitions_write.sql", lease_us, made, changed, all, steps, usage, outputs, history)
                    .execute(&mut *self.connection)
                    .await
            }
            Transaction::Own => {
                let statement = sqlx::query(TRANSACTION).bind(lease_us).bind(made).bind(changed).bind(all);
                statement.bind(steps).bind(usage).bind(outputs).bind(history).execute(&mut *self.connection).await
            }
        };
        match done {
            Ok(_) => Ok(true),
            Err(error) if moved_on(&error) || (by == Transaction::Own && key_taken(&error)) => Ok(false),
            Err(error) => Err(self.place.error(error)),
        }
    }

    async fn write(&mut self, changes: &Changes<'_>) -> Result<(), StoreError> {
        if let Some(rows) = json_rows(&changes.instances_put()) {
            self.done(query_file!("queries/instances_put.sql", rows)).await?;
        }
        if let Some(rows) = json_rows(&changes.instances_ended()) {
            self.done(query_file!("queries/instances_end.sql", rows)).await?;
        }
        if let Some(rows) = json_rows(changes.unbound()) {
            self.done(query_file!("queries/bindings_drop.sql", rows)).await?;
        }
        if let Some(rows) = json_rows(&changes.bindings()) {
            self.done(query_file!("queries/bindings_put.sql", rows)).await?;
        }
        if let Some(rows) = json_rows(&changes.tags) {
            self.done(query_file!("queries/output_tags_insert.sql", rows)).await?;
        }
        if let Some(rows) = json_rows(&changes.cache()) {
            self.done(query_file!("queries/cache_put.sql", rows)).await?;
        }
        if let Some(rows) = json_rows(&changes.taken) {
            self.done(query_file!("queries/requests_take.sql", rows)).await?;
        }
        // Approvals are rare: one statement each, in order.
        for change in &changes.approvals {
            self.write_approval(change).await?;
        }
        Ok(())
    }

    async fn write_approval(&mut self, change: &ApprovalChange<'_>) -> Result<(), StoreError> {
        match change {
            ApprovalChange::Requested(execution, row) => {
                let (step, instance) = (row.step.as_str(), row.instance.as_str());
                let statement =
                    query_file!("queries/approval_put.sql", execution, step, instance, row.text, row.by, row.until, row.at);
                self.done(statement).await
            }
            ApprovalChange::Closed { execution, step, approved, by, at } => {
                self.done(query_file!("queries/approval_close.sql", at, approved, by, execution, step)).await
            }
        }
    }

    async fn done(&mut self, statement: Statement<'_>) -> Result<(), StoreError> {
        statement.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// `queries/transitions_write.sql` as a transaction in one hand-over: each goes to SQLite's thread and back.
const TRANSACTION: &str = concat!("BEGIN IMMEDIATE;\n", include_str!("../queries/transitions_write.sql"), ";\nCOMMIT");

fn accepted<'h>(steps: &[Step<'h>], judged: &[Judged], heads: &'h Heads<'h>) -> Vec<Option<Accepted<'h>>> {
    steps.iter().zip(judged).map(|(step, judged)| step.accepted(judged, heads)).collect()
}

fn folded<'h>(
    steps: &[Step<'_>],
    judged: Vec<Judged>,
    accepted: &[Option<Accepted<'h>>],
    existing: &ExistingInstances,
) -> Result<(Vec<Verdict>, Changes<'h>), StoreError> {
    let mut changes = Changes::default();
    let mut verdicts = Vec::with_capacity(steps.len());
    for ((step, judged), accepted) in steps.iter().zip(judged).zip(accepted) {
        let refused = match accepted {
            Some(accepted) => changes.add(accepted, existing)?,
            None => Vec::new(),
        };
        verdicts.push(step.verdict(judged, refused));
    }
    Ok((verdicts, changes))
}

/// Runs that ended, or stand still, give back what they had drawn from shared budgets.
fn shares_closed<'h>(heads: &'h Heads<'h>) -> impl Iterator<Item = (i64, &'h Account)> {
    let drew = heads.values().filter(|head| head.had.shares);
    let last = drew.filter_map(|head| head.last.map(|row| (head.execution, row)));
    last.filter(|(_, row)| row.status != RunStatus::Running).map(|(run, row)| (run, &row.account))
}

fn json_rows<T: Serialize>(rows: &[T]) -> Option<String> {
    if rows.is_empty() { None } else { Some(json_text(rows)) }
}

fn inserted_path(write: &Write) -> Option<&str> {
    match write {
        Write::InsertInstance(row) => Some(row.path.as_str()),
        _ => None,
    }
}

fn judge<'w>(step: &Step<'w>, heads: &mut Heads<'w>, last_execution: &mut i64) -> Judged {
    match step {
        Step::New(new) => judge_new(new, heads, last_execution),
        Step::Next(next) => judge_next(next, heads).map_or_else(Judged::Conflict, |()| Judged::Accepted),
    }
}

fn judge_new<'w>(new: &'w NewRun, heads: &mut Heads<'w>, last_execution: &mut i64) -> Judged {
    let Some(row) = first_row(&new.writes) else {
        return Judged::Conflict(Conflict::Shape { run: RunId("".into()) });
    };
    if heads.contains_key(&row.id) {
        return Judged::Exists;
    }
    *last_execution += 1;
    heads.insert(&row.id, beginning(new, row, *last_execution));
    Judged::Accepted
}
