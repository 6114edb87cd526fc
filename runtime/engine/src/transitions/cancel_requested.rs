use crate::RunStatus;
use crate::state::Ending;
use crate::turn::Turn;

impl Turn<'_> {
    /// From here on nothing new starts. A run that has failed stays failed.
    pub fn on_cancel_requested(&mut self, by: String) {
        match self.state.status {
            RunStatus::Running => self.end_with(Ending::Cancelled { by }),
            RunStatus::Suspended => {
                self.give_up_batches();
                self.end_run(&Ending::Cancelled { by });
            }
            RunStatus::Failed | RunStatus::Succeeded | RunStatus::Cancelled => {}
        }
    }
}
