//! A run read back from its stored rows.

use crate::failures;
use crate::run::{Run, RunOptions, Tools};
use crate::state::{Batched, Ending, Instance, Memory, Parent, PromptPhase, RunMemory, STATE_FORMAT, State, StepState};
use crate::step_records::Detail;
use crate::turn::{At, Turn};
use crate::write::{InstanceRow, InstanceStatus, RunStatus, StepStatus, Stored};
use crate::{Path, Time, Transition};
use pmflow_plan::{Billing, Money, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why stored rows are not a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    #[error("the stored state of `{place}` cannot be read: {reason}")]
    Unreadable { place: String, reason: String },
    #[error("the stored state of `{place}` has format {found}; this version of pmflow reads format {known}", known = STATE_FORMAT)]
    Format { place: String, found: u32 },
    #[error("the stored rows contradict each other: {0}")]
    Contradiction(String),
}

impl Run {
    /// Brings a run back. The transition is committed like any other: calls of models that were under way when the last
    /// process ended become *unknown* in the ledger and are queued again, and everything else that is owed is asked for
    /// again. Empty but for `RunEnded` when the run had ended.
    ///
    /// # Errors
    /// The rows are not those of a run of this plan, or of a later version.
    pub fn recover(plan: Arc<Plan>, stored: Stored, options: RunOptions, now: Time) -> Result<(Run, Transition), RecoverError> {
        let mut state = read(&plan, stored)?;
        state.shared = options.shared_budgets.then(Default::default);
        state.turns.gated = options.gated.clone();
        let raised = options.limit_raised;
        let mut run = Run { plan, tools: Tools::new(options), state };
        if run.state.status != RunStatus::Running {
            let commands = run.outstanding();
            return Ok((run, Transition { writes: Vec::new(), commands }));
        }
        let now = now.max(run.state.changed_at);
        let transition = run.turn(now, |turn| {
            // Before anything is sent again: what nobody knows the outcome of may have used up the limit before.
            if let Some(limit) = raised {
                turn.on_limit_raised(limit);
            }
            turn.recovered();
        });
        Ok((run, transition))
    }
}

impl<'a> Turn<'a> {
    fn recovered(&mut self) {
        for (path, local) in self.all_steps() {
            if let Some(at) = self.locate(&path, &local) {
                self.resolve_admission(&at);
                self.lose_call(&at);
            }
        }
        let owed = self.owed(true);
        self.commands.extend(owed);
        if self.ends_for_good() {
            self.cancel_batches();
        }
        self.wake_all();
    }

    fn all_steps(&self) -> Vec<(Path, String)> {
        let steps = |instance: &Instance| -> Vec<(Path, String)> {
            instance.memory.steps.keys().map(|local| (instance.path.clone(), local.clone())).collect()
        };
        self.state.instances.values().flat_map(steps).collect()
    }

    /// The rows tell which items of the last batch the store took.
    fn resolve_admission(&mut self, at: &At<'a>) {
        let Some(StepState::Loop(state)) = self.entry(at).map(|entry| &entry.state) else { return };
        if state.admitting.is_empty() {
            return;
        }
        let taken = |path: &Path, index: u64| {
            let instance = self.state.instances.get(path);
            instance.is_some_and(|instance| instance.index == index && instance.status == InstanceStatus::Waiting)
        };
        let refused = state.admitting.iter().filter(|(index, path)| !taken(path, *index));
        let refused: Vec<Path> = refused.map(|(_, path)| path.clone()).collect();
        self.items_admitted(at, &refused);
    }

    /// Nobody knows whether the call was sent: it stays charged, and is sent again under a new hold. It uses up no try,
    /// for the author's bounds are about the world's failures and not about ours. What waits for others was surely not sent,
    /// and what a provider has in a batch is answered there.
    fn lose_call(&mut self, at: &At<'a>) {
        let Some(entry) = self.entry(at) else { return };
        let StepState::Prompt(state) = &entry.state else { return };
        let PromptPhase::InFlight { hold, sent_at, batch, .. } = &state.phase else { return };
        if matches!(batch, Some(Batched::Collecting | Batched::Submitted(_))) {
            return;
        }
        let sent_at = *sent_at;
        let Ok(sent) = self.sent(at, state, entry.attempt, *hold) else { return };
        let cost = self.drop_call(&sent, Billing::Unknown);
        let failure = Some(failures::process_died());
        let detail =
            Detail { started_at: Some(sent_at), failure, model: Some(sent.model), cost: Some(cost), ..Detail::default() };
        self.record(at, StepStatus::Retried, detail);
        self.queue_prompt(at);
    }
}

fn read(plan: &Plan, stored: Stored) -> Result<State, RecoverError> {
    let row = stored.run;
    let memory: RunMemory = decoded(row.id.0.as_ref(), &row.state)?;
    if memory.format != STATE_FORMAT {
        return Err(RecoverError::Format { place: row.id.to_string(), found: memory.format });
    }
    let mut instances = BTreeMap::new();
    for row in stored.instances {
        let instance = instance(row)?;
        instances.insert(instance.path.clone(), instance);
    }
    for binding in stored.bindings {
        if let Some(instance) = instances.get_mut(&binding.instance) {
            // A row that a smaller value has replaced since is stale.
            let bindings = &mut instance.memory.bindings;
            if bindings.get(&binding.name).is_none() {
                bindings.insert(&binding.name, binding.value, true);
            }
        }
    }
    let mut state = State {
        id: row.id,
        plan_id: row.plan,
        root: Path::root(&plan.flow),
        status: row.status,
        sequence: row.sequence,
        created_at: row.created_at,
        changed_at: row.changed_at,
        ended_at: row.ended_at,
        failure: row.failure,
        account: row.account,
        counters: row.counters,
        input: row.input,
        ending: memory.ending.filter(|ending| *ending != Ending::HandedOver),
        next_ticket: memory.next_ticket,
        instances,
        queue: BTreeMap::new(),
        turns: Default::default(),
        in_flight: 0,
        submitted: 0,
        moving: 0,
        collecting: BTreeSet::new(),
        shared: None,
        origin: memory.origin,
    };
    check(plan, &state)?;
    rebuild(&mut state);
    Ok(state)
}

