//! Gemini generateContent.

use crate::answer::Asked;
use crate::failures::Detail;
use crate::protocol::{Outcome, Reading, put, schema_of, temperature, text_at};
use crate::request::{Request, Stop};
use crate::{thinking, usage};
use pmflow_plan::Role;
use serde_json::{Value, json};

pub(crate) fn body(request: &Request, asked: &Asked) -> Value {
    let turns = request.messages.iter().map(|(role, text)| {
        let role = if *role == Role::User { "user" } else { "model" };
        json!({"role": role, "parts": [{"text": text}]})
    });
    let mut body = json!({"contents": turns.collect::<Vec<Value>>()});
    let mut config = json!({"maxOutputTokens": request.output_tokens_max, "candidateCount": 1});
    if let Some(system) = &asked.system {
        put(&mut body, "systemInstruction", json!({"parts": [{"text": system}]}));
    }
    if let Some((schema, _, _)) = schema_of(asked) {
        put(&mut config, "responseMimeType", json!("application/json"));
        put(&mut config, "responseJsonSchema", schema.clone());
    }
    if let Some(temperature) = temperature(request) {
        put(&mut config, "temperature", json!(temperature));
    }
    if let Some(thinking) = thinking::gemini(&request.model.wire_name, request.thinking_tokens_max) {
        put(&mut config, "thinkingConfig", thinking);
    }
    put(&mut body, "generationConfig", config);
    body
}

pub(crate) fn read(answer: &Value) -> Reading {
    Reading {
        outcome: outcome(answer),
        report: usage::gemini(answer),
        id: text_at(answer, "/responseId"),
        model: text_at(answer, "/modelVersion"),
    }
}

fn outcome(answer: &Value) -> Outcome {
    let Some(candidate) = answer.pointer("/candidates/0") else {
        if let Some(reason) = text_at(answer, "/promptFeedback/blockReason") {
            return Outcome::refused(format!("the prompt was blocked, reason `{reason}`"));
        }
        if let Some(detail) = Detail::of(answer) {
            return Outcome::Error(detail);
        }
        let known = answer.get("usageMetadata").is_some() || answer.get("candidates").is_some();
        return if known { Outcome::Unusable("the answer is empty".to_owned()) } else { Outcome::Foreign };
    };
    let parts = candidate.pointer("/content/parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let said = parts.iter().filter(|part| part.get("thought") != Some(&Value::Bool(true)));
    let text: String = said.filter_map(|part| part.get("text")?.as_str()).collect();
    let reason = candidate.get("finishReason").and_then(Value::as_str).unwrap_or("STOP");
    match reason {
        "MAX_TOKENS" => Outcome::Answer { text, stop: Stop::Truncated },
        "STOP" | "FINISH_REASON_UNSPECIFIED" if text.is_empty() => Outcome::Unusable("the answer is empty".to_owned()),
        "STOP" | "FINISH_REASON_UNSPECIFIED" => Outcome::Answer { text, stop: Stop::Complete },
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE"
        | "OTHER" => Outcome::Unusable(format!("it stopped with `{reason}`")),
        // SAFETY, RECITATION, PROHIBITED_CONTENT, BLOCKLIST, SPII, LANGUAGE, and what may be added to them.
        _ => Outcome::refused(format!("the answer was stopped, reason `{reason}`")),
    }
}
