//! One command, performed: the only place from which the world is touched.

use crate::clients::Clients;
use crate::models::Models;
use crate::observe::{Observer, Watch};
use crate::operations::Operations;
use crate::plans::Ready;
use crate::rows::Rows;
use crate::turns::{RunTurns, Turns};
use crate::{HostError, Setup, budgets};
use pmflow_engine::{CacheLookup, Command, Event, Gather, RunId};
use pmflow_ledger::gate::Lane;
use pmflow_plan::failure::Failure;
use pmflow_plan::{FailureClass, Plan};
use pmflow_store::Store;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Effects<S> {
    pub store: Arc<S>,
    pub run: RunId,
    pub plan: Arc<Plan>,
    pub models: Models,
    pub operations: Operations<S>,
    pub turns: RunTurns<S>,
    pub rows: Rows,
    /// The runs that this one takes over from, nearest first.
    pub line: Vec<RunId>,
    pub observer: Arc<dyn Observer>,
}

impl<S: Store> Effects<S> {
    pub fn new(
        store: Arc<S>,
        turns: &Arc<Turns<S>>,
        ready: &Arc<Ready>,
        setup: &Setup,
        clients: &Clients,
        observer: Arc<dyn Observer>,
    ) -> Result<Effects<S>, HostError> {
        let plan = ready.plan.clone();
        let models = Models::new(ready.clone(), setup, clients)?;
        let lane = Lane { team: budgets::TEAM.to_owned(), flow: plan.flow.clone() };
        let operations = Operations::new(setup, clients, turns.clone(), lane.clone());
        let turns = RunTurns::new(turns, &plan, &models, lane, observer.clone())?;
        let (run, rows, line) = (RunId("".into()), Rows::new(setup), Vec::new());
        Ok(Effects { store, run, models, operations, turns, rows, plan, line, observer })
    }

    pub fn watch(&self) -> Watch<'_> {
        Watch { observer: &*self.observer, run: &self.run.0, flow: &self.plan.flow }
    }

    /// None for a command that wants no answer. What is large while it is under way is kept apart: most commands are small, and
    /// each is a task of its own.
    pub async fn perform(&self, command: Command) -> Option<Event> {
        match command {
            Command::CallModel(call) => Some(self.models.call(&self.turns, self.watch(), call).await),
            Command::AwaitTurn(request) => Some(Box::pin(self.turns.turn(request)).await),
            Command::SubmitBatch(calls) => Some(Box::pin(self.models.submit(calls)).await),
            Command::CollectBatch(batch) => Some(Box::pin(self.models.collect(batch)).await),
            Command::CancelBatch(batch) => {
                Box::pin(self.models.cancel(batch)).await;
                None
            }
            Command::CallOperation(call) => Some(Box::pin(self.operations.call(&self.plan, self.watch(), call)).await),
            Command::PullRows(pull) | Command::ReadSource(pull) => {
                Some(Box::pin(self.rows.pull(&self.plan, &self.operations, pull)).await)
            }
            Command::LookupCache(lookup) => Some(Box::pin(self.look_up(lookup)).await),
            Command::Recall(recall) => Some(Box::pin(self.recall(recall)).await),
            Command::Gather(gather) => Some(Box::pin(self.gather(gather)).await),
            Command::AwaitAdmission(_) | Command::StartTimer(_) | Command::AwaitApproval(_) => None,
            Command::DrawBudget { .. } | Command::RunEnded(_) => None,
        }
    }

    /// A cache that cannot be read is a miss: the call is made.
    async fn look_up(&self, lookup: CacheLookup) -> Event {
        let (instance, step) = (lookup.instance, lookup.step);
        match self.store.cached(&lookup.key, lookup.age_ms_max).await {
            Ok(Some(cached)) => Event::CacheHit { instance, step, value: cached.value },
            Ok(None) => Event::CacheMiss { instance, step },
            Err(error) => {
                tracing::warn!(%error, "the answer cache cannot be read");
                Event::CacheMiss { instance, step }
            }
        }
    }

    async fn gather(&self, gather: Gather) -> Event {
        let result = self.store.gather(&self.run, &gather).await;
        let (instance, step) = (gather.instance, gather.step);
        match result {
            Ok(values) => Event::Gathered { instance, step, values },
            Err(error) => {
                let failure = Failure::not_sent(FailureClass::Transport, format!("what the items left cannot be read: {error}"));
                Event::SourceFailed { instance, step, pull: 0, failure }
            }
        }
    }
}
