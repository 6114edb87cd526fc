//! Lists. Sorting is stable; what depends on order keeps the list's own.

use super::interpreter::{Interpreter, Locals, Outcome, truth, wrong_operands};
use super::numbers::{finite, overflow};
use super::{EvaluationError, LIST_ITEMS_MAX, TEXT_BYTES_MAX};
use crate::{Lambda, Money, Op, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Interpreter<'_> {
    pub(super) fn list_length(&mut self, items: usize) -> Result<(), EvaluationError> {
        if items > LIST_ITEMS_MAX {
            return Err(EvaluationError::limit(format!("the list would be longer than {LIST_ITEMS_MAX}")));
        }
        self.charge_length(items)
    }
}

/// Operations that take a lambda.
pub(super) fn with_lambda(run: &mut Interpreter<'_>, op: Op, items: &[Value], lambda: &Lambda, locals: &Locals<'_>) -> Outcome {
    match op {
        Op::ListFilter => filter(run, items, lambda, locals).map(Value::list),
        Op::ListCount => filter(run, items, lambda, locals).map(|kept| Value::Int(kept.len() as i64)),
        Op::ListAny => search(run, items.iter(), lambda, locals, true).map(|found| Value::Bool(found.is_some())),
        Op::ListAll => search(run, items.iter(), lambda, locals, false).map(|found| Value::Bool(found.is_none())),
        // The first or last element for which the lambda is true.
        Op::ListFirst => search(run, items.iter(), lambda, locals, true).map(|found| found.unwrap_or(Value::None)),
        Op::ListLast => search(run, items.iter().rev(), lambda, locals, true).map(|found| found.unwrap_or(Value::None)),
        Op::ListFlatMap => flat_map(run, items, lambda, locals),
        Op::ListMap => map(run, items, lambda, locals).map(Value::list),
        _ => {
            let keys = map(run, items, lambda, locals)?;
            by_key(run, op, items, keys)
        }
    }
}

/// Operations on a list whose lambda has given a key or a number for each element.
fn by_key(run: &mut Interpreter<'_>, op: Op, items: &[Value], keys: Vec<Value>) -> Outcome {
    match op {
        Op::ListSortBy => sort_by(run, items, keys),
        Op::ListDistinctBy => distinct_by(run, items, keys),
        Op::ListGroupBy => group_by(run, items, keys),
        Op::ListMin => extreme(run, items, &keys, Ordering::Less),
        Op::ListMax => extreme(run, items, &keys, Ordering::Greater),
        Op::ListSumInt | Op::ListSumFloat | Op::ListSumMoney | Op::ListAvg | Op::ListJoin => apply(run, op, &[Value::list(keys)]),
        _ => Err(EvaluationError::plan(format!("`{}` takes no lambda", super::interpreter::name_of(op)))),
    }
}

/// Operations on values alone.
pub(super) fn apply(run: &mut Interpreter<'_>, op: Op, values: &[Value]) -> Outcome {
    let Some((Value::List(items), rest)) = values.split_first() else {
        return Err(wrong_operands(op, values));
    };
    run.charge_length(items.len())?;
    match (op, rest) {
        (Op::ListSortBy, []) => sort_by(run, items, items.to_vec()),
        (Op::ListDistinctBy, []) => distinct_by(run, items, items.to_vec()),
        (Op::ListGroupBy, []) => group_by(run, items, items.to_vec()),
        (Op::ListMin, []) => extreme(run, items, items, Ordering::Less),
        (Op::ListMax, []) => extreme(run, items, items, Ordering::Greater),
        (Op::ListSumInt, []) => sum_ints(items),
        (Op::ListSumFloat, []) => sum_floats(items).and_then(|sum| finite(op, sum)),
        (Op::ListSumMoney, []) => sum_money(items),
        (Op::ListAvg, []) if items.is_empty() => Ok(Value::None),
        (Op::ListAvg, []) => sum_floats(items).and_then(|sum| finite(op, sum / items.len() as f64)),
        (Op::ListCount, []) => Ok(Value::Int(items.len() as i64)),
        (Op::ListAny, []) => decide(items, true),
        (Op::ListAll, []) => decide(items, false),
        (Op::ListFirst, []) => Ok(items.first().cloned().unwrap_or(Value::None)),
        (Op::ListLast, []) => Ok(items.last().cloned().unwrap_or(Value::None)),
        (Op::ListTake, [Value::Int(count)]) => Ok(Value::list(items.iter().take(length(*count)?).cloned().collect())),
        (Op::ListSkip, [Value::Int(count)]) => Ok(Value::list(items.iter().skip(length(*count)?).cloned().collect())),
        (Op::ListChunk, [Value::Int(size)]) => chunk(items, *size),
        (Op::ListJoin, []) => join(run, items, ""),
        (Op::ListJoin, [Value::Text(between)]) => join(run, items, between),
        (Op::ListContains, [wanted]) => contains(run, items, wanted),
        (Op::ListConcat, [Value::List(others)]) => {
            run.list_length(items.len() + others.len())?;
            Ok(Value::list(items.iter().chain(others.iter()).cloned().collect()))
        }
        // As long as the shorter one.
        (Op::ListZip, [Value::List(others)]) => {
            let pairs = items.iter().zip(others.iter());
            Ok(Value::list(
                pairs.map(|(left, right)| Value::record([("left", left.clone()), ("right", right.clone())])).collect(),
            ))
        }
        _ => Err(wrong_operands(op, values)),
    }
}

