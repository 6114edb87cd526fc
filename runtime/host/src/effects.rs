//! One command, performed: the only place from which the world is touched.

use crate::clients::Clients;
use crate::models::Models;
use crate::operations::Operations;
use crate::rows::Rows;
use crate::{HostError, Setup};
use pmflow_engine::{CacheLookup, Command, Event, Gather, RunId};
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
    pub operations: Operations,
    pub rows: Rows,
    /// The runs that this one takes over from, nearest first.
    pub line: Vec<RunId>,
}

impl<S: Store> Effects<S> {
    pub fn new(
        store: Arc<S>,
        run: RunId,
        plan: Arc<Plan>,
        setup: &Setup,
        clients: &Clients,
        line: Vec<RunId>,
    ) -> Result<Effects<S>, HostError> {
        let models = Models::new(&plan, setup, clients)?;
        let operations = Operations::new(setup, clients);
        Ok(Effects { store, run, models, operations, rows: Rows::new(setup), plan, line })
    }

    /// None for a command that wants no answer.
    pub async fn perform(&self, command: Command) -> Option<Event> {
        match command {
            Command::CallModel(call) => Some(self.models.call(&self.plan, call).await),
            Command::SubmitBatch(calls) => Some(self.models.submit(&self.plan, calls).await),
            Command::CollectBatch(batch) => Some(self.models.collect(batch).await),
            Command::CancelBatch(batch) => {
                self.models.cancel(batch).await;
                None
            }
            Command::CallOperation(call) => Some(self.operations.call(&self.plan, call).await),
            Command::PullRows(pull) | Command::ReadSource(pull) => Some(self.rows.pull(&self.plan, &self.operations, pull).await),
            Command::LookupCache(lookup) => Some(self.look_up(lookup).await),
            Command::Recall(recall) => Some(self.recall(recall).await),
            Command::Gather(gather) => Some(self.gather(gather).await),
            Command::AwaitAdmission(_) | Command::StartTimer(_) | Command::AwaitApproval(_) => None,
            Command::AwaitTurn(_) | Command::DrawBudget { .. } | Command::RunEnded(_) => None,
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
