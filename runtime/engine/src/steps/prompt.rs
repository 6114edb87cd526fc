//! A call of a prompt: cache, hold, sending, repair, retry, the next model.

use crate::prompts::Rendered;
use crate::retry::{self, Next};
use crate::state::{Batched, Invalid, PromptPhase, PromptState, StepState};
use crate::step_records::Detail;
use crate::steps::backoff_purpose;
use crate::turn::{At, Turn};
use crate::write::StepStatus;
use crate::{CacheLookup, CallId, Command, ModelCall, Time, Write, failures, keys, prompts};
use pmflow_plan::value::Record;
use pmflow_plan::{Billing, Call, Failure, Money, Prompt, StepKind, Target, Value};
use std::sync::Arc;

/// Of one attempt, where the author says nothing.
const TIMEOUT_MS: u64 = 600_000;

/// What is known of one attempt without its texts.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub call: CallId,
    pub prompt: String,
    pub model: String,
    pub input_tokens_max: u64,
    pub output_tokens_max: u64,
    pub idempotency_key: String,
    pub hold: Money,
    /// A provider has it in a batch, and bills it as such.
    pub batched: bool,
    /// What the step was given, as a digest, where that was worked out.
    pub input_key: Option<String>,
}

/// A prompt with a step's arguments in it.
struct Filled<'a> {
    call: &'a Call,
    prompt: &'a Prompt,
    arguments: Arc<Record>,
    rendered: Rendered,
}

impl<'a> Turn<'a> {
    pub fn start_prompt(&mut self, at: &At<'a>, call: &'a Call) {
        let Some(prompt) = self.prompt(at) else {
            return self.fail(at, failures::damaged_plan(&at.path()), false);
        };
        self.enter(at, StepState::Prompt(PromptState::fresh(0, PromptPhase::Cache)));
        if cache_ms(call, prompt).is_none() {
            return self.queue_prompt(at);
        }
        match self.cache_lookup(at) {
            Ok(lookup) => self.commands.push(Command::LookupCache(lookup)),
            Err(failure) => self.end_prompt(at, failure, Detail::default()),
        }
    }

