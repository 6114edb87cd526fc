//! Whether a request is one that the provider would take: by the provider's API description, and by the rules that the
//! description does not hold or is too old for.

use super::Asked;
use jsonschema::Validator;
use pmflow_plan::Api;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Status and reason.
type Refusal = (u16, String);

pub(super) fn request(asked: &Asked) -> Result<(), Refusal> {
    key(asked)?;
    described(asked).map_err(|reason| (400, reason))?;
    let rules = match asked.api {
        Api::OpenaiChat | Api::OpenaiResponses | Api::Simulated => openai(asked),
        Api::AnthropicMessages => anthropic(asked),
        Api::GeminiGenerate => gemini(asked),
    };
    rules.map_err(|reason| (400, reason))
}

fn header<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// A key called `wrong` is refused; no key at all is what a server of one's own gets.
fn key(asked: &Asked) -> Result<(), Refusal> {
    let sent = match asked.api {
        Api::AnthropicMessages => header(asked, "x-api-key"),
        Api::GeminiGenerate => header(asked, "x-goog-api-key"),
        _ => header(asked, "authorization"),
    };
    match sent {
        Some(key) if key.ends_with("wrong") => Err((401, format!("Incorrect API key provided: {key}"))),
        _ => Ok(()),
    }
}

fn described(asked: &Asked) -> Result<(), String> {
    let validator = match asked.api {
        Api::OpenaiChat | Api::Simulated => &*OPENAI_CHAT,
        Api::OpenaiResponses => &*OPENAI_RESPONSES,
        Api::AnthropicMessages => &*ANTHROPIC,
        Api::GeminiGenerate => &*GEMINI,
    };
    let problems: Vec<String> =
        validator.iter_errors(&asked.body).take(3).map(|error| format!("{error} (at `{}`)", error.instance_path())).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// What hands a batch over, without its requests, which are checked each by itself.
pub(super) fn batch(api: Api, body: &Value) -> Result<(), String> {
    let mut body = body.clone();
    let validator = if api == Api::AnthropicMessages { &*ANTHROPIC_BATCH } else { &*OPENAI_BATCH };
    for request in body.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten() {
        // Newer than the description.
        request["params"] = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]});
    }
    validator.iter_errors(&body).next().map_or(Ok(()), |error| Err(format!("{error} (at `{}`)", error.instance_path())))
}

static OPENAI_BATCH: LazyLock<Validator> = LazyLock::new(|| validator(OPENAI, "CreateBatchRequest", false));
static ANTHROPIC_BATCH: LazyLock<Validator> = LazyLock::new(|| {
    validator(include_str!("../../../../tests/provider/specs/anthropic.trim.json"), "CreateMessageBatchParams", false)
});
static OPENAI_CHAT: LazyLock<Validator> = LazyLock::new(|| validator(OPENAI, "CreateChatCompletionRequest", false));
static OPENAI_RESPONSES: LazyLock<Validator> = LazyLock::new(|| validator(OPENAI, "CreateResponse", false));
static ANTHROPIC: LazyLock<Validator> = LazyLock::new(|| {
    validator(include_str!("../../../../tests/provider/specs/anthropic.trim.json"), "CreateMessageParams", false)
});
static GEMINI: LazyLock<Validator> = LazyLock::new(|| {
    validator(include_str!("../../../../tests/provider/specs/gemini.trim.json"), "GenerateContentRequest", true)
});
const OPENAI: &str = include_str!("../../../../tests/provider/specs/openai.trim.json");

/// `closed`: objects take only the properties that are described, which Google's servers hold to without saying so.
fn validator(description: &str, name: &str, closed: bool) -> Validator {
    let mut description: Value = serde_json::from_str(description).expect("the descriptions in the repository are JSON");
    let mut components = description.get_mut("components").map(Value::take).expect("the descriptions have components");
    to_json_schema(&mut components, closed);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [{"$ref": format!("#/components/schemas/{name}")}],
        "unevaluatedProperties": false,
        "components": components,
    });
    jsonschema::draft202012::new(&schema).expect("the descriptions, converted, are valid schemas")
}

