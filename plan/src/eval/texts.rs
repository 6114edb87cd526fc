//! Texts. Characters are Unicode scalar values; no operation cuts one.

use super::interpreter::{Interpreter, Outcome, wrong_operands};
use super::numbers::overflow;
use super::{EvaluationError, LIST_ITEMS_MAX, TEXT_BYTES_MAX};
use crate::{Op, Value};

impl Interpreter<'_> {
    /// A text that an operation made, if it is not too long.
    pub(super) fn text(&mut self, text: String) -> Outcome {
        self.text_length(text.len())?;
        Ok(Value::text(text))
    }

    /// To be asked before a text of that length is made.
    pub(super) fn text_length(&mut self, bytes: usize) -> Result<(), EvaluationError> {
        if bytes > TEXT_BYTES_MAX {
            return Err(EvaluationError::limit(format!("the text would be longer than {} MB", TEXT_BYTES_MAX >> 20)));
        }
        self.charge_length(bytes / 64)
    }
}

pub(super) fn apply(run: &mut Interpreter<'_>, op: Op, values: &[Value]) -> Outcome {
    if let Some(Value::Text(text)) = values.first() {
        run.charge_length(text.len() / 64)?;
    }
    match values {
        [Value::Text(text)] => of_one(run, op, text),
        [Value::Text(text), Value::Text(other)] => of_two(run, op, text, other),
        [Value::Text(text), Value::Int(count)] if op == Op::TextTruncate => truncate(text, *count),
        [Value::Text(text), Value::Text(from), Value::Text(to)] if op == Op::TextReplace => replace(run, text, from, to),
        [Value::List(parts)] if op == Op::TextConcat => concat(run, parts),
        many if op == Op::TextConcat => concat(run, many),
        _ => Err(wrong_operands(op, values)),
    }
}

fn of_one(run: &mut Interpreter<'_>, op: Op, text: &str) -> Outcome {
    match op {
        Op::TextConcat => Ok(Value::text(text)),
        Op::TextLen => i64::try_from(text.chars().count()).map(Value::Int).map_err(|_| overflow(op)),
        Op::TextLower => run.text(text.to_lowercase()),
        Op::TextUpper => run.text(text.to_uppercase()),
        Op::TextTrim => Ok(Value::text(text.trim())),
        // None when the text is no int of 64 bits; outer white space and a leading + are passed over.
        Op::TextToInt => Ok(text.trim().parse().map_or(Value::None, Value::Int)),
        Op::TextToFloat => {
            let number = text.trim().parse().ok().filter(|float: &f64| float.is_finite());
            Ok(number.map_or(Value::None, Value::Float))
        }
        Op::TextParseJson => Ok(Value::parse_json(text).unwrap_or(Value::None)),
        // Words between white space.
        Op::TextSplit => split(run, text.split_whitespace()),
        _ => Err(wrong_operands(op, &[Value::text(text)])),
    }
}

fn of_two(run: &mut Interpreter<'_>, op: Op, text: &str, other: &str) -> Outcome {
    match op {
        Op::TextLt => Ok(Value::Bool(text < other)),
        Op::TextLe => Ok(Value::Bool(text <= other)),
        Op::TextConcat => concat(run, &[Value::text(text), Value::text(other)]),
        Op::TextContains => Ok(Value::Bool(text.contains(other))),
        Op::TextStartsWith => Ok(Value::Bool(text.starts_with(other))),
        Op::TextEndsWith => Ok(Value::Bool(text.ends_with(other))),
        Op::TextBefore => Ok(Value::text(text.split_once(other).map_or(text, |(before, _)| before))),
        Op::TextAfter => Ok(Value::text(text.split_once(other).map_or("", |(_, after)| after))),
        // The whole text must match, as in the refinement of the same name.
        Op::TextMatches => {
            let regex = run.context.types.patterns.whole(other).map_err(EvaluationError::value)?;
            Ok(Value::Bool(regex.is_match(text)))
        }
        // By nothing: into its characters.
        Op::TextSplit if other.is_empty() => {
            run.charge_length(text.len())?;
            split(run, text.char_indices().filter_map(|(place, character)| text.get(place..place + character.len_utf8())))
        }
        Op::TextSplit => split(run, text.split(other)),
        _ => Err(wrong_operands(op, &[Value::text(text), Value::text(other)])),
    }
}

fn split<'t>(run: &mut Interpreter<'_>, parts: impl Iterator<Item = &'t str>) -> Outcome {
    let parts: Vec<Value> = parts.take(LIST_ITEMS_MAX + 1).map(Value::text).collect();
    run.list_length(parts.len())?;
    Ok(Value::list(parts))
}

fn truncate(text: &str, count: i64) -> Outcome {
    let count = usize::try_from(count).map_err(|_| EvaluationError::value(format!("a text of {count} characters cannot be")))?;
    let end = text.char_indices().nth(count).map_or(text.len(), |(place, _)| place);
    Ok(Value::text(text.get(..end).unwrap_or(text)))
}

/// Every occurrence, from left to right. Nothing is found in place of nothing.
fn replace(run: &mut Interpreter<'_>, text: &str, from: &str, to: &str) -> Outcome {
    if from.is_empty() {
        return Err(EvaluationError::value("`replace` needs a text to look for, and it is empty"));
    }
    let found = text.matches(from).count();
    let length = (text.len() - found * from.len()).saturating_add(found.saturating_mul(to.len()));
    run.text_length(length)?;
    Ok(Value::text(text.replace(from, to)))
}

pub(super) fn concat(run: &mut Interpreter<'_>, parts: &[Value]) -> Outcome {
    let mut text = String::new();
    for part in parts {
        let Value::Text(part) = part else {
            return Err(wrong_operands(Op::TextConcat, std::slice::from_ref(part)));
        };
        run.text_length(text.len() + part.len())?;
        text.push_str(part);
    }
    Ok(Value::text(text))
}
