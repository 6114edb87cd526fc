//! The one writer: it gathers what many callers want written and commits it in one transaction, for the disk's commit rate
//! is the limit. While one group is on its way to the disk, the next one gathers.

use crate::apply::{Applied, Applier, Memory};
use crate::connection::Connection;
use crate::faults::Place;
use crate::open::{SqliteOptions, connect_writer};
use crate::single::Single;
use crate::triggers::{TriggerDone, TriggerWork};
use pmflow_engine::RunId;
use pmflow_plan::Money;
use pmflow_store::tables::group::{gathered, on_own_thread};
use pmflow_store::tables::judge::{Step, Verdict};
use pmflow_store::tables::known::Outlook;
use pmflow_store::{
    Answer, Ask, BudgetAccount, BudgetKey, BudgetLimit, Claim, Claimed, Committed, Created, Draw, Drawn, Lease, NewRun, Process,
    Prune, Pruned, Renewal, RunCommit, StoreError, StoredPlan,
};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;
use tokio::sync::{mpsc, oneshot, watch};

/// Jobs in one transaction, at most: bounds its memory and the time until its first answer.
const GROUP_MAX: usize = 2048;
/// Jobs that wait for a group, at most; callers beyond wait their turn.
const WAITING_MAX: usize = 4096;

/// What a caller wants written.
pub(crate) enum Work {
    Create(NewRun),
    Commit(Vec<RunCommit>),
    PutPlan(StoredPlan),
    Claim {
        run: RunId,
        process: Process,
        gone: Option<u64>,
    },
    ClaimFree {
        process: Process,
        runs_max: u32,
    },
    Renew(Vec<Lease>),
    Release(Lease),
    Ask {
        run: RunId,
        ask: Ask,
    },
    Draw(Draw),
    SetBudget {
        limit: BudgetLimit,
        by: String,
    },
    RaiseBudget {
        key: BudgetKey,
        start: String,
        limit: Money,
        by: String,
    },
    AlertDelivered(i64),
    Bury(Lease),
    Survived(Lease),
    Trigger(TriggerWork),
    Prune {
        what: Prune,
        rows_max: u32,
    },
    /// Rewrites the file; alone, for no transaction may be open.
    Vacuum,
    /// The last work: what was queued before it is done, what comes behind it is refused.
    Close,
}

/// What came of it; each kind of work has one of these.
pub(crate) enum Outcome {
    Created(Created),
    Committed(Vec<Committed>),
    Claimed(Claim),
    ClaimedFree(Vec<Claimed>),
    Renewed(Vec<Renewal>),
    Asked(Answer),
    Drawn(Drawn),
    Raised(Option<BudgetAccount>),
    Trigger(TriggerDone),
    Pruned(Pruned),
    Done,
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    jobs: mpsc::Sender<Job>,
    /// True once the file is closed.
    closed: watch::Receiver<bool>,
    place: Place,
}

impl WriterHandle {
    pub fn start(options: SqliteOptions, connection: SqliteConnection) -> WriterHandle {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let place = options.place();
        let writer = Writer {
            lease_us: i64::try_from(options.lease.as_micros()).unwrap_or(i64::MAX),
            options,
            place: place.clone(),
            connection: Some(Connection::new(connection)),
            memory: Memory::default(),
        };
        let (tell_closed, closed) = watch::channel(false);
        on_own_thread(async move {
            writer.run(waiting).await;
            tell_closed.send_replace(true);
        });
        WriterHandle { jobs, closed, place }
    }

