use crate::RunStatus;
use crate::state::Ending;
use crate::turn::Turn;
use pmflow_plan::Failure;

impl Turn<'_> {
    /// From here on nothing new starts; the run waits for a person, with its story.
    pub fn on_set_aside(&mut self, failure: Failure) {
        if self.state.status == RunStatus::Running {
            self.end_with(Ending::Suspended { failure: Some(failure) });
        }
    }
}
