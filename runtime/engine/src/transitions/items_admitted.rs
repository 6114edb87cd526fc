use crate::Path;
use crate::state::StepState;
use crate::turn::Turn;

impl Turn<'_> {
    /// The store took the items of a batch, but for those whose key was there before.
    pub fn on_items_admitted(&mut self, instance: &Path, step: &Path, batch: u64, rejected: &[Path]) {
        let Some(at) = self.answered(instance, step) else { return };
        match self.entry(&at).map(|entry| &entry.state) {
            Some(StepState::Loop(state)) if state.batch == batch && !state.admitting.is_empty() => {
                self.items_admitted(&at, rejected);
            }
            _ => {}
        }
    }
}
