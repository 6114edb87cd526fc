//! Run-time values and their two JSON forms: the exact one, in which values are stored, and the plain one for people.

mod exact;
mod order;
mod plain;
pub mod time;

pub(crate) use exact::json_depth;
pub use exact::{ParseError, VALUE_DEPTH_MAX};

use crate::Money;
use std::sync::Arc;

/// A value while a flow runs. Enum values are [`Value::Text`]; `json` is whatever its shape is. Floats are always
/// finite: an operation whose result would not be is a failure.
///
/// The serde form is exact: plain JSON where JSON can say it, else an object with one marked name: `{"$date":
/// "2026-01-02"}`, `{"$datetime": "2026-01-02T03:04:05.000000Z"}`, `{"$duration": 1500000}` (microseconds), `{"$money":
/// "12.5"}`. A record with a name that begins with `$` is written `{"$record": {…}}`, so that none is mistaken for
/// another. Ints have neither fraction nor exponent, floats have one of them. Dates outside the years 0 to 9999 are
/// written as their number of days or microseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Money(Money),
    Text(Arc<str>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Datetime(i64),
    /// Microseconds.
    Duration(i64),
    List(Arc<Vec<Value>>),
    /// Fields in the order in which they were written; maps are records whose names are data.
    Record(Arc<Record>),
}

/// Names and values; a name occurs once. Small, so looked up by scanning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub fields: Vec<(Arc<str>, Value)>,
}

impl Record {
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| &**field == name).map(|(_, value)| value)
    }
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }

    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }

    pub fn record<N: Into<Arc<str>>>(fields: impl IntoIterator<Item = (N, Value)>) -> Value {
        Value::Record(Arc::new(Record { fields: fields.into_iter().map(|(name, value)| (name.into(), value)).collect() }))
    }

    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_record(&self) -> Option<&Record> {
        match self {
            Value::Record(record) => Some(record),
            _ => None,
        }
    }

    /// A record's field; none when this is no record or has no such field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_record().and_then(|record| record.get(name))
    }

    /// What kind of value this is, for messages: `an int`, `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::None => "none",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an int",
            Value::Float(_) => "a float",
            Value::Money(_) => "money",
            Value::Text(_) => "a text",
            Value::Date(_) => "a date",
            Value::Datetime(_) => "a datetime",
            Value::Duration(_) => "a duration",
            Value::List(_) => "a list",
            Value::Record(_) => "a record",
        }
    }

    /// A list's elements or a record's values; nothing else has any.
    fn parts(&self) -> impl ExactSizeIterator<Item = &Value> {
        let (items, fields) = match self {
            Value::List(items) => (items.as_slice(), Default::default()),
            Value::Record(record) => (Default::default(), record.fields.as_slice()),
            _ => (Default::default(), Default::default()),
        };
        Parts { items: items.iter(), fields: fields.iter() }
    }

    /// Whether the value is nested at most `depth_max` deep and has at most `nodes_max` parts, shared parts counted as
    /// often as they are reached. Returns the number of parts, or `None`. Takes at most `nodes_max` steps.
    pub fn measure(&self, depth_max: usize, nodes_max: u64) -> Option<u64> {
        let mut open: Vec<(&Value, usize)> = vec![(self, 0)];
        let mut nodes = 1u64;
        while let Some((value, depth)) = open.pop() {
            let parts = value.parts();
            nodes = nodes.checked_add(parts.len() as u64).filter(|nodes| *nodes <= nodes_max)?;
            if depth >= depth_max && parts.len() > 0 {
                return None;
            }
            // Only what has parts itself has to wait, so a long list of texts takes no room here.
            open.extend(parts.filter(|part| matches!(part, Value::List(_) | Value::Record(_))).map(|part| (part, depth + 1)));
        }
        Some(nodes)
    }
}

struct Parts<'a> {
    items: std::slice::Iter<'a, Value>,
    fields: std::slice::Iter<'a, (Arc<str>, Value)>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a Value;

    fn next(&mut self) -> Option<&'a Value> {
        self.items.next().or_else(|| self.fields.next().map(|(_, value)| value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let length = self.items.len() + self.fields.len();
        (length, Some(length))
    }
}

impl ExactSizeIterator for Parts<'_> {}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::text(text)
    }
}