    pub async fn write(&self, work: Work) -> Result<Outcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        let closed = || StoreError::Closed { place: self.place.path.clone() };
        self.jobs.send(Job { work, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    pub async fn close(&self) {
        let _ = self.write(Work::Close).await;
        // An error says that the writer is gone, which is as good.
        let _ = self.closed.clone().wait_for(|closed| *closed).await;
    }
}

struct Writer {
    options: SqliteOptions,
    place: Place,
    lease_us: i64,
    /// None after an error: whatever was half done goes with the connection, and the next group opens a new one.
    connection: Option<Connection>,
    memory: Memory,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(group) = gathered(&mut waiting, GROUP_MAX).await {
            // It cannot be within a transaction: the group goes without it, and it comes behind.
            let (vacuums, group): (Vec<Job>, Vec<Job>) = group.into_iter().partition(|job| matches!(job.work, Work::Vacuum));
            let closes = group.iter().any(|job| matches!(job.work, Work::Close));
            self.settle(group).await;
            for job in vacuums {
                let _ = job.reply.send(self.vacuum().await.map(|()| Outcome::Done));
            }
            if closes {
                waiting.close();
            }
        }
        if let Some(connection) = self.connection.take() {
            // Folds the write-ahead log back; when that fails, the next opening does it.
            let _ = connection.close().await;
        }
    }

    async fn settle(&mut self, group: Vec<Job>) {
        let (works, replies): (Vec<Work>, Vec<_>) = group.into_iter().map(|job| (job.work, job.reply)).unzip();
        match self.transact(&works).await {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
            }
            Err(error) if works.len() > 1 && is_of_one_job(&error) => {
                for (work, reply) in works.iter().zip(replies) {
                    let outcome = self.transact(std::slice::from_ref(work)).await.and_then(|outcomes| {
                        outcomes.into_iter().next().ok_or_else(|| StoreError::Closed { place: self.place.path.clone() })
                    });
                    let _ = reply.send(outcome.map_err(|error| named(error, work)));
                }
            }
            Err(error) => {
                for (work, reply) in works.iter().zip(replies) {
                    let _ = reply.send(Err(named(error.clone(), work)));
                }
            }
        }
    }

