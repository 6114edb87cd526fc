//! Many runs' transitions in one transaction: read how the runs stand, judge each transition, fold the accepted ones, and
//! write each table with one statement. Nothing is locked while reading: the runs' rows are changed only if they still
//! stand as they were read, or the group is done again.

use crate::budgets::BudgetWriter;
use crate::columns::{column, texts};
use crate::faults::Place;
use crate::writes::{self, Changed};
use pmflow_engine::{RunId, RunRow, RunStatus, Write};
use pmflow_ledger::Account;
use pmflow_store::tables::decode;
use pmflow_store::tables::fold::{Accepted, Changes, ExistingInstances, Head, runs_changed, runs_made};
use pmflow_store::tables::judge::{Heads, Judged, Step, Verdict, beginning, first_row, judge_next, to_be_read};
use pmflow_store::tables::known::{Belongings, Facts, KnownRuns, Outlook};
use pmflow_store::tables::rows::{InstanceKey, RunInsertion};
use pmflow_store::{Breach, Conflict, NewRun, RunCommit, StoreError};
use sqlx::{PgConnection, query_file, query_file_scalar};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a group's statements came to, before their commit.
pub(crate) enum Applied {
    /// `transaction`: under which the server knows what became of it; none when nothing was written.
    Written { verdicts: Vec<Verdict>, transaction: Option<i64>, outlook: Outlook },
    /// A run moved on between reading and writing.
    Overtaken,
}

