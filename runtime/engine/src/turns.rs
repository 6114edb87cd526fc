//! Calls that wait for their turn, because the host says that the calls of their model do. Nothing is held or sent for a call
//! that waits, and nothing of this is stored: a recovered run asks again.

use crate::command::TurnRequest;
use crate::state::{PromptPhase, PromptState, StepState};
use crate::turn::{At, Turn};
use crate::{Command, Path, Time, prompts};
use pmflow_plan::Prompt;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    /// The models whose calls wait.
    pub gated: BTreeSet<String>,
    /// What was asked for, by the ticket of the call.
    asked: BTreeMap<u64, Asked>,
}

#[derive(Clone, Debug)]
struct Asked {
    request: TurnRequest,
    /// The turn came, and may be used until then.
    until: Option<Time>,
}

impl Turns {
    pub fn forget(&mut self, ticket: u64) {
        self.asked.remove(&ticket);
    }

    /// Those that left the queue do not wait any more.
    pub fn keep_only<T>(&mut self, queue: &BTreeMap<u64, T>) {
        self.asked.retain(|ticket, _| queue.contains_key(ticket));
    }

    /// What has to be answered before the call can go.
    pub fn awaited(&self, ticket: u64) -> Option<&TurnRequest> {
        let asked = self.asked.get(&ticket).filter(|asked| asked.until.is_none())?;
        Some(&asked.request).filter(|request| self.gated.contains(&request.model))
    }

    fn has_come(&self, ticket: u64, model: &str, now: Time) -> bool {
        let asked = self.asked.get(&ticket).filter(|asked| asked.request.model == model);
        asked.is_some_and(|asked| asked.until.is_some_and(|until| now <= until))
    }
}

impl<'a> Turn<'a> {
    /// Whether the call may be sent now as far as its model's other calls go; asks for its turn where it may not.
    pub fn is_its_turn(&mut self, at: &At<'a>, ticket: u64, prompt: &Prompt, state: &PromptState) -> bool {
        let Some(model) = prompt.chain.get(state.model as usize) else { return true };
        let turns = &mut self.state.turns;
        if !turns.gated.contains(model) || turns.has_come(ticket, model, self.now) {
            return true;
        }
        let facts = self.plan.models.get(model);
        let repairs_before = prompts::repairs_before(state.invalid.as_ref());
        let input = facts.and_then(|facts| prompt.request_input_tokens_max(facts, repairs_before));
        let output = state.output_tokens_max.unwrap_or(prompt.output_tokens_max);
        let request = TurnRequest {
            instance: at.instance.clone(),
            step: at.path(),
            model: model.clone(),
            tokens_max: input.unwrap_or(prompt.input_tokens_max).saturating_add(output),
            has_alternative: (state.model as usize) + 1 < prompt.chain.len(),
        };
        self.commands.push(Command::AwaitTurn(request.clone()));
        turns.asked.insert(ticket, Asked { request, until: None });
        false
    }

    /// The call that asked for a turn of this model and still waits for it.
    pub fn waiting_for_turn(&self, instance: &Path, step: &Path, model: &str) -> Option<(At<'a>, u64)> {
        let local = self.state.instances.get(instance)?.local(step)?.to_owned();
        let at = self.locate(instance, &local)?;
        let StepState::Prompt(PromptState { phase: PromptPhase::Queued { ticket }, .. }) = self.entry(&at)?.state else {
            return None;
        };
        let asked = self.state.turns.asked.get(&ticket)?;
        (asked.request.model == model && asked.until.is_none()).then_some((at, ticket))
    }

    pub fn turn_came(&mut self, ticket: u64, until: Time) {
        if let Some(asked) = self.state.turns.asked.get_mut(&ticket) {
            asked.until = Some(until);
        }
    }
}
