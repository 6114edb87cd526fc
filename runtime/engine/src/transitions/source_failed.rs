use crate::Path;
use crate::state::StepState;
use crate::turn::Turn;
use pmflow_plan::{Failure, StepKind};

impl Turn<'_> {
    pub fn on_source_failed(&mut self, instance: &Path, step: &Path, pull: u64, failure: Failure) {
        if self.halted(instance) {
            return;
        }
        let Some(at) = self.answered(instance, step) else { return };
        match self.entry(&at).map(|entry| &entry.state) {
            Some(StepState::Read(state)) if state.pull == pull && state.backoff.is_none() => {
                if let StepKind::Source(source) = &at.step.kind {
                    self.source_failed(&at, source, failure);
                }
            }
            Some(StepState::Loop(state)) if state.pull == pull && state.pulling => self.pull_failed(&at, failure),
            _ => {}
        }
    }
}