    async fn vacuum(&mut self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            if let Err(error) = sqlx::query(statement).execute(connection.queries()).await {
                let _ = connection.close().await;
                return Err(self.place.error(error));
            }
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn connection(&mut self) -> Result<Connection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => connect_writer(&self.options).await.map(Connection::new),
        }
    }

    /// All of it or, on an error, nothing.
    async fn transact(&mut self, works: &[Work]) -> Result<Vec<Outcome>, StoreError> {
        let mut connection = self.connection().await?;
        let transitions: Vec<&Work> = works.iter().filter(|work| is_transition(work)).collect();
        let steps = steps(&transitions);
        let outcomes = self.write(&mut connection, works, &steps).await;
        match &outcomes {
            Ok(_) => self.connection = Some(connection),
            Err(_) => {
                self.memory.forget(&steps);
                let _ = connection.close().await;
            }
        }
        outcomes
    }

    async fn write(
        &mut self,
        connection: &mut Connection,
        works: &[Work],
        steps: &[Step<'_>],
    ) -> Result<Vec<Outcome>, StoreError> {
        if works.iter().all(is_transition)
            && let Some(outcomes) = self.at_once(connection, works, steps).await?
        {
            return Ok(outcomes);
        }
        // The second time all runs are read, and nobody writes meanwhile.
        for _ in 0..2 {
            if let Some(outcomes) = self.within_transaction(connection, works, steps).await? {
                return Ok(outcomes);
            }
        }
        Err(StoreError::Locked { place: self.place.path.clone(), waited: self.options.busy_timeout })
    }

    async fn at_once(
        &mut self,
        connection: &mut Connection,
        works: &[Work],
        steps: &[Step<'_>],
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        match self.applier(connection).apply_at_once(steps).await? {
            None => Ok(None),
            Some(Applied::Written(verdicts, outlook)) => {
                self.memory.known.learn(outlook);
                let mut verdicts = verdicts.into_iter();
                Ok(Some(works.iter().filter_map(|work| outcome_of(work, &mut verdicts)).collect()))
            }
            Some(Applied::Overtaken) => {
                self.memory.forget(steps);
                Ok(None)
            }
        }
    }

    /// None: a run did not stand as it was known to.
    async fn within_transaction(
        &mut self,
        connection: &mut Connection,
        works: &[Work],
        steps: &[Step<'_>],
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let place = self.place.clone();
        connection.begin().await.map_err(|error| place.error(error))?;
        match self.apply(connection, works, steps).await? {
            Some((outcomes, outlook)) => {
                connection.commit().await.map_err(|error| place.error(error))?;
                self.memory.known.learn(outlook);
                Ok(Some(outcomes))
            }
            None => {
                self.memory.forget(steps);
                connection.roll_back().await.map(|()| None).map_err(|error| place.error(error))
            }
        }
    }

    fn applier<'c>(&'c mut self, connection: &'c mut Connection) -> Applier<'c> {
        Applier { connection, place: &self.place, lease_us: self.lease_us, memory: &mut self.memory }
    }

    /// Transitions go together, what is left one by one behind them: nobody in the group has an answer yet, so no one can
    /// tell another order from this one.
    async fn apply(
        &mut self,
        connection: &mut Connection,
        works: &[Work],
        steps: &[Step<'_>],
    ) -> Result<Option<(Vec<Outcome>, Outlook)>, StoreError> {
        let (mut verdicts, mut outlook) = (Vec::new(), Outlook::default());
        if !steps.is_empty() {
            (verdicts, outlook) = match self.applier(connection).apply(steps).await? {
                Applied::Written(verdicts, outlook) => (verdicts, outlook),
                Applied::Overtaken => return Ok(None),
            };
        }
        let mut verdicts = verdicts.into_iter();
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            if is_transition(work) {
                outcomes.extend(outcome_of(work, &mut verdicts));
            } else {
                if let Work::Draw(draw) = work {
                    self.memory.known.draws(&draw.lease.run);
                }
                let mut one = Single { connection: connection.queries(), place: &self.place, lease_us: self.lease_us };
                outcomes.push(one.apply(work).await?);
            }
        }
        Ok(Some((outcomes, outlook)))
    }
}

fn is_transition(work: &Work) -> bool {
    matches!(work, Work::Create(_) | Work::Commit(_))
}

/// Whether the fault may lie in what one caller sent rather than in the database.
fn is_of_one_job(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Other { .. }
            | StoreError::OutOfRange { .. }
            | StoreError::RecordedBefore { .. }
            | StoreError::NoSuchPlan { .. }
            | StoreError::Pruned { .. }
            | StoreError::NoSuchRun { .. }
            | StoreError::Unreadable { .. }
    )
}

/// The runs of the one piece of work that an error is about.
fn named(error: StoreError, work: &Work) -> StoreError {
    match error {
        StoreError::RecordedBefore { detail, .. } => {
            let runs: BTreeSet<&str> = steps(&[work]).iter().filter_map(Step::run).map(|run| &*run.0).collect();
            StoreError::RecordedBefore { run: runs.into_iter().collect::<Vec<_>>().join("`, `"), detail }
        }
        other => other,
    }
}

fn steps<'w>(transitions: &[&'w Work]) -> Vec<Step<'w>> {
    let mut steps = Vec::new();
    for work in transitions {
        match work {
            Work::Create(new) => steps.push(Step::New(new)),
            Work::Commit(batch) => steps.extend(batch.iter().map(Step::Next)),
            _ => {}
        }
    }
    steps
}

/// Gives a transition the verdicts on its own steps.
fn outcome_of(work: &Work, verdicts: &mut impl Iterator<Item = Verdict>) -> Option<Outcome> {
    match work {
        Work::Create(_) => match verdicts.next() {
            Some(Verdict::Created(created)) => Some(Outcome::Created(created)),
            _ => None,
        },
        Work::Commit(batch) => {
            let own = verdicts.take(batch.len()).filter_map(|verdict| match verdict {
                Verdict::Committed(committed) => Some(committed),
                Verdict::Created(_) => None,
            });
            Some(Outcome::Committed(own.collect()))
        }
        _ => None,
    }
}
