//! When a flow's schedule fires: a decision over what is declared, what has happened, and the time.
//!
//! A firing is known by its moment in UTC, which is its key: whoever records it first has fired it. In a zone whose clocks
//! jump, a time of day that is left out comes right after the gap, and one that comes twice comes once.

use crate::{Time, keys};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use pmflow_plan::{CatchUp, Overlap, Schedule, When};

/// What was missed longer ago than this is not made up for.
pub const CATCH_UP_WINDOW: Time = 3_600_000_000;
/// A firing is on time for so long.
const ON_TIME: Time = 60_000_000;
/// Firings that one decision looks at; a schedule that was forgotten for years does not stop the others.
const FIRINGS_MAX: usize = 10_000;

/// One time at which a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    pub at: Time,
    /// The nominal time in the schedule's zone, `2026-11-22T07:00:00`.
    pub local: String,
}

/// What is known of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Nothing at or before this is looked at: the last firing that was decided on, or when the schedule was set up.
    pub decided_until: Time,
    pub paused: bool,
    /// Runs that it started and that have not ended.
    pub running: u64,
}

/// What is to be done now. Every firing up to now stands in exactly one of the lists (of those that nobody looked at for
/// very long, the first ten thousand).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// A run is started for each.
    pub fire: Vec<Firing>,
    /// Started one by one, as the runs before them end.
    pub queue: Vec<Firing>,
    pub passed_over: Vec<(Firing, PassedOver)>,
    /// When to look again; none when it never fires again.
    pub next: Option<Firing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// Nobody looked in time, and `catch_up` does not make up for it.
    Missed,
    /// A run before it had not ended, and `overlap` is `skip`.
    Overlaps,
    Paused,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("`{expression}` is no cron expression: {reason}")]
    Cron { expression: String, reason: String },
    #[error("there is no time zone `{0}`")]
    Zone(String),
}

/// Decides on every firing since the last decision.
pub fn due(schedule: &Schedule, past: &Past, now: Time) -> Result<Due, ScheduleError> {
    let times = Times::of(&schedule.when)?;
    let mut due = Due { next: times.after(now), ..Due::default() };
    let window = past.decided_until.max(now.saturating_sub(CATCH_UP_WINDOW));
    let missed = times.between(past.decided_until, window, FIRINGS_MAX);
    let reason = if past.paused { PassedOver::Paused } else { PassedOver::Missed };
    due.passed_over.extend(missed.into_iter().map(|firing| (firing, reason)));
    let mut recent = times.between(window, now, FIRINGS_MAX);
    if past.paused {
        due.passed_over.extend(recent.into_iter().map(|firing| (firing, PassedOver::Paused)));
        return Ok(due);
    }
    let kept_from = match schedule.catch_up {
        CatchUp::All => 0,
        CatchUp::Latest => recent.len().saturating_sub(1),
        CatchUp::None => recent.partition_point(|firing| firing.at < now.saturating_sub(ON_TIME)),
    };
    let kept = recent.split_off(kept_from);
    due.passed_over.extend(recent.into_iter().map(|firing| (firing, PassedOver::Missed)));
    overlap(schedule.overlap, past.running, kept, &mut due);
    Ok(due)
}

/// The next firings after a moment.
pub fn upcoming(when: &When, after: Time, count: usize) -> Result<Vec<Firing>, ScheduleError> {
    let times = Times::of(when)?;
    let mut found: Vec<Firing> = Vec::new();
    while found.len() < count
        && let Some(firing) = times.after(found.last().map_or(after, |last| last.at))
    {
        found.push(firing);
    }
    Ok(found)
}

/// The firings of a span, its first moment included and its last not: what a backfill runs.
pub fn within(when: &When, from: Time, until: Time, count_max: usize) -> Result<Vec<Firing>, ScheduleError> {
    Ok(Times::of(when)?.between(from.saturating_sub(1), until.saturating_sub(1), count_max))
}

/// How much later than its nominal time a firing starts, so that many schedules do not start in the same second: between
/// nothing and `spread_ms`, the same whoever works it out.
pub fn jitter_ms(flow: &str, at: Time, spread_ms: u64) -> u64 {
    let digest = keys::digest(&["jitter", flow, &at.to_string()]);
    let number = u64::from_str_radix(digest.get(..15).unwrap_or("0"), 16).unwrap_or(0);
    number.checked_rem(spread_ms.saturating_add(1)).unwrap_or(0)
}

fn overlap(overlap: Overlap, running: u64, kept: Vec<Firing>, due: &mut Due) {
    let mut kept = kept.into_iter();
    match overlap {
        Overlap::Allow => due.fire.extend(kept),
        Overlap::Skip => {
            if running == 0 {
                due.fire.extend(kept.next());
            }
            due.passed_over.extend(kept.map(|firing| (firing, PassedOver::Overlaps)));
        }
        Overlap::Queue => {
            if running == 0 {
                due.fire.extend(kept.next());
            }
            due.queue.extend(kept);
        }
    }
}

/// The times of a schedule.
enum Times {
    /// Whole multiples of it since 1970, UTC, so that they are the same for everybody.
    Every(Time),
    Cron(Box<Cron>, Tz),
}

impl Times {
    fn of(when: &When) -> Result<Times, ScheduleError> {
        match when {
            When::EveryMs(every) => {
                Ok(Times::Every(i64::try_from(*every).unwrap_or(i64::MAX).saturating_mul(1000).max(1_000_000)))
            }
            When::Cron { expression, zone } => {
                let wrong = |reason: String| ScheduleError::Cron { expression: expression.clone(), reason };
                let cron = expression.parse::<Cron>().map_err(|error| wrong(error.to_string()))?;
                let zone = zone.parse().map_err(|_| ScheduleError::Zone(zone.clone()))?;
                Ok(Times::Cron(Box::new(cron), zone))
            }
        }
    }

    fn after(&self, moment: Time) -> Option<Firing> {
        match self {
            Times::Every(every) => {
                let at = moment.div_euclid(*every).checked_add(1)?.checked_mul(*every)?;
                Some(Firing { at, local: local(DateTime::<Utc>::from_timestamp_micros(at)?.naive_utc()) })
            }
            Times::Cron(cron, zone) => {
                let from = DateTime::<Utc>::from_timestamp_micros(moment)?.with_timezone(zone);
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(Firing { at: next.timestamp_micros(), local: local(next.naive_local()) })
            }
        }
    }

    /// Behind `after`, up to and with `until`.
    fn between(&self, after: Time, until: Time, count_max: usize) -> Vec<Firing> {
        let mut found: Vec<Firing> = Vec::new();
        while found.len() < count_max {
            match self.after(found.last().map_or(after, |last| last.at)) {
                Some(firing) if firing.at <= until => found.push(firing),
                _ => break,
            }
        }
        found
    }
}

fn local(time: chrono::NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%S").to_string()
}
