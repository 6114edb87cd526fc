//! A JSON Schema in the dialect that a provider enforces.
//!
//! Each provider enforces a subset. What it does not know is moved into the description, where the model still reads it;
//! what it cannot express at all (a map, a value of any shape) turns the enforcement off. The caller checks every answer
//! against the whole schema in any case.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `strict: true`: every property required, nothing additional, at most ten levels. Absence is null.
    OpenaiStrict,
    /// No bounds on numbers, texts and lists; one `type` at a time.
    Anthropic,
    /// No bounds on texts; maps are expressible; the order of properties is said explicitly.
    Gemini,
}

/// The schema cannot be enforced by this provider.
#[derive(Debug, PartialEq)]
pub(crate) struct NotExpressible;

const OPENAI_NESTING_MAX: usize = 10;
const NESTING_MAX: usize = 64;
/// Keywords that only annotate, or that stand for the whole document.
const DROPPED: [&str; 6] = ["$schema", "$id", "title", "default", "examples", "$comment"];

pub(crate) fn fit(schema: &Value, dialect: Dialect) -> Result<Value, NotExpressible> {
    fit_at(schema, dialect, 0)
}

/// Serialises with `properties` in the order of `required`, since a model writes fields in the order in which it reads
/// them and a map here has lost the author's order.
pub(crate) struct InOrder<'a>(pub &'a Value);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    match (key.as_str(), value) {
                        ("properties", Value::Object(properties)) => {
                            out.serialize_entry(key, &OrderedProperties { properties, order: property_order(map) })?;
                        }
                        _ => out.serialize_entry(key, &InOrder(value))?,
                    }
                }
                out.end()
            }
            Value::Array(list) => {
                let mut out = serializer.serialize_seq(Some(list.len()))?;
                for value in list {
                    out.serialize_element(&InOrder(value))?;
                }
                out.end()
            }
            other => other.serialize(serializer),
        }
    }
}

struct OrderedProperties<'a> {
    properties: &'a Map<String, Value>,
    order: Vec<&'a str>,
}

impl Serialize for OrderedProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(self.properties.len()))?;
        for name in &self.order {
            if let Some(value) = self.properties.get(*name) {
                out.serialize_entry(name, &InOrder(value))?;
            }
        }
        out.end()
    }
}

/// The names in `required`, then the others.
fn property_order(schema: &Map<String, Value>) -> Vec<&str> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut order: Vec<&str> = Vec::new();
    for name in required.filter(|name| properties.is_some_and(|all| all.contains_key(*name))) {
        if !order.contains(&name) {
            order.push(name);
        }
    }
    let named: std::collections::BTreeSet<&str> = order.iter().copied().collect();
    order.extend(properties.into_iter().flat_map(Map::keys).map(String::as_str).filter(|name| !named.contains(name)));
    order
}

fn fit_at(schema: &Value, dialect: Dialect, depth: usize) -> Result<Value, NotExpressible> {
    let limit = if dialect == Dialect::OpenaiStrict { OPENAI_NESTING_MAX } else { NESTING_MAX };
    let map = schema.as_object().filter(|map| says_something(map)).ok_or(NotExpressible)?;
    if depth > limit {
        return Err(NotExpressible);
    }
    if let Some(reference) = map.get("$ref") {
        return fit_reference(map, reference, dialect, depth);
    }
    let mut out = Map::new();
    let mut remarks = Vec::new();
    for (key, value) in map {
        fit_keyword(key, value, dialect, depth, &mut out, &mut remarks)?;
    }
    if map.contains_key("properties") || is_type(map, "object") {
        fit_object(map, dialect, depth, &mut out)?;
    }
    if !remarks.is_empty() {
        // A map's order depends on how its crate was built; the request's bytes may not.
        remarks.sort();
        let said = out.get("description").and_then(Value::as_str).map(|text| format!("{text} ")).unwrap_or_default();
        out.insert("description".to_owned(), json!(format!("{said}({})", remarks.join("; "))));
    }
    Ok(split_types(out, dialect))
}

/// An empty schema allows anything, and no provider can enforce that.
fn says_something(map: &Map<String, Value>) -> bool {
    ["type", "enum", "const", "anyOf", "oneOf", "$ref", "properties"].iter().any(|key| map.contains_key(*key))
}

fn is_type(map: &Map<String, Value>, name: &str) -> bool {
    match map.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(many)) => many.iter().any(|one| one == name),
        _ => false,
    }
}

/// Siblings of a reference are refused by some; the definitions beside a root reference stay.
fn fit_reference(map: &Map<String, Value>, reference: &Value, dialect: Dialect, depth: usize) -> Result<Value, NotExpressible> {
    let mut out = Map::new();
    out.insert("$ref".to_owned(), reference.clone());
    if let Some(definitions) = map.get("$defs") {
        out.insert("$defs".to_owned(), fit_each(definitions, dialect, depth)?);
    }
    Ok(Value::Object(out))
}

