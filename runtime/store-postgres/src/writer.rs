//! Group commit: what many callers want written goes in one transaction, for the disk's commit rate is the limit. While
//! one group is on its way to the disk, the next one gathers and another connection writes it.

use crate::apply::{Applied, Applier};
use crate::faults::Place;
use crate::open::PostgresOptions;
use crate::patience::{Patience, may_pass};
use pmflow_engine::{RunId, Write};
use pmflow_store::tables::group::{gathered, on_own_thread};
use pmflow_store::tables::judge::{Step, Verdict};
use pmflow_store::tables::known::{KnownRuns, Outlook};
use pmflow_store::{Committed, Conflict, Created, NewRun, RunCommit, StoreError};
use sqlx::{ConnectOptions, Connection, PgConnection, query_file_scalar};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Jobs in one transaction, at most: bounds its memory and the time until its first answer.
const GROUP_MAX: usize = 1024;
/// Jobs that wait for a group, at most; callers beyond wait their turn.
const WAITING_MAX: usize = 4096;
/// How often a group is done again because a run moved on in between; each time another process wrote that run.
const OVERTAKEN_MAX: u32 = 20;

/// What a caller wants written.
pub(crate) enum Work {
    Create(NewRun),
    Commit(Vec<RunCommit>),
}

/// What came of it; each kind of work has one of these.
pub(crate) enum Outcome {
    Created(Created),
    Committed(Vec<Committed>),
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The way to the writers.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    jobs: mpsc::Sender<Job>,
    place: Place,
    known: Arc<KnownRuns>,
}

impl WriterHandle {
    pub fn start(options: &PostgresOptions) -> WriterHandle {
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let (place, known) = (options.place(), Arc::new(KnownRuns::default()));
        for _ in 0..options.writers.max(1) {
            let options = options.clone();
            let writer = Writer { options, place: place.clone(), connection: None, plans: BTreeSet::new(), known: known.clone() };
            on_own_thread(writer.run(waiting.clone()));
        }
        WriterHandle { jobs, place, known }
    }

    /// The run is about to draw on shared budgets.
    pub fn draws(&self, run: &RunId) {
        self.known.draws(run);
    }

