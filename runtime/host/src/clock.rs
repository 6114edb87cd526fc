//! The one place that reads the clock.

use pmflow_engine::Time;
use std::time::{Duration, Instant};

/// Microseconds since 1970-01-01T00:00:00Z.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
}

/// The time of a run. It never goes back, and never stands still: where this machine's clock was set back, or the run comes from
/// a worker whose clock is ahead, it goes on from there, and what waits for a time does not wait for the difference as well.
#[derive(Debug)]
pub(crate) struct RunClock {
    last: Time,
    read_at: Instant,
}

impl RunClock {
    /// Of a run that has come to this time.
    pub fn from(last: Time) -> RunClock {
        RunClock { last, read_at: Instant::now() }
    }

    pub fn now(&mut self) -> Time {
        let (before, read_at) = (self.read_at, Instant::now());
        self.read_at = read_at;
        self.pass(now(), read_at.saturating_duration_since(before))
    }

    fn pass(&mut self, wall: Time, elapsed: Duration) -> Time {
        let elapsed = Time::try_from(elapsed.as_micros()).unwrap_or(Time::MAX);
        self.last = wall.max(self.last.saturating_add(elapsed));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_time_never_goes_back_and_never_stands_still() {
        let mut clock = RunClock::from(1_000_000);
        let second = Duration::from_secs(1);
        assert_eq!(clock.pass(5_000_000, Duration::ZERO), 5_000_000, "this machine's clock is ahead of the run");
        assert_eq!(clock.pass(6_000_000, second), 6_000_000);
        assert_eq!(clock.pass(2_000_000, second), 7_000_000, "it was set back");
        assert_eq!(clock.pass(3_000_000, second), 8_000_000);
        assert_eq!(clock.pass(60_000_000, second), 60_000_000, "and set forward");
    }
}
