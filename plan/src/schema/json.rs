//! The JSON Schema of an answer, in the part of draft 2020-12 that every provider's strict mode takes: all fields
//! required, no other fields, optionals as `anyOf` with null, enums, no references. Bounds that not every provider
//! enforces (ranges, lengths, patterns) are said in the description and enforced when the answer is read.

use super::{TYPE_DEPTH_MAX, Types};
use crate::{Field, Type};
use serde_json::{Value as Json, json};

#[derive(Clone, Debug, PartialEq)]
pub struct AnswerSchema {
    pub schema: Json,
    /// The answer is no record: the schema is of `{"value": …}`. [`super::parse_answer`] takes it out again.
    pub wrapped: bool,
}

/// A type that refers to itself, or whose schema, written out, is larger than a request should carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the JSON Schema of this type would have more than {SCHEMA_NODES_MAX} parts; name fewer types inside each other")]
pub struct SchemaTooLarge;

const SCHEMA_NODES_MAX: usize = 20_000;

/// Whether a prompt with this answer is asked with a schema. A plain text is not: the model's words are the answer. A
/// `text?` is, to tell none from an empty text.
pub fn needs_schema(ty: &Type, types: &Types<'_>) -> bool {
    !matches!(types.resolve(ty), Some(Type::Text(_)))
}

/// The schema that a provider is sent with a request for this answer.
pub fn json_schema(ty: &Type, types: &Types<'_>) -> Result<AnswerSchema, SchemaTooLarge> {
    let mut writer = Writer { types, nodes_left: SCHEMA_NODES_MAX };
    let schema = writer.schema(ty, 0)?;
    if schema.get("type") == Some(&json!("object")) {
        return Ok(AnswerSchema { schema, wrapped: false });
    }
    let schema = object([("value".to_owned(), schema)].into_iter().collect());
    Ok(AnswerSchema { schema, wrapped: true })
}

struct Writer<'a> {
    types: &'a Types<'a>,
    nodes_left: usize,
}

impl Writer<'_> {
    fn schema(&mut self, ty: &Type, depth: usize) -> Result<Json, SchemaTooLarge> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or(SchemaTooLarge)?;
        if depth > TYPE_DEPTH_MAX {
            return Err(SchemaTooLarge);
        }
        Ok(match ty {
            Type::Text(bounds) => {
                let mut bound = Vec::new();
                bound.extend(bounds.chars_max.map(|max| format!("at most {max} characters")));
                bound.extend(bounds.tokens_max.map(|max| format!("at most {max} tokens")));
                bound.extend(bounds.matches.as_ref().map(|pattern| format!("matches the regular expression {pattern}")));
                described(json!({ "type": "string" }), &bound.join(", "))
            }
            Type::Int { min, max } => described(json!({ "type": "integer" }), &int_bounds(*min, *max)),
            Type::Float => json!({ "type": "number" }),
            Type::Bool => json!({ "type": "boolean" }),
            Type::Money => described(json!({ "type": "string" }), "an amount in US dollars as a decimal number, such as 12.50"),
            Type::Date => json!({ "type": "string", "format": "date" }),
            Type::Datetime => json!({ "type": "string", "format": "date-time" }),
            Type::Duration => described(json!({ "type": "string" }), "a duration, such as 1h30m, with the units d, h, m, s, ms"),
            Type::Json => described(json!({ "type": "string" }), "JSON, written as text"),
            // Refused when it is read; a checked program asks no model for one.
            Type::Secret => json!({ "type": "null" }),
            Type::List { of, max } => {
                let list = json!({ "type": "array", "items": self.schema(of, depth + 1)? });
                described(list, &max.map(|max| format!("at most {max} items")).unwrap_or_default())
            }
            Type::Map(of) => {
                let value = self.schema(of, depth + 1)?;
                let pair =
                    object([("key".to_owned(), json!({ "type": "string" })), ("value".to_owned(), value)].into_iter().collect());
                described(json!({ "type": "array", "items": pair }), "pairs of key and value, each key once")
            }
            Type::Optional(of) => json!({ "anyOf": [self.schema(of, depth + 1)?, { "type": "null" }] }),
            Type::Record(fields) => self.record(fields, depth)?,
            Type::Enum(names) => json!({ "type": "string", "enum": names }),
            Type::Named(name) => {
                let named = self.types.named.get(name).ok_or(SchemaTooLarge)?;
                self.schema(named, depth + 1)?
            }
        })
    }

    fn record(&mut self, fields: &[Field], depth: usize) -> Result<Json, SchemaTooLarge> {
        let mut properties = serde_json::Map::new();
        for field in fields {
            let schema = self.schema(&field.ty, depth + 1)?;
            properties.insert(field.name.clone(), described(schema, field.doc.as_deref().unwrap_or_default()));
        }
        Ok(object(properties))
    }
}

fn object(properties: serde_json::Map<String, Json>) -> Json {
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

/// Puts a text before the description that is already there.
fn described(mut schema: Json, text: &str) -> Json {
    let text = text.trim();
    if let (Some(fields), false) = (schema.as_object_mut(), text.is_empty()) {
        let description = match fields.get("description").and_then(Json::as_str) {
            Some(bounds) => format!("{text} ({bounds})"),
            None => text.to_owned(),
        };
        fields.insert("description".to_owned(), Json::from(description));
    }
    schema
}

fn int_bounds(min: Option<i64>, max: Option<i64>) -> String {
    match (min, max) {
        (None, None) => String::new(),
        (Some(min), None) => format!("from {min}"),
        (None, Some(max)) => format!("up to {max}"),
        (Some(min), Some(max)) => format!("from {min} to {max}"),
    }
}
