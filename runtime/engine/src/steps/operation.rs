//! A call of a connector's operation.

use crate::keys;
use crate::retry::{self, Next};
use crate::state::{OperationState, StepState};
use crate::step_records::Detail;
use crate::steps::backoff_purpose;
use crate::turn::{At, Turn};
use crate::write::StepStatus;
use crate::{CallId, Command, OperationCall, failures};
use pmflow_plan::{Call, Failure, StepKind, Target, Value};

/// Of one attempt, where the author says nothing.
const TIMEOUT_MS: u64 = 60_000;

impl<'a> Turn<'a> {
    pub fn start_operation(&mut self, at: &At<'a>) {
        self.enter(at, StepState::Operation(OperationState { tried: 0, put_off: 0, backoff: Some(self.now) }));
        self.send_operation(at);
    }

    pub fn send_operation(&mut self, at: &At<'a>) {
        let Some(StepState::Operation(state)) = self.entry(at).map(|entry| entry.state.clone()) else { return };
        self.next_attempt(at);
        match self.operation_call(at) {
            Ok(call) => {
                self.enter(at, StepState::Operation(OperationState { backoff: None, ..state }));
                self.commands.push(Command::CallOperation(call));
            }
            Err(failure) => {
                let StepKind::Call(call) = &at.step.kind else { return };
                self.call_failed(at, call, failure, Detail::default());
            }
        }
    }

    /// The request of the attempt that the step counted last.
    pub fn operation_call(&self, at: &At<'a>) -> Result<OperationCall, Failure> {
        let StepKind::Call(call) = &at.step.kind else { return Err(failures::damaged_plan(&at.path())) };
        let Target::Operation(name) = &call.target else { return Err(failures::damaged_plan(&at.path())) };
        let operation = self.plan.operations.get(name).ok_or_else(|| failures::missing("operation", name))?;
        let arguments = self.arguments(at, &call.arguments, &operation.parameters)?;
        let entry = self.entry(at);
        let generation = entry.map_or(0, |entry| entry.generation);
        let step = at.path();
        let idempotency_key = match &call.key {
            Some(key) => self.evaluate(at, key)?.to_text(),
            None => keys::idempotency(&[&self.state.line().0, step.as_str(), &generation.to_string()]),
        };
        Ok(OperationCall {
            call: CallId { instance: at.instance.clone(), step, attempt: entry.map_or(1, |entry| entry.attempt) },
            operation: name.clone(),
            arguments,
            idempotency_key,
            timeout_ms: call.timeout_ms.unwrap_or(TIMEOUT_MS),
        })
    }

    pub fn operation_answered(&mut self, at: &At<'a>, value: Value) {
        self.record(at, StepStatus::Done, Detail { result: Some(value.clone()), ..Detail::default() });
        self.done(at, Some(value));
    }

    pub fn operation_failed(&mut self, at: &At<'a>, call: &'a Call, failure: Failure) {
        let Some(StepState::Operation(state)) = self.entry(at).map(|entry| entry.state.clone()) else { return };
        let seed = format!("{} {}", self.state.id, at.path());
        let later = (state.put_off, retry::PUT_OFF_MAX_OF_LAST);
        let (tried, put_off, delay_ms) = match retry::next(&failure, call.retry.as_ref(), state.tried, later, &seed) {
            Next::PutOff { delay_ms } => (state.tried, state.put_off + 1, delay_ms),
            Next::Again { delay_ms } => (state.tried + 1, state.put_off, delay_ms),
            Next::Exhausted => return self.call_failed(at, call, failure, Detail::default()),
        };
        self.record(at, StepStatus::Retried, Detail { failure: Some(failure), ..Detail::default() });
        let until = self.after_ms(delay_ms);
        self.enter(at, StepState::Operation(OperationState { tried, put_off, backoff: Some(until) }));
        self.start_timer(at, &backoff_purpose(until), until);
    }
}
