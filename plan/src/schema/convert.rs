//! Values made to fit a type, or refused with the place and the reason.

use super::describe::{describe_value, quote};
use super::{Mismatch, TYPE_DEPTH_MAX, Types, describe};
use crate::types::TextBounds;
use crate::value::time;
use crate::{Field, Money, Type, Value};
use std::sync::Arc;

/// The value of a plain JSON value, if it is of the type. Dates, datetimes, durations and money are read from text,
/// amounts of money from numbers as well. Fields that the type does not have are left out; absent optional ones are none.
pub fn validate(ty: &Type, types: &Types<'_>, json: &serde_json::Value) -> Result<Value, Mismatch> {
    cast(ty, types, Value::from_json(json.clone()))
}

/// `x as T`, and every value that enters: a value made to fit the type. Values that already fit come back as they are,
/// a record with its fields in the type's order. A float without a fraction is taken for an int, an int for a float.
pub fn cast(ty: &Type, types: &Types<'_>, value: Value) -> Result<Value, Mismatch> {
    Conversion { types, lenient: false }.value(ty, value, 0)
}

/// The value of a cell of a CSV file. Outer white space does not count except in texts; an empty cell is none where the
/// type is optional. Bools are `true false yes no 1 0`, money may begin with `$`, lists, maps and records are JSON.
pub fn convert_text(ty: &Type, types: &Types<'_>, cell: &str) -> Result<Value, Mismatch> {
    cell_value(ty, types, cell, 0)
}

fn cell_value(ty: &Type, types: &Types<'_>, cell: &str, depth: usize) -> Result<Value, Mismatch> {
    let conversion = Conversion { types, lenient: false };
    let trimmed = cell.trim();
    let read = match ty {
        Type::Text(bounds) => return conversion.text(ty, bounds, cell.into()),
        Type::Named(name) => return cell_value(conversion.named(name, depth)?, types, cell, depth + 1),
        Type::Optional(_) if cell.is_empty() => return Ok(Value::None),
        Type::Optional(of) if trimmed.is_empty() && !matches!(types.resolve(of), Some(Type::Text(_))) => return Ok(Value::None),
        Type::Optional(of) => return cell_value(of, types, cell, depth + 1),
        Type::Int { .. } => trimmed.parse().ok().map(Value::Int),
        Type::Float => trimmed.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float),
        Type::Bool => cell_bool(trimmed).map(Value::Bool),
        Type::Money => Money::parse(trimmed.strip_prefix('$').unwrap_or(trimmed)).map(Value::Money),
        Type::Json | Type::List { .. } | Type::Map(_) | Type::Record(_) => Value::parse_json(trimmed).ok(),
        Type::Enum(_) | Type::Date | Type::Datetime | Type::Duration => Some(Value::text(trimmed)),
        Type::Secret => None,
    };
    match read {
        Some(value) => conversion.value(ty, value, depth),
        None if trimmed.is_empty() => Err(Mismatch::new(describe(ty), "an empty cell")),
        None => Err(Mismatch::new(describe(ty), quote(cell))),
    }
}

