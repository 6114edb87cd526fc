//! How often a flow runs, at most and as a rule.

use super::domain::Count;
use pmflow_plan::{Settings, When};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RunRate {
    pub per_day: Count,
    pub per_month: Count,
}

const DAY_MS: u64 = 86_400_000;
/// The longest month.
const MONTH_DAYS: u64 = 31;

/// None: the flow runs only when somebody starts it.
pub fn run_rate(settings: &Settings) -> Option<RunRate> {
    let scheduled = settings.schedule.as_ref().map(|schedule| match &schedule.when {
        When::EveryMs(every) => interval(*every),
        When::Cron { expression, .. } => cron(expression),
    });
    let hooked = settings.webhook.as_ref().map(|webhook| {
        let most = webhook.per_day_max;
        RunRate { per_day: up_to(most), per_month: up_to(most.saturating_mul(MONTH_DAYS)) }
    });
    match (scheduled, hooked) {
        (Some(a), Some(b)) => Some(RunRate { per_day: a.per_day.plus(b.per_day), per_month: a.per_month.plus(b.per_month) }),
        (a, b) => a.or(b),
    }
}

/// A window of a day may hold one firing more than fits into it from its start.
fn interval(every_ms: u64) -> RunRate {
    let every = every_ms.max(1);
    let fires = |window: u64| Count {
        least: window / every,
        expected_milli: Some((window / every).saturating_mul(1000)),
        most: Some(window.div_ceil(every)),
    };
    RunRate { per_day: fires(DAY_MS), per_month: fires(DAY_MS * MONTH_DAYS) }
}

/// How often is up to the world; the expected number is the declared limit, for nothing better is known.
fn up_to(most: u64) -> Count {
    Count { least: 0, expected_milli: Some(most.saturating_mul(1000)), most: Some(most) }
}

/// Times of a day × days of a month. Days of the week and of the month are alternatives when both are given, so their
/// numbers add up; the day on which clocks are set back has an hour more.
fn cron(expression: &str) -> RunRate {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let parts = match fields.as_slice() {
        [minute, hour, day, month, weekday] => Some((1, *minute, *hour, *day, *month, *weekday)),
        [second, minute, hour, day, month, weekday] => {
            field(second, 0, 59, &[]).map(|n| (n, *minute, *hour, *day, *month, *weekday))
        }
        _ => None,
    };
    let unknown = RunRate { per_day: NOT_KNOWN, per_month: NOT_KNOWN };
    let Some((seconds, minute, hour, day, month, weekday)) = parts else { return unknown };
    let counts = (
        field(minute, 0, 59, &[]),
        field(hour, 0, 23, &[]),
        field(day, 1, 31, &[]),
        field(month, 1, 12, &MONTHS),
        field(weekday, 0, 7, &WEEKDAYS),
    );
    let (Some(minutes), Some(hours), Some(days), Some(_), Some(weekdays)) = counts else { return unknown };
    let once_an_hour = minutes.saturating_mul(seconds);
    let times = once_an_hour.saturating_mul(hours);
    let all = |text: &str| text == "*" || text == "?";
    let days_of_month = match (all(day), all(weekday)) {
        (true, true) => MONTH_DAYS,
        (false, true) => days,
        // A weekday comes at most five times in a month.
        (true, false) => (weekdays * 5).min(MONTH_DAYS),
        (false, false) => (days + weekdays * 5).min(MONTH_DAYS),
    };
    // An hour that is named alone is run once, also when it comes twice.
    let repeated = if hours > 1 { once_an_hour } else { 0 };
    let most_on_a_day = times.saturating_add(repeated);
    let month = times.saturating_mul(days_of_month);
    RunRate {
        per_day: Count { least: 0, expected_milli: Some(times.saturating_mul(1000)), most: Some(most_on_a_day) },
        per_month: Count {
            least: 0,
            expected_milli: Some(month.saturating_mul(1000)),
            most: Some(month.saturating_add(repeated)),
        },
    }
}

const NOT_KNOWN: Count = Count { least: 0, expected_milli: None, most: None };
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// How many values a field of a cron expression stands for; none when it cannot be read.
fn field(text: &str, low: u64, high: u64, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|position| position as u64 + low);
        named.or_else(|| text.parse().ok()).filter(|value| (low..=high).contains(value))
    };
    let mut sum: u64 = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step > 1 => (number(range)?, high),
            // `L`, `15W`, `5#2`: one day of the month.
            None => number(range).map_or_else(|| special(range).then_some((low, low)), |value| Some((value, value)))?,
        };
        // Sunday is 0 and 7, and counts once too often at most.
        sum += to.checked_sub(from)? / step + 1;
    }
    Some(sum.min(high - low + 1))
}

fn special(text: &str) -> bool {
    text == "L" || text.ends_with(['L', 'W']) || text.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_have_a_number_of_runs() {
        let cases = [
            ("0 9 * * *", Some(1), Some(31)),
            ("0 9 * * MON-FRI", Some(1), Some(25)),
            ("*/15 * * * *", Some(100), Some(2980)),
            ("0 0 1 * *", Some(1), Some(1)),
            ("0,30 8-17 * * 1", Some(22), Some(102)),
            ("0 0 9 * * *", Some(1), Some(31)),
            ("not a cron at all", None, None),
        ];
        for (expression, day, month) in cases {
            let rate = cron(expression);
            assert_eq!((rate.per_day.most, rate.per_month.most), (day, month), "{expression}");
        }
    }

    #[test]
    fn an_interval_fits_so_often_into_a_day() {
        let rate = interval(7_200_000);
        assert_eq!((rate.per_day.most, rate.per_month.most), (Some(12), Some(372)));
        assert_eq!(interval(50_000_000).per_day.most, Some(2));
    }
}
