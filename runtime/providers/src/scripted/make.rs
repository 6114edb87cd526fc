//! Making up a value that fits a JSON Schema, as a model would that reads the descriptions too.

use crate::dialect::InOrder;
use crate::simulated::Dice;
use serde_json::{Map, Value, json};

const DEPTH_MAX: usize = 32;

/// JSON text; the same seed gives the same text.
pub(super) fn value(schema: &Value, seed: &str) -> String {
    let mut dice = Dice::new(&[seed.as_bytes()]);
    let made = make(schema, schema, &mut dice, 0);
    serde_json::to_string(&InOrder(&made)).unwrap_or_default()
}

fn make(schema: &Value, root: &Value, dice: &mut Dice, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.trim_start_matches('#'))) {
        return make(target, root, dice, depth + 1);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return dice.pick(values).cloned().unwrap_or(Value::Null);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(arm) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array()?.first()) {
        return make(arm, root, dice, depth + 1);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None => None,
    };
    match kind {
        Some("object") => object(schema, root, dice, depth),
        Some("array") => {
            let most = bound(schema, "maxItems", &["at most "]).unwrap_or(2).clamp(0, 2);
            let items = schema.get("items").unwrap_or(&Value::Null);
            (0..most).map(|_| make(items, root, dice, depth + 1)).collect()
        }
        Some("string") => text(schema, dice),
        Some("integer") => {
            let least = bound(schema, "minimum", &["at least ", "from "]).unwrap_or(0);
            let most = bound(schema, "maximum", &["at most ", "up to ", " to "]).unwrap_or(least.saturating_add(100));
            let span = most.abs_diff(least).saturating_add(1);
            json!(least.saturating_add_unsigned(dice.below(span)))
        }
        Some("number") => json!(dice.below(100) as f64 / 100.0),
        Some("boolean") => json!(dice.below(2) == 1),
        Some("null") => Value::Null,
        _ => json!("anything"),
    }
}

fn object(schema: &Value, root: &Value, dice: &mut Dice, depth: usize) -> Value {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    Value::Object(properties.iter().map(|(name, schema)| (name.clone(), make(schema, root, dice, depth + 1))).collect())
}

fn text(schema: &Value, dice: &mut Dice) -> Value {
    let words = ["scripted", "answer", "number", "one", "of", "many"];
    match schema.get("format").and_then(Value::as_str) {
        Some("date") => return json!("2026-11-22"),
        Some("date-time") => return json!("2026-11-22T12:00:00Z"),
        _ => {}
    }
    let text: Vec<&str> = (0..3).filter_map(|_| dice.pick(&words).copied()).collect();
    let most = bound(schema, "maxLength", &["at most "]).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    json!(text.join(" ").chars().take(most).collect::<String>())
}

/// From the keyword, or from the remark in the description that stands in for it.
fn bound(schema: &Value, keyword: &str, remarks: &[&str]) -> Option<i64> {
    schema.get(keyword).and_then(Value::as_i64).or_else(|| {
        let description = schema.get("description")?.as_str()?;
        remarks.iter().find_map(|remark| {
            let said = description.split_once(remark)?.1;
            let end = said.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(said.len());
            said.get(..end)?.parse().ok()
        })
    })
}
