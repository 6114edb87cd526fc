//! OpenAI Responses.

use crate::answer::Asked;
use crate::failures::Detail;
use crate::openai_chat::role_name;
use crate::protocol::{Outcome, Reading, openai_temperature, put, schema_of, text_at};
use crate::request::{Request, Stop};
use crate::{thinking, usage};
use serde_json::{Value, json};

/// The API's own lower limit; sending it in place of a smaller cap would break the cap.
pub(crate) const OUTPUT_TOKENS_MIN: u64 = 16;

pub(crate) fn body(request: &Request, asked: &Asked) -> Value {
    let turns = request.messages.iter().map(|(role, text)| json!({"role": role_name(*role), "content": text}));
    let mut body = json!({
        "model": request.model.wire_name,
        "input": turns.collect::<Vec<Value>>(),
        "max_output_tokens": request.output_tokens_max,
        // Nothing is ever fetched back, so nothing need be kept there.
        "store": false,
    });
    if let Some(system) = &asked.system {
        put(&mut body, "instructions", json!(system));
    }
    if let Some((schema, name, strict)) = schema_of(asked) {
        put(&mut body, "text", json!({"format": {"type": "json_schema", "name": name, "strict": strict, "schema": schema}}));
    }
    let effort = thinking::openai_effort(&request.model.wire_name, request.thinking_tokens_max);
    if let Some(temperature) = openai_temperature(request, effort) {
        put(&mut body, "temperature", json!(temperature));
    }
    if let Some(effort) = effort {
        put(&mut body, "reasoning", json!({"effort": effort}));
    }
    body
}

pub(crate) fn read(answer: &Value) -> Reading {
    let report = usage::openai(answer, "input", "output");
    Reading { outcome: outcome(answer), report, id: text_at(answer, "/id"), model: text_at(answer, "/model") }
}

fn outcome(answer: &Value) -> Outcome {
    let Some(output) = answer.get("output").and_then(Value::as_array) else {
        return Detail::of(answer).map_or(Outcome::Foreign, Outcome::Error);
    };
    let status = answer.get("status").and_then(Value::as_str).unwrap_or("completed");
    let reason = answer.pointer("/incomplete_details/reason").and_then(Value::as_str).unwrap_or_default();
    let parts: Vec<&Value> = output
        .iter()
        .filter(|item| item.get("type").is_some_and(|kind| kind == "message"))
        .filter_map(|item| item.get("content")?.as_array())
        .flatten()
        .collect();
    let collect = |kind: &str, field: &str| -> String {
        parts
            .iter()
            .filter(|part| part.get("type").is_some_and(|own| own == kind))
            .filter_map(|part| part.get(field)?.as_str())
            .collect()
    };
    let refusal = collect("refusal", "refusal");
    let text = collect("output_text", "text");
    match (status, reason) {
        ("failed" | "cancelled", _) => {
            Detail::of(answer).map_or(Outcome::Unusable(format!("its status is `{status}`")), Outcome::Error)
        }
        _ if !refusal.is_empty() => Outcome::refused(refusal),
        (_, "content_filter") => Outcome::refused("its filter stopped the answer"),
        ("incomplete", _) => Outcome::Answer { text, stop: Stop::Truncated },
        _ if text.is_empty() => Outcome::Unusable("the answer is empty".to_owned()),
        _ => Outcome::Answer { text, stop: Stop::Complete },
    }
}
