//! The plain JSON form: for people, outputs and other services. Not exact: a date comes out as text.

use super::exact::json_depth;
use super::{ParseError, Record, VALUE_DEPTH_MAX, Value, time};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

impl Value {
    /// Dates and datetimes as RFC 3339 text, durations as text (`1h30m`), money as decimal text (`12.5`).
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::None => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::Text(text) => Json::from(&**text),
            Value::Money(_) | Value::Date(_) | Value::Datetime(_) | Value::Duration(_) => Json::from(self.to_text()),
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Record(record) => {
                Json::Object(record.fields.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect())
            }
        }
    }

    /// The plain value of a JSON value: numbers without fraction and exponent that fit are ints, all others floats.
    pub fn from_json(json: serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::None,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(0.0)), Value::Int),
            Json::String(text) => Value::text(text),
            Json::Array(items) => Value::list(items.into_iter().map(Value::from_json).collect()),
            Json::Object(fields) => Value::record(fields.into_iter().map(|(name, value)| (name, Value::from_json(value)))),
        }
    }

    /// Reads plain JSON text from outside. Of a name that occurs twice, the last value counts.
    pub fn parse_json(text: &str) -> Result<Value, ParseError> {
        if json_depth(text.as_bytes()) > VALUE_DEPTH_MAX {
            return Err(ParseError::Depth);
        }
        serde_json::from_str::<Plain>(text).map(|plain| plain.0).map_err(|error| ParseError::Json(error.to_string()))
    }

    /// The value as a template shows it: text as it is, none as nothing, lists and records as compact JSON.
    pub fn to_text(&self) -> String {
        match self {
            Value::None => String::new(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => float_text(*value),
            Value::Money(money) => money.to_decimal(),
            Value::Text(text) => text.to_string(),
            Value::Date(days) => time::date_text(*days).unwrap_or_else(|| format!("{days} days")),
            Value::Datetime(microseconds) => {
                time::datetime_text(*microseconds).unwrap_or_else(|| format!("{microseconds} microseconds"))
            }
            Value::Duration(microseconds) => time::duration_text(*microseconds),
            Value::List(_) | Value::Record(_) => self.to_json().to_string(),
        }
    }
}

/// Shortest digits that read back as the same float, always with a fraction or an exponent.
fn float_text(value: f64) -> String {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string(), |number| number.to_string())
}

/// A value read from plain JSON: no name is a mark.
struct Plain(Value);

impl<'de> serde::Deserialize<'de> for Plain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Plain)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() { Ok(Value::Float(value)) } else { Err(E::custom("a number beyond the range of a float")) }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Plain(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::list(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(Arc<str>, Value)> = Vec::new();
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let Plain(value) = map.next_value()?;
            let name: Arc<str> = name.into();
            match places.get(&name).and_then(|place| fields.get_mut(*place)) {
                Some(field) => field.1 = value,
                None => {
                    places.insert(name.clone(), fields.len());
                    fields.push((name, value));
                }
            }
        }
        Ok(Value::Record(Arc::new(Record { fields })))
    }
}
