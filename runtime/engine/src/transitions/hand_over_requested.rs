use crate::state::Ending;
use crate::turn::Turn;

impl Turn<'_> {
    /// From here on nothing new starts in this process.
    pub fn on_hand_over_requested(&mut self) {
        if self.state.status == crate::RunStatus::Running {
            self.end_with(Ending::HandedOver);
        }
    }
}