fn fit_keyword(
    key: &str,
    value: &Value,
    dialect: Dialect,
    depth: usize,
    out: &mut Map<String, Value>,
    remarks: &mut Vec<String>,
) -> Result<(), NotExpressible> {
    match key {
        key if DROPPED.contains(&key) => {}
        "properties" => {
            out.insert(key.to_owned(), fit_each(value, dialect, depth + 1)?);
        }
        "$defs" | "definitions" => {
            out.insert(key.to_owned(), fit_each(value, dialect, depth)?);
        }
        "items" => {
            out.insert(key.to_owned(), fit_at(value, dialect, depth + 1)?);
        }
        "anyOf" | "oneOf" => {
            let arms = value.as_array().ok_or(NotExpressible)?;
            let arms: Result<Vec<Value>, NotExpressible> = arms.iter().map(|arm| fit_at(arm, dialect, depth)).collect();
            out.insert("anyOf".to_owned(), Value::Array(arms?));
        }
        "const" => {
            out.insert("enum".to_owned(), json!([value]));
        }
        "additionalProperties" | "required" => {}
        "allOf" | "not" | "if" | "then" | "else" | "patternProperties" | "prefixItems" | "dependentRequired" => {
            return Err(NotExpressible);
        }
        _ => match bound_in_words(key, value, dialect) {
            Some(words) => remarks.push(words),
            None => {
                out.insert(key.to_owned(), value.clone());
            }
        },
    }
    Ok(())
}

fn fit_each(value: &Value, dialect: Dialect, depth: usize) -> Result<Value, NotExpressible> {
    let map = value.as_object().ok_or(NotExpressible)?;
    let fitted: Result<Map<String, Value>, NotExpressible> =
        map.iter().map(|(name, schema)| Ok((name.clone(), fit_at(schema, dialect, depth)?))).collect();
    Ok(Value::Object(fitted?))
}

/// The bound as a remark for the model, where the provider does not enforce it.
fn bound_in_words(key: &str, value: &Value, dialect: Dialect) -> Option<String> {
    let enforced = match key {
        "minimum" | "maximum" | "minItems" | "maxItems" => dialect != Dialect::Anthropic,
        "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => dialect == Dialect::OpenaiStrict,
        "format" => matches!(value.as_str(), Some("date" | "date-time" | "time")),
        "minLength" | "maxLength" | "pattern" | "uniqueItems" => false,
        _ => return None,
    };
    if enforced {
        return None;
    }
    let bound = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(match key {
        "minimum" => format!("at least {bound}"),
        "maximum" => format!("at most {bound}"),
        "exclusiveMinimum" => format!("more than {bound}"),
        "exclusiveMaximum" => format!("less than {bound}"),
        "multipleOf" => format!("a multiple of {bound}"),
        "minItems" => format!("at least {bound} elements"),
        "maxItems" => format!("at most {bound} elements"),
        "minLength" => format!("at least {bound} characters"),
        "maxLength" => format!("at most {bound} characters"),
        "pattern" => format!("matches the regular expression {bound}"),
        "uniqueItems" => "no element twice".to_owned(),
        _ => format!("in the format {bound}"),
    })
}

fn fit_object(
    map: &Map<String, Value>,
    dialect: Dialect,
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), NotExpressible> {
    match map.get("additionalProperties") {
        Some(values @ Value::Object(_)) if dialect == Dialect::Gemini => {
            out.insert("additionalProperties".to_owned(), fit_at(values, dialect, depth + 1)?);
            return Ok(());
        }
        Some(Value::Object(_)) => return Err(NotExpressible),
        // An object of any names and values.
        None | Some(Value::Bool(true)) if !map.contains_key("properties") => return Err(NotExpressible),
        _ => {}
    }
    let order: Vec<String> = property_order(map).into_iter().map(str::to_owned).collect();
    let required = map.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if dialect == Dialect::OpenaiStrict {
        if let Some(properties) = out.get_mut("properties").and_then(Value::as_object_mut) {
            for (name, property) in properties.iter_mut() {
                if !required.iter().any(|one| one == name) {
                    *property = nullable(property.take());
                }
            }
        }
        out.insert("required".to_owned(), json!(order));
    } else {
        out.insert("required".to_owned(), Value::Array(required));
    }
    if dialect == Dialect::Gemini {
        out.insert("propertyOrdering".to_owned(), json!(order));
    }
    out.insert("additionalProperties".to_owned(), json!(false));
    Ok(())
}

fn nullable(schema: Value) -> Value {
    let Value::Object(mut map) = schema else { return schema };
    if is_type(&map, "null")
        || map.get("anyOf").and_then(Value::as_array).is_some_and(|arms| arms.contains(&json!({"type": "null"})))
    {
        return Value::Object(map);
    }
    match map.get("type").cloned() {
        Some(Value::String(one)) if !map.contains_key("enum") => {
            map.insert("type".to_owned(), json!([one, "null"]));
            Value::Object(map)
        }
        _ => json!({"anyOf": [Value::Object(map), {"type": "null"}]}),
    }
}