pub(crate) struct Applier<'c> {
    pub connection: &'c mut PgConnection,
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
        let mut transaction = self.begin_runs(steps, &mut heads).await?;
        let judged: Vec<Judged> = steps.iter().map(|step| judge(step, &mut heads)).collect();
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
        let mut runs = runs_changed(heads.values())?;
        // The order in which every statement locks the rows of several runs.
        runs.sort_by_key(|run| run.execution_id);
        match writes::write(self.connection, self.place, &runs, &changes).await? {
            Changed::All(by) => transaction = by.or(transaction),
            Changed::Fewer => return Ok(Applied::Overtaken),
        }
        self.alert_breaches(changes).await?;
        self.close_shares(&heads).await?;
        Ok(Applied::Written { verdicts, transaction, outlook: Outlook::of(&heads) })
    }

    /// A single step that writes nothing but what one statement does, which is a transaction of its own. None: nothing was done.
    /// `is_repeated`: it was tried before, and not answered.
    pub async fn apply_alone(&mut self, step: Step<'_>, is_repeated: bool) -> Result<Option<Applied>, StoreError> {
        match step {
            Step::New(new) => self.begin_alone(step, new, is_repeated).await,
            Step::Next(next) => self.go_on_alone(step, next).await,
        }
    }

    /// A run of which nothing but its row and lines of the ledger are stored as it begins.
    async fn begin_alone(&mut self, step: Step<'_>, new: &NewRun, is_repeated: bool) -> Result<Option<Applied>, StoreError> {
        let Some(row) = first_row(&new.writes).filter(|_| new.origin.is_none()) else { return Ok(None) };
        let head = beginning(new, row, 0);
        let mut changes = Changes::default();
        changes.add(&Accepted { head: &head, writes: &new.writes, answered: &[] }, &ExistingInstances::new())?;
        if !(writes::is_one_statement(&changes) && changes.steps.is_empty() && changes.outputs.is_empty()) {
            return Ok(None);
        }
        self.require_plan(new).await?;
        let insertions = runs_made([&head])?;
        let inserted = writes::insert_runs(self.connection, self.place, self.lease_us, &insertions, &changes.usage).await?;
        let execution = match inserted.first() {
            Some((_, execution, _)) => Some(*execution),
            None if is_repeated => self.begun(new, row).await?,
            None => None,
        };
        let (judged, heads) = match execution {
            Some(execution) => (Judged::Accepted, Heads::from([(&row.id, Head { execution, ..head })])),
            None => (Judged::Exists, Heads::new()),
        };
        let (verdicts, outlook) = (vec![step.verdict(judged, Vec::new())], Outlook::of(&heads));
        Ok(Some(Applied::Written { verdicts, transaction: None, outlook }))
    }

    /// A transition that follows from where its run is known to stand.
    async fn go_on_alone(&mut self, step: Step<'_>, next: &RunCommit) -> Result<Option<Applied>, StoreError> {
        let mut heads = Heads::new();
        let is_known = to_be_read([&step], self.known, &mut heads).is_empty();
        if !is_known || next.writes.iter().any(|write| inserted_path(write).is_some()) {
            return Ok(None);
        }
        let judged = judge(&step, &mut heads);
        let Some(accepted) = step.accepted(&judged, &heads) else { return Ok(None) };
        let mut changes = Changes::default();
        changes.add(&accepted, &ExistingInstances::new())?;
        let gives_back = accepted.head.had.shares && accepted.head.status != RunStatus::Running;
        if gives_back || !writes::is_one_statement(&changes) {
            return Ok(None);
        }
        let runs = runs_changed(heads.values())?;
        match writes::write(self.connection, self.place, &runs, &changes).await? {
            Changed::All(transaction) => {
                let (verdicts, outlook) = (vec![step.verdict(judged, Vec::new())], Outlook::of(&heads));
                Ok(Some(Applied::Written { verdicts, transaction, outlook }))
            }
            Changed::Fewer => Ok(Some(Applied::Overtaken)),
        }
    }

    /// Of the runs that go on.
    async fn heads<'w>(&mut self, steps: &[Step<'w>]) -> Result<Heads<'w>, StoreError> {
        let mut heads = Heads::new();
        let goes_on = |step: &&Step<'w>| matches!(step, Step::Next(_));
        let runs = to_be_read(steps.iter().filter(goes_on), self.known, &mut heads);
        if runs.is_empty() {
            return Ok(heads);
        }
        let given: Vec<&str> = runs.iter().map(|run| &*run.0).collect();
        let rows = query_file!("queries/fences.sql", texts(&given, |run| run) as _).fetch_all(&mut *self.connection).await;
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

    /// Inserts the runs that begin. One whose id is taken gets no head.
    async fn begin_runs<'w>(&mut self, steps: &[Step<'w>], heads: &mut Heads<'w>) -> Result<Option<i64>, StoreError> {
        let mut new = BTreeMap::new();
        for step in steps {
            if let Step::New(begun) = step {
                self.require_plan(begun).await?;
                self.require_origin(begun).await?;
                if let Some(row) = first_row(&begun.writes).filter(|row| !heads.contains_key(&row.id)) {
                    new.entry(&row.id).or_insert_with(|| beginning(begun, row, 0));
                }
            }
        }
        if new.is_empty() {
            return Ok(None);
        }
        let insertions: Vec<RunInsertion<'_>> = runs_made(new.values())?;
        let inserted = writes::insert_runs(self.connection, self.place, self.lease_us, &insertions, &[]).await?;
        let numbers: BTreeMap<&str, i64> = inserted.iter().map(|(run, number, _)| (run.as_str(), *number)).collect();
        for (run, head) in new {
            if let Some(execution) = numbers.get(&*run.0) {
                heads.insert(run, Head { execution: *execution, ..head });
            }
        }
        Ok(inserted.first().map(|(_, _, transaction)| *transaction))
    }

    /// A call that was billed above its hold is told of, unless it is none but in play.
    async fn alert_breaches(&mut self, changes: Changes<'_>) -> Result<(), StoreError> {
        for breach in Breach::told_of(changes.breaches) {
            BudgetWriter { connection: &mut *self.connection, place: self.place }.alert_breach(&breach).await?;
        }
        Ok(())
    }

    /// Runs that ended, or stand still, give back what they had drawn from shared budgets. Last, for accounts are shared.
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

    /// The number of a run that an earlier try has stored.
    async fn begun(&mut self, new: &NewRun, row: &RunRow) -> Result<Option<i64>, StoreError> {
        let sequence = i64::try_from(row.sequence).unwrap_or(i64::MAX);
        let begun = query_file_scalar!("queries/run_begun.sql", &*row.id.0, row.created_at, new.process.id, sequence);
        begun.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))
    }

    async fn require_plan(&mut self, new: &NewRun) -> Result<(), StoreError> {
        let Some(Write::PutRun(row)) = new.writes.first() else { return Ok(()) };
        if self.plans.contains(&row.plan.0) {
            return Ok(());
        }
        let known = query_file_scalar!("queries/plan_known.sql", row.plan.0).fetch_one(&mut *self.connection).await;
        if known.map_err(|error| self.place.error(error))? == 0 {
            return Err(StoreError::NoSuchPlan { plan: row.plan.0.clone(), place: self.place.address.clone() });
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
            _ => Err(StoreError::Pruned { run: origin.to_string(), place: self.place.address.clone() }),
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
        let rows = query_file!(
            "queries/instances_existing.sql",
            column(&keys, |key| key.execution_id) as _,
            texts(&keys, |key| key.path) as _
        );
        let rows = rows.fetch_all(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(rows.into_iter().map(|row| (row.execution_id, crate::text::read(row.path))).collect())
    }
}

fn judge<'w>(step: &Step<'w>, heads: &mut Heads<'w>) -> Judged {
    match step {
        Step::New(new) => {
            let is_this = |row: &pmflow_engine::RunRow| {
                let head = heads.get(&row.id);
                head.and_then(|head| head.first).is_some_and(|first| std::ptr::eq(first, row))
            };
            match first_row(&new.writes) {
                None => Judged::Conflict(Conflict::Shape { run: RunId("".into()) }),
                Some(row) if is_this(row) => Judged::Accepted,
                Some(_) => Judged::Exists,
            }
        }
        Step::Next(next) => judge_next(next, heads).map_or_else(Judged::Conflict, |()| Judged::Accepted),
    }
}

fn inserted_path(write: &Write) -> Option<&str> {
    match write {
        Write::InsertInstance(row) => Some(row.path.as_str()),
        _ => None,
    }
}
