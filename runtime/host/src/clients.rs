//! The HTTP connections of a process. All its runs share them, for making them ready takes tens of milliseconds.

use crate::Setup;
use pmflow_providers::Settings;

#[derive(Debug)]
pub(crate) struct Clients {
    models: pmflow_providers::Client,
    operations: pmflow_connectors::Client,
}

impl Default for Clients {
    fn default() -> Clients {
        let models = pmflow_providers::Client::new(Settings::default());
        Clients { models, operations: pmflow_connectors::Client::builder().build() }
    }
}

impl Clients {
    /// For a run's model calls.
    pub fn of_models(&self, settings: Settings) -> pmflow_providers::Client {
        self.models.with_settings(settings)
    }

    /// For a run's connector operations.
    pub fn of_operations(&self, setup: &Setup) -> pmflow_connectors::Client {
        let builder = pmflow_connectors::Client::builder();
        let urls = setup.connector_urls.iter();
        urls.fold(builder, |builder, (connector, url)| builder.base_url(connector, url)).sharing(&self.operations)
    }
}