fn decoded<T: serde::de::DeserializeOwned>(place: &str, json: &str) -> Result<T, RecoverError> {
    serde_json::from_str(json).map_err(|error| RecoverError::Unreadable { place: place.to_owned(), reason: error.to_string() })
}

fn instance(row: InstanceRow) -> Result<Instance, RecoverError> {
    let memory: Memory = decoded(row.path.as_str(), &row.state)?;
    if memory.format != STATE_FORMAT {
        return Err(RecoverError::Format { place: row.path.to_string(), found: memory.format });
    }
    let parent = match (row.parent, row.parent_step) {
        (None, None) => None,
        (Some(instance), Some(step)) => {
            let below = step.as_str().strip_prefix(instance.as_str()).and_then(|rest| rest.strip_prefix('/'));
            let contradiction = || RecoverError::Contradiction(format!("`{step}` is no step of `{instance}`"));
            let step = below.ok_or_else(contradiction)?.to_owned();
            Some(Parent { instance, step })
        }
        _ => return Err(RecoverError::Contradiction(format!("`{}` has half a parent", row.path))),
    };
    Ok(Instance {
        path: row.path,
        parent,
        index: row.index,
        status: row.status,
        started_at: row.started_at,
        memory,
        asleep: false,
        stirred: false,
    })
}

/// Rows of another plan, or with pieces missing, are refused whole: going on with them could do things twice.
fn check(plan: &Plan, state: &State) -> Result<(), RecoverError> {
    let wrong = |text: String| Err(RecoverError::Contradiction(text));
    let ended = matches!(state.status, RunStatus::Succeeded | RunStatus::Cancelled);
    if !ended && !state.instances.contains_key(&state.root) {
        return wrong(format!("the run has no row for `{}`", state.root));
    }
    let mut held = Money::ZERO;
    for instance in state.instances.values() {
        if instance.memory.body.resolve(plan).is_none() {
            return wrong(format!("`{}` is not in the plan", instance.path));
        }
        let parent = instance.parent.as_ref();
        if parent.is_some_and(|parent| !state.instances.contains_key(&parent.instance)) {
            return wrong(format!("the row around `{}` is missing", instance.path));
        }
        for entry in instance.memory.steps.values() {
            if let StepState::Prompt(prompt) = &entry.state
                && let PromptPhase::InFlight { hold, .. } = prompt.phase
            {
                held = held.checked_add(hold).unwrap_or(held);
            }
        }
    }
    if held != state.account.held {
        return wrong(format!("{} is held and the calls under way account for {held}", state.account.held));
    }
    Ok(())
}

/// What is not stored because it follows from the rest.
fn rebuild(state: &mut State) {
    let mut waiting: Vec<(Parent, u64, Path)> = Vec::new();
    let mut started: Vec<(Option<Parent>, Path)> = Vec::new();
    for instance in state.instances.values() {
        for (local, entry) in &instance.memory.steps {
            state.in_flight += u64::from(entry.state.in_flight());
            state.submitted += u64::from(entry.state.is_submitted());
            state.moving += u64::from(entry.state.is_moving());
            if entry.state.batch() == Some(&Batched::Collecting) {
                state.collecting.insert((instance.path.clone(), local.clone()));
            }
            if let StepState::Prompt(prompt) = &entry.state
                && let PromptPhase::Queued { ticket } = prompt.phase
            {
                state.queue.insert(ticket, (instance.path.clone(), local.clone()));
            }
        }
        match (&instance.parent, instance.status) {
            (Some(parent), InstanceStatus::Waiting) => {
                waiting.push((parent.clone(), instance.index, instance.path.clone()));
            }
            (parent, _) => started.push((parent.clone(), instance.path.clone())),
        }
    }
    for (parent, index, path) in waiting {
        let found = state.instances.get_mut(&parent.instance).and_then(|instance| instance.loop_mut(&parent.step));
        if let Some(each) = found {
            // Items of a batch whose admission is open are sorted out when it is resolved.
            if !each.admitting.iter().any(|(_, admitting)| *admitting == path) {
                each.waiting.insert(index, path);
            }
        }
    }
    // Those below come first: whether a loop or a call sleeps depends on them.
    for (parent, path) in started.into_iter().rev() {
        let asleep = state.instances.get(&path).is_some_and(|instance| !state.works(instance));
        if let Some(instance) = state.instances.get_mut(&path) {
            instance.asleep = asleep;
        }
        let around = parent.and_then(|parent| state.instances.get_mut(&parent.instance)?.loop_mut(&parent.step));
        match around {
            Some(each) if asleep => each.sleeping += 1,
            Some(each) => each.running += 1,
            None => {}
        }
    }
}
