//! Keys: asked of the host by name, sent in one header, and never shown.

use secrecy::ExposeSecret;
pub use secrecy::SecretString;

/// Where the values of secrets live; the host implements it over its environment.
pub trait Secrets: Send + Sync {
    /// The value of the variable, or none where it is not set.
    fn get(&self, name: &str) -> Option<SecretString>;
}

/// The text without the key and without words that begin like it: some providers echo a part of a wrong key.
pub(crate) fn redact(text: &str, key: Option<&SecretString>) -> String {
    let Some(key) = key.map(|key| key.expose_secret().trim()).filter(|key| !key.is_empty()) else {
        return text.to_owned();
    };
    let text = text.replace(key, "[key]");
    let Some(start) = key.get(..5) else { return text };
    text.split(' ').map(|word| if word.contains(start) { "[key]" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_masked_echo_disappear() {
        let key = SecretString::from("sk-proj-abcdef123456");
        let text = "Incorrect API key provided: sk-proj-********3456. Or sk-proj-abcdef123456?";
        assert_eq!(redact(text, Some(&key)), "Incorrect API key provided: [key] Or [key]?");
    }

    #[test]
    fn an_empty_key_hides_nothing() {
        assert_eq!(redact("all of it", Some(&SecretString::from(""))), "all of it");
    }
}
