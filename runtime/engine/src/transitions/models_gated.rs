use crate::turn::Turn;
use std::collections::BTreeSet;

impl Turn<'_> {
    /// What waited for a turn that nobody has to wait for any more goes on when the turn settles.
    pub fn on_models_gated(&mut self, models: BTreeSet<String>) {
        self.state.turns.gated = models;
    }
}
