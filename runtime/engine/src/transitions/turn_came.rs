use crate::turn::Turn;
use crate::{Path, Time};

impl Turn<'_> {
    /// The call is sent when the turn settles, if its hold is granted and the time is not over.
    pub fn on_turn_came(&mut self, instance: &Path, step: &Path, model: &str, until: Time) {
        if let Some((_, ticket)) = self.waiting_for_turn(instance, step, model) {
            self.turn_came(ticket, until);
        }
    }
}
