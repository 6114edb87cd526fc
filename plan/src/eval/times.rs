//! Dates, datetimes and durations. Dates lie in the years 0 to 9999.

use super::EvaluationError;
use super::interpreter::{Outcome, wrong_operands};
use super::numbers::overflow;
use crate::value::time::{self, MICROSECONDS_PER_DAY};
use crate::{Op, Value};

pub(super) fn apply(op: Op, values: &[Value]) -> Outcome {
    use Value::{Date, Datetime, Duration, Int, Text};
    match (op, values) {
        (Op::TimeLt, [left, right]) if same_kind(left, right) => Ok(Value::Bool(left.compare(right).is_lt())),
        (Op::TimeLe, [left, right]) if same_kind(left, right) => Ok(Value::Bool(left.compare(right).is_le())),
        (Op::DurationAdd, [Duration(left), Duration(right)]) => checked(op, left.checked_add(*right).map(Duration)),
        (Op::DurationSub, [Duration(left), Duration(right)]) => checked(op, left.checked_sub(*right).map(Duration)),
        (Op::DurationMul, [Duration(duration), Int(factor)] | [Int(factor), Duration(duration)]) => {
            checked(op, duration.checked_mul(*factor).map(Duration))
        }
        (Op::DateAdd, [Date(date), Duration(duration)]) => date_plus(op, *date, whole_days(*duration)?),
        (Op::DateSub, [Date(date), Duration(duration)]) => date_plus(op, *date, -whole_days(*duration)?),
        (Op::DateSince, [Date(later), Date(earlier)]) => {
            let days = i64::from(*later) - i64::from(*earlier);
            checked(op, days.checked_mul(MICROSECONDS_PER_DAY).map(Duration))
        }
        (Op::DatetimeAdd, [Datetime(datetime), Duration(duration)]) => datetime_at(op, datetime.checked_add(*duration)),
        (Op::DatetimeSub, [Datetime(datetime), Duration(duration)]) => datetime_at(op, datetime.checked_sub(*duration)),
        (Op::DatetimeSince, [Datetime(later), Datetime(earlier)]) => checked(op, later.checked_sub(*earlier).map(Duration)),
        // The day in UTC.
        (Op::DatetimeDate, [Datetime(datetime)]) => checked(op, time::datetime_day(*datetime).map(Date)),
        // None when the text is no date.
        (Op::DateParse, [Text(text)]) => Ok(time::parse_date(text.trim()).map_or(Value::None, Date)),
        (Op::DatetimeParse, [Text(text)]) => Ok(time::parse_datetime(text.trim()).map_or(Value::None, Datetime)),
        _ => Err(wrong_operands(op, values)),
    }
}

fn same_kind(left: &Value, right: &Value) -> bool {
    matches!(
        (left, right),
        (Value::Date(_), Value::Date(_)) | (Value::Datetime(_), Value::Datetime(_)) | (Value::Duration(_), Value::Duration(_))
    )
}

fn whole_days(duration: i64) -> Result<i64, EvaluationError> {
    if duration % MICROSECONDS_PER_DAY != 0 {
        let message = format!("{} is no whole number of days, and a date has no hours", time::duration_text(duration));
        return Err(EvaluationError::value(message));
    }
    Ok(duration / MICROSECONDS_PER_DAY)
}

fn date_plus(op: Op, date: i32, days: i64) -> Outcome {
    let date = i64::from(date).checked_add(days).and_then(|date| i32::try_from(date).ok());
    checked(op, date.filter(|date| time::date_text(*date).is_some()).map(Value::Date))
}

fn datetime_at(op: Op, microseconds: Option<i64>) -> Outcome {
    checked(op, microseconds.filter(|microseconds| time::datetime_text(*microseconds).is_some()).map(Value::Datetime))
}

fn checked(op: Op, value: Option<Value>) -> Outcome {
    value.ok_or_else(|| overflow(op))
}
