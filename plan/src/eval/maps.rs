//! Equality, `json` and maps.

use super::interpreter::{Interpreter, Outcome, wrong_operands};
use crate::{Op, Value};

pub(super) fn apply(run: &mut Interpreter<'_>, op: Op, values: &[Value]) -> Outcome {
    match (op, values) {
        (Op::Eq, [left, right]) => equal(run, left, right).map(Value::Bool),
        (Op::Ne, [left, right]) => equal(run, left, right).map(|equal| Value::Bool(!equal)),
        (Op::IsSome, [value]) => Ok(Value::Bool(!value.is_none())),
        // A text becomes a JSON text, with its quotes.
        (Op::JsonToText, [value]) => {
            run.charge_value(value)?;
            run.text(value.to_json().to_string())
        }
        // None where there is no such field, or nothing that has fields.
        (Op::JsonField, [value, Value::Text(name)]) => Ok(value.get(name).cloned().unwrap_or(Value::None)),
        // None where there is no such position, or nothing that has positions.
        (Op::JsonField, [value, Value::Int(position)]) => Ok(element(value, *position).cloned().unwrap_or(Value::None)),
        (Op::MapKeys, [Value::Record(record)]) => {
            run.charge_length(record.fields.len())?;
            Ok(Value::list(record.fields.iter().map(|(name, _)| Value::Text(name.clone())).collect()))
        }
        (Op::MapValues, [Value::Record(record)]) => {
            run.charge_length(record.fields.len())?;
            Ok(Value::list(record.fields.iter().map(|(_, value)| value.clone()).collect()))
        }
        _ => Err(wrong_operands(op, values)),
    }
}

fn element(value: &Value, position: i64) -> Option<&Value> {
    match value {
        Value::List(items) => items.get(usize::try_from(position).ok()?),
        _ => None,
    }
}

fn equal(run: &mut Interpreter<'_>, left: &Value, right: &Value) -> Result<bool, super::EvaluationError> {
    run.charge_value(left)?;
    if let (Value::Text(left), Value::Text(_)) = (left, right) {
        run.charge_length(left.len() / 64)?;
    }
    Ok(left.equals(right))
}
