//! How an answer of a given shape is asked for.

use crate::dialect::{Dialect, InOrder, fit};
use crate::request::{Answer, Request};
use serde_json::{Value, json};

/// What the request says about the answer's shape.
#[derive(Debug, PartialEq)]
pub(crate) enum Shape {
    Text,
    /// Through the provider's schema feature; `strict` is false where it can only be a hint.
    Schema {
        schema: Value,
        name: String,
        strict: bool,
    },
    /// In words, in the system text.
    Instructed,
}

#[derive(Debug)]
pub(crate) struct Asked {
    pub shape: Shape,
    /// The caller's system text, with the instruction where the schema is not enforced.
    pub system: Option<String>,
}

impl Asked {
    pub fn of(request: &Request, dialect: Dialect) -> Asked {
        let Answer::Json { schema, name } = &request.answer else {
            return Asked { shape: Shape::Text, system: request.system.clone() };
        };
        let schema = &schema.value;
        if !request.model.structured_output || schema.get("type") != Some(&json!("object")) {
            return Asked::instructed(request, schema);
        }
        let (schema, strict) = match (fit(schema, dialect), dialect) {
            (Ok(schema), _) => (schema, true),
            // OpenAI takes any schema as a hint; the others would refuse the request.
            (Err(_), Dialect::OpenaiStrict) => (Value::clone(schema), false),
            (Err(_), _) => return Asked::instructed(request, schema),
        };
        let shape = Shape::Schema { schema, name: schema_name(name), strict };
        Asked { shape, system: request.system.clone() }
    }

    fn instructed(request: &Request, schema: &Value) -> Asked {
        let instruction = instruction(schema);
        let system = match &request.system {
            Some(system) => format!("{system}\n\n{instruction}"),
            None => instruction,
        };
        Asked { shape: Shape::Instructed, system: Some(system) }
    }
}

/// Written into the system text where the provider has no schema feature.
fn instruction(schema: &Value) -> String {
    let schema = serde_json::to_string(&InOrder(schema)).unwrap_or_default();
    format!(
        "Answer with exactly one JSON value and nothing else: no explanation, no code fence. It must fit this JSON Schema:\n{schema}"
    )
}

/// Providers take letters, digits, `_` and `-`, at most 64.
fn schema_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit() {
        assert_eq!(schema_name("hunter.Company"), "hunter_Company");
        assert_eq!(schema_name(""), "answer");
    }
}
