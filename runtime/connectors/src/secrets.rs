//! Credentials, asked for by name at the moment in which a request is built.

use secrecy::SecretString;

/// Where the values of secrets come from.
pub trait Secrets: Send + Sync {
    /// None when there is no such secret.
    fn secret(&self, name: &str) -> Option<SecretString>;
}

impl<F: Fn(&str) -> Option<SecretString> + Send + Sync> Secrets for F {
    fn secret(&self, name: &str) -> Option<SecretString> {
        self(name)
    }
}