fn cell_bool(cell: &str) -> Option<bool> {
    let is = |word: &&str| cell.eq_ignore_ascii_case(word);
    if ["true", "yes", "1"].iter().any(is) {
        Some(true)
    } else if ["false", "no", "0"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// One conversion; `lenient` for answers of models, which write numbers as texts and enum values with capitals.
pub(super) struct Conversion<'a> {
    pub types: &'a Types<'a>,
    pub lenient: bool,
}

impl Conversion<'_> {
    pub fn value(&self, ty: &Type, value: Value, depth: usize) -> Result<Value, Mismatch> {
        match (ty, value) {
            (Type::Named(name), value) => self.value(self.named(name, depth)?, value, depth + 1),
            (Type::Optional(_), Value::None) => Ok(Value::None),
            (Type::Optional(of), value) => self.value(of, value, depth + 1),
            (Type::List { of, max }, Value::List(items)) => self.list(ty, of, *max, items, depth),
            (Type::Map(of), Value::List(pairs)) if self.lenient => self.map(of, pairs_of(ty, &pairs)?, depth),
            (Type::Map(of), Value::Record(record)) => self.map(of, Arc::unwrap_or_clone(record).fields, depth),
            (Type::Record(fields), Value::Record(record)) => self.record(fields, &record, depth),
            (Type::Text(bounds), Value::Text(text)) => self.text(ty, bounds, text),
            (Type::Json, Value::Text(text)) if self.lenient => Ok(json_in_text(text)),
            (Type::Json, value) => Ok(value),
            (_, value) => self.scalar(ty, value),
        }
    }

    fn named(&self, name: &str, depth: usize) -> Result<&Type, Mismatch> {
        if depth > TYPE_DEPTH_MAX {
            return Err(Mismatch::new(format!("`{name}`"), "a type nested too deep"));
        }
        self.types.named.get(name).ok_or_else(|| Mismatch::new(format!("`{name}`"), "a name that no type of the plan has"))
    }

    fn list(&self, ty: &Type, of: &Type, max: Option<u64>, items: Arc<Vec<Value>>, depth: usize) -> Result<Value, Mismatch> {
        if max.is_some_and(|max| items.len() as u64 > max) {
            return Err(Mismatch::new(describe(ty), format!("a list of {}", items.len())));
        }
        let items = Arc::unwrap_or_clone(items).into_iter().enumerate();
        let cast = items.map(|(index, item)| self.value(of, item, depth + 1).map_err(|mismatch| mismatch.at(index)));
        Ok(Value::list(cast.collect::<Result<Vec<Value>, Mismatch>>()?))
    }

    fn map(&self, of: &Type, fields: Vec<(Arc<str>, Value)>, depth: usize) -> Result<Value, Mismatch> {
        let cast = fields.into_iter().map(|(name, value)| {
            let value = self.value(of, value, depth + 1).map_err(|mismatch| mismatch.in_field(&name))?;
            Ok((name, value))
        });
        Ok(Value::record(cast.collect::<Result<Vec<_>, Mismatch>>()?))
    }

    fn record(&self, fields: &[Field], record: &crate::value::Record, depth: usize) -> Result<Value, Mismatch> {
        let mut made = Vec::with_capacity(fields.len());
        for field in fields {
            let value = match record.get(&field.name) {
                Some(value) => self.value(&field.ty, value.clone(), depth + 1),
                None => self
                    .value(&field.ty, Value::None, depth + 1)
                    .map_err(|mismatch| Mismatch { found: "nothing".into(), ..mismatch }),
            };
            made.push((field.name.as_str(), value.map_err(|mismatch| mismatch.in_field(&field.name))?));
        }
        Ok(Value::record(made))
    }

    fn text(&self, ty: &Type, bounds: &TextBounds, text: Arc<str>) -> Result<Value, Mismatch> {
        if let Some(max) = bounds.chars_max
            && text.len() as u64 > max
        {
            let count = text.chars().count() as u64;
            if count > max {
                return Err(Mismatch::new(describe(ty), format!("a text of {count} characters")));
            }
        }
        if let Some(max) = bounds.tokens_max {
            let count = self.types.tokens.count(&text);
            if count > max {
                return Err(Mismatch::new(describe(ty), format!("a text of {count} tokens")));
            }
        }
        if let Some(pattern) = &bounds.matches {
            let regex = self.types.patterns.whole(pattern).map_err(|message| Mismatch::new(describe(ty), message))?;
            if !regex.is_match(&text) {
                return Err(Mismatch::new(describe(ty), format!("the text {}", quote(&text))));
            }
        }
        Ok(Value::Text(text))
    }

    fn scalar(&self, ty: &Type, value: Value) -> Result<Value, Mismatch> {
        let fits = match (ty, &value) {
            (Type::Int { min, max }, _) => self
                .int(&value)
                .filter(|int| min.is_none_or(|min| *int >= min) && max.is_none_or(|max| *int <= max))
                .map(Value::Int),
            (Type::Float, _) => self.float(&value).map(Value::Float),
            (Type::Bool, Value::Text(text)) if self.lenient => text.trim().to_ascii_lowercase().parse().ok().map(Value::Bool),
            (Type::Money, Value::Text(text)) => Money::parse(text.strip_prefix('$').unwrap_or(text)).map(Value::Money),
            (Type::Money, Value::Int(_) | Value::Float(_)) => Money::parse(&decimal(&value)).map(Value::Money),
            (Type::Date, Value::Text(text)) => time::parse_date(text).map(Value::Date),
            (Type::Datetime, Value::Text(text)) => time::parse_datetime(text).map(Value::Datetime),
            (Type::Duration, Value::Text(text)) => time::parse_duration(text).map(Value::Duration),
            (Type::Enum(names), Value::Text(text)) => self.enum_value(names, text),
            (Type::Bool, Value::Bool(_))
            | (Type::Money, Value::Money(_))
            | (Type::Date, Value::Date(_))
            | (Type::Datetime, Value::Datetime(_))
            | (Type::Duration, Value::Duration(_)) => Some(value.clone()),
            _ => None,
        };
        fits.ok_or_else(|| Mismatch::new(describe(ty), describe_value(&value)))
    }

    fn int(&self, value: &Value) -> Option<i64> {
        // The largest float below 2⁶³; from there on a float says no single int.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match value {
            Value::Int(int) => Some(*int),
            Value::Float(float) if float.fract() == 0.0 && float.abs() <= EXACT => Some(*float as i64),
            Value::Text(text) if self.lenient => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn float(&self, value: &Value) -> Option<f64> {
        match value {
            Value::Float(float) => Some(*float),
            Value::Int(int) => Some(*int as f64),
            Value::Text(text) if self.lenient => text.trim().parse().ok().filter(|float: &f64| float.is_finite()),
            _ => None,
        }
    }

    fn enum_value(&self, names: &[String], text: &str) -> Option<Value> {
        let exact = names.iter().find(|name| *name == text);
        let loose = || {
            let word = text.trim().trim_start_matches('.');
            let mut alike = names.iter().filter(|name| name.eq_ignore_ascii_case(word));
            alike.next().filter(|_| alike.next().is_none())
        };
        exact.or_else(|| if self.lenient { loose() } else { None }).map(|name| Value::text(name.as_str()))
    }
}

/// A number's decimal digits without an exponent, so that `1e-7` is an amount as well.
fn decimal(value: &Value) -> String {
    match value {
        Value::Float(float) => format!("{float}"),
        other => other.to_text(),
    }
}

/// The schema of a map is a list of pairs, for strict schemas know no open objects.
fn pairs_of(ty: &Type, pairs: &[Value]) -> Result<Vec<(Arc<str>, Value)>, Mismatch> {
    let mut fields: Vec<(Arc<str>, Value)> = Vec::with_capacity(pairs.len());
    let mut seen = std::collections::BTreeSet::new();
    for (index, pair) in pairs.iter().enumerate() {
        let (Some(Value::Text(key)), Some(value)) = (pair.get("key"), pair.get("value")) else {
            return Err(Mismatch::new(describe(ty), format!("{}, no pair of `key` and `value`", describe_value(pair))).at(index));
        };
        if !seen.insert(key.clone()) {
            return Err(Mismatch::new("a key of its own", quote(key)).at(index));
        }
        fields.push((key.clone(), value.clone()));
    }
    Ok(fields)
}

/// The schema of `json` is a text that holds it, for strict schemas know no open shape.
fn json_in_text(text: Arc<str>) -> Value {
    let holds_json = text.trim_start().starts_with(['{', '[']);
    let read = if holds_json { Value::parse_json(&text).ok() } else { None };
    read.unwrap_or(Value::Text(text))
}
