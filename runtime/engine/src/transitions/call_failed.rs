use crate::CallId;
use crate::state::{Ending, OperationState, StepState};
use crate::step_records::Detail;
use crate::turn::{At, Turn};
use crate::write::StepStatus;
use pmflow_plan::{Failure, FailureClass, StepKind};

impl<'a> Turn<'a> {
    /// A call did not answer: what was held for it is given back or stays charged, and the call is made again or fails.
    pub fn on_call_failed(&mut self, call: &CallId, failure: Failure) {
        if let Some((at, sent, sent_at)) = self.sent_prompt(call) {
            let cost = self.drop_call(&sent, failure.billing);
            let detail =
                Detail { started_at: Some(sent_at), model: Some(sent.model.clone()), cost: Some(cost), ..Detail::default() };
            if self.is_given_up(&failure) {
                self.record(&at, StepStatus::Retried, Detail { failure: Some(failure), ..detail });
                return self.queue_prompt(&at);
            }
            self.prompt_failed(&at, failure, detail);
        } else if let Some(at) = self.sent_operation(call) {
            if self.is_given_up(&failure) {
                return self.put_back_operation(&at);
            }
            if let StepKind::Call(call) = &at.step.kind {
                self.operation_failed(&at, call, failure);
            }
        }
    }

    /// The host gave the call up because the run is paused or cancelled: it is no failure of the step.
    fn is_given_up(&self, failure: &Failure) -> bool {
        let ending = matches!(self.state.ending, Some(Ending::Suspended { .. } | Ending::Cancelled { .. } | Ending::HandedOver));
        ending && failure.class == FailureClass::Cancelled
    }

    fn put_back_operation(&mut self, at: &At<'a>) {
        if let Some(StepState::Operation(state)) = self.entry(at).map(|entry| entry.state.clone()) {
            // It is due at once, when the run goes on.
            self.enter(at, StepState::Operation(OperationState { backoff: Some(self.now), ..state }));
        }
    }

    /// The operation that this names, if its answer is still awaited.
    pub fn sent_operation(&self, call: &CallId) -> Option<At<'a>> {
        let at = self.answered(&call.instance, &call.step)?;
        let entry = self.entry(&at)?;
        match &entry.state {
            StepState::Operation(state) if state.backoff.is_none() && entry.attempt == call.attempt => Some(at),
            _ => None,
        }
    }
}
