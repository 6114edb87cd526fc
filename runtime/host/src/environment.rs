//! What the environment says about a provider, to be looked at before a run needs it.

use crate::secrets::environment;
use crate::turns::declared;
use pmflow_providers::{base_url_variable, key_variables, rate_limit_variable};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Where its key is looked for, in this order.
    pub key_variables: Vec<String>,
    pub has_key: bool,
    /// What is set and cannot be used, with the reason.
    pub wrong: Vec<String>,
}

/// Nothing is sent anywhere.
pub fn provider(name: &str) -> ProviderSettings {
    let key_variables = key_variables(name);
    let has_key = key_variables.iter().any(|variable| environment(variable).is_some_and(|key| !key.trim().is_empty()));
    ProviderSettings { key_variables, has_key, wrong: [rate_limit(name), address(name)].into_iter().flatten().collect() }
}

fn rate_limit(provider: &str) -> Option<String> {
    let variable = rate_limit_variable(provider);
    let reason = declared(&environment(&variable)?).err()?;
    Some(format!("{variable}: {reason}"))
}

fn address(provider: &str) -> Option<String> {
    let variable = base_url_variable(provider);
    let address = environment(&variable)?;
    let host = ["http://", "https://"].iter().find_map(|scheme| address.trim().strip_prefix(scheme));
    let is_usable = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
    // The address itself may hold a password.
    (!is_usable).then(|| format!("{variable} is no address; it should look like `http://localhost:11434/v1`"))
}
