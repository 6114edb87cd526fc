//! Names of runs.

use crate::clock;
use pmflow_engine::RunId;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// `20261122-164512-3f9a`: sorts by time, short enough to be typed.
pub(crate) fn new_id() -> RunId {
    let moment = chrono::DateTime::from_timestamp_micros(clock::now()).unwrap_or_default();
    RunId(format!("{}-{:04x}", moment.format("%Y%m%d-%H%M%S"), next_digits()).into())
}

/// Each process goes round all numbers in an order of its own: at random, thousands of runs in one second would soon meet.
fn next_digits() -> u16 {
    static ROUND: LazyLock<(AtomicU16, u16)> = LazyLock::new(|| {
        let [start, start_high, step, step_high, ..] = uuid::Uuid::new_v4().into_bytes();
        // An odd step passes through all of them before it comes back.
        (AtomicU16::new(u16::from_le_bytes([start, start_high])), u16::from_le_bytes([step, step_high]) | 1)
    });
    let (next, step) = &*ROUND;
    next.fetch_add(*step, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::next_digits;
    use std::collections::BTreeSet;

    #[test]
    fn no_process_meets_itself() {
        let given: BTreeSet<u16> = (0..=u16::MAX).map(|_| next_digits()).collect();
        assert_eq!(given.len(), 1 << 16);
    }
}
