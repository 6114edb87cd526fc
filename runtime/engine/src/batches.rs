//! Calls that are sent together. They are collected, each with its hold, for as long as anything else of the run moves; then
//! a provider gets them as one batch, and its name for the batch is kept, so that whoever goes on with the run asks for the
//! answers and sends nothing again.

use crate::state::{Batched, PromptPhase, PromptState, StepState};
use crate::step_records::Detail;
use crate::steps::Sent;
use crate::turn::{At, Turn};
use crate::write::StepStatus;
use crate::{BatchedCall, CallId, Command, Path, ProviderBatch, Time, failures};
use pmflow_ledger::Entry;
use pmflow_plan::{Billing, Prompt, StepKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Calls of one batch at most. Providers take more; all answers of a batch are one commit.
const CALLS_MAX: usize = 5_000;
/// Of one attempt in a batch, where the author says nothing: providers promise a day, and may be late.
const TIMEOUT_MS: u64 = 26 * 3_600_000;

impl<'a> Turn<'a> {
    pub fn is_batched(&self, prompt: &Prompt, state: &PromptState) -> bool {
        let model = prompt.chain.get(state.model as usize).and_then(|id| self.plan.models.get(id));
        prompt.batch && !state.direct && model.is_some_and(|model| model.price.batch.is_some())
    }

    /// The call waits for others, and gives back its place in its loop until it is answered.
    pub fn collect(&mut self, at: &At<'a>, state: PromptState, sent: &Sent, entry: Entry) {
        let phase = PromptPhase::InFlight { hold: sent.hold, sent_at: self.now, batch: Some(Batched::Collecting), sent: None };
        self.enter(at, StepState::Prompt(PromptState { phase, ..state }));
        self.write_ledger(entry, Some(sent), None);
        self.doze(&at.instance);
    }

    /// What is collected goes out when no other call can join it. True when anything changed.
    pub fn send_collected(&mut self) -> bool {
        if !self.is_time_to_send() {
            return false;
        }
        let mut by_model: BTreeMap<String, Vec<(At<'a>, PromptState, Sent)>> = BTreeMap::new();
        for (path, local) in self.state.collecting.clone() {
            let Some(at) = self.locate(&path, &local) else { continue };
            let Some((state, sent)) = self.batched(&at, |batch| *batch == Batched::Collecting) else { continue };
            by_model.entry(sent.model.clone()).or_default().push((at, state, sent));
        }
        self.state.collecting.clear();
        for calls in by_model.into_values() {
            let mut calls = calls.into_iter().peekable();
            while calls.peek().is_some() {
                self.send_batch(calls.by_ref().take(CALLS_MAX));
            }
        }
        true
    }

    fn is_time_to_send(&self) -> bool {
        if self.state.collecting.is_empty() {
            return false;
        }
        let root = self.state.instances.get(&self.state.root);
        let all_wait = self.state.moving == 0 && root.is_some_and(|root| root.asleep);
        let draws = self.state.shared.as_ref().is_some_and(|shared| shared.asking && !shared.waiting);
        // What waits for money gets some when these are answered.
        let is_short = self.is_short && self.state.in_flight == self.state.submitted && !draws;
        all_wait || is_short || self.state.collecting.len() >= CALLS_MAX
    }

    fn send_batch(&mut self, calls: impl Iterator<Item = (At<'a>, PromptState, Sent)>) {
        let number = self.state.next_ticket;
        self.state.next_ticket += 1;
        let mut requests = Vec::new();
        for (at, state, sent) in calls {
            match self.model_call(&at, &state, &sent) {
                Ok(call) => {
                    let batch = Some(Batched::Sending(number));
                    self.set_phase(&at, PromptPhase::InFlight { hold: sent.hold, sent_at: self.now, batch, sent: None });
                    self.state.counters.model_calls += 1;
                    requests.push(call);
                }
                Err(failure) => {
                    self.drop_call(&sent, Billing::NotSent);
                    self.end_prompt(&at, failure, Detail::default());
                }
            }
        }
        self.touch_run();
        if !requests.is_empty() {
            self.commands.push(Command::SubmitBatch(requests));
        }
    }

    /// The provider has them: from here on a crash loses none.
    pub fn on_batch_submitted(&mut self, calls: &[CallId], name: &Arc<str>) {
        let mut taken = false;
        for call in calls {
            let Some((at, state, sent)) = self.handed(call) else { continue };
            let PromptPhase::InFlight { sent_at, batch: Some(Batched::Sending(_)), .. } = state.phase else { continue };
            let batch = Some(Batched::Submitted(name.clone()));
            self.set_phase(&at, PromptPhase::InFlight { hold: sent.hold, sent_at, batch, sent: None });
            taken = true;
        }
        if taken && let Some(batch) = self.submitted().remove(name) {
            let unwanted = self.ends_for_good().then(|| Command::CancelBatch(batch.clone()));
            self.commands.push(Command::CollectBatch(batch));
            self.commands.extend(unwanted);
        }
    }

    /// There are no batches where they were sent: they go out one by one, as the concurrency allows. Calls whose batch is not
    /// there any more are sent again like that.
    pub fn on_batch_refused(&mut self, calls: &[CallId]) {
        for call in calls {
            let Some((at, state, sent)) = self.handed(call) else { continue };
            self.drop_call(&sent, Billing::NotSent);
            self.state.counters.model_calls = self.state.counters.model_calls.saturating_sub(1);
            self.enter(&at, StepState::Prompt(PromptState { direct: true, ..state }));
            self.queue_prompt(&at);
        }
    }

    /// A call that a provider has, or is being given.
    fn handed(&self, call: &CallId) -> Option<(At<'a>, PromptState, Sent)> {
        let local = self.state.instances.get(&call.instance)?.local(&call.step)?.to_owned();
        let at = self.locate(&call.instance, &local)?;
        let (state, sent) = self.batched(&at, |batch| *batch != Batched::Collecting)?;
        (sent.call == *call).then_some((at, state, sent))
    }

    /// The call of a step, if it has come so far.
    fn batched(&self, at: &At<'a>, so_far: impl Fn(&Batched) -> bool) -> Option<(PromptState, Sent)> {
        let entry = self.entry(at)?;
        let StepState::Prompt(state) = &entry.state else { return None };
        let PromptPhase::InFlight { hold, batch: Some(batch), .. } = &state.phase else { return None };
        let sent = self.sent(at, state, entry.attempt, *hold).ok().filter(|_| so_far(batch))?;
        Some((state.clone(), sent))
    }

    /// What is collected where nothing may start any more is not sent. True when anything changed.
    pub fn leave_halted(&mut self) -> bool {
        if !std::mem::take(&mut self.halting) || self.state.collecting.is_empty() {
            return false;
        }
        let halted = |(path, _): &&(Path, String)| self.halted(path);
        let halted: Vec<(Path, String)> = self.state.collecting.iter().filter(halted).cloned().collect();
        for (path, local) in &halted {
            if let Some(at) = self.locate(path, local) {
                self.leave(&at);
                self.queue_prompt(&at);
                self.wake(path);
            }
        }
        !halted.is_empty()
    }

    /// The instance ends: what it had collected is not sent.
    pub fn leave_collected(&mut self, path: &Path) {
        let from = (path.clone(), String::new());
        let own = self.state.collecting.range(from..).take_while(|(instance, _)| instance == path);
        let own: Vec<(Path, String)> = own.cloned().collect();
        for key in own {
            if let Some(at) = self.locate(&key.0, &key.1) {
                self.leave(&at);
            }
            self.state.collecting.remove(&key);
        }
    }

    fn leave(&mut self, at: &At<'a>) {
        if let Some((_, sent)) = self.batched(at, |batch| *batch == Batched::Collecting) {
            self.drop_call(&sent, Billing::NotSent);
            // It was never sent: there may be room for all of it next time.
            if let Some(state) = self.prompt_state(at) {
                state.output_tokens_max = None;
            }
        }
    }

    /// Nobody will ask for the answers any more: the calls stay charged, and the providers are told to stop.
    pub fn give_up_batches(&mut self) {
        self.cancel_batches();
        for (path, local) in self.steps_with(|batch| matches!(batch, Batched::Submitted(_))) {
            let Some(at) = self.locate(&path, &local) else { continue };
            let Some((_, sent)) = self.batched(&at, |_| true) else { continue };
            let cost = Some(self.drop_call(&sent, Billing::Unknown));
            let failure = Some(failures::batch_given_up());
            self.record(&at, StepStatus::Failed, Detail { failure, model: Some(sent.model), cost, ..Detail::default() });
        }
    }

    /// The run ends for good: what providers have not answered yet is not wanted.
    pub fn cancel_batches(&mut self) {
        if self.state.submitted > 0 {
            let batches = self.submitted().into_values();
            self.commands.extend(batches.map(Command::CancelBatch));
        }
    }

    pub fn ends_for_good(&self) -> bool {
        self.state.ending.as_ref().is_some_and(|ending| !ending.goes_on())
    }

    /// What was being handed over, as it was handed over.
    pub fn owed_submissions(&self) -> Vec<Command> {
        let mut batches: BTreeMap<u64, Vec<crate::ModelCall>> = BTreeMap::new();
        for (path, local) in self.steps_with(|batch| matches!(batch, Batched::Sending(_))) {
            let Some(at) = self.locate(&path, &local) else { continue };
            let Some((state, sent)) = self.batched(&at, |_| true) else { continue };
            if let (Some(Batched::Sending(number)), Ok(call)) = (state.phase.batch(), self.model_call(&at, &state, &sent)) {
                batches.entry(*number).or_default().push(call);
            }
        }
        batches.into_values().map(Command::SubmitBatch).collect()
    }

    pub fn owed_collections(&self) -> Vec<Command> {
        if self.state.submitted == 0 {
            return Vec::new();
        }
        self.submitted().into_values().map(Command::CollectBatch).collect()
    }

    /// What providers have, by their names for it.
    pub fn submitted(&self) -> BTreeMap<Arc<str>, ProviderBatch> {
        let mut batches: BTreeMap<Arc<str>, ProviderBatch> = BTreeMap::new();
        for (path, local) in self.steps_with(|batch| matches!(batch, Batched::Submitted(_))) {
            let Some(at) = self.locate(&path, &local) else { continue };
            let Some((state, sent)) = self.batched(&at, |_| true) else { continue };
            let PromptPhase::InFlight { sent_at, batch: Some(Batched::Submitted(name)), .. } = &state.phase else { continue };
            let batch = batches.entry(name.clone()).or_insert_with(|| ProviderBatch {
                name: name.clone(),
                model: sent.model.clone(),
                calls: Vec::new(),
            });
            batch.calls.push(BatchedCall {
                call: sent.call,
                prompt: sent.prompt,
                idempotency_key: sent.idempotency_key,
                output_tokens_max: sent.output_tokens_max,
                until: until(&at, *sent_at),
            });
        }
        batches
    }

    fn steps_with(&self, wanted: impl Fn(&Batched) -> bool) -> BTreeSet<(Path, String)> {
        let mut found = BTreeSet::new();
        for instance in self.state.instances.values() {
            let steps = instance.memory.steps.iter().filter(|(_, entry)| entry.state.batch().is_some_and(&wanted));
            found.extend(steps.map(|(local, _)| (instance.path.clone(), local.clone())));
        }
        found
    }
}

fn until(at: &At<'_>, sent_at: Time) -> Time {
    let timeout_ms = match &at.step.kind {
        StepKind::Call(call) => call.timeout_ms,
        _ => None,
    };
    let timeout_ms = i64::try_from(timeout_ms.unwrap_or(TIMEOUT_MS)).unwrap_or(i64::MAX);
    sent_at.saturating_add(timeout_ms.saturating_mul(1000))
}
