//! Rows of files and of connector sources.

use crate::operations::Operations;
use crate::Setup;
use pmflow_engine::{Event, Pull};
use pmflow_plan::failure::Failure;
use pmflow_plan::{FailureClass, Plan};

#[derive(Debug)]
pub(crate) struct Rows {}

impl Rows {
    pub fn new(_setup: &Setup) -> Rows {
        Rows {}
    }

    pub async fn pull(&self, _plan: &Plan, _operations: &Operations, pull: Pull) -> Event {
        let failure = Failure::not_sent(FailureClass::Permission, "pending");
        Event::SourceFailed { instance: pull.instance, step: pull.step, pull: pull.pull, failure }
    }
}
