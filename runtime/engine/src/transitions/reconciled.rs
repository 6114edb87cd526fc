use crate::CallId;
use crate::turn::Turn;
use pmflow_plan::{Money, Usage};

impl Turn<'_> {
    /// What an unknown outcome had really cost. Asked for only while the call's last line in the ledger is `unknown`:
    /// the run itself does not remember calls that are over.
    pub fn on_reconciled(&mut self, call: CallId, held: Money, actual: Money, usage: Option<Usage>) {
        self.reconcile(call, held, actual, usage);
    }
}
