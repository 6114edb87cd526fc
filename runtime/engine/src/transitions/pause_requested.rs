use crate::state::Ending;
use crate::turn::Turn;

impl Turn<'_> {
    /// From here on nothing new starts, and the run can be resumed.
    pub fn on_pause_requested(&mut self) {
        if self.state.status == crate::RunStatus::Running {
            self.end_with(Ending::Suspended { failure: None });
        }
    }
}
