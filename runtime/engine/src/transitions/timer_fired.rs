use crate::state::{Ending, PromptPhase, StepState};
use crate::steps::backoff_purpose;
use crate::turn::{At, Turn};
use crate::{Path, TimerId, failures};
use pmflow_plan::StepKind;

impl<'a> Turn<'a> {
    /// A time has come. A timer that means nothing any more is ignored; one that comes while nothing may start is
    /// asked for again after a resume.
    pub fn on_timer_fired(&mut self, timer: &TimerId) {
        if self.halted(&timer.instance) {
            return;
        }
        if timer.step == timer.instance && &*timer.purpose == "timeout" {
            return self.instance_timed_out(&timer.instance);
        }
        let Some(at) = self.answered(&timer.instance, &timer.step) else { return };
        let Some(state) = self.entry(&at).map(|entry| entry.state.clone()) else { return };
        let is_due = |until: &Option<crate::Time>| until.is_some_and(|until| *timer.purpose == *backoff_purpose(until));
        match &state {
            StepState::Wait { .. } if &*timer.purpose == "wait" => self.waited(&at),
            StepState::Approval { .. } if &*timer.purpose == "approve" => self.not_approved(&at, None),
            StepState::Prompt(state) => {
                if let PromptPhase::Backoff { until } = state.phase
                    && is_due(&Some(until))
                {
                    self.queue_prompt(&at);
                }
            }
            StepState::Operation(state) if is_due(&state.backoff) => self.send_operation(&at),
            StepState::Read(state) if is_due(&state.backoff) => self.read_source(&at),
            StepState::Loop(state) if is_due(&state.backoff) => self.pull_again(&at),
            StepState::Flow(state) if is_due(&state.backoff) => self.call_flow_again(&at, state.tried),
            _ => {}
        }
    }

    fn call_flow_again(&mut self, at: &At<'a>, tried: u32) {
        if let StepKind::Call(call) = &at.step.kind {
            self.start_flow(at, call, tried);
        }
    }

    fn instance_timed_out(&mut self, path: &Path) {
        let Some(instance) = self.state.instances.get(path) else { return };
        if instance.memory.deadline.is_none_or(|deadline| deadline > self.now) {
            return;
        }
        let name = instance.memory.body.flow.clone();
        let failure = failures::timed_out(&format!("the flow `{name}`"), self.timeout_ms(path).unwrap_or(0));
        match instance.parent {
            None => self.end_with(Ending::Failed { failure }),
            Some(_) => self.fail_instance(path, failure),
        }
    }

    /// The timeout of the flow whose instance this is.
    pub fn timeout_ms(&self, path: &Path) -> Option<u64> {
        let instance = self.state.instances.get(path)?;
        let body = &instance.memory.body;
        let flow = self.plan.flows.get(&body.flow).filter(|_| body.hops.is_empty())?;
        flow.settings.timeout_ms
    }
}
