//! Equality as the language sees it, and a total order for sorting.

use super::{Record, Value};
use std::cmp::Ordering;

impl Value {
    /// Equality in the language: records by name whatever the order of their fields, an int and a float by their number
    /// (they meet in `json` only), everything else by kind and content.
    pub fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Int(int), Value::Float(float)) | (Value::Float(float), Value::Int(int)) => {
                compare_int_float(*int, *float) == Ordering::Equal
            }
            (Value::List(left), Value::List(right)) => {
                left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| left.equals(right))
            }
            (Value::Record(left), Value::Record(right)) => records_equal(left, right),
            _ => self == other,
        }
    }

    /// A total order: none, bools, numbers by size, money, texts by their characters, dates, datetimes, durations,
    /// lists and records by their parts. An int stands before the float of the same size, -0.0 before 0.0.
    pub fn compare(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
            (Value::Int(left), Value::Int(right)) => left.cmp(right),
            (Value::Float(left), Value::Float(right)) => left.total_cmp(right),
            (Value::Int(int), Value::Float(float)) => compare_int_float(*int, *float).then(Ordering::Less),
            (Value::Float(float), Value::Int(int)) => compare_int_float(*int, *float).reverse().then(Ordering::Greater),
            (Value::Money(left), Value::Money(right)) => left.cmp(right),
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Date(left), Value::Date(right)) => left.cmp(right),
            (Value::Datetime(left), Value::Datetime(right)) => left.cmp(right),
            (Value::Duration(left), Value::Duration(right)) => left.cmp(right),
            (Value::List(left), Value::List(right)) => compare_lists(left, right),
            (Value::Record(left), Value::Record(right)) => compare_records(left, right),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::None => 0,
            Value::Bool(_) => 1,
            Value::Int(_) | Value::Float(_) => 2,
            Value::Money(_) => 3,
            Value::Text(_) => 4,
            Value::Date(_) => 5,
            Value::Datetime(_) => 6,
            Value::Duration(_) => 7,
            Value::List(_) => 8,
            Value::Record(_) => 9,
        }
    }
}

/// Exact, also where the float cannot say the int: never by converting the int.
fn compare_int_float(int: i64, float: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if float >= TWO_TO_63 {
        return Ordering::Less;
    }
    if float < -TWO_TO_63 {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    let fraction = float - whole;
    let by_fraction = if fraction > 0.0 {
        Ordering::Less
    } else if fraction < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    };
    int.cmp(&(whole as i64)).then(by_fraction)
}

/// Below this, looking a name up costs less than sorting.
const SCAN_MAX: usize = 16;

fn records_equal(left: &Record, right: &Record) -> bool {
    if left.fields.len() != right.fields.len() {
        return false;
    }
    if left.fields.len() <= SCAN_MAX {
        return left.fields.iter().all(|(name, value)| right.get(name).is_some_and(|other| value.equals(other)));
    }
    let (left, right) = (sorted(left), sorted(right));
    left.iter().zip(&right).all(|((name, value), (other_name, other))| name == other_name && value.equals(other))
}

fn sorted(record: &Record) -> Vec<(&str, &Value)> {
    let mut fields: Vec<(&str, &Value)> = record.fields.iter().map(|(name, value)| (&**name, value)).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

fn compare_lists(left: &[Value], right: &[Value]) -> Ordering {
    let different = left.iter().zip(right).map(|(left, right)| left.compare(right)).find(|order| order.is_ne());
    different.unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// By their fields in the order of names, so that the order in which they were written does not count.
fn compare_records(left: &Record, right: &Record) -> Ordering {
    let (left, right) = (sorted(left), sorted(right));
    let pairs = left.iter().zip(&right);
    let mut orders = pairs.map(|((name, value), (other_name, other))| name.cmp(other_name).then_with(|| value.compare(other)));
    orders.find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
}
