use crate::Path;
use crate::state::StepState;
use crate::turn::Turn;

impl Turn<'_> {
    /// A person decided. Taken from a suspended run too: what follows starts when the run is resumed.
    pub fn on_approval_decided(&mut self, instance: &Path, step: &Path, approved: bool, by: &str) {
        let Some(at) = self.answered(instance, step) else { return };
        if !matches!(self.entry(&at).map(|entry| &entry.state), Some(StepState::Approval { .. })) {
            return;
        }
        match approved {
            true => self.approved(&at, by),
            false => self.not_approved(&at, Some(by)),
        }
    }
}
