//! Run-time values.

use crate::Money;
use std::sync::Arc;

/// A value while a flow runs. Enum values are [`Value::Text`]; `json` is whatever its shape is. Floats are always
/// finite: an operation whose result would not be is a failure.
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
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not yet"))
    }
}
impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(_deserializer: D) -> Result<Value, D::Error> {
        Err(serde::de::Error::custom("not yet"))
    }
}
