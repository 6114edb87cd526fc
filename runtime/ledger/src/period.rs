//! Days and months in a time zone.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// What a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Month,
}

impl Period {
    pub fn name(self) -> &'static str {
        match self {
            Period::Day => "day",
            Period::Month => "month",
        }
    }

    pub fn parse(text: &str) -> Option<Period> {
        [Period::Day, Period::Month].into_iter().find(|period| period.name() == text)
    }

    /// The first day of the period that holds this moment (microseconds since 1970, UTC) in the zone.
    pub fn start(self, now: i64, zone: Tz) -> NaiveDate {
        let moment = DateTime::<Utc>::from_timestamp_micros(now).unwrap_or_default();
        let day = moment.with_timezone(&zone).date_naive();
        match self {
            Period::Day => day,
            Period::Month => day.with_day(1).unwrap_or(day),
        }
    }

    /// When the period that begins on this day begins and ends, as moments: a day of a clock change has 23 or 25 hours.
    pub fn span(self, start: NaiveDate, zone: Tz) -> (i64, i64) {
        let next = match self {
            Period::Day => start.checked_add_days(Days::new(1)),
            Period::Month => start.checked_add_months(Months::new(1)),
        };
        (midnight(start, zone), midnight(next.unwrap_or(start), zone))
    }
}

/// A zone by its name in the IANA database, `Europe/Berlin`.
pub fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The first moment of a day; where clocks jump over midnight, the first after it.
fn midnight(day: NaiveDate, zone: Tz) -> i64 {
    let mut time = day.and_time(NaiveTime::MIN);
    for _ in 0..8 {
        if let Some(moment) = zone.from_local_datetime(&time).earliest() {
            return moment.timestamp_micros();
        }
        time += chrono::TimeDelta::minutes(30);
    }
    time.and_utc().timestamp_micros()
}

/// What the whole period will have cost at the pace so far; none while less than a hundredth of it has passed.
pub fn forecast(spent_pico: i128, now: i64, (begin, end): (i64, i64)) -> Option<i128> {
    let passed = i128::from(now.clamp(begin, end) - begin);
    let whole = i128::from(end - begin);
    (passed > 0 && passed * 100 >= whole).then(|| spent_pico.saturating_mul(whole) / passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect("a moment").timestamp_micros()
    }

    #[test]
    fn a_period_begins_at_midnight_of_its_zone() {
        let (berlin, tokyo) = (zone("Europe/Berlin").expect("a zone"), zone("Asia/Tokyo").expect("a zone"));
        let late = moment("2026-11-30T23:30:00Z");
        assert_eq!(Period::Day.start(late, Tz::UTC).to_string(), "2026-11-30");
        assert_eq!(Period::Day.start(late, berlin).to_string(), "2026-12-01");
        assert_eq!(Period::Month.start(late, Tz::UTC).to_string(), "2026-11-01");
        assert_eq!(Period::Month.start(late, tokyo).to_string(), "2026-12-01");
        assert_eq!(zone("Europe/Atlantis"), None);
    }

    #[test]
    fn a_day_of_a_clock_change_is_longer_or_shorter() {
        let berlin = zone("Europe/Berlin").expect("a zone");
        let hours = |day: &str| {
            let (begin, end) = Period::Day.span(day.parse().expect("a day"), berlin);
            (end - begin) / 3_600_000_000
        };
        assert_eq!((hours("2026-03-29"), hours("2026-10-25"), hours("2026-11-22")), (23, 25, 24));
        // Midnight itself is left out where clocks jump over it.
        let (begin, _) = Period::Day.span("2026-09-06".parse().expect("a day"), zone("America/Santiago").expect("a zone"));
        assert_eq!(begin, moment("2026-09-06T01:00:00-03:00"));
    }

    #[test]
    fn a_forecast_goes_on_at_the_pace_so_far() {
        assert_eq!(forecast(100, 25, (0, 100)), Some(400));
        assert_eq!(forecast(100, 0, (0, 100)), None);
        assert_eq!(forecast(100, 200, (0, 100)), Some(100));
    }
}
