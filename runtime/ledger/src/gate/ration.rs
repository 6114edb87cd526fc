//! What one model, or all models of a key, may do: declared limits, those that the provider told, and its "later".

use super::{Limit, Outcome, Report, Time, Turn, Window};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Patience after a "later" that says no time: it doubles until a call is answered.
const LATER_US_MIN: Time = 1_000_000;
const LATER_US_MAX: Time = 60_000_000;
/// Longer than this nobody is believed at once; who still refuses says so again.
const WAIT_US_MAX: Time = 3_600_000_000;
/// After so many answers in a row a "later" is forgotten.
const ANSWERS_ENOUGH: u32 = 16;
/// A call that was let through and never reported is replaced after this.
const LOST_AFTER_US: Time = 10_000_000;
/// Below this part of what a provider allows its calls are counted.
const LOW: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Requests,
    Tokens,
}

/// What an answer said about one of the provider's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub unit: Unit,
    pub most: u64,
    pub left: u64,
    /// Until all of it is there again.
    pub full_in_us: Time,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ration {
    declared: BTreeMap<Unit, Window>,
    told: BTreeMap<Unit, Told>,
    later: Option<Later>,
}

/// A provider's own count. Between readings it only falls: whether it fills evenly or at once is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    most: u64,
    left: u64,
    full_at: Time,
}

/// The provider said "later". When its time is over, one call goes; each answer lets two more go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Later {
    until: Time,
    /// Times in a row.
    said: u32,
    free: u32,
    went_at: Time,
    answers: u32,
}

impl Ration {
    pub fn declare(&mut self, limits: impl Iterator<Item = Limit>) {
        let mut before = std::mem::take(&mut self.declared);
        for limit in limits {
            let window = match before.remove(&limit.unit) {
                Some(window) => window.with(limit.most, limit.per_us),
                None => Window::new(limit.most, limit.per_us),
            };
            self.declared.insert(limit.unit, window);
        }
    }

    /// Calls have to ask before they go.
    pub fn rations(&self, now: Time) -> bool {
        !self.declared.is_empty() || self.later.is_some() || self.told.values().any(|told| told.is_low(now))
    }

    pub fn free_at(&self, tokens: u64, now: Time) -> Time {
        let declared = self.declared.iter().map(|(unit, window)| window.free_at(amount(*unit, tokens), now));
        let told = self.told.iter().map(|(unit, told)| told.free_at(amount(*unit, tokens), now));
        let later = self.later.iter().map(|later| later.free_at(now));
        declared.chain(told).chain(later).max().unwrap_or(now)
    }

    pub fn take(&mut self, tokens: u64, now: Time) {
        for (unit, window) in &mut self.declared {
            window.take(amount(*unit, tokens), now);
        }
        for (unit, told) in &mut self.told {
            told.left = told.left.saturating_sub(amount(*unit, tokens));
        }
        if let Some(later) = &mut self.later {
            later.free = later.free.saturating_sub(1);
            later.went_at = now;
        }
    }

    pub fn give_back(&mut self, turn: Turn, tokens: u64) {
        if let Some(window) = self.declared.get_mut(&Unit::Tokens) {
            window.give_back(turn.tokens.saturating_sub(tokens), turn.at);
        }
    }

    pub fn hear(&mut self, report: &Report, now: Time) {
        for reading in &report.readings {
            let full_at = now.saturating_add(reading.full_in_us.clamp(0, WAIT_US_MAX));
            let told = Told { most: reading.most, left: reading.left, full_at };
            self.told.insert(reading.unit, told);
        }
        self.told.retain(|_, told| told.is_low(now));
        match report.outcome {
            Outcome::Limited { wait_us } => self.later = Some(Later::again(self.later.take(), wait_us, now)),
            Outcome::Answered => self.later = self.later.take().and_then(Later::answered),
            Outcome::Failed | Outcome::Unsent => {}
        }
    }
}

fn amount(unit: Unit, tokens: u64) -> u64 {
    match unit {
        Unit::Requests => 1,
        Unit::Tokens => tokens,
    }
}

impl Told {
    fn is_low(&self, now: Time) -> bool {
        now < self.full_at && self.left < self.most / LOW + u64::from(self.most < LOW)
    }

    fn free_at(&self, amount: u64, now: Time) -> Time {
        if self.left >= amount.min(self.most) { now } else { self.full_at.max(now) }
    }
}

impl Later {
    /// Of calls that were under way together each hears "later"; that counts once.
    fn again(before: Option<Later>, wait_us: Option<Time>, now: Time) -> Later {
        let standing = before.as_ref().filter(|later| now < later.until).map(|later| (later.until, later.said));
        let (until, said) = standing.unwrap_or((now, before.map_or(0, |later| later.said).saturating_add(1)));
        let doubled = LATER_US_MIN.saturating_mul(1i64.checked_shl(said.saturating_sub(1).min(16)).unwrap_or(i64::MAX));
        let wait = wait_us.map_or(doubled.min(LATER_US_MAX), |wait| wait.clamp(0, WAIT_US_MAX));
        let until = match (standing, wait_us) {
            (Some(_), None) => until,
            _ => until.max(now.saturating_add(wait)),
        };
        Later { until, said, free: 1, went_at: now, answers: 0 }
    }

    fn answered(mut self) -> Option<Later> {
        self.answers = self.answers.saturating_add(1);
        self.free = self.free.saturating_add(2);
        (self.answers < ANSWERS_ENOUGH).then_some(self)
    }

    fn free_at(&self, now: Time) -> Time {
        let next = if self.free > 0 { now } else { self.went_at.saturating_add(LOST_AFTER_US) };
        next.max(self.until).max(now)
    }
}
