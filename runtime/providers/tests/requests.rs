//! What is sent: valid by the providers' descriptions, one request per call, no secret shown.

use crate::setting::{APIS, KEY, Keys, asking_for_fit, asking_for_priority, client_at, model, request, server};
use pmflow_plan::{Api, Billing, FailureClass, Model};
use pmflow_providers::scripted::Scripted;
use pmflow_providers::{Answer, AnswerSchema, Client, Request, Settings};
use serde_json::{Value, json};
use std::sync::Arc;

async fn body_of(request: &Request) -> Value {
    let (server, client) = server().await;
    client.send(request, &Keys(Some(KEY))).await.unwrap();
    let journal = server.journal();
    assert_eq!(journal.len(), 1);
    journal[0].asked.body.clone()
}

#[tokio::test]
async fn every_kind_of_request_is_valid() {
    let mut sent = 0;
    for api in APIS {
        let (server, client) = server().await;
        let names: &[&str] = match api {
            Api::OpenaiChat | Api::OpenaiResponses => {
                &["gpt-4.1", "gpt-5-mini", "gpt-5.6-luna", "gpt-6.1-terra", "o3", "gpt-5-pro"]
            }
            Api::AnthropicMessages => {
                &["claude-haiku-4-5", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-5-5", "claude-fable-5"]
            }
            _ => &["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.1-pro-preview", "gemini-3.8-flash", "gemini-4-argon"],
        };
        for name in names {
            for structured_output in [true, false] {
                let model = Model { wire_name: (*name).to_owned(), structured_output, temperature: true, ..model(api) };
                for mut request in [request(model.clone()), asking_for_fit(model.clone()), asking_for_priority(model.clone())] {
                    for thinking in [None, Some(0), Some(1_500), Some(6_000), Some(40_000)] {
                        request.thinking_tokens_max = thinking;
                        request.output_tokens_max = 8_000;
                        request.temperature_milli = Some(700);
                        let response = client.send(&request, &Keys(Some(KEY))).await;
                        assert!(
                            response.is_ok(),
                            "{name} {thinking:?}: {response:?} {:?}",
                            server.journal().last().unwrap().asked.body
                        );
                        sent += 1;
                    }
                }
            }
        }
        assert!(server.journal().iter().all(|entry| entry.refused.is_none()));
    }
    assert_eq!(sent, (6 + 6 + 5 + 5) * 2 * 3 * 5);
}

/// A check that accepts everything checks nothing.
#[tokio::test]
async fn the_server_refuses_what_the_descriptions_do_not_allow() {
    let server = Scripted::start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let chat = json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 5});
    let responses = json!({"model": "gpt-4.1", "input": [{"role": "user", "content": "x"}], "max_output_tokens": 50});
    let anthropic = json!({"model": "claude-opus-5", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 5}});
    let strict = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}}});
    let cases: [(&str, &Value, Value); 22] = [
        ("/v1/chat/completions", &chat, json!({})),
        ("/v1/chat/completions", &chat, json!({"messages": null})),
        ("/v1/chat/completions", &chat, json!({"messages": [{"role": "usr", "content": "x"}]})),
        ("/v1/chat/completions", &chat, json!({"max_completion_tokens": "5"})),
        ("/v1/chat/completions", &chat, json!({"temperature": 7})),
        ("/v1/chat/completions", &chat, json!({"a_typo": 1})),
        ("/v1/chat/completions", &chat, json!({"model": "gpt-6-sol", "max_tokens": 5})),
        ("/v1/chat/completions", &chat, json!({"response_format": strict})),
        ("/v1/responses", &responses, json!({})),
        ("/v1/responses", &responses, json!({"max_output_tokens": 5})),
        ("/v1/responses", &responses, json!({"instructions": 5})),
        ("/v1/responses", &responses, json!({"text": {"format": {"type": "json_schema"}}})),
        ("/v1/messages", &anthropic, json!({})),
        ("/v1/messages", &anthropic, json!({"max_tokens": null})),
        ("/v1/messages", &anthropic, json!({"temperature": 1.0})),
        ("/v1/messages", &anthropic, json!({"a_typo": 1})),
        (
            "/v1/messages",
            &anthropic,
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer", "minimum": 1}}}}),
        ),
        ("/v1/messages", &anthropic, json!({"messages": [{"role": "system", "content": "x"}]})),
        ("/v1beta/models/gemini-3.8-flash:generateContent", &gemini, json!({})),
        ("/v1beta/models/gemini-3.8-flash:generateContent", &gemini, json!({"generationConfig": {"maxOutputTokens": "many"}})),
        (
            "/v1beta/models/gemini-3.8-flash:generateContent",
            &gemini,
            json!({"generationConfig": {"maxTokens": 5, "maxOutputTokens": 5}}),
        ),
        ("/v1beta/models/gemini-3.8-flash:generateContent", &gemini, json!({"contents": []})),
    ];
    for (path, base, change) in cases {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let request =
            http.post(format!("{}{path}", server.base_url())).header("anthropic-version", "2026-10-21").body(body.to_string());
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(
            status,
            if change == json!({}) { 200 } else { 400 },
            "{path} {change}: {:?}",
            server.journal().last().unwrap().refused
        );
    }
}

