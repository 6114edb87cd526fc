//! Connector operations.

use crate::{HostError, Setup};
use pmflow_engine::{Event, OperationCall};
use pmflow_plan::failure::Failure;
use pmflow_plan::{FailureClass, Plan};

#[derive(Debug)]
pub(crate) struct Operations {}

impl Operations {
    pub fn new(_plan: &Plan, _setup: &Setup) -> Result<Operations, HostError> {
        Ok(Operations {})
    }

    pub async fn call(&self, _plan: &Plan, call: OperationCall) -> Event {
        Event::CallFailed { call: call.call, failure: Failure::not_sent(FailureClass::Permission, "pending") }
    }
}
