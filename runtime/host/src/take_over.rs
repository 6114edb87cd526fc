//! Runs that take over from runs that have ended.

use crate::effects::Effects;
use crate::{Approvals, Host, HostError, Live, Setup};
use pmflow_engine::{Event, Origin, Path, Recall, RunId, RunStatus, StepStatus, Time};
use pmflow_plan::{Billing, Money, Plan, SourceMap, Value};
use pmflow_store::{StepCursor, Store, StoreError, StoredStep};

/// Runs that took over from each other, at most: more is a damaged database.
const LINE_MAX: usize = 1000;
/// Attempts of one step that are looked at.
const ATTEMPTS_MAX: u32 = 1000;

/// What is different in the new run.
#[derive(Debug, Default)]
pub struct TakeOver {
    /// Another definition; none: the plan of the earlier run.
    pub definition: Option<(Plan, SourceMap)>,
    /// A step that is executed again whatever was recorded, by its place in the source or its path.
    pub from: Option<String>,
    pub cost_max: Option<Money>,
    pub user: String,
}

impl<S: Store> Host<S> {
    /// Starts a run that takes over every result that an ended one, and those that it took over from, recorded for the
    /// same question. What failed, was put aside or is asked differently now is done; nothing is paid for or done twice.
    pub async fn take_over(&self, id: &RunId, change: TakeOver, approvals: Approvals) -> Result<Live, HostError> {
        let summary = self.store.run(id).await?;
        if matches!(summary.status, RunStatus::Running | RunStatus::Suspended) {
            return Err(HostError::NotEnded { run: id.clone(), state: summary.status.name().to_owned() });
        }
        crate::is_whole(&summary)?;
        let stored = self.store.recover(id).await?;
        let line = line(&*self.store, Some(id.clone())).await?;
        let (first, clock) = line.last().cloned().unwrap_or((id.clone(), summary.created_at));
        let (plan, source_map) = match change.definition {
            Some(definition) => definition,
            None => {
                let row = self.store.plan(&summary.plan).await?;
                (Plan::decode(&row.bytes, Some(&row.id))?, row.source_map)
            }
        };
        let setup: Setup = serde_json::from_str(&stored.setup).map_err(|error| HostError::Setup(error.to_string()))?;
        let setup = Setup { origin: Some(id.0.to_string()), user: change.user, cost_max: change.cost_max, ..setup };
        let origin = Origin { first, clock, from: change.from };
        self.begin(plan.into(), source_map, stored.stored.run.input, setup, approvals, Some(origin)).await
    }
}

/// A run, the one that it took over from, and so on, each with the time at which it began.
pub(crate) async fn line<S: Store>(store: &S, from: Option<RunId>) -> Result<Vec<(RunId, Time)>, HostError> {
    let mut line = Vec::new();
    let mut next = from;
    while let Some(id) = next.take().filter(|_| line.len() < LINE_MAX) {
        let summary = store.run(&id).await?;
        let setup: Setup = serde_json::from_str(&summary.setup).map_err(|error| HostError::Setup(error.to_string()))?;
        line.push((id, summary.created_at));
        next = setup.origin.map(|origin| RunId(origin.into()));
    }
    Ok(line)
}

impl<S: Store> Effects<S> {
    /// What the runs before this one recorded of a step.
    pub(crate) async fn recall(&self, recall: Recall) -> Event {
        let (mut result, mut ends) = (None, 0u32);
        for run in &self.line {
            for step in std::iter::once(&recall.step).chain(&recall.earlier) {
                let attempts = match self.attempts(run, step).await {
                    Ok(attempts) => attempts,
                    Err(error) => {
                        // To go on would be to pay again. The run is suspended, and asks again when it is resumed.
                        tracing::error!(%error, "the records of the earlier run cannot be read");
                        return Event::PauseRequested;
                    }
                };
                ends = ends.saturating_add(count(attempts.iter().filter(|attempt| is_end(attempt)).count()));
                result = result.or_else(|| same(&attempts, &recall.input_key));
            }
        }
        Event::Recalled { instance: recall.instance, step: recall.step, result, generation: ends }
    }

    async fn attempts(&self, run: &RunId, step: &Path) -> Result<Vec<StoredStep>, StoreError> {
        let before = StepCursor { step: step.clone(), attempt: 0 };
        let mut attempts = self.store.steps(run, false, Some(&before), ATTEMPTS_MAX).await?;
        attempts.retain(|attempt| attempt.step == *step);
        Ok(attempts)
    }
}

fn same(attempts: &[StoredStep], input_key: &str) -> Option<Value> {
    let is_same = |attempt: &&StoredStep| {
        attempt.status == StepStatus::Done && attempt.input_key.as_deref() == Some(input_key) && attempt.result.is_some()
    };
    attempts.iter().find(is_same).and_then(|attempt| attempt.result.clone())
}

/// An attempt after which the step's action has another key: it worked, or surely did not.
fn is_end(attempt: &StoredStep) -> bool {
    match attempt.status {
        StepStatus::Done => true,
        StepStatus::Failed => attempt.failure.as_ref().is_some_and(|failure| failure.billing != Billing::Unknown),
        StepStatus::Retried => false,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
