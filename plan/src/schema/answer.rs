//! Reading a model's answer: JSON as asked for, or JSON in a fence, or JSON among prose, or a bare word.

use super::convert::Conversion;
use super::describe::quote;
use super::{Mismatch, Types, describe, needs_schema};
use crate::{Type, Value};

/// The longest answer that is read at all.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Places where JSON may begin that are tried, so that a text of brackets alone stays cheap.
const STARTS_TRIED_MAX: usize = 200;
const BYTES_SCANNED_MAX: usize = 32 << 20;

/// The value of a model's answer.
///
/// A `text` is the answer itself. Anything else is looked for as the whole text, then in the first code fence that holds
/// it, then as the one JSON value among prose; a value wrapped as `{"value": …}` is taken out. An enum value, a
/// number, a bool or a date may stand there bare. Beyond the shape, only what is surely meant is forgiven: numbers
/// written as text, enum values with other capitals.
pub fn parse_answer(ty: &Type, types: &Types<'_>, text: &str) -> Result<Value, Mismatch> {
    if text.len() > ANSWER_BYTES_MAX {
        return Err(Mismatch::new(
            describe(ty),
            format!("an answer of {} bytes; at most {ANSWER_BYTES_MAX} are read", text.len()),
        ));
    }
    let conversion = Conversion { types, lenient: true };
    if !needs_schema(ty, types) {
        return conversion.value(ty, Value::text(text), 0);
    }
    let mut first_mismatch = None;
    for candidate in candidates(text) {
        match fit(&conversion, ty, types, candidate) {
            Ok(value) => return Ok(value),
            Err(mismatch) => first_mismatch = first_mismatch.or(Some(mismatch)),
        }
    }
    match bare(&conversion, ty, types, text) {
        Some(value) => Ok(value),
        None => {
            Err(first_mismatch
                .unwrap_or_else(|| Mismatch::new(describe(ty), format!("an answer that is no JSON: {}", quote(text)))))
        }
    }
}

fn fit(conversion: &Conversion<'_>, ty: &Type, types: &Types<'_>, value: Value) -> Result<Value, Mismatch> {
    let is_record = matches!(types.resolve(ty), Some(Type::Record(_)));
    let inner = match &value {
        Value::Record(record) if !is_record && record.fields.len() == 1 => record.get("value").cloned(),
        _ => None,
    };
    match inner {
        Some(inner) => conversion.value(ty, inner, 0).map_err(|mismatch| mismatch.in_field("value")),
        None => conversion.value(ty, value, 0),
    }
}

/// In the order in which they are believed.
fn candidates(text: &str) -> Vec<Value> {
    if let Ok(value) = Value::parse_json(text.trim()) {
        return vec![value];
    }
    let fenced: Vec<Value> = fences(text).into_iter().filter_map(|inner| Value::parse_json(inner.trim()).ok()).collect();
    if !fenced.is_empty() {
        return fenced;
    }
    let among = json_among_prose(text);
    // Of several values none is surely the answer.
    if among.len() == 1 { among } else { Vec::new() }
}

/// What stands between lines of three backticks.
fn fences(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split("```").collect();
    // Parts with odd places are inside; the last is open when their number is even, as after a cut-off answer.
    let inside = parts.iter().enumerate().filter(|(place, _)| place % 2 == 1 && place + 1 < parts.len());
    inside
        .map(|(_, part)| part.split_once('\n').map_or(*part, |(language, rest)| if is_language(language) { rest } else { part }))
        .collect()
}

fn is_language(line: &str) -> bool {
    line.trim().bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn json_among_prose(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let (mut place, mut scanned) = (0usize, 0usize);
    for _ in 0..STARTS_TRIED_MAX {
        let Some(rest) = text.get(place..) else { break };
        let Some(start) = rest.find(['{', '[']) else { break };
        let Some(from) = rest.get(start..) else { break };
        let end = balanced(from);
        scanned += end.unwrap_or(from.len());
        match end.and_then(|end| from.get(..end)).map(|json| (json.len(), Value::parse_json(json))) {
            Some((length, Ok(value))) => {
                found.push(value);
                place += start + length;
            }
            _ => place += start + 1,
        }
        if scanned > BYTES_SCANNED_MAX {
            break;
        }
    }
    found
}

/// The length of the bracketed stretch at the start, texts skipped whole.
fn balanced(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let (mut in_text, mut escaped) = (false, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// `high`, `**High**.`, `"high"`, `7`
fn bare(conversion: &Conversion<'_>, ty: &Type, types: &Types<'_>, text: &str) -> Option<Value> {
    let resolved = match types.resolve(ty)? {
        Type::Optional(of) => types.resolve(of)?,
        other => other,
    };
    if matches!(resolved, Type::Text(_) | Type::Json | Type::List { .. } | Type::Map(_) | Type::Record(_)) {
        return None;
    }
    let decoration = |character: char| character.is_whitespace() || "\"'`*_.".contains(character);
    let whole = conversion.value(resolved, Value::text(text.trim()), 0);
    whole.or_else(|_| conversion.value(resolved, Value::text(text.trim_matches(decoration)), 0)).ok()
}
