//! Text of dates, datetimes and durations. No clock is read here.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat};

/// Days from 0001-01-01 (day 1 of the common era) to 1970-01-01.
const EPOCH_DAY: i32 = 719_163;
pub const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
const UNITS: [(&str, i64); 6] =
    [("d", MICROSECONDS_PER_DAY), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// `2026-01-02`; none outside the years 0 to 9999.
pub fn date_text(days: i32) -> Option<String> {
    let date = NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAY)?)?;
    (0..=9999).contains(&date.year()).then(|| date.format("%Y-%m-%d").to_string())
}

/// `2026-01-02`, in exactly this form.
pub fn parse_date(text: &str) -> Option<i32> {
    let shape_fits = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let date = if shape_fits { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()? } else { return None };
    Some(date.num_days_from_ce() - EPOCH_DAY)
}

/// `2026-01-02T03:04:05Z`, with as many groups of three digits of a fraction as are needed.
pub fn datetime_text(microseconds: i64) -> Option<String> {
    datetime(microseconds).map(|datetime| datetime.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// As [`datetime_text`], always with six digits.
pub(super) fn datetime_text_exact(microseconds: i64) -> Option<String> {
    datetime(microseconds).map(|datetime| datetime.to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn datetime(microseconds: i64) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp_micros(microseconds).filter(|datetime| (0..=9999).contains(&datetime.year()))
}

/// RFC 3339, such as `2026-01-02T03:04:05Z` or `2026-01-02 03:04:05.5+02:00`; without an offset it is UTC. Digits beyond
/// microseconds are cut off.
pub fn parse_datetime(text: &str) -> Option<i64> {
    if let Ok(datetime) = DateTime::parse_from_rfc3339(text) {
        return Some(datetime.timestamp_micros());
    }
    let without_offset = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let naive = without_offset.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    Some(naive.and_utc().timestamp_micros())
}

/// The day, in UTC, on which a datetime lies.
pub fn datetime_day(microseconds: i64) -> Option<i32> {
    i32::try_from(microseconds.div_euclid(MICROSECONDS_PER_DAY)).ok()
}

/// `1h30m`, `2d`, `250ms`, `0s`, `-5s`: units from the largest to the smallest, without the empty ones.
pub fn duration_text(microseconds: i64) -> String {
    if microseconds == 0 {
        return "0s".to_owned();
    }
    let mut text = String::from(if microseconds < 0 { "-" } else { "" });
    let mut rest = microseconds.unsigned_abs();
    for (unit, size) in UNITS {
        let size = size.unsigned_abs();
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

/// Reads what [`duration_text`] writes: whole numbers with the units `d h m s ms us`, each at most once and in that
/// order.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|character: char| !character.is_ascii_digit())?)?;
        let (unit, after) =
            after.split_at_checked(after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len()))?;
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        let amount = number.parse::<i64>().ok()?.checked_mul(*size)?;
        total = if negative { total.checked_sub(amount)? } else { total.checked_add(amount)? };
        rest = after;
    }
    Some(total)
}
