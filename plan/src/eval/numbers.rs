//! Ints, floats, money and bools. Nothing wraps, rounds in secret or becomes infinite.

use super::EvaluationError;
use super::interpreter::{Outcome, name_of, wrong_operands};
use crate::{Money, Op, Value};

pub(super) fn apply(op: Op, values: &[Value]) -> Outcome {
    match values {
        [Value::Int(left), Value::Int(right)] => ints(op, *left, *right),
        [Value::Float(left), Value::Float(right)] => floats(op, *left, *right),
        [Value::Money(left), Value::Money(right)] => amounts(op, *left, *right),
        [Value::Money(money), Value::Int(factor)] | [Value::Int(factor), Value::Money(money)] if op == Op::MoneyMul => {
            money.checked_mul(i128::from(*factor)).map(Value::Money).ok_or_else(|| overflow(op))
        }
        [Value::Float(value), Value::Int(places)] if op == Op::FloatRound => round_to(*value, *places),
        [one] => unary(op, one),
        _ => Err(wrong_operands(op, values)),
    }
}

/// Division cuts towards zero and the remainder has the sign of the left side: `-7 / 2 = -3`, `-7 % 2 = -1`.
fn ints(op: Op, left: i64, right: i64) -> Outcome {
    let value = match op {
        Op::IntAdd => left.checked_add(right),
        Op::IntSub => left.checked_sub(right),
        Op::IntMul => left.checked_mul(right),
        Op::IntDiv | Op::IntRem if right == 0 => return Err(division_by_zero()),
        Op::IntDiv => left.checked_div(right),
        // The remainder of the smallest int by -1 is zero; only its quotient does not fit.
        Op::IntRem => Some(left.wrapping_rem(right)),
        Op::IntLt => return Ok(Value::Bool(left < right)),
        Op::IntLe => return Ok(Value::Bool(left <= right)),
        _ => return Err(wrong_operands(op, &[Value::Int(left), Value::Int(right)])),
    };
    value.map(Value::Int).ok_or_else(|| overflow(op))
}

fn floats(op: Op, left: f64, right: f64) -> Outcome {
    let value = match op {
        Op::FloatAdd => left + right,
        Op::FloatSub => left - right,
        Op::FloatMul => left * right,
        Op::FloatDiv | Op::FloatRem if right == 0.0 => return Err(division_by_zero()),
        Op::FloatDiv => left / right,
        Op::FloatRem => left % right,
        Op::FloatLt => return Ok(Value::Bool(left < right)),
        Op::FloatLe => return Ok(Value::Bool(left <= right)),
        _ => return Err(wrong_operands(op, &[Value::Float(left), Value::Float(right)])),
    };
    finite(op, value)
}

fn amounts(op: Op, left: Money, right: Money) -> Outcome {
    let value = match op {
        Op::MoneyAdd => left.checked_add(right),
        Op::MoneySub => left.checked_sub(right),
        Op::MoneyLt => return Ok(Value::Bool(left < right)),
        Op::MoneyLe => return Ok(Value::Bool(left <= right)),
        _ => return Err(wrong_operands(op, &[Value::Money(left), Value::Money(right)])),
    };
    value.map(Value::Money).ok_or_else(|| overflow(op))
}

fn unary(op: Op, value: &Value) -> Outcome {
    match (op, value) {
        (Op::IntNeg, Value::Int(int)) => int.checked_neg().map(Value::Int).ok_or_else(|| overflow(op)),
        (Op::FloatNeg, Value::Float(float)) => Ok(Value::Float(-float)),
        // An int beyond 2⁵³ becomes the nearest float.
        (Op::IntToFloat, Value::Int(int)) => Ok(Value::Float(*int as f64)),
        (Op::FloatRound, Value::Float(float)) => round(*float),
        (Op::IntToText, Value::Int(_)) | (Op::FloatToText, Value::Float(_)) | (Op::MoneyToText, Value::Money(_)) => {
            Ok(Value::text(value.to_text()))
        }
        (Op::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        _ => Err(wrong_operands(op, std::slice::from_ref(value))),
    }
}

/// The nearest int, halves away from zero.
fn round(value: f64) -> Outcome {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let rounded = value.round();
    if (-TWO_TO_63..TWO_TO_63).contains(&rounded) { Ok(Value::Int(rounded as i64)) } else { Err(overflow(Op::FloatRound)) }
}

/// The nearest float with so many places after the point, as decimal text says it.
fn round_to(value: f64, places: i64) -> Outcome {
    match usize::try_from(places) {
        Ok(places @ 0..=17) => finite(Op::FloatRound, format!("{value:.places$}").parse().unwrap_or(value)),
        _ => Err(EvaluationError::value(format!("a float is rounded to 0 to 17 places, not {places}"))),
    }
}

pub(super) fn finite(op: Op, value: f64) -> Outcome {
    if value.is_finite() { Ok(Value::Float(value)) } else { Err(overflow(op)) }
}

pub(super) fn overflow(op: Op) -> EvaluationError {
    EvaluationError::value(format!("the result of `{}` is out of range", name_of(op)))
}

fn division_by_zero() -> EvaluationError {
    EvaluationError::value("division by zero")
}
