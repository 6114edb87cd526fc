use crate::Path;
use crate::state::{PromptState, StepState};
use crate::step_records::Detail;
use crate::turn::Turn;
use crate::write::StepStatus;
use pmflow_plan::Failure;

impl Turn<'_> {
    /// The model is out of service. The next of the chain is asked at once; where there is none, that is a failed try,
    /// which cost nothing.
    pub fn on_turn_refused(&mut self, instance: &Path, step: &Path, model: &str, failure: Failure) {
        if self.halted(instance) {
            return;
        }
        let Some((at, ticket)) = self.waiting_for_turn(instance, step, model) else { return };
        let (Some(prompt), Some(StepState::Prompt(state))) = (self.prompt(&at), self.entry(&at).map(|entry| entry.state.clone()))
        else {
            return;
        };
        self.leave_queue(ticket);
        self.next_attempt(&at);
        let detail = Detail { started_at: Some(self.now), model: Some(model.to_owned()), ..Detail::default() };
        let position = prompt.chain.iter().position(|name| name == model).unwrap_or(state.model as usize);
        let refused = u32::try_from(position).unwrap_or(state.model);
        if position + 1 >= prompt.chain.len() {
            self.enter(&at, StepState::Prompt(PromptState { model: refused, ..state }));
            return self.prompt_failed(&at, failure, detail);
        }
        let next = PromptState::fresh(refused + 1, state.phase);
        self.enter(&at, StepState::Prompt(next));
        self.record(&at, StepStatus::Retried, Detail { failure: Some(failure), ..detail });
        self.queue_prompt(&at);
    }
}