    pub async fn write(&self, work: Work) -> Result<Outcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        let closed = || StoreError::Closed { place: self.place.address.clone() };
        self.jobs.send(Job { work, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

struct Writer {
    options: PostgresOptions,
    place: Place,
    /// None after an error: whatever was half done goes with the connection, and the next group opens a new one.
    connection: Option<PgConnection>,
    plans: BTreeSet<String>,
    known: Arc<KnownRuns>,
}

/// How far a group came.
enum Attempt {
    Done(Vec<Verdict>, Outlook),
    /// Nothing of it is stored.
    Overtaken,
    /// The connection was lost while this transaction committed; the verdicts count if it did.
    Unknown(i64, Vec<Verdict>),
}

impl Writer {
    async fn run(mut self, waiting: Arc<Mutex<mpsc::Receiver<Job>>>) {
        loop {
            let group = gathered(&mut *waiting.lock().await, GROUP_MAX).await;
            let Some(group) = group else { break };
            self.settle(group).await;
        }
        if let Some(connection) = self.connection.take() {
            // The server notices either way.
            let _ = connection.close().await;
        }
    }

    async fn settle(&mut self, group: Vec<Job>) {
        let (works, replies): (Vec<Work>, Vec<_>) = group.into_iter().map(|job| (job.work, job.reply)).unzip();
        match self.store(&works).await {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
            }
            Err(error) if works.len() > 1 && is_of_one_job(&error) => {
                for (work, reply) in works.iter().zip(replies) {
                    let outcome = self.store(std::slice::from_ref(work)).await.and_then(|outcomes| {
                        outcomes.into_iter().next().ok_or_else(|| StoreError::Closed { place: self.place.address.clone() })
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

    /// All of it or, on an error, nothing. Waits for a server that is away, as long as the options say.
    async fn store(&mut self, works: &[Work]) -> Result<Vec<Outcome>, StoreError> {
        let steps = steps(works);
        let mut patience = Patience::of(self.options.patience);
        let (mut overtaken, mut is_repeated) = (0, false);
        loop {
            match self.attempt(&steps, is_repeated).await {
                Ok(Attempt::Done(mut verdicts, outlook)) => {
                    self.known.learn(outlook);
                    if is_repeated {
                        verdicts.iter_mut().for_each(own_again);
                    }
                    return Ok(outcomes_of(works, verdicts));
                }
                Ok(Attempt::Overtaken) if overtaken < OVERTAKEN_MAX => overtaken += 1,
                Ok(Attempt::Overtaken) => {
                    return Err(StoreError::Locked { place: self.place.address.clone(), waited: self.place.lock_wait });
                }
                Ok(Attempt::Unknown(transaction, verdicts)) => {
                    if self.is_committed(transaction, &mut patience).await? {
                        return Ok(outcomes_of(works, verdicts));
                    }
                }
                Err(error) => {
                    is_repeated = is_one_statement(&steps);
                    patience.wait(error).await?;
                }
            }
        }
    }

    async fn attempt(&mut self, steps: &[Step<'_>], is_repeated: bool) -> Result<Attempt, StoreError> {
        let limit = self.options.answer_max;
        let mut connection = self.connected().await?;
        let attempt = tokio::time::timeout(limit, self.within_transaction(&mut connection, steps, is_repeated)).await;
        let attempt = attempt.unwrap_or_else(|_| Err(self.place.slow(limit)));
        if !matches!(attempt, Ok(Attempt::Done(..))) {
            self.known.forget(steps.iter().filter_map(Step::run));
        }
        if let Ok(Attempt::Done(..) | Attempt::Overtaken) = &attempt {
            self.connection = Some(connection);
        } else {
            self.plans.clear();
        }
        attempt
    }

    async fn connected(&mut self) -> Result<PgConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let limit = self.options.answer_max;
        match tokio::time::timeout(limit, self.options.connect_writer().connect()).await {
            Ok(connected) => connected.map_err(|error| self.place.error(error)),
            Err(_) => Err(self.place.slow(limit)),
        }
    }

    async fn within_transaction(
        &mut self,
        connection: &mut PgConnection,
        steps: &[Step<'_>],
        is_repeated: bool,
    ) -> Result<Attempt, StoreError> {
        let place = self.place.clone();
        let lease_us = self.options.lease_us();
        if let [step] = steps {
            let (plans, known) = (&mut self.plans, &*self.known);
            let mut applier = Applier { connection: &mut *connection, place: &place, lease_us, plans, known };
            match applier.apply_alone(*step, is_repeated).await? {
                Some(Applied::Written { verdicts, outlook, .. }) => return Ok(Attempt::Done(verdicts, outlook)),
                Some(Applied::Overtaken) => return Ok(Attempt::Overtaken),
                None => {}
            }
        }
        let mut transaction = connection.begin().await.map_err(|error| place.error(error))?;
        let mut applier =
            Applier { connection: &mut transaction, place: &place, lease_us, plans: &mut self.plans, known: &self.known };
        let (verdicts, number, outlook) = match applier.apply(steps).await? {
            Applied::Written { verdicts, transaction: number, outlook } => (verdicts, number, outlook),
            Applied::Overtaken => {
                transaction.rollback().await.map_err(|error| place.error(error))?;
                return Ok(Attempt::Overtaken);
            }
        };
        let committed = tokio::time::timeout(self.options.answer_max / 2, transaction.commit()).await;
        let error = match committed {
            Ok(Ok(())) => return Ok(Attempt::Done(verdicts, outlook)),
            Ok(Err(error)) => place.error(error),
            Err(_) => place.slow(self.options.answer_max / 2),
        };
        match number {
            Some(number) if may_pass(&error) => Ok(Attempt::Unknown(number, verdicts)),
            _ => Err(error),
        }
    }
}

impl Writer {
    /// What became of a transaction whose commit was not answered. False: it was rolled back, and is to be done again.
    async fn is_committed(&mut self, transaction: i64, patience: &mut Patience) -> Result<bool, StoreError> {
        loop {
            match self.status_of(transaction).await {
                Ok(Some(status)) if status == "committed" => return Ok(true),
                Ok(Some(status)) if status == "aborted" => return Ok(false),
                // Its connection was cut, and the server has not noticed yet.
                Ok(Some(_)) => patience.wait(self.place.slow(Duration::ZERO)).await?,
                Ok(None) => {
                    let detail = "it has forgotten what became of a transaction".to_owned();
                    return Err(StoreError::Other { place: self.place.address.clone(), detail });
                }
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    async fn status_of(&mut self, transaction: i64) -> Result<Option<String>, StoreError> {
        let limit = self.options.answer_max;
        let mut connection = self.connected().await?;
        let asked = query_file_scalar!("queries/transaction_status.sql", transaction).fetch_one(&mut connection);
        let status = match tokio::time::timeout(limit, asked).await {
            Ok(status) => status.map_err(|error| self.place.error(error))?,
            Err(_) => return Err(self.place.slow(limit)),
        };
        self.connection = Some(connection);
        Ok(status)
    }
}

/// What [`Applier::apply_alone`] may write: of all else it is known what became of it.
fn is_one_statement(steps: &[Step<'_>]) -> bool {
    let inserts = |write: &Write| matches!(write, Write::InsertInstance(_));
    match steps {
        [Step::New(_)] => true,
        [Step::Next(next)] => !next.writes.iter().any(inserts),
        _ => false,
    }
}

/// A single transition whose answer was lost may have been stored nevertheless. Found again it is no conflict: nobody else
/// writes that number under this lease.
fn own_again(verdict: &mut Verdict) {
    if let Verdict::Committed(committed) = verdict
        && let Committed::Conflict(Conflict::Sequence { stored, given, .. }) = committed
        && stored == given
    {
        *committed = Committed::Stored { refused: Vec::new() };
    }
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
            let runs: BTreeSet<&str> =
                steps(std::slice::from_ref(work)).iter().filter_map(Step::run).map(|run| &*run.0).collect();
            StoreError::RecordedBefore { run: runs.into_iter().collect::<Vec<_>>().join("`, `"), detail }
        }
        other => other,
    }
}

fn steps(works: &[Work]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for work in works {
        match work {
            Work::Create(new) => steps.push(Step::New(new)),
            Work::Commit(batch) => steps.extend(batch.iter().map(Step::Next)),
        }
    }
    steps
}

/// Gives each piece of work the verdicts on its own steps.
fn outcomes_of(works: &[Work], verdicts: Vec<Verdict>) -> Vec<Outcome> {
    let mut verdicts = verdicts.into_iter();
    let mut outcomes = Vec::with_capacity(works.len());
    for work in works {
        match work {
            Work::Create(_) => {
                if let Some(Verdict::Created(created)) = verdicts.next() {
                    outcomes.push(Outcome::Created(created));
                }
            }
            Work::Commit(batch) => {
                let own = verdicts.by_ref().take(batch.len()).filter_map(|verdict| match verdict {
                    Verdict::Committed(committed) => Some(committed),
                    Verdict::Created(_) => None,
                });
                outcomes.push(Outcome::Committed(own.collect()));
            }
        }
    }
    outcomes
}
