//! Keys and connector secrets, from the environment.

/// The value of an environment variable; an empty one counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
