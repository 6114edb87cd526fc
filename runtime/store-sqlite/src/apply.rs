//! Many runs' transitions in one transaction: read how the runs stand, judge each transition, fold the accepted ones, and
//! write each table with one statement.

use crate::budgets::BudgetWriter;
use crate::connection::{Connection, Rows};
use crate::faults::Place;
use pmflow_engine::{RunId, RunStatus, Write};
use pmflow_ledger::Account;
use pmflow_store::tables::decode;
use pmflow_store::tables::fold::{Accepted, ApprovalChange, Changes, ExistingInstances, Head, runs_changed, runs_made};
use pmflow_store::tables::judge::{Heads, Judged, Step, Verdict, beginning, first_row, judge_next, to_be_read};
use pmflow_store::tables::known::{Belongings, Facts, KnownRuns, Outlook};
use pmflow_store::tables::rows::{AsColumn, InstanceKey, json_text};
use pmflow_store::{Breach, Conflict, NewRun, StoreError};
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
    pub connection: &'c mut Connection,
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

impl Applier<'_> {
    /// Within a transaction that is the caller's. Verdicts stand in the order of the steps.
    pub async fn apply(&mut self, steps: &[Step<'_>]) -> Result<Applied, StoreError> {
        let mut heads = self.heads(steps).await?;
        let mut last_execution = self.last_execution(steps).await?;
        let judged: Vec<Judged> = steps.iter().map(|step| judge(step, &mut heads, &mut last_execution)).collect();
        let group = Group { steps, judged, heads: &heads, lease_us: self.lease_us, place: self.place };
        let Some(WrittenRows { verdicts, breaches }) = self.connection.rows(self.place, |rows| group.write(rows)).await?? else {
            return Ok(Applied::Overtaken);
        };
        self.memory.last_execution = Some(last_execution).filter(|last| *last > 0).or(self.memory.last_execution);
        self.alert_breaches(breaches).await?;
        self.close_shares(&heads).await?;
        Ok(Applied::Written(verdicts, Outlook::of(&heads)))
    }

    /// Runs that begin, and transitions that follow from where their runs are known to stand, as long as they need nothing but
    /// rows: a transaction of its own, which has ended. None: nothing was done.
    pub async fn apply_at_once(&mut self, steps: &[Step<'_>]) -> Result<Option<Applied>, StoreError> {
        let mut heads = Heads::new();
        let unread = to_be_read(steps, &self.memory.known, &mut heads);
        let last_execution = self.memory.last_execution;
        let is_known = |step: &Step<'_>| match step {
            Step::New(new) => last_execution.is_some() && new.origin.is_none() && self.is_planned(new),
            Step::Next(next) => !unread.contains(&next.lease.run),
        };
        if !steps.iter().all(is_known) {
            return Ok(None);
        }
        let mut last_execution = last_execution.unwrap_or(0);
        let judged: Vec<Judged> = steps.iter().map(|step| judge(step, &mut heads, &mut last_execution)).collect();
        if shares_closed(&heads).next().is_some() {
            return Ok(None);
        }
        let group = Group { steps, judged, heads: &heads, lease_us: self.lease_us, place: self.place };
        let applied = self.connection.rows(self.place, |rows| group.write_and_commit(rows)).await??;
        self.memory.last_execution = self.memory.last_execution.map(|_| last_execution);
        Ok(applied)
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
        let rows = query_file!("queries/fences.sql", given).fetch_all(self.connection.queries()).await;
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
        let last = query_file_scalar!("queries/last_execution.sql").fetch_one(self.connection.queries()).await;
        last.map_err(|error| self.place.error(error))
    }

    async fn require_plan(&mut self, new: &NewRun) -> Result<(), StoreError> {
        let Some(Write::PutRun(row)) = new.writes.first() else { return Ok(()) };
        if self.memory.plans.contains(&row.plan.0) {
            return Ok(());
        }
        let known = query_file_scalar!("queries/plan_known.sql", row.plan.0).fetch_one(self.connection.queries()).await;
        if known.map_err(|error| self.place.error(error))? == 0 {
            return Err(StoreError::NoSuchPlan { plan: row.plan.0.clone(), place: self.place.path.clone() });
        }
        self.memory.plans.insert(row.plan.0.clone());
        Ok(())
    }

    /// What a run takes over from is there, and from here on stays as long as the run does.
    async fn require_origin(&mut self, new: &NewRun) -> Result<(), StoreError> {
        let Some(origin) = &new.origin else { return Ok(()) };
        let kept = query_file_scalar!("queries/origin_kept.sql", &*origin.0).fetch_optional(self.connection.queries()).await;
        match kept.map_err(|error| self.place.error(error))? {
            Some(0) => Ok(()),
            _ => Err(StoreError::Pruned { run: origin.to_string(), place: self.place.path.clone() }),
        }
    }

    /// A call that was billed above its hold is told of, unless it is none but in play.
    async fn alert_breaches(&mut self, breaches: Vec<Breach>) -> Result<(), StoreError> {
        for breach in Breach::told_of(breaches) {
            BudgetWriter { connection: self.connection.queries(), place: self.place }.alert_breach(&breach).await?;
        }
        Ok(())
    }

    async fn close_shares(&mut self, heads: &Heads<'_>) -> Result<(), StoreError> {
        let closed: Vec<(i64, &Account)> = shares_closed(heads).collect();
        if closed.is_empty() {
            return Ok(());
        }
        BudgetWriter { connection: self.connection.queries(), place: self.place }.close(&closed).await
    }
}

