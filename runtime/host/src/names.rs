//! Names of runs.

use crate::clock;
use pmflow_engine::RunId;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// `20261122-164512-3f9a`: sorts by time, short enough to be typed.
pub(crate) fn new_id() -> RunId {
    let moment = chrono::DateTime::from_timestamp_micros(clock::now()).unwrap_or_default();
    RunId(format!("{}-{:04x}", moment.format("%Y%m%d-%H%M%S"), NEXT_DIGITS.fetch_add(1, Ordering::Relaxed)).into())
}

/// The last digits go round all numbers from where chance puts each process, so that no process meets itself. One after the other
/// they stand together in a store's indexes: at thousands of runs a second, random ones made for a seventh of what SQLite wrote.
static NEXT_DIGITS: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(random()));

/// A name was taken, so another process has the neighbouring ones too: goes on somewhere else.
pub(crate) fn move_away() {
    NEXT_DIGITS.store(random(), Ordering::Relaxed);
}

fn random() -> u16 {
    let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::{NEXT_DIGITS, new_id};
    use std::collections::BTreeSet;
    use std::sync::atomic::Ordering;

    #[test]
    fn names_of_a_process_follow_each_other_all_the_way_round() {
        NEXT_DIGITS.store(0xfff0, Ordering::Relaxed);
        let ends: Vec<String> = (0..=u16::MAX).map(|_| new_id().0.rsplit('-').next().unwrap_or_default().to_owned()).collect();
        assert_eq!((&*ends[0], &*ends[0x10], &*ends[0xffff]), ("fff0", "0000", "ffef"));
        assert_eq!(ends.iter().collect::<BTreeSet<_>>().len(), 1 << 16);
    }
}