#[tokio::test]
async fn the_cap_is_always_sent() {
    for (api, path) in
        APIS.into_iter().zip(["/max_completion_tokens", "/max_output_tokens", "/max_tokens", "/generationConfig/maxOutputTokens"])
    {
        let body = body_of(&request(model(api))).await;
        assert_eq!(body.pointer(path), Some(&json!(200)), "{body}");
    }
    let ollama = Model { provider: "ollama".to_owned(), wire_name: "llama3.3".to_owned(), ..model(Api::OpenaiChat) };
    assert_eq!(body_of(&request(ollama)).await["max_tokens"], json!(200));
}

#[tokio::test]
async fn temperature_is_sent_only_where_the_model_takes_one() {
    let mut hot = request(Model { temperature: true, wire_name: "gpt-4.1".to_owned(), ..model(Api::OpenaiChat) });
    hot.temperature_milli = Some(250);
    assert_eq!(body_of(&hot).await["temperature"], json!(0.25));
    hot.model = Arc::new(Model { temperature: true, ..model(Api::OpenaiResponses) });
    assert_eq!(body_of(&hot).await["temperature"], json!(0.25), "taken while the model does not think");
    hot.thinking_tokens_max = Some(500);
    assert_eq!(body_of(&hot).await.get("temperature"), None);
    hot.model = Arc::new(Model { temperature: false, ..model(Api::OpenaiChat) });
    assert_eq!(body_of(&hot).await.get("temperature"), None);
    hot.model = Arc::new(Model { temperature: true, ..model(Api::AnthropicMessages) });
    assert_eq!(body_of(&hot).await.get("temperature"), None, "version 2026-10-21 refuses it");
}

#[tokio::test]
async fn a_schema_goes_through_the_providers_own_feature() {
    let paths = ["/response_format/json_schema", "/text/format", "/output_config/format", "/generationConfig"];
    for (api, path) in APIS.into_iter().zip(paths) {
        let body = body_of(&asking_for_fit(model(api))).await;
        let schema = body
            .pointer(path)
            .and_then(|at| at.get("schema").or(at.get("responseJsonSchema")))
            .unwrap_or_else(|| panic!("{body}"));
        assert_eq!(schema["properties"]["priority"]["enum"], json!(["high", "medium", "low"]));
        let nothing_said = body.to_string().contains("JSON Schema");
        assert!(!nothing_said, "the schema is not repeated in words: {body}");
    }
}

#[tokio::test]
async fn without_the_feature_the_schema_is_an_instruction() {
    for api in APIS {
        let (server, client) = server().await;
        let request = asking_for_fit(Model { structured_output: false, ..model(api) });
        let response = client.send(&request, &Keys(Some(KEY))).await.unwrap();
        let asked = &server.journal()[0].asked;
        let system = asked.system.clone().unwrap();
        assert!(system.starts_with("You are terse.\n\nAnswer with exactly one JSON value"), "{system}");
        assert!(system.contains("\"properties\":{\"score\":{"), "{system}");
        assert!(serde_json::from_str::<Value>(&response.text).unwrap().is_object());
    }
}

#[tokio::test]
async fn a_schema_that_cannot_be_enforced_is_a_hint_or_an_instruction() {
    let schema = Arc::new(AnswerSchema::from(json!({"type": "object", "additionalProperties": {"type": "integer"}})));
    for api in APIS {
        let request =
            Request { answer: Answer::Json { schema: schema.clone(), name: "Counts".to_owned() }, ..request(model(api)) };
        let body = body_of(&request).await;
        match api {
            Api::OpenaiChat => assert_eq!(body["response_format"]["json_schema"]["strict"], json!(false)),
            Api::OpenaiResponses => assert_eq!(body["text"]["format"]["strict"], json!(false)),
            Api::AnthropicMessages => assert!(body["system"].as_str().unwrap().contains("JSON Schema"), "{body}"),
            _ => assert_eq!(body["generationConfig"]["responseJsonSchema"]["additionalProperties"], json!({"type": "integer"})),
        }
    }
}