    pub fn prompt(&self, at: &At<'a>) -> Option<&'a Prompt> {
        match &at.step.kind {
            StepKind::Call(Call { target: Target::Prompt(name), .. }) => self.plan.prompts.get(name),
            _ => None,
        }
    }

    pub fn prompt_state(&mut self, at: &At<'a>) -> Option<&mut PromptState> {
        match self.step_state(at) {
            Some(StepState::Prompt(state)) => Some(state),
            _ => None,
        }
    }

    /// The prompt may be sent as soon as its hold is granted.
    pub fn queue_prompt(&mut self, at: &At<'a>) {
        let ticket = self.state.next_ticket;
        self.state.next_ticket += 1;
        self.set_phase(at, PromptPhase::Queued { ticket });
        self.state.queue.insert(ticket, (at.instance.clone(), at.local.clone()));
    }

    /// Changes the phase and counts what is in flight.
    pub fn set_phase(&mut self, at: &At<'a>, phase: PromptPhase) {
        if let Some(StepState::Prompt(state)) = self.entry(at).map(|entry| entry.state.clone()) {
            self.enter(at, StepState::Prompt(PromptState { phase, ..state }));
        }
    }

    pub fn cache_lookup(&self, at: &At<'a>) -> Result<CacheLookup, Failure> {
        let Filled { call, prompt, rendered, .. } = self.filled(at)?;
        let age_ms_max = cache_ms(call, prompt).unwrap_or(0);
        let key = prompts::cache_key(prompt, &rendered);
        Ok(CacheLookup { instance: at.instance.clone(), step: at.path(), key, age_ms_max })
    }

    /// The facts of one attempt.
    pub fn sent(&self, at: &At<'a>, state: &PromptState, attempt: u32, hold: Money) -> Result<Sent, Failure> {
        let prompt = self.prompt(at).ok_or_else(|| failures::damaged_plan(&at.path()))?;
        let model = prompt.chain.get(state.model as usize).ok_or_else(|| failures::damaged_plan(&at.path()))?;
        let step = at.path();
        let generation = self.entry(at).map_or(0, |entry| entry.generation);
        let mut logical = format!("{generation} {} {} {}", state.model, state.tried, state.repaired);
        if let Some(cap) = state.output_tokens_max {
            // One key is one request.
            logical.push_str(&format!(" capped {cap}"));
        }
        let repairs_before = prompts::repairs_before(state.invalid.as_ref());
        let facts = self.plan.models.get(model);
        let input_tokens_max = facts.and_then(|facts| prompt.request_input_tokens_max(facts, repairs_before));
        Ok(Sent {
            idempotency_key: keys::idempotency(&[&self.state.id.0, step.as_str(), &logical]),
            call: CallId { instance: at.instance.clone(), step, attempt },
            prompt: prompt.name.clone(),
            model: model.clone(),
            input_tokens_max: input_tokens_max.unwrap_or(prompt.input_tokens_max),
            output_tokens_max: state.output_tokens_max.unwrap_or(prompt.output_tokens_max),
            hold,
            batched: matches!(state.phase.batch(), Some(Batched::Submitted(_))),
            input_key: None,
        })
    }

    /// The prompt with the step's arguments in it.
    fn filled(&self, at: &At<'a>) -> Result<Filled<'a>, Failure> {
        let StepKind::Call(call) = &at.step.kind else { return Err(failures::damaged_plan(&at.path())) };
        let prompt = self.prompt(at).ok_or_else(|| failures::damaged_plan(&at.path()))?;
        let arguments = self.arguments(at, &call.arguments, &prompt.parameters)?;
        let rendered = prompts::render(&self.context, prompt, &arguments, self.state.clock())?;
        Ok(Filled { call, prompt, arguments, rendered })
    }

    /// The request of one attempt.
    pub fn model_call(&self, at: &At<'a>, state: &PromptState, sent: &Sent) -> Result<ModelCall, Failure> {
        Ok(self.model_call_of(self.filled(at)?, state, sent))
    }

    /// As [`Turn::model_call`], and works out the digest of what the step is given on the way.
    pub fn first_model_call(&self, at: &At<'a>, state: &PromptState, sent: &mut Sent) -> Result<ModelCall, Failure> {
        let filled = self.filled(at)?;
        sent.input_key = Some(prompts::cache_key(filled.prompt, &filled.rendered));
        Ok(self.model_call_of(filled, state, sent))
    }

    fn model_call_of(&self, filled: Filled<'a>, state: &PromptState, sent: &Sent) -> ModelCall {
        let Filled { call, prompt, arguments, rendered } = filled;
        let sent = sent.clone();
        let mut messages = rendered.messages;
        messages.extend(state.invalid.iter().flat_map(|invalid| prompts::repair_messages(prompt, invalid)));
        ModelCall {
            call: sent.call,
            prompt: sent.prompt,
            model: sent.model,
            system: rendered.system,
            messages,
            arguments,
            now: self.state.clock(),
            answer: prompt.answer.clone(),
            input_tokens_max: sent.input_tokens_max,
            output_tokens_max: sent.output_tokens_max,
            thinking_tokens_max: prompt.thinking_tokens_max,
            temperature_milli: prompt.temperature_milli,
            timeout_ms: call.timeout_ms.unwrap_or(TIMEOUT_MS),
            idempotency_key: sent.idempotency_key,
            hold: sent.hold,
        }
    }

    /// The attempt that this names, if its answer is still awaited, and when it was sent.
    pub fn sent_prompt(&self, call: &CallId) -> Option<(At<'a>, Arc<Sent>, Time)> {
        let local = self.state.instances.get(&call.instance)?.local(&call.step)?.to_owned();
        let at = self.locate(&call.instance, &local)?;
        let entry = self.entry(&at)?;
        let StepState::Prompt(state) = &entry.state else { return None };
        let PromptPhase::InFlight { hold, sent_at, batch, sent } = &state.phase else { return None };
        if entry.attempt != call.attempt || *batch == Some(Batched::Collecting) {
            return None;
        }
        let sent_at = *sent_at;
        let sent = match sent {
            Some(sent) => sent.clone(),
            None => Arc::new(self.sent(&at, state, entry.attempt, *hold).ok()?),
        };
        Some((at, sent, sent_at))
    }

    /// A usable answer: stored, cached, bound.
    pub fn prompt_answered(&mut self, at: &At<'a>, value: Value, detail: Detail) {
        let (StepKind::Call(call), Some(prompt)) = (&at.step.kind, self.prompt(at)) else { return };
        if cache_ms(call, prompt).is_some()
            && !detail.from_cache
            && let Ok(key) = self.input_key(at)
        {
            let (flow, prompt) = (at.scope.flow.name.clone(), prompt.name.clone());
            self.writes.push(Write::CachePut { key, value: value.clone(), at: self.now, flow, prompt });
        }
        self.record(at, StepStatus::Done, Detail { result: Some(value.clone()), ..detail });
        self.done(at, Some(value));
    }

    /// An answer, paid for, that does not fit: asked for again while the prompt's `repair` allows.
    pub fn prompt_unusable(&mut self, at: &At<'a>, answer: String, failure: Failure, detail: Detail) {
        let Some(prompt) = self.prompt(at) else { return };
        let Some(state) = self.prompt_state(at) else { return };
        if state.repaired >= prompt.repair {
            return self.prompt_failed(at, failure, detail);
        }
        state.repaired += 1;
        state.output_tokens_max = None;
        let answer = prompts::clip_answer(prompt, &answer).to_owned();
        state.invalid = Some(Invalid { answer, problem: failure.message.clone() });
        self.record(at, StepStatus::Retried, Detail { failure: Some(failure), ..detail });
        self.queue_prompt(at);
    }

    /// A failed try: later again, or the next model, or the end.
    pub fn prompt_failed(&mut self, at: &At<'a>, failure: Failure, detail: Detail) {
        let (StepKind::Call(call), Some(prompt)) = (&at.step.kind, self.prompt(at)) else { return };
        let seed = format!("{} {}", self.state.id, at.path());
        let Some(state) = self.prompt_state(at) else { return };
        let is_last = (state.model as usize) + 1 >= prompt.chain.len();
        let later = (state.put_off, if is_last { retry::PUT_OFF_MAX_OF_LAST } else { retry::PUT_OFF_MAX });
        let delay_ms = match retry::next(&failure, call.retry.as_ref(), state.tried, later, &seed) {
            Next::PutOff { delay_ms } => {
                state.put_off += 1;
                Some(delay_ms)
            }
            Next::Again { delay_ms } => {
                state.tried += 1;
                state.output_tokens_max = None;
                // A request that cost nothing is made again as it was: its repairs were paid for, and are counted.
                if failure.billing == Billing::Unknown {
                    (state.repaired, state.invalid) = (0, None);
                }
                Some(delay_ms)
            }
            Next::Exhausted if (state.model as usize) + 1 < prompt.chain.len() => {
                *state = PromptState::fresh(state.model + 1, state.phase.clone());
                None
            }
            Next::Exhausted => return self.end_prompt(at, failure, detail),
        };
        self.record(at, StepStatus::Retried, Detail { failure: Some(failure), ..detail });
        match delay_ms {
            Some(delay_ms) => {
                let until = self.after_ms(delay_ms);
                self.set_phase(at, PromptPhase::Backoff { until });
                self.start_timer(at, &backoff_purpose(until), until);
            }
            None => self.queue_prompt(at),
        }
    }

    /// No try is left.
    pub fn end_prompt(&mut self, at: &At<'a>, failure: Failure, detail: Detail) {
        let StepKind::Call(call) = &at.step.kind else { return };
        self.call_failed(at, call, failure, detail);
    }
}

/// The call's own `cache` goes before the prompt's.
pub(crate) fn cache_ms(call: &Call, prompt: &Prompt) -> Option<u64> {
    call.cache_ms.or(prompt.cache_ms)
}
