//! The exact JSON form: what is stored comes back as the same value, bit for bit.

use super::{Record, Value, time};
use crate::Money;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Lists and records inside each other, at most. Deeper values are refused where they enter and where they are made, so
/// that everything that walks a value may recurse, and so that its exact form, where a record can take two levels of JSON,
/// stays within the 128 levels that a reader of JSON takes by itself, with room for what it is stored in.
pub const VALUE_DEPTH_MAX: usize = 48;

/// Why a text is not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("not JSON: {0}")]
    Json(String),
    #[error("nested more than {VALUE_DEPTH_MAX} deep")]
    Depth,
}

impl Value {
    /// The exact form as text.
    pub fn to_exact(&self) -> String {
        serde_json::to_string(self).expect("every value with finite floats has an exact form")
    }

    /// Reads the exact form.
    pub fn from_exact(text: &str) -> Result<Value, ParseError> {
        // A marked record takes two levels of JSON for one of the value's.
        if json_depth(text.as_bytes()) > 2 * VALUE_DEPTH_MAX + 2 {
            return Err(ParseError::Depth);
        }
        let value: Value = read_all(text).map_err(|error| ParseError::Json(error.to_string()))?;
        value.measure(VALUE_DEPTH_MAX, u64::MAX).map(|_| ()).ok_or(ParseError::Depth)?;
        Ok(value)
    }
}

fn read_all<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// How deep the brackets of a JSON text are nested. Does not recurse and needs no valid JSON.
pub(crate) fn json_depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::None => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float(_) => Err(S::Error::custom("a float that is not finite has no exact form")),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Money(money) => marked(serializer, "$money", &money.to_decimal()),
            Value::Duration(microseconds) => marked(serializer, "$duration", microseconds),
            Value::Date(days) => match time::date_text(*days) {
                Some(text) => marked(serializer, "$date", &text),
                None => marked(serializer, "$date", days),
            },
            Value::Datetime(microseconds) => match time::datetime_text_exact(*microseconds) {
                Some(text) => marked(serializer, "$datetime", &text),
                None => marked(serializer, "$datetime", microseconds),
            },
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Value::Record(record) if record.fields.iter().any(|(name, _)| name.starts_with('$')) => {
                marked(serializer, "$record", &Fields(record))
            }
            Value::Record(record) => Fields(record).serialize(serializer),
        }
    }
}

fn marked<S: serde::Serializer>(serializer: S, mark: &str, value: &impl serde::Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(mark, value)?;
    map.end()
}

struct Fields<'a>(&'a Record);

impl serde::Serialize for Fields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.fields.len()))?;
        self.0.fields.iter().try_for_each(|(name, value)| map.serialize_entry(&**name, value))?;
        map.end()
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ExactVisitor)
    }
}

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
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

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::Int).map_err(|_| E::custom(format!("{value} does not fit into 64 bits")))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() { Ok(Value::Float(value)) } else { Err(E::custom("a float that is not finite")) }
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::list(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some(first) = map.next_key::<String>()? else {
            return Ok(Value::Record(Arc::default()));
        };
        if !first.starts_with('$') {
            return read_fields(map, Some(first), false).map(|record| Value::Record(Arc::new(record)));
        }
        let value = match first.as_str() {
            "$record" => Value::Record(Arc::new(map.next_value_seed(RecordSeed)?)),
            mark => read_marked(mark, &map.next_value::<Value>()?).map_err(de::Error::custom)?,
        };
        match map.next_key::<String>()? {
            None => Ok(value),
            Some(other) => Err(de::Error::custom(format!("`{other}` stands beside `{first}`"))),
        }
    }
}

fn read_marked(mark: &str, value: &Value) -> Result<Value, String> {
    let read = match (mark, value) {
        ("$money", Value::Text(text)) => Money::parse(text).map(Value::Money),
        ("$duration", Value::Int(microseconds)) => Some(Value::Duration(*microseconds)),
        ("$date", Value::Text(text)) => time::parse_date(text).map(Value::Date),
        ("$date", Value::Int(days)) => i32::try_from(*days).ok().map(Value::Date),
        ("$datetime", Value::Text(text)) => time::parse_datetime(text).map(Value::Datetime),
        ("$datetime", Value::Int(microseconds)) => Some(Value::Datetime(*microseconds)),
        _ => None,
    };
    read.ok_or_else(|| format!("`{mark}` does not mark {}", value.kind()))
}

struct RecordSeed;

impl<'de> DeserializeSeed<'de> for RecordSeed {
    type Value = Record;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Record, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Record, A::Error> {
        read_fields(map, None, true)
    }
}

fn read_fields<'de, A: MapAccess<'de>>(mut map: A, first: Option<String>, marks_are_names: bool) -> Result<Record, A::Error> {
    let mut fields: Vec<(Arc<str>, Value)> = Vec::new();
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    let mut next = first;
    loop {
        let name = match next.take() {
            Some(name) => name,
            None => match map.next_key::<String>()? {
                Some(name) => name,
                None => return Ok(Record { fields }),
            },
        };
        if name.starts_with('$') && !marks_are_names {
            return Err(de::Error::custom(format!("`{name}` is a mark and stands alone")));
        }
        let name: Arc<str> = name.into();
        if !seen.insert(name.clone()) {
            return Err(de::Error::custom(format!("`{name}` is written twice")));
        }
        let value = map.next_value()?;
        fields.push((name, value));
    }
}
