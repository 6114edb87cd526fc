//! When the process ends, and which events come twice or late.

use crate::random::Random;
use pmflow_engine::Time;

/// Between which two steps a process can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    BeforeCommit,
    BeforeDispatch,
    AfterDispatch,
}

#[derive(Clone, Debug, Default)]
pub struct Faults {
    chance: Option<Chance>,
    /// Strike at this boundary, counted from 1.
    at: Option<u64>,
    passed: u64,
}

#[derive(Clone, Debug)]
struct Chance {
    random: Random,
    crashes_left: u64,
    crash_percent: u64,
    repeat_percent: u64,
    delay_percent: u64,
}

impl Faults {
    /// Crashes, repeated events and late events by chance.
    pub fn seeded(seed: u64) -> Faults {
        let mut random = Random::of(seed, "faults");
        let crashes_left = random.below(6);
        let crash_percent = 1 + random.below(12);
        let (repeat_percent, delay_percent) = (random.below(20), random.below(20));
        Faults {
            chance: Some(Chance { random, crashes_left, crash_percent, repeat_percent, delay_percent }),
            at: None,
            passed: 0,
        }
    }

    /// One crash, at the n-th boundary.
    pub fn at(boundary: u64) -> Faults {
        Faults { chance: None, at: Some(boundary), passed: 0 }
    }

    /// Boundaries seen so far.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    pub fn strikes(&mut self, _boundary: Boundary) -> bool {
        self.passed += 1;
        if self.at == Some(self.passed) {
            return true;
        }
        self.chance.as_mut().is_some_and(|chance| chance.crashes_left > 0 && chance.random.percent(chance.crash_percent))
    }

    pub fn struck(&mut self) {
        if let Some(chance) = &mut self.chance {
            chance.crashes_left = chance.crashes_left.saturating_sub(1);
        }
    }

    pub fn repeats(&mut self) -> bool {
        self.chance.as_mut().is_some_and(|chance| chance.random.percent(chance.repeat_percent))
    }

    pub fn delays(&mut self) -> bool {
        self.chance.as_mut().is_some_and(|chance| chance.random.percent(chance.delay_percent))
    }

    /// The provider has no batches.
    pub fn refuses_batch(&mut self) -> bool {
        self.chance.as_mut().is_some_and(|chance| chance.random.percent(10))
    }

    /// The provider takes no batch for now.
    pub fn fails_batch(&mut self) -> bool {
        self.chance.as_mut().is_some_and(|chance| chance.random.percent(10))
    }

    /// In microseconds.
    pub fn delay(&mut self) -> Time {
        self.chance.as_mut().map_or(0, |chance| i64::try_from(chance.random.below(3_000_000)).unwrap_or(0))
    }
}
