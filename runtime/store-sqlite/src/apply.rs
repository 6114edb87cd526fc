//! Many runs' transitions in one transaction: read how the runs stand, judge each transition, fold the accepted ones, and
//! write each table with one statement.

use crate::budgets::BudgetWriter;
use crate::faults::Place;
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
    /// Plans that are known to be stored; one that is used is not deleted.
    pub plans: &'c mut BTreeSet<String>,
    pub known: &'c KnownRuns,
}

impl Applier<'_> {
    /// Verdicts stand in the order of the steps.
    pub async fn apply(&mut self, steps: &[Step<'_>]) -> Result<Applied, StoreError> {
        let mut heads = self.heads(steps).await?;
        let mut last_execution = self.last_execution(steps).await?;
        let judged: Vec<Judged> = steps.iter().map(|step| judge(step, &mut heads, &mut last_execution)).collect();
        let accepted: Vec<Option<Accepted<'_>>> =
            steps.iter().zip(&judged).map(|(step, judged)| step.accepted(judged, &heads)).collect();
        let existing = self.existing(&accepted).await?;

        let mut changes = Changes::default();
        let mut verdicts = Vec::with_capacity(steps.len());
        for ((step, judged), accepted) in steps.iter().zip(judged).zip(&accepted) {
            let refused = match accepted {
                Some(accepted) => changes.add(accepted, &existing)?,
                None => Vec::new(),
            };
            verdicts.push(step.verdict(judged, refused));
        }
        self.insert_runs(&heads).await?;
        if !self.write_transitions(&heads, &changes).await? {
            return Ok(Applied::Overtaken);
        }
        self.write(&changes).await?;
        self.alert_breaches(changes).await?;
        self.close_shares(&heads).await?;
        Ok(Applied::Written(verdicts, Outlook::of(&heads)))
    }

    async fn heads<'w>(&mut self, steps: &[Step<'w>]) -> Result<Heads<'w>, StoreError> {
        let mut heads = Heads::new();
        let runs = to_be_read(steps, self.known, &mut heads);
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

    /// The highest execution number, read only when a run begins; every new run's plan is stored.
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
        if self.plans.contains(&row.plan.0) {
            return Ok(());
        }
        let known = query_file_scalar!("queries/plan_known.sql", row.plan.0).fetch_one(&mut *self.connection).await;
        if known.map_err(|error| self.place.error(error))? == 0 {
            return Err(StoreError::NoSuchPlan { plan: row.plan.0.clone(), place: self.place.path.clone() });
        }
        self.plans.insert(row.plan.0.clone());
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

    /// Runs that ended, or stand still, give back what they had drawn from shared budgets.
    async fn close_shares(&mut self, heads: &Heads<'_>) -> Result<(), StoreError> {
        let still = heads.values().filter(|head| head.had.shares);
        let still = still.filter_map(|head| head.last.map(|row| (head.execution, row)));
        let still: Vec<(i64, &Account)> =
            still.filter(|(_, row)| row.status != RunStatus::Running).map(|(run, row)| (run, &row.account)).collect();
        if still.is_empty() {
            return Ok(());
        }
        BudgetWriter { connection: &mut *self.connection, place: self.place }.close(&still).await
    }

    async fn insert_runs(&mut self, heads: &Heads<'_>) -> Result<(), StoreError> {
        if let Some(rows) = json_rows(&runs_made(heads.values())?) {
            let done = query_file!("queries/runs_insert.sql", self.lease_us, rows).execute(&mut *self.connection).await;
            done.map_err(|error| self.place.error(error))?;
        }
        Ok(())
    }

    /// False: a run did not stand as it was known to.
    async fn write_transitions(&mut self, heads: &Heads<'_>, changes: &Changes<'_>) -> Result<bool, StoreError> {
        let (runs, Changes { steps, usage, outputs, .. }) = (runs_changed(heads.values())?, changes);
        let rows = runs.len() + steps.len() + usage.len() + outputs.len();
        if rows == 0 {
            return Ok(true);
        }
        let (runs, steps, usage, outputs) = (json_text(&runs), json_text(steps), json_text(usage), json_text(outputs));
        let written = query_file!("queries/transitions_write.sql", runs, steps, usage, outputs).execute(&mut *self.connection);
        let written = written.await.map_err(|error| self.place.error(error))?.rows_affected();
        // Insertions are all or an error: what is missing is a run.
        Ok(usize::try_from(written).is_ok_and(|written| written == rows))
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
        if let Some(rows) = json_rows(&changes.history.rows()) {
            self.done(query_file!("queries/history_add.sql", rows)).await?;
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
