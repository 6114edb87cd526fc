//! Times, counts and money as people read them.

use pmflow_engine::Time;
use std::fmt::Write as _;

/// `2026-11-22 16:45:12`, UTC.
pub fn moment(time: Time) -> String {
    match chrono::DateTime::from_timestamp_micros(time) {
        Some(moment) => moment.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => time.to_string(),
    }
}

/// `340 ms`, `12.4 s`, `3 min 05 s`, `2 h 10 min`.
pub fn span(microseconds: i64) -> String {
    let milliseconds = microseconds.max(0) / 1000;
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 item`, `2 items`
pub fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// One line of at most so many characters; what is cut is marked.
pub fn clip(text: &str, characters_max: usize) -> String {
    let mut line = String::new();
    for character in text.chars() {
        if line.chars().count() + 1 >= characters_max {
            line.push('…');
            break;
        }
        if character.is_control() { line.push(' ') } else { line.push(character) }
    }
    line
}

/// A time given by a user: `2026-11-22`, `2026-11-22T16:45:00Z`, or back from now: `2h`, `7d`.
pub fn parse_moment(text: &str) -> Result<Time, String> {
    let back = |unit: i64, digits: &str| digits.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    let units = [("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    for (suffix, seconds) in units {
        if let Some(ago) = text.strip_suffix(suffix).and_then(|digits| back(seconds, digits)) {
            return Ok(pmflow_host::now().saturating_sub(ago.saturating_mul(1_000_000)));
        }
    }
    if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(moment.timestamp_micros());
    }
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|date| date.and_hms_opt(0, 0, 0));
    date.map(|moment| moment.and_utc().timestamp_micros())
        .ok_or_else(|| format!("`{text}` is no time; write 2026-11-22, 2026-11-22T16:45:00Z, or 2h, 7d for so long ago"))
}

/// Columns as wide as their widest cell; numbers (marked by `>` before the head) to the right.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let head = heads.get(column).map_or(0, |head| head.trim_start_matches('>').chars().count());
        cells.max().unwrap_or(0).max(head)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let head_cells: Vec<String> = heads.iter().map(|head| head.trim_start_matches('>').to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head_cells).chain(rows) {
        let mut line = String::new();
        for ((cell, width), head) in row.iter().zip(&widths).zip(heads) {
            // Writing to a text cannot fail.
            let _ = if head.starts_with('>') { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
