use super::Time;
use serde::{Deserialize, Serialize};

/// Failures in a row, with no answer between them, after which a model counts as out of service.
pub const FAILURES_MAX: u32 = 5;
/// Failures that lie further apart are none in a row.
const ROW_US: Time = 60_000_000;
/// How long nobody asks, the first time; it doubles each time that the model still fails.
pub const OPEN_US_MIN: Time = 30_000_000;
pub const OPEN_US_MAX: Time = 300_000_000;
/// One call at a time tries whether the model is back; after this another one may.
const PROBE_US: Time = 60_000_000;

/// Whether a model is in service. Open: nobody asks it. Half open: one call at a time does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    failures: u32,
    failed_at: Time,
    /// Times in a row.
    opened: u32,
    open_until: Time,
    probing_until: Time,
}

impl Breaker {
    pub fn is_closed(&self) -> bool {
        self.opened == 0
    }

    /// Something is remembered that an answer would clear.
    pub fn failed(&self) -> bool {
        *self != Breaker::default()
    }

    /// Until when a call has to wait; none: it may pass.
    pub fn closed_until(&self, now: Time) -> Option<Time> {
        if self.is_closed() {
            return None;
        }
        Some(self.open_until.max(self.probing_until)).filter(|until| *until > now)
    }

    /// A call goes: while half open it is the one that tries.
    pub fn passed(&mut self, now: Time) {
        if !self.is_closed() {
            self.probing_until = now.saturating_add(PROBE_US);
        }
    }

    pub fn answered(&mut self) {
        *self = Breaker::default();
    }

    pub fn failed_at(&mut self, now: Time) {
        // Of calls that were under way when it opened, nothing new is learnt.
        if !self.is_closed() && now < self.open_until {
            return;
        }
        let in_a_row = now.saturating_sub(self.failed_at) <= ROW_US;
        self.failures = if in_a_row { self.failures.saturating_add(1) } else { 1 };
        self.failed_at = now;
        if !self.is_closed() || self.failures >= FAILURES_MAX {
            let longer = OPEN_US_MIN.saturating_mul(1i64.checked_shl(self.opened.min(16)).unwrap_or(i64::MAX));
            self.opened = self.opened.saturating_add(1);
            self.open_until = now.saturating_add(longer.min(OPEN_US_MAX));
            self.probing_until = 0;
        }
    }
}
