use crate::turn::Turn;
use pmflow_plan::Money;

impl Turn<'_> {
    /// The run's limit is this from now on. A suspended run goes on only when it is resumed.
    pub fn on_limit_raised(&mut self, limit: Money) {
        let unchanged = self.state.account.limit == Some(limit);
        if !unchanged && limit >= Money::ZERO {
            self.raise_limit(limit);
        }
    }
}
