use crate::CallId;
use crate::turn::Turn;
use pmflow_plan::Value;

impl Turn<'_> {
    pub fn on_operation_answered(&mut self, call: &CallId, value: Value) {
        if let Some(at) = self.sent_operation(call) {
            self.operation_answered(&at, value);
        }
    }
}
