//! Anthropic Messages, version 2026-10-21.
//!
//! Sampling parameters are never sent: this version refuses them even at their defaults. No cache breakpoint is set, so
//! nothing is written to a cache. Anthropic's own libraries ask for streaming above 21,333 tokens of output because idle
//! connections may be cut; the API itself takes such requests, and here the attempt's own timeout, with TCP keep-alive,
//! stands in for that rule.

use crate::answer::Asked;
use crate::failures::Detail;
use crate::openai_chat::role_name;
use crate::protocol::{Outcome, Reading, put, schema_of, text_at};
use crate::request::{Request, Stop};
use crate::{thinking, usage};
use serde_json::{Value, json};

pub(crate) fn body(request: &Request, asked: &Asked) -> Value {
    let turns = request.messages.iter().map(|(role, text)| json!({"role": role_name(*role), "content": text}));
    let mut body = json!({
        "model": request.model.wire_name,
        "max_tokens": request.output_tokens_max,
        "messages": turns.collect::<Vec<Value>>(),
    });
    if let Some(system) = &asked.system {
        put(&mut body, "system", json!(system));
    }
    let thinking = thinking::anthropic(&request.model.wire_name, request.thinking_tokens_max, request.output_tokens_max);
    if let Some(thinking) = thinking.thinking {
        put(&mut body, "thinking", thinking);
    }
    let mut config = json!({});
    if let Some(effort) = thinking.effort {
        put(&mut config, "effort", json!(effort));
    }
    if let Some((schema, _, _)) = schema_of(asked) {
        put(&mut config, "format", json!({"type": "json_schema", "schema": schema}));
    }
    if config != json!({}) {
        put(&mut body, "output_config", config);
    }
    body
}

pub(crate) fn read(answer: &Value) -> Reading {
    Reading {
        outcome: outcome(answer),
        report: usage::anthropic(answer),
        id: text_at(answer, "/id"),
        model: text_at(answer, "/model"),
    }
}

fn outcome(answer: &Value) -> Outcome {
    let Some(content) = answer.get("content").and_then(Value::as_array) else {
        return Detail::of(answer).map_or(Outcome::Foreign, Outcome::Error);
    };
    let blocks = content.iter().filter(|block| block.get("type").is_some_and(|kind| kind == "text"));
    let text: String = blocks.filter_map(|block| block.get("text")?.as_str()).collect();
    match answer.get("stop_reason").and_then(Value::as_str).unwrap_or_default() {
        "refusal" => {
            let reason = text_at(answer, "/stop_details/explanation").or_else(|| text_at(answer, "/stop_details/category"));
            let said = Some(text).filter(|text| !text.is_empty());
            Outcome::refused(reason.or(said).unwrap_or_else(|| "no reason is given".to_owned()))
        }
        "max_tokens" | "model_context_window_exceeded" => Outcome::Answer { text, stop: Stop::Truncated },
        "tool_use" => Outcome::Unusable("it called a tool, and none was offered".to_owned()),
        "pause_turn" => Outcome::Unusable("it paused in the middle of its turn".to_owned()),
        _ if text.is_empty() => Outcome::Unusable("the answer is empty".to_owned()),
        _ => Outcome::Answer { text, stop: Stop::Complete },
    }
}
