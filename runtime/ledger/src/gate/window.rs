use super::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A window is counted in so many parts.
const PARTS: i64 = 60;

/// How much was used in the last while. In no stretch of the period is more used than is allowed: a bucket that fills while
/// it is emptied would promise only half of that. What was used counts until the part of the period in which it was used
/// is over everywhere, so that up to a sixtieth of the period is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    most: u64,
    per_us: Time,
    /// By part, oldest first.
    used: VecDeque<(i64, u64)>,
}

impl Window {
    pub fn new(most: u64, per_us: Time) -> Window {
        Window { most: most.max(1), per_us: per_us.max(PARTS), used: VecDeque::new() }
    }

    /// Other bounds for what was counted so far. A period of another length cannot be counted in the same parts.
    pub fn with(self, most: u64, per_us: Time) -> Window {
        let fresh = Window::new(most, per_us);
        if fresh.per_us == self.per_us { Window { used: self.used, ..fresh } } else { fresh }
    }

    /// The first moment at which so much more fits. What is above the limit as a whole waits for an empty window.
    pub fn free_at(&self, amount: u64, now: Time) -> Time {
        let amount = amount.min(self.most);
        let live = || self.used.iter().filter(|(part, _)| self.over_at(*part) > now);
        let mut sum: u64 = live().map(|(_, used)| *used).fold(0, u64::saturating_add);
        let mut at = now;
        for (part, used) in live() {
            if sum.saturating_add(amount) <= self.most {
                return at;
            }
            sum = sum.saturating_sub(*used);
            at = self.over_at(*part);
        }
        at
    }

    pub fn take(&mut self, amount: u64, now: Time) {
        while self.used.front().is_some_and(|(part, _)| self.over_at(*part) <= now) {
            self.used.pop_front();
        }
        let part = self.part(now);
        match self.used.back_mut() {
            // A clock that goes back counts in the newest part.
            Some((last, used)) if *last >= part => *used = used.saturating_add(amount),
            _ => self.used.push_back((part, amount)),
        }
    }

    /// Less was used than was taken at that time.
    pub fn give_back(&mut self, amount: u64, at: Time) {
        let part = self.part(at);
        if let Some((_, used)) = self.used.iter_mut().find(|(known, _)| *known == part) {
            *used = used.saturating_sub(amount);
        }
    }

    fn width(&self) -> Time {
        self.per_us / PARTS
    }

    fn part(&self, at: Time) -> i64 {
        at.div_euclid(self.width())
    }

    /// When the last moment of the part is a whole period ago.
    fn over_at(&self, part: i64) -> Time {
        part.saturating_add(1).saturating_mul(self.width()).saturating_add(self.per_us)
    }
}
