use crate::Path;
use crate::state::StepState;
use crate::turn::Turn;
use pmflow_plan::Value;

impl Turn<'_> {
    /// What an earlier run recorded of the step. Asked for again after a resume when it comes while nothing may start.
    pub fn on_recalled(&mut self, instance: &Path, step: &Path, result: Option<Value>, generation: u32) {
        if self.halted(instance) {
            return;
        }
        let Some(at) = self.answered(instance, step) else { return };
        if matches!(self.entry(&at).map(|entry| &entry.state), Some(StepState::Recall)) {
            self.recalled(&at, result, generation);
        }
    }
}
