//! The one place that reads the clock.

use pmflow_engine::Time;

/// Microseconds since 1970-01-01T00:00:00Z.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
}
