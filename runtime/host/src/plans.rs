//! Plans that runs of this process execute: each is read, and made ready, once and not for every run.

use crate::{HostError, stored_plan};
use pmflow_plan::schema::{self, Types};
use pmflow_plan::{Model, Plan, PlanId, Prompt, SourceMap, Type};
use pmflow_providers::Answer;
use pmflow_store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Kept at most; where there are more, all are read again.
const KEPT_MAX: usize = 64;

/// A plan and what requests take from it.
#[derive(Debug)]
pub(crate) struct Ready {
    pub plan: Arc<Plan>,
    pub id: PlanId,
    pub models: BTreeMap<String, Arc<Model>>,
    pub types: Arc<BTreeMap<String, Type>>,
    /// By prompt.
    pub answers: BTreeMap<String, Answer>,
}

impl Ready {
    pub fn new(plan: Arc<Plan>, id: PlanId) -> Result<Ready, HostError> {
        let types = Types::new(&plan.types);
        let answers = plan.prompts.iter().map(|(name, prompt)| Ok((name.clone(), answer(prompt, &types)?)));
        let answers = answers.collect::<Result<_, HostError>>()?;
        let models = plan.models.iter().map(|(id, model)| (id.clone(), Arc::new(model.clone()))).collect();
        Ok(Ready { id, models, types: Arc::new(plan.types.clone()), answers, plan })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Plans {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    ready: BTreeMap<PlanId, Arc<Ready>>,
    /// By flow, the plan that was stored last: it is not stored again for every run.
    stored: BTreeMap<String, PlanId>,
}

impl Plans {
    /// Of a plan that a run begins with; stored, unless it is the one that was stored last for its flow.
    pub async fn keep(&self, store: &impl Store, plan: Arc<Plan>, source_map: SourceMap) -> Result<Arc<Ready>, HostError> {
        let ready = match self.same(&plan) {
            Some(ready) => ready,
            None => {
                let id = plan.id();
                self.add(Ready::new(plan, id)?)
            }
        };
        if self.known().stored.get(&ready.plan.flow) != Some(&ready.id) {
            store.put_plan(stored_plan(&ready.plan, source_map)).await?;
            self.known().stored.insert(ready.plan.flow.clone(), ready.id.clone());
        }
        Ok(ready)
    }

    /// Of a plan that the store has.
    pub async fn read(&self, store: &impl Store, id: &PlanId) -> Result<Arc<Ready>, HostError> {
        if let Some(ready) = self.known().ready.get(id) {
            return Ok(ready.clone());
        }
        let row = store.plan(id).await?;
        Ok(self.add(Ready::new(Arc::new(Plan::decode(&row.bytes, Some(&row.id))?), row.id)?))
    }

    fn same(&self, plan: &Arc<Plan>) -> Option<Arc<Ready>> {
        self.known().ready.values().find(|ready| Arc::ptr_eq(&ready.plan, plan)).cloned()
    }

    fn add(&self, ready: Ready) -> Arc<Ready> {
        let (ready, mut known) = (Arc::new(ready), self.known());
        if known.ready.len() >= KEPT_MAX {
            known.ready.clear();
        }
        known.ready.insert(ready.id.clone(), ready.clone());
        ready
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is done under the lock that could panic half way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(prompt: &Prompt, types: &Types<'_>) -> Result<Answer, HostError> {
    if !schema::needs_schema(&prompt.answer, types) {
        return Ok(Answer::Text);
    }
    let schema = schema::json_schema(&prompt.answer, types)
        .map_err(|error| HostError::Setup(format!("the prompt `{}` cannot be asked: {error}", prompt.name)))?;
    Ok(Answer::Json { schema: Arc::new(schema.schema.into()), name: wire_name(&prompt.name) })
}

/// Providers take letters, digits, `_` and `-`, at most 64.
fn wire_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).take(64).collect()
}
