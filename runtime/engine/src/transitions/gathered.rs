use crate::Path;
use crate::state::StepState;
use crate::turn::Turn;
use pmflow_plan::Value;

impl Turn<'_> {
    /// What a loop's items yielded, or a called flow's outputs.
    pub fn on_gathered(&mut self, instance: &Path, step: &Path, values: Vec<Value>) {
        let Some(at) = self.answered(instance, step) else { return };
        match self.entry(&at).map(|entry| &entry.state) {
            Some(StepState::Loop(state)) if state.gathering => self.end_loop(&at, Some(values)),
            Some(StepState::Flow(state)) if state.gathering => self.flow_gathered(&at, values),
            _ => {}
        }
    }
}