/// Transitions that were judged, on their way to the tables.
struct Group<'g, 'w> {
    steps: &'g [Step<'w>],
    judged: Vec<Judged>,
    heads: &'g Heads<'w>,
    lease_us: i64,
    place: &'g Place,
}

/// A group whose rows are written.
struct WrittenRows {
    verdicts: Vec<Verdict>,
    /// Calls that were billed above their holds.
    breaches: Vec<Breach>,
}

impl Group<'_, '_> {
    /// None: nothing was done, for it takes more than rows.
    fn write_and_commit(self, rows: &Rows<'_>) -> Result<Option<Applied>, StoreError> {
        let (heads, place) = (self.heads, self.place);
        let execute = |statement| rows.execute(statement).map_err(|error| place.direct_error(error));
        execute("BEGIN IMMEDIATE")?;
        let back = match self.write(rows) {
            Ok(Some(WrittenRows { verdicts, breaches })) if breaches.is_empty() => {
                execute("COMMIT")?;
                return Ok(Some(Applied::Written(verdicts, Outlook::of(heads))));
            }
            Ok(Some(_)) => None,
            // The number or the name of a new run is taken.
            Ok(None) | Err(StoreError::RecordedBefore { .. }) => Some(Applied::Overtaken),
            Err(error) => return Err(error),
        };
        execute("ROLLBACK")?;
        Ok(back)
    }

    /// None: a run did not stand as it was known to.
    fn write(self, rows: &Rows<'_>) -> Result<Option<WrittenRows>, StoreError> {
        let Group { steps, judged, heads, lease_us, place } = self;
        let accepted: Vec<Option<Accepted<'_>>> =
            steps.iter().zip(&judged).map(|(step, judged)| step.accepted(judged, heads)).collect();
        let existing = existing(rows, &accepted).map_err(|error| place.direct_error(error))?;
        let (verdicts, changes) = folded(steps, judged, &accepted, &existing)?;
        let (made, changed) = (runs_made(heads.values())?, runs_changed(heads.values())?);
        let written = || {
            rows.each(RUN_INSERT, &made, Some(lease_us))?;
            for row in &changed {
                if rows.each(RUN_GO_ON, [row], None)? == 0 && rows.each(RUN_CHANGE, [row], None)? == 0 {
                    return Ok(false);
                }
            }
            write_changes(rows, &changes).map(|()| true)
        };
        let written = written().map_err(|error| place.direct_error(error))?;
        Ok(written.then_some(WrittenRows { verdicts, breaches: changes.breaches }))
    }
}

const RUN_INSERT: &str = include_str!("../queries/run_insert.sql");
const RUN_GO_ON: &str = include_str!("../queries/run_go_on.sql");
const RUN_CHANGE: &str = include_str!("../queries/run_change.sql");

fn write_changes(rows: &Rows<'_>, changes: &Changes<'_>) -> rusqlite::Result<()> {
    rows.each(include_str!("../queries/step_insert.sql"), &changes.steps, None)?;
    rows.each(include_str!("../queries/usage_insert.sql"), &changes.usage, None)?;
    rows.each(include_str!("../queries/output_insert.sql"), &changes.outputs, None)?;
    rows.each(include_str!("../queries/history_add.sql"), &changes.history.rows(), None)?;
    rows.each(include_str!("../queries/instance_put.sql"), &changes.instances_put(), None)?;
    rows.each(include_str!("../queries/instance_end.sql"), &changes.instances_ended(), None)?;
    rows.each(include_str!("../queries/bindings_drop.sql"), changes.unbound(), None)?;
    rows.each(include_str!("../queries/binding_put.sql"), &changes.bindings(), None)?;
    rows.each(include_str!("../queries/output_tag_insert.sql"), &changes.tags, None)?;
    rows.each(include_str!("../queries/cache_put.sql"), changes.cache(), None)?;
    rows.each(include_str!("../queries/request_take.sql"), &changes.taken, None)?;
    // In their order, for one may be requested again.
    changes.approvals.iter().try_for_each(|change| write_approval(rows, change))
}

fn write_approval(rows: &Rows<'_>, change: &ApprovalChange<'_>) -> rusqlite::Result<()> {
    let touched = match change {
        ApprovalChange::Requested(execution, row) => {
            let (step, instance) = (row.step.as_str(), row.instance.as_str());
            let columns = [
                execution.as_column(),
                step.as_column(),
                instance.as_column(),
                row.text.as_column(),
                row.by.as_column(),
                row.until.as_column(),
                row.at.as_column(),
            ];
            rows.each(include_str!("../queries/approval_put.sql"), [&columns], None)
        }
        ApprovalChange::Closed { execution, step, approved, by, at } => {
            let columns = [at.as_column(), approved.as_column(), by.as_column(), execution.as_column(), step.as_column()];
            rows.each(include_str!("../queries/approval_close.sql"), [&columns], None)
        }
    };
    touched.map(|_| ())
}

/// Of the instances that are to be inserted, those that are there already, alive or ended.
fn existing(rows: &Rows<'_>, accepted: &[Option<Accepted<'_>>]) -> rusqlite::Result<ExistingInstances> {
    let mut existing = ExistingInstances::new();
    for accepted in accepted.iter().flatten().filter(|accepted| accepted.head.beginning.is_none()) {
        for path in accepted.writes.iter().filter_map(inserted_path) {
            let key = InstanceKey { execution_id: accepted.head.execution, path };
            if rows.finds(include_str!("../queries/instance_exists.sql"), &key)? {
                existing.insert((key.execution_id, path.to_owned()));
            }
        }
    }
    Ok(existing)
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
