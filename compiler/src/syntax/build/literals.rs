//! Numbers with their units, and patterns. All of them are exact: no float is involved but for `float` itself.

use super::Builder;
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::ExprKind;
use ecow::EcoString;

/// The units of a duration, in microseconds.
const DURATION_UNITS: [(&str, i64); 7] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60 * 1_000_000),
    ("h", 3_600 * 1_000_000),
    ("d", 86_400 * 1_000_000),
    ("w", 7 * 86_400 * 1_000_000),
];

/// A pico-dollar is the twelfth decimal place.
const MONEY_PLACES: u32 = 12;
/// Thousandths of a per cent.
const PERCENT_PLACES: u32 = 3;
/// Microseconds of a second are the finest that a fraction can need; weeks times this still fit 128 bits.
const DURATION_PLACES: u32 = 12;

impl Builder<'_> {
    pub(super) fn number(&mut self, span: Span) -> ExprKind {
        let source = self.source(span);
        if let Some(amount) = source.strip_prefix('$') {
            return ExprKind::Money(self.money(amount, span));
        }
        let unit_start = source.find(|character: char| !(character.is_ascii_digit() || matches!(character, '_' | '.')));
        let (digits, unit) = source.split_at(unit_start.unwrap_or(source.len()));
        match unit {
            "" if digits.contains('.') => ExprKind::Float(self.float(digits, span)),
            "" => ExprKind::Int(self.int(digits, span)),
            "%" => ExprKind::Percent(self.percent(digits, span)),
            _ => ExprKind::Duration(self.duration(digits, unit, span)),
        }
    }

    fn int(&mut self, digits: &str, span: Span) -> Option<i64> {
        let value = digits.replace('_', "").parse().ok();
        if value.is_none() {
            self.out_of_range(span, "an `int` is at most 9223372036854775807");
        }
        value
    }

    fn float(&mut self, digits: &str, span: Span) -> f64 {
        let value: f64 = digits.replace('_', "").parse().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            self.out_of_range(span, "a `float` has 64 bits");
            return 0.0;
        }
        value
    }

    fn money(&mut self, amount: &str, span: Span) -> Option<i128> {
        let value = fixed(amount, MONEY_PLACES);
        if value.is_none() {
            self.out_of_range(span, "money has at most twelve places behind the point and twenty-four before it");
        }
        value
    }

    fn percent(&mut self, digits: &str, span: Span) -> u64 {
        let value = fixed(digits, PERCENT_PLACES).and_then(|value| u64::try_from(value).ok());
        if value.is_none() {
            self.out_of_range(span, "a percentage has at most three places behind the point");
        }
        value.unwrap_or(0)
    }

    fn duration(&mut self, digits: &str, unit: &str, span: Span) -> Option<i64> {
        let unit_span = Span { start: span.end - unit.len() as u32, ..span };
        let Some((_, microseconds)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            self.unknown_unit(unit, unit_span);
            return None;
        };
        let scale = 10i128.pow(DURATION_PLACES);
        let value = fixed(digits, DURATION_PLACES)
            .and_then(|value| value.checked_mul(i128::from(*microseconds)))
            .filter(|value| value % scale == 0)
            .and_then(|value| i64::try_from(value / scale).ok());
        if value.is_none() {
            self.out_of_range(span, "a duration is a whole number of microseconds, at most 292,000 years");
        }
        value
    }

    fn unknown_unit(&mut self, unit: &str, span: Span) {
        let problem = Problem::new("E0014", span, format!("`{unit}` is not a unit of time"))
            .help("the units are `ms`, `s`, `m` (minutes), `h`, `d` (days) and `w` (weeks)");
        let meant = match unit {
            "sec" | "secs" | "second" | "seconds" => Some("s"),
            "min" | "mins" | "minute" | "minutes" => Some("m"),
            "hr" | "hrs" | "hour" | "hours" => Some("h"),
            "day" | "days" => Some("d"),
            "week" | "weeks" => Some("w"),
            _ => None,
        };
        self.report(match meant {
            Some(meant) => problem.fix(format!("write `{meant}`"), span, meant),
            None => problem,
        });
    }

    fn out_of_range(&mut self, span: Span, limit: &str) {
        let source = self.source(span);
        let shown: String = source.chars().take(40).collect();
        self.report(Problem::new("E0014", span, format!("`{shown}` is out of range: {limit}")));
    }

    /// The pattern between the slashes; `\/` is a slash, every other escape is the pattern's own.
    pub(super) fn pattern(&self, span: Span) -> EcoString {
        let source = self.source(span);
        let inner = source.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).unwrap_or(source);
        inner.replace("\\/", "/").into()
    }
}

/// `12.5` as an integer with `places` decimal places; none: more places than that, or out of range.
fn fixed(digits: &str, places: u32) -> Option<i128> {
    let digits = digits.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let missing = places.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let joined = format!("{whole}{fraction}");
    let value: i128 = if joined.is_empty() { 0 } else { joined.parse().ok()? };
    value.checked_mul(10i128.checked_pow(missing)?)
}
