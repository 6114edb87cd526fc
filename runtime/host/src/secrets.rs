//! Keys and connector secrets, from the environment, and what must never be told of them.

use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// Shorter values stand in ordinary words: striking them out would tell where they are.
const KNOWN_BYTES_MIN: usize = 6;

/// The values that were read as secrets in this process.
static KNOWN: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// The value of an environment variable; an empty one counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// As [`environment`], and from now on [`redacted`] strikes it out.
pub fn secret(name: &str) -> Option<SecretString> {
    let value = environment(name)?;
    know(&value);
    Some(SecretString::from(value))
}

/// A value that must not be told: from now on [`redacted`] strikes it out.
pub fn know(value: &str) {
    let value = value.trim();
    if value.len() < KNOWN_BYTES_MIN || KNOWN.read().unwrap_or_else(PoisonError::into_inner).contains(value) {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.insert(value.to_owned());
    // As it stands in JSON, and in a quoted text within JSON.
    let mut quoted = value.to_owned();
    for _ in 0..2 {
        let text = serde_json::to_string(&quoted).unwrap_or_default();
        quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned();
        known.insert(quoted.clone());
    }
    known.remove("");
}

/// The text without any secret that this process has read, whatever way it came into it.
pub fn redacted(text: &str) -> std::borrow::Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = std::borrow::Cow::Borrowed(text);
    // Of two values one of which begins with the other, the longer one comes later in the set.
    for value in known.iter().rev() {
        if text.contains(value.as_str()) {
            text = std::borrow::Cow::Owned(text.replace(value.as_str(), "[redacted]"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_struck_out_wherever_they_stand() {
        know("hunter2-and\"more");
        know("hunter2");
        know("abc");
        assert_eq!(redacted("key=hunter2-and\"more!"), "key=[redacted]!");
        assert_eq!(redacted(r#"{"key":"hunter2-and\"more"}"#), r#"{"key":"[redacted]"}"#);
        assert_eq!(redacted("hunter2 abc"), "[redacted] abc");
    }
}