fn filter(
    run: &mut Interpreter<'_>,
    items: &[Value],
    lambda: &Lambda,
    locals: &Locals<'_>,
) -> Result<Vec<Value>, EvaluationError> {
    let mut kept = Vec::new();
    for item in items {
        if truth(&run.call_lambda(lambda, std::slice::from_ref(item), locals)?)? {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

fn map(run: &mut Interpreter<'_>, items: &[Value], lambda: &Lambda, locals: &Locals<'_>) -> Result<Vec<Value>, EvaluationError> {
    let mut made = Vec::with_capacity(items.len());
    for item in items {
        made.push(run.call_lambda(lambda, std::slice::from_ref(item), locals)?);
    }
    Ok(made)
}

fn flat_map(run: &mut Interpreter<'_>, items: &[Value], lambda: &Lambda, locals: &Locals<'_>) -> Outcome {
    let mut made: Vec<Value> = Vec::new();
    for item in items {
        let part = run.call_lambda(lambda, std::slice::from_ref(item), locals)?;
        let Value::List(part) = part else {
            return Err(EvaluationError::plan(format!("the lambda of `flat_map` gives a list, not {}", part.kind())));
        };
        run.charge_length(part.len())?;
        if made.len() + part.len() > LIST_ITEMS_MAX {
            run.list_length(LIST_ITEMS_MAX + 1)?;
        }
        made.extend(part.iter().cloned());
    }
    Ok(Value::list(made))
}

/// The first element for which the lambda gives `wanted`; later ones are not looked at.
fn search<'v>(
    run: &mut Interpreter<'_>,
    items: impl Iterator<Item = &'v Value>,
    lambda: &Lambda,
    locals: &Locals<'_>,
    wanted: bool,
) -> Result<Option<Value>, EvaluationError> {
    for item in items {
        if truth(&run.call_lambda(lambda, std::slice::from_ref(item), locals)?)? == wanted {
            return Ok(Some(item.clone()));
        }
    }
    Ok(None)
}

fn decide(items: &[Value], wanted: bool) -> Outcome {
    for item in items {
        if truth(item)? == wanted {
            return Ok(Value::Bool(wanted));
        }
    }
    Ok(Value::Bool(!wanted))
}

/// A key in a sorted collection, by the total order of values.
struct Key(Value);

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Key {}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.0.compare(&other.0)
    }
}

/// Comparing keys costs their size times the logarithm of their number.
fn charge_keys(run: &mut Interpreter<'_>, keys: &[Value]) -> Result<(), EvaluationError> {
    let rounds = u64::from(usize::BITS - keys.len().leading_zeros());
    run.charge(rounds * keys.len() as u64)?;
    for key in keys.iter().filter(|key| matches!(key, Value::List(_) | Value::Record(_))) {
        for _ in 0..rounds {
            run.charge_value(key)?;
        }
    }
    Ok(())
}