/// `type: ["text", "null"]` as `anyOf`, where lists of types are not taken.
fn split_types(mut map: Map<String, Value>, dialect: Dialect) -> Value {
    let types = match map.get("type") {
        Some(Value::Array(types)) if dialect == Dialect::Anthropic => types.clone(),
        _ => return Value::Object(map),
    };
    map.remove("type");
    let description = map.remove("description");
    let arms = types.into_iter().map(|one| {
        let mut arm = if one == "null" { Map::new() } else { map.clone() };
        arm.insert("type".to_owned(), one);
        Value::Object(arm)
    });
    let mut out = Map::new();
    out.insert("anyOf".to_owned(), Value::Array(arms.collect()));
    if let Some(description) = description {
        out.insert("description".to_owned(), description);
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit_schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Fit", "type": "object",
            "properties": {
                "score": {"type": "integer", "minimum": 1, "maximum": 10},
                "priority": {"type": "string", "enum": ["high", "low"], "description": "How soon."},
                "reason": {"type": "string", "maxLength": 200, "pattern": "^[A-Z]"},
                "note": {"type": ["string", "null"], "description": "If any."},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}
            },
            "required": ["score", "reason", "priority"]
        })
    }

    #[test]
    fn openai_requires_all_and_says_absence_with_null() {
        let fitted = fit(&fit_schema(), Dialect::OpenaiStrict).unwrap();
        assert_eq!(
            fitted,
            json!({
                "type": "object", "additionalProperties": false, "required": ["score", "reason", "priority", "note", "tags"],
                "properties": {
                    "score": {"type": "integer", "minimum": 1, "maximum": 10},
                    "priority": {"type": "string", "enum": ["high", "low"], "description": "How soon."},
                    "reason": {"type": "string", "description": "(at most 200 characters; matches the regular expression ^[A-Z])"},
                    "note": {"type": ["string", "null"], "description": "If any."},
                    "tags": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 3}
                }
            })
        );
    }

    #[test]
    fn anthropic_gets_bounds_in_words_and_one_type_at_a_time() {
        let fitted = fit(&fit_schema(), Dialect::Anthropic).unwrap();
        assert_eq!(fitted["properties"]["score"], json!({"type": "integer", "description": "(at least 1; at most 10)"}));
        assert_eq!(fitted["properties"]["tags"]["description"], json!("(at most 3 elements)"));
        let note = json!({"anyOf": [{"type": "string"}, {"type": "null"}], "description": "If any."});
        assert_eq!(fitted["properties"]["note"], note);
        assert_eq!(fitted["required"], json!(["score", "reason", "priority"]));
    }

    #[test]
    fn gemini_is_told_the_order() {
        let fitted = fit(&fit_schema(), Dialect::Gemini).unwrap();
        assert_eq!(fitted["propertyOrdering"], json!(["score", "reason", "priority", "note", "tags"]));
        assert_eq!(fitted["properties"]["score"]["maximum"], json!(10));
    }

    #[test]
    fn maps_and_open_values_are_not_enforced() {
        let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
        let open = json!({"type": "object", "properties": {"x": {}}, "required": ["x"]});
        assert_eq!(fit(&map, Dialect::OpenaiStrict), Err(NotExpressible));
        assert_eq!(fit(&map, Dialect::Anthropic), Err(NotExpressible));
        assert_eq!(fit(&map, Dialect::Gemini), Ok(map.clone()));
        for dialect in [Dialect::OpenaiStrict, Dialect::Anthropic, Dialect::Gemini] {
            assert_eq!(fit(&open, dialect), Err(NotExpressible));
        }
    }

    #[test]
    fn an_optional_enum_or_reference_becomes_a_choice_with_null() {
        let schema = json!({"type": "object", "properties": {
            "a": {"enum": ["x"], "type": "string"}, "b": {"$ref": "#/$defs/B"}, "c": {"oneOf": [{"const": 1}, {"type": "null"}]}},
            "required": [], "$defs": {"B": {"type": "boolean"}}});
        let fitted = fit(&schema, Dialect::OpenaiStrict).unwrap();
        assert_eq!(fitted["properties"]["a"], json!({"anyOf": [{"enum": ["x"], "type": "string"}, {"type": "null"}]}));
        assert_eq!(fitted["properties"]["b"], json!({"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]}));
        assert_eq!(fitted["properties"]["c"], json!({"anyOf": [{"enum": [1]}, {"type": "null"}]}));
    }

    #[test]
    fn deep_schemas_are_not_enforced_and_do_not_overflow() {
        let mut schema = json!({"type": "string"});
        for _ in 0..100 {
            schema = json!({"type": "array", "items": schema});
        }
        assert_eq!(fit(&schema, Dialect::Gemini), Err(NotExpressible));
    }

    #[test]
    fn fields_are_written_in_the_order_of_required() {
        let text = serde_json::to_string(&InOrder(&fit_schema())).unwrap();
        let order: Vec<usize> = ["\"score\":", "\"reason\":", "\"priority\":", "\"note\":", "\"tags\":"]
            .iter()
            .map(|key| text.find(key).unwrap())
            .collect();
        assert!(order.is_sorted(), "{text}");
    }
}
