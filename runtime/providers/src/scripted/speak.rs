//! The four protocols, from the provider's side.

use super::{Asked, Finish, Reported, ScriptedAnswer, count, make};
use crate::tokens;
use axum::http::HeaderMap;
use pmflow_plan::{Api, Usage};
use serde_json::{Value, json};

const SCHEMA_MARK: &str = "JSON Schema:\n";

pub(super) fn understand(api: Api, call: Option<&str>, body: Value, headers: &HeaderMap) -> Asked {
    let at = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let number = |path: &str| body.pointer(path).and_then(Value::as_u64);
    let mut messages = turns(api, &body);
    let (system, schema, cap) = match api {
        Api::OpenaiResponses => (at("/instructions"), body.pointer("/text/format/schema"), number("/max_output_tokens")),
        Api::AnthropicMessages => (at("/system"), body.pointer("/output_config/format/schema"), number("/max_tokens")),
        Api::GeminiGenerate => (
            at("/systemInstruction/parts/0/text"),
            body.pointer("/generationConfig/responseJsonSchema"),
            number("/generationConfig/maxOutputTokens"),
        ),
        Api::OpenaiChat | Api::Simulated => {
            let first = messages.first().is_some_and(|(role, _)| role == "system");
            let system = first.then(|| messages.remove(0).1);
            (
                system,
                body.pointer("/response_format/json_schema/schema"),
                number("/max_completion_tokens").or(number("/max_tokens")),
            )
        }
    };
    let instructed = || serde_json::from_str(system.as_ref()?.split_once(SCHEMA_MARK)?.1).ok();
    let schema = schema.cloned().or_else(instructed);
    let model = call.and_then(|call| call.split(':').next()).map(str::to_owned).or_else(|| at("/model")).unwrap_or_default();
    let mut headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    Asked {
        api,
        number: 0,
        request_id: String::new(),
        model,
        system,
        messages,
        schema,
        output_tokens_max: cap.unwrap_or(u64::MAX),
        body,
        headers,
    }
}

fn turns(api: Api, body: &Value) -> Vec<(String, String)> {
    let (list, text) = match api {
        Api::OpenaiResponses => ("input", "/content"),
        Api::GeminiGenerate => ("contents", "/parts/0/text"),
        _ => ("messages", "/content"),
    };
    let turns = body.get(list).and_then(Value::as_array).into_iter().flatten();
    let field = |turn: &Value, path: &str| turn.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    turns.map(|turn| (field(turn, "/role"), field(turn, text))).collect()
}

/// The body, and what it costs. The cap is honoured.
pub(super) fn answer(asked: &Asked, mut answer: ScriptedAnswer) -> (Vec<u8>, Usage) {
    let mut text = match (answer.text.take(), &asked.schema) {
        (Some(text), _) => text,
        (None, Some(schema)) => make::value(schema, &format!("{:?}", asked.messages)),
        (None, None) => {
            format!("A scripted answer to {} characters.", asked.messages.iter().map(|(_, text)| text.len()).sum::<usize>())
        }
    };
    if matches!(answer.finish, Finish::Empty | Finish::Filtered) {
        text.clear();
    }
    let room = asked.output_tokens_max.saturating_sub(answer.thinking_tokens);
    let kept = tokens::cut("o200k_base", &text, room).len();
    if kept < text.len() {
        text.truncate(kept);
        answer.finish = Finish::Truncated;
    }
    let usage = true_usage(asked, &answer, &text);
    let mut body = match asked.api {
        Api::OpenaiResponses => responses(asked, &answer, &text, &usage),
        Api::AnthropicMessages => anthropic(asked, &answer, &text, &usage),
        Api::GeminiGenerate => gemini(asked, &answer, &text, &usage),
        Api::OpenaiChat | Api::Simulated => chat(asked, &answer, &text, &usage),
    };
    let field = if asked.api == Api::GeminiGenerate { "usageMetadata" } else { "usage" };
    if let Some(map) = body.as_object_mut() {
        match answer.usage {
            Reported::Truth => {}
            Reported::Missing => drop(map.remove(field)),
            Reported::Verbatim(value) => drop(map.insert(field.to_owned(), value)),
        }
    }
    (body.to_string().into_bytes(), usage)
}

fn true_usage(asked: &Asked, answer: &ScriptedAnswer, text: &str) -> Usage {
    let texts = asked.system.iter().chain(asked.messages.iter().map(|(_, text)| text));
    let input: u64 = 3 + texts.map(|text| count(text) + 3).sum::<u64>();
    let read = answer.cache_read_tokens.min(input);
    let write = answer.cache_write_tokens.min(input - read);
    Usage {
        input_tokens: Some(input - read - write),
        cache_read_tokens: Some(read),
        cache_write_tokens: Some(write),
        output_tokens: Some(count(text) + answer.thinking_tokens),
        reasoning_tokens: Some(answer.thinking_tokens),
    }
}

fn counts(usage: &Usage) -> [u64; 5] {
    let count = |count: Option<u64>| count.unwrap_or(0);
    [
        count(usage.input_tokens),
        count(usage.cache_read_tokens),
        count(usage.cache_write_tokens),
        count(usage.output_tokens),
        count(usage.reasoning_tokens),
    ]
}