#[tokio::test]
async fn keys_travel_in_one_header_and_the_version_is_said() {
    for (api, name, value) in [
        (Api::OpenaiChat, "authorization", format!("Bearer {KEY}")),
        (Api::OpenaiResponses, "authorization", format!("Bearer {KEY}")),
        (Api::AnthropicMessages, "x-api-key", KEY.to_owned()),
        (Api::GeminiGenerate, "x-goog-api-key", KEY.to_owned()),
    ] {
        let (server, client) = server().await;
        client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap();
        let headers = server.journal()[0].asked.headers.clone();
        let with_key: Vec<&(String, String)> = headers.iter().filter(|(_, value)| value.contains(KEY)).collect();
        assert_eq!(with_key, [&(name.to_owned(), value)]);
        assert!(headers.contains(&("idempotency-key".to_owned(), "run-1/step/1".to_owned())));
        let version = headers.iter().find(|(name, _)| name == "anthropic-version").map(|(_, value)| value.as_str());
        assert_eq!(version, (api == Api::AnthropicMessages).then_some("2026-10-21"));
    }
}

#[tokio::test]
async fn a_missing_key_is_named_before_anything_is_sent() {
    let client = Client::new(Settings::default());
    for (api, name) in
        APIS.into_iter().zip(["OPENAI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY (or GOOGLE_API_KEY)"])
    {
        for keys in [Keys(None), Keys(Some("  "))] {
            let failed = client.send(&request(model(api)), &keys).await.unwrap_err();
            assert_eq!((failed.failure.class, failed.failure.billing), (FailureClass::Permission, Billing::NotSent));
            assert!(
                failed.failure.message.contains(name) && failed.failure.message.contains("export "),
                "{}",
                failed.failure.message
            );
        }
    }
    let failed = client.send(&request(model(Api::OpenaiChat)), &Keys(Some("sk\nx"))).await.unwrap_err();
    assert_eq!(failed.failure.billing, Billing::NotSent);
    assert!(failed.failure.message.contains("line break"), "{}", failed.failure.message);
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key() {
    let server = Scripted::start().await.unwrap();
    let client = Client::new(Settings { system_proxy: false, ..Settings::default() });
    let own = Model {
        base_url: Some(format!("{}/v1/", server.base_url())),
        provider: "vllm".to_owned(),
        wire_name: "qwen3".to_owned(),
        ..model(Api::OpenaiChat)
    };
    client.send(&request(own.clone()), &Keys(None)).await.unwrap();
    assert!(server.journal()[0].asked.headers.iter().all(|(name, _)| name != "authorization"));
    let lost = client.send(&request(Model { base_url: None, ..own }), &Keys(None)).await.unwrap_err();
    assert!(lost.failure.message.contains("VLLM_BASE_URL"), "{}", lost.failure.message);
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_explained() {
    for address in ["localhost:11434", "ftp://host", "http://", "not an address"] {
        let failed = client_at(address).send(&request(model(Api::OpenaiChat)), &Keys(None)).await.unwrap_err();
        assert_eq!((failed.failure.class, failed.failure.billing), (FailureClass::InvalidInput, Billing::NotSent), "{address}");
        assert!(failed.failure.message.contains(address), "{}", failed.failure.message);
    }
}

#[tokio::test]
async fn a_password_in_an_address_is_not_shown() {
    let failed = client_at("ftp://me:hunter2@host").send(&request(model(Api::OpenaiChat)), &Keys(None)).await.unwrap_err();
    assert!(!failed.failure.message.contains("hunter2") && failed.failure.message.contains("host"), "{}", failed.failure.message);
    let failed = client_at("http://me:hunter2@no-such-host.invalid")
        .send(&request(model(Api::OpenaiChat)), &Keys(None))
        .await
        .unwrap_err();
    assert!(
        !failed.failure.message.contains("hunter2") && failed.failure.message.contains("no-such-host"),
        "{}",
        failed.failure.message
    );
}

#[tokio::test]
async fn requests_that_no_provider_takes_are_not_sent() {
    let (server, client) = server().await;
    let empty = Request { messages: vec![], ..request(model(Api::OpenaiChat)) };
    let capless = Request { output_tokens_max: 0, ..request(model(Api::OpenaiChat)) };
    let tight = Request { output_tokens_max: 8, ..request(model(Api::OpenaiResponses)) };
    for request in [empty, capless, tight] {
        let failed = client.send(&request, &Keys(Some(KEY))).await.unwrap_err();
        assert_eq!((failed.failure.class, failed.failure.billing), (FailureClass::InvalidInput, Billing::NotSent));
    }
    assert!(server.journal().is_empty());
}

#[tokio::test]
async fn the_same_request_has_the_same_bytes_and_fields_in_their_order() {
    let first = body_of(&asking_for_fit(model(Api::OpenaiChat))).await;
    assert_eq!(first, body_of(&asking_for_fit(model(Api::OpenaiChat))).await);
    assert_eq!(first["response_format"]["json_schema"]["schema"]["required"], json!(["score", "priority", "reason", "note"]));
    let text = first.to_string();
    let places: Vec<_> = ["\"score\":", "\"priority\":", "\"reason\":", "\"note\":"].iter().map(|name| text.find(name)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
}
