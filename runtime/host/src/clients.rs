//! The HTTP connections of a process. All its runs share them, for making a client ready takes tens of milliseconds.

use crate::{HostError, Setup};
use std::sync::OnceLock;

#[derive(Debug, Default)]
pub(crate) struct Clients {
    models: OnceLock<pmflow_providers::Client>,
    operations: OnceLock<pmflow_connectors::Client>,
}

impl Clients {
    /// For a run's model calls.
    pub fn of_models(&self, settings: pmflow_providers::Settings) -> Result<pmflow_providers::Client, HostError> {
        if let Some(shared) = self.models.get() {
            return Ok(shared.with_settings(settings));
        }
        let made = pmflow_providers::Client::new(settings).map_err(HostError::Setup)?;
        // Of two that were made at once both are good; later runs share the first.
        let _ = self.models.set(made.clone());
        Ok(made)
    }

    /// For a run's connector operations.
    pub fn of_operations(&self, setup: &Setup) -> Result<pmflow_connectors::Client, HostError> {
        let mut builder = pmflow_connectors::Client::builder();
        for (connector, url) in &setup.connector_urls {
            builder = builder.base_url(connector, url);
        }
        if let Some(shared) = self.operations.get() {
            return Ok(builder.sharing(shared));
        }
        let made = builder.build().map_err(|error| HostError::Setup(format!("the HTTP client cannot be set up: {error}")))?;
        // Of two that were made at once both are good; later runs share the first.
        let _ = self.operations.set(made.clone());
        Ok(made)
    }
}