/// Ascending; equal keys keep their order, none comes first.
fn sort_by(run: &mut Interpreter<'_>, items: &[Value], keys: Vec<Value>) -> Outcome {
    charge_keys(run, &keys)?;
    let mut pairs: Vec<(Value, &Value)> = keys.into_iter().zip(items).collect();
    pairs.sort_by(|(left, _), (right, _)| left.compare(right));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item.clone()).collect()))
}

/// The first element of each key.
fn distinct_by(run: &mut Interpreter<'_>, items: &[Value], keys: Vec<Value>) -> Outcome {
    charge_keys(run, &keys)?;
    let mut seen = std::collections::BTreeSet::new();
    let first = keys.into_iter().zip(items).filter_map(|(key, item)| seen.insert(Key(key)).then(|| item.clone()));
    Ok(Value::list(first.collect()))
}

fn group_by(run: &mut Interpreter<'_>, items: &[Value], keys: Vec<Value>) -> Outcome {
    charge_keys(run, &keys)?;
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, item) in keys.into_iter().zip(items) {
        let place = *places.entry(Key(key.clone())).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(item.clone()),
            None => groups.push((key, vec![item.clone()])),
        }
    }
    let records = groups.into_iter().map(|(key, members)| Value::record([("key", key), ("items", Value::list(members))]));
    Ok(Value::list(records.collect()))
}

/// The element with the smallest or largest key, the first of equals; none of an empty list. Keys that are none do not
/// compete.
fn extreme(run: &mut Interpreter<'_>, items: &[Value], keys: &[Value], wanted: Ordering) -> Outcome {
    charge_keys(run, keys)?;
    let mut best: Option<(&Value, &Value)> = None;
    for (key, item) in keys.iter().zip(items).filter(|(key, _)| !key.is_none()) {
        if best.is_none_or(|(best_key, _)| key.compare(best_key) == wanted) {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::None, |(_, item)| item.clone()))
}

fn sum_ints(items: &[Value]) -> Outcome {
    let mut sum = 0i64;
    for item in items {
        let int = item.as_int().ok_or_else(|| wrong_operands(Op::ListSumInt, std::slice::from_ref(item)))?;
        sum = sum.checked_add(int).ok_or_else(|| overflow(Op::ListSumInt))?;
    }
    Ok(Value::Int(sum))
}

fn sum_money(items: &[Value]) -> Outcome {
    let mut sum = Money::ZERO;
    for item in items {
        let Value::Money(money) = item else {
            return Err(wrong_operands(Op::ListSumMoney, std::slice::from_ref(item)));
        };
        sum = sum.checked_add(*money).ok_or_else(|| overflow(Op::ListSumMoney))?;
    }
    Ok(Value::Money(sum))
}

/// From left to right, so that every evaluator rounds alike.
fn sum_floats(items: &[Value]) -> Result<f64, EvaluationError> {
    let mut sum = 0.0;
    for item in items {
        sum += match item {
            Value::Float(float) => *float,
            Value::Int(int) => *int as f64,
            other => return Err(wrong_operands(Op::ListSumFloat, std::slice::from_ref(other))),
        };
    }
    Ok(sum)
}

fn length(count: i64) -> Result<usize, EvaluationError> {
    usize::try_from(count).map_err(|_| EvaluationError::value(format!("{count} elements cannot be taken or skipped")))
}

/// The last chunk may be shorter.
fn chunk(items: &Arc<Vec<Value>>, size: i64) -> Outcome {
    match usize::try_from(size) {
        Ok(size @ 1..) => Ok(Value::list(items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect())),
        _ => Err(EvaluationError::value(format!("chunks of {size} cannot be"))),
    }
}

fn join(run: &mut Interpreter<'_>, items: &[Value], between: &str) -> Outcome {
    let mut text = String::new();
    for (place, item) in items.iter().enumerate() {
        let Value::Text(item) = item else {
            return Err(wrong_operands(Op::ListJoin, std::slice::from_ref(item)));
        };
        run.charge_length(item.len() / 64)?;
        if text.len() + between.len() + item.len() > TEXT_BYTES_MAX {
            run.text_length(TEXT_BYTES_MAX + 1)?;
        }
        if place > 0 {
            text.push_str(between);
        }
        text.push_str(item);
    }
    run.text(text)
}

fn contains(run: &mut Interpreter<'_>, items: &[Value], wanted: &Value) -> Outcome {
    for item in items {
        run.charge_value(wanted)?;
        if item.equals(wanted) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}
