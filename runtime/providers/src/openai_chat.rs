//! OpenAI Chat Completions, and every server that speaks it: Ollama, vLLM, Groq, Mistral, DeepSeek, a proxy.

use crate::answer::Asked;
use crate::failures::Detail;
use crate::protocol::{Outcome, Reading, openai_temperature, put, schema_of, text_at};
use crate::request::{Request, Stop};
use crate::{thinking, usage};
use pmflow_plan::Role;
use serde_json::{Value, json};

pub(crate) fn body(request: &Request, asked: &Asked, own_server: bool) -> Value {
    let model = &request.model;
    let system = asked.system.iter().map(|text| json!({"role": "system", "content": text}));
    let turns = request.messages.iter().map(|(role, text)| json!({"role": role_name(*role), "content": text}));
    let messages: Vec<Value> = system.chain(turns).collect();
    let mut body = json!({"model": model.wire_name, "messages": messages});
    put(&mut body, cap_name(&model.provider, &model.wire_name, own_server), json!(request.output_tokens_max));
    if let Some((schema, name, strict)) = schema_of(asked) {
        put(
            &mut body,
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": name, "strict": strict, "schema": schema}}),
        );
    }
    // Other servers refuse or misread an effort; OpenAI's own models are known by the beginnings of their names.
    let own = model.provider == "openai";
    let effort = own.then(|| thinking::openai_effort(&model.wire_name, request.thinking_tokens_max)).flatten();
    if let Some(temperature) = openai_temperature(request, effort) {
        put(&mut body, "temperature", json!(temperature));
    }
    if let Some(effort) = effort {
        put(&mut body, "reasoning_effort", json!(effort));
    }
    body
}

pub(crate) fn read(answer: &Value) -> Reading {
    let report = usage::openai(answer, "prompt", "completion");
    Reading { outcome: outcome(answer), report, id: text_at(answer, "/id"), model: text_at(answer, "/model") }
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// OpenAI's reasoning models refuse `max_tokens`; smaller servers know nothing else, and an ignored cap is no cap.
fn cap_name(provider: &str, wire_name: &str, own_server: bool) -> &'static str {
    let own_model = ["gpt-", "chatgpt-", "o1", "o3", "o4"].iter().any(|start| wire_name.starts_with(start))
        && !wire_name.starts_with("gpt-oss");
    match provider {
        "openai" | "azure" if own_model || !own_server => "max_completion_tokens",
        "groq" | "xai" if !own_server => "max_completion_tokens",
        _ => "max_tokens",
    }
}

fn outcome(answer: &Value) -> Outcome {
    let Some(choice) = answer.pointer("/choices/0") else {
        return Detail::of(answer).map_or(Outcome::Foreign, Outcome::Error);
    };
    let finish = choice.get("finish_reason").and_then(Value::as_str).unwrap_or_default();
    if let Some(refusal) = text_at(choice, "/message/refusal").filter(|text| !text.is_empty()) {
        return Outcome::refused(refusal);
    }
    match finish {
        "content_filter" => return Outcome::refused("its filter stopped the answer"),
        "error" => return Detail::of(choice).map_or(Outcome::Foreign, Outcome::Error),
        _ => {}
    }
    let stop = if finish == "length" { Stop::Truncated } else { Stop::Complete };
    let text = choice.pointer("/message/content").and_then(content).map(|text| without_thinking(&text).to_owned());
    match text {
        Some(text) if !text.is_empty() || stop == Stop::Truncated => Outcome::Answer { text, stop },
        None if stop == Stop::Truncated => Outcome::Answer { text: String::new(), stop },
        _ if choice.pointer("/message/tool_calls/0").is_some() => {
            Outcome::Unusable("it called a tool, and none was offered".to_owned())
        }
        _ => Outcome::Unusable("the answer is empty".to_owned()),
    }
}

/// A text, or a list of typed parts.
fn content(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts
                .iter()
                .filter(|part| part.get("type").is_none_or(|kind| kind == "text"))
                .filter_map(|part| part.get("text")?.as_str());
            Some(texts.collect())
        }
        _ => None,
    }
}

/// Some open models think aloud before the answer, in a tag of their own.
fn without_thinking(text: &str) -> &str {
    match text.trim_start().strip_prefix("<think>").and_then(|rest| rest.split_once("</think>")) {
        Some((_, answer)) => answer.trim_start(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_has_the_name_that_the_server_honours() {
        let cases = [
            ("openai", "gpt-6-sol", false, "max_completion_tokens"),
            ("openai", "gpt-6-sol", true, "max_completion_tokens"),
            ("openai", "gpt-oss:20b", true, "max_tokens"),
            ("openai", "llama3.3", true, "max_tokens"),
            ("ollama", "gpt-oss:20b", true, "max_tokens"),
            ("mistral", "mistral-large-4", false, "max_tokens"),
            ("groq", "openai/gpt-oss-120b", false, "max_completion_tokens"),
        ];
        for (provider, name, own, expected) in cases {
            assert_eq!(cap_name(provider, name, own), expected, "{provider} {name} {own}");
        }
    }

    #[test]
    fn thinking_aloud_is_left_out() {
        assert_eq!(without_thinking("<think>\nhm\n</think>\n\nyes"), "yes");
        assert_eq!(without_thinking("<think> never closed"), "<think> never closed");
        assert_eq!(without_thinking("no </think> here"), "no </think> here");
    }
}
