//! How an answer of a given shape is asked for, and how its text is read back.

use crate::dialect::{Dialect, InOrder, fit};
use crate::request::{Answer, Request};
use serde_json::{Value, json};

/// The field under which an answer that is no record travels: providers want an object at the root.
const WRAPPER: &str = "answer";

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
    wrapped: bool,
    json: bool,
}

impl Asked {
    pub fn of(request: &Request, dialect: Dialect) -> Asked {
        let Answer::Json { schema, name } = &request.answer else {
            return Asked { shape: Shape::Text, system: request.system.clone(), wrapped: false, json: false };
        };
        if !request.model.structured_output {
            return Asked::instructed(request, schema);
        }
        let wrapped = schema.get("type") != Some(&json!("object"));
        let whole = if wrapped { wrap(schema) } else { Value::clone(schema) };
        let (schema, strict) = match (fit(&whole, dialect), dialect) {
            (Ok(schema), _) => (schema, true),
            // OpenAI takes any schema as a hint; the others would refuse the request.
            (Err(_), Dialect::OpenaiStrict) => (whole, false),
            (Err(_), _) => return Asked::instructed(request, schema),
        };
        let shape = Shape::Schema { schema, name: schema_name(name), strict };
        Asked { shape, system: request.system.clone(), wrapped, json: true }
    }

    fn instructed(request: &Request, schema: &Value) -> Asked {
        let instruction = instruction(schema);
        let system = match &request.system {
            Some(system) => format!("{system}\n\n{instruction}"),
            None => instruction,
        };
        Asked { shape: Shape::Instructed, system: Some(system), wrapped: false, json: true }
    }

    /// The answer's text as the caller sees it.
    pub fn read(&self, text: String) -> String {
        if !self.json {
            return text;
        }
        let found = find_json(&text).map(str::to_owned).unwrap_or(text);
        if !self.wrapped {
            return found;
        }
        match serde_json::from_str::<Value>(&found) {
            Ok(Value::Object(mut map)) if map.len() == 1 => match map.remove(WRAPPER) {
                Some(inner) => inner.to_string(),
                None => found,
            },
            _ => found,
        }
    }
}

/// Written into the system text where the provider has no schema feature.
fn instruction(schema: &Value) -> String {
    let schema = serde_json::to_string(&InOrder(schema)).unwrap_or_default();
    format!(
        "Answer with exactly one JSON value and nothing else: no explanation, no code fence. It must fit this JSON Schema:\n{schema}"
    )
}

fn wrap(schema: &Value) -> Value {
    let mut inner = schema.clone();
    let definitions = inner.as_object_mut().and_then(|map| map.remove("$defs"));
    let mut outer =
        json!({"type": "object", "properties": {WRAPPER: inner}, "required": [WRAPPER], "additionalProperties": false});
    if let (Some(map), Some(definitions)) = (outer.as_object_mut(), definitions) {
        map.insert("$defs".to_owned(), definitions);
    }
    outer
}

/// Providers take letters, digits, `_` and `-`, at most 64.
fn schema_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}

/// The one JSON value in a text: the whole of it, what a code fence holds, or the first object or list that is whole.
fn find_json(text: &str) -> Option<&str> {
    let text = text.trim();
    if is_json(text) {
        return Some(text);
    }
    if let Some(inside) = fenced(text).filter(|inside| is_json(inside)) {
        return Some(inside);
    }
    // A handful of starts is enough for any honest answer and keeps a hostile one linear.
    let starts = text.char_indices().filter(|(_, c)| matches!(c, '{' | '['));
    starts.take(16).find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        values.next()?.ok()?;
        rest.get(..values.byte_offset())
    })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn fenced(text: &str) -> Option<&str> {
    let after = text.split_once("```")?.1;
    let body = after.split_once('\n')?.1;
    Some(body.split_once("```").map_or(body, |(inside, _)| inside).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_in_what_surrounds_it() {
        let cases = [
            ("{\"a\":1}", Some("{\"a\":1}")),
            ("  \"high\" ", Some("\"high\"")),
            ("```json\n{\"a\": [1]}\n```", Some("{\"a\": [1]}")),
            ("Sure!\n```\n[1, 2]\n```\nAnything else?", Some("[1, 2]")),
            ("The answer is {\"a\": \"}\"} as asked.", Some("{\"a\": \"}\"}")),
            ("[see above] {\"a\": 1}", Some("{\"a\": 1}")),
            ("no json here", None),
            ("{\"cut\": ", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(find_json(text), expected, "{text}");
        }
    }

    #[test]
    fn hostile_nesting_is_no_json_and_no_overflow() {
        assert_eq!(find_json(&"[".repeat(100_000)), None);
    }

    #[test]
    fn a_wrapped_answer_is_unwrapped_and_any_other_is_left() {
        let asked = Asked { shape: Shape::Text, system: None, wrapped: true, json: true };
        assert_eq!(asked.read("{\"answer\": \"spam\"}".to_owned()), "\"spam\"");
        assert_eq!(asked.read("\"spam\"".to_owned()), "\"spam\"");
        assert_eq!(asked.read("nothing".to_owned()), "nothing");
    }

    #[test]
    fn names_are_made_fit() {
        assert_eq!(schema_name("hunter.Company"), "hunter_Company");
        assert_eq!(schema_name(""), "answer");
    }
}