fn chat(asked: &Asked, answer: &ScriptedAnswer, text: &str, usage: &Usage) -> Value {
    let [input, read, write, output, thinking] = counts(usage);
    let (content, refusal, finish) = match answer.finish {
        Finish::Complete => (json!(text), Value::Null, "stop"),
        Finish::Truncated => (json!(text), Value::Null, "length"),
        Finish::Refused => (Value::Null, json!(text), "stop"),
        Finish::Filtered => (Value::Null, Value::Null, "content_filter"),
        Finish::Empty => (Value::Null, Value::Null, "stop"),
    };
    json!({
        "id": format!("chatcmpl-{}", asked.number), "object": "chat.completion", "created": 1_795_000_000, "model": asked.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": refusal, "annotations": []}, "logprobs": null, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": input + read + write, "completion_tokens": output, "total_tokens": input + read + write + output,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": write, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thinking, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0, "audio_tokens": 0}
        },
        "service_tier": "default", "a_field_of_the_future": {"x": [1]}
    })
}

fn responses(asked: &Asked, answer: &ScriptedAnswer, text: &str, usage: &Usage) -> Value {
    let [input, read, write, output, thinking] = counts(usage);
    let (status, reason) = match answer.finish {
        Finish::Truncated => ("incomplete", json!({"reason": "max_output_tokens"})),
        Finish::Filtered => ("incomplete", json!({"reason": "content_filter"})),
        _ => ("completed", Value::Null),
    };
    let part = match answer.finish {
        Finish::Refused => json!({"type": "refusal", "refusal": text}),
        _ => json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
    };
    let message = json!({"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": [part]});
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let items =
        if matches!(answer.finish, Finish::Empty | Finish::Filtered) { json!([reasoning]) } else { json!([reasoning, message]) };
    json!({
        "id": format!("resp_{}", asked.number), "object": "response", "created_at": 1_795_000_000, "status": status, "error": null,
        "incomplete_details": reason, "model": asked.model, "output": items,
        "usage": {
            "input_tokens": input + read + write, "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": write},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": thinking}, "total_tokens": input + read + write + output
        }
    })
}

fn anthropic(asked: &Asked, answer: &ScriptedAnswer, text: &str, usage: &Usage) -> Value {
    let [input, read, write, output, thinking] = counts(usage);
    let stop = match answer.finish {
        Finish::Complete | Finish::Empty => "end_turn",
        Finish::Truncated => "max_tokens",
        Finish::Refused | Finish::Filtered => "refusal",
    };
    let mut content = vec![];
    if answer.thinking_tokens > 0 {
        content.push(json!({"type": "thinking", "thinking": "hm", "signature": "x"}));
    }
    if !text.is_empty() {
        content.push(json!({"type": "text", "text": text, "citations": null}));
    }
    json!({
        "id": format!("msg_{}", asked.number), "type": "message", "role": "assistant", "model": asked.model, "content": content,
        "stop_reason": stop, "stop_sequence": null,
        "usage": {
            "input_tokens": input, "cache_creation_input_tokens": write, "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": write, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"thinking_tokens": thinking}, "service_tier": "standard"
        }
    })
}

fn gemini(asked: &Asked, answer: &ScriptedAnswer, text: &str, usage: &Usage) -> Value {
    let [input, read, write, output, thinking] = counts(usage);
    let mut metadata = json!({
        "promptTokenCount": input + read + write, "candidatesTokenCount": output - thinking, "totalTokenCount": input + read + write + output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": input + read + write}]
    });
    // Zeros are left out, as Google leaves them out.
    for (name, tokens) in [("cachedContentTokenCount", read), ("thoughtsTokenCount", thinking)] {
        if let (true, Some(map)) = (tokens > 0, metadata.as_object_mut()) {
            map.insert(name.to_owned(), json!(tokens));
        }
    }
    let base = |rest: Value| {
        let mut body = json!({"usageMetadata": metadata, "modelVersion": asked.model, "responseId": asked.request_id});
        if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
            body.extend(rest);
        }
        body
    };
    let finish = match answer.finish {
        Finish::Filtered => return base(json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})),
        Finish::Refused => "SAFETY",
        Finish::Truncated => "MAX_TOKENS",
        Finish::Complete | Finish::Empty => "STOP",
    };
    let parts = if text.is_empty() { json!([]) } else { json!([{"text": "hm", "thought": true}, {"text": text}]) };
    base(json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}]}))
}

/// An error in the protocol's own shape.
pub(super) fn error(api: Api, status: u16, message: &str) -> String {
    let body = match api {
        Api::AnthropicMessages => {
            let kind = if status == 401 { "authentication_error" } else { "invalid_request_error" };
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req"})
        }
        Api::GeminiGenerate => {
            json!({"error": {"code": status, "message": message, "status": if status == 401 { "UNAUTHENTICATED" } else { "INVALID_ARGUMENT" }}})
        }
        _ => json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}}),
    };
    body.to_string()
}