/// OpenAPI's own words as JSON Schema: `nullable`, and what only documents.
fn to_json_schema(value: &mut Value, closed: bool) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| to_json_schema(one, closed)),
        Value::Object(map) => {
            let nullable = map.get("nullable") == Some(&Value::Bool(true));
            // `$recursiveRef` is the older form of a recursive reference; it stands in filters of file searches, which
            // are not sent.
            map.retain(|key, value| {
                !(key.starts_with("x-")
                    || key.starts_with("$recursive")
                    || key == "nullable"
                    || key == "discriminator" && value.is_object())
            });
            for (key, one) in map.iter_mut() {
                match one {
                    // Names of schemas, which may look like keywords.
                    Value::Object(named) if matches!(key.as_str(), "properties" | "schemas") => {
                        named.values_mut().for_each(|one| to_json_schema(one, closed))
                    }
                    _ => to_json_schema(one, closed),
                }
            }
            if closed && map.get("properties").is_some_and(Value::is_object) && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            if nullable {
                let inner = std::mem::take(map);
                *map = Map::from_iter([("anyOf".to_owned(), json!([inner, {"type": "null"}]))]);
            }
        }
        _ => {}
    }
}

fn openai(asked: &Asked) -> Result<(), String> {
    let body = &asked.body;
    let own_model = asked.model.starts_with("gpt-5") || asked.model.starts_with("gpt-6") || asked.model.starts_with("o3");
    if body.get("max_tokens").is_some() && (own_model || body.get("max_completion_tokens").is_some()) {
        return Err("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            .to_owned());
    }
    if asked.output_tokens_max == u64::MAX {
        return Err("this server wants an output cap".to_owned());
    }
    let effort = body.get("reasoning_effort").or_else(|| body.pointer("/reasoning/effort")).and_then(Value::as_str);
    if asked.model.starts_with("gpt-6") && body.get("temperature").is_some() && effort != Some("none") {
        return Err("Unsupported parameter: 'temperature' is not supported with this model.".to_owned());
    }
    let format = body.pointer("/response_format/json_schema").or_else(|| body.pointer("/text/format"));
    match format.filter(|format| format.get("strict") == Some(&json!(true))).and_then(|format| format.get("schema")) {
        Some(schema) => {
            enforced(schema, &["minLength", "maxLength", "allOf", "oneOf", "not", "patternProperties", "default"], true)
        }
        None => Ok(()),
    }
}

/// Version 2026-10-21, which is newer than the description.
fn anthropic(asked: &Asked) -> Result<(), String> {
    let version = header(asked, "anthropic-version").ok_or("anthropic-version: header is required")?;
    if version == "2026-10-21" {
        for name in ["temperature", "top_p", "top_k"] {
            if asked.body.get(name).is_some() {
                return Err(format!("{name}: is not supported in version {version}"));
            }
        }
    }
    if let Some(budget) = asked.body.pointer("/thinking/budget_tokens").and_then(Value::as_u64)
        && (budget < 1_024 || budget >= asked.output_tokens_max)
    {
        return Err("thinking.budget_tokens: must be at least 1024 and less than max_tokens".to_owned());
    }
    let unsupported = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "multipleOf", "pattern", "oneOf"];
    match asked.body.pointer("/output_config/format/schema") {
        Some(schema) => enforced(schema, &unsupported, false),
        None => Ok(()),
    }
}

fn gemini(asked: &Asked) -> Result<(), String> {
    let thinking = asked.body.pointer("/generationConfig/thinkingConfig");
    if thinking.is_some_and(|thinking| thinking.get("thinkingBudget").is_some() && thinking.get("thinkingLevel").is_some()) {
        return Err("You can only set only one of thinking budget and thinking level.".to_owned());
    }
    if asked.body.get("contents").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Err("contents is not specified".to_owned());
    }
    if asked.output_tokens_max == u64::MAX {
        return Err("this server wants an output cap".to_owned());
    }
    Ok(())
}

/// The rules for schemas whose answers are enforced: closed objects, no unknown keyword, and where wanted all required.
fn enforced(schema: &Value, unsupported: &[&str], all_required: bool) -> Result<(), String> {
    let Value::Object(map) = schema else { return Ok(()) };
    if let Some(keyword) = unsupported.iter().find(|keyword| map.contains_key(**keyword)) {
        return Err(format!("Invalid schema: '{keyword}' is not permitted."));
    }
    if map.get("type") == Some(&json!("object")) || map.contains_key("properties") {
        if map.get("additionalProperties") != Some(&json!(false)) {
            return Err("Invalid schema: 'additionalProperties' is required to be supplied and to be false.".to_owned());
        }
        let required = map.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let names = map
            .get("properties")
            .and_then(Value::as_object)
            .map(|all| all.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default();
        if let Some(name) = names.iter().find(|name| all_required && !required.contains(&json!(name))) {
            return Err(format!("Invalid schema: 'required' is required to hold every key in properties. Missing '{name}'."));
        }
    }
    let inner = ["properties", "$defs"].iter().filter_map(|key| map.get(*key)?.as_object()).flat_map(Map::values);
    let arms = map.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    inner.chain(map.get("items")).chain(arms).try_for_each(|one| enforced(one, unsupported, all_required))
}
