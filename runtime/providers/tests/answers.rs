//! What is read back: texts, stops, usage to the token.

use crate::setting::{APIS, KEY, Keys, asking_for_fit, asking_for_priority, model, request, server};
use pmflow_plan::schema::{Types, parse_answer};
use pmflow_plan::{Api, Billing, FailureClass, Usage};
use pmflow_providers::scripted::{Finish, Reply, Reported, ScriptedAnswer};
use pmflow_providers::{Request, Stop};
use serde_json::{Value, json};

fn plus(sum: Usage, more: Usage) -> Usage {
    let add = |a: Option<u64>, b: Option<u64>| Some(a.unwrap_or(0) + b.unwrap_or(0));
    Usage {
        input_tokens: add(sum.input_tokens, more.input_tokens),
        cache_read_tokens: add(sum.cache_read_tokens, more.cache_read_tokens),
        cache_write_tokens: add(sum.cache_write_tokens, more.cache_write_tokens),
        output_tokens: add(sum.output_tokens, more.output_tokens),
        reasoning_tokens: add(sum.reasoning_tokens, more.reasoning_tokens),
    }
}

#[tokio::test]
async fn usage_adds_up_to_the_servers_own_record() {
    for api in APIS {
        let (server, client) = server().await;
        let mut sum = Usage::default();
        for number in 0..6_u64 {
            server.then(Reply::Answer(ScriptedAnswer {
                text: Some("word ".repeat(number as usize + 1)),
                cache_read_tokens: number * 3,
                // Gemini does not report writes.
                cache_write_tokens: if api == Api::GeminiGenerate { 0 } else { number },
                thinking_tokens: number * 10,
                ..ScriptedAnswer::default()
            }));
            let response = client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap();
            assert!(response.usage_doubts.is_empty(), "{:?}", response.usage_doubts);
            assert!(response.raw_usage.is_object());
            assert!(response.request_id.is_some());
            assert_eq!(response.model.as_deref(), Some(model(api).wire_name.as_str()));
            sum = plus(sum, response.usage);
        }
        assert_eq!(sum, server.billed(), "{api:?}");
        assert!(sum.cache_read_tokens > Some(0) && sum.reasoning_tokens > Some(0));
    }
}

#[tokio::test]
async fn texts_come_back_as_they_were() {
    for api in APIS {
        for text in ["Hello.", "  spaces \n", "quotes \" and \\ and 日本 👩‍👩‍👧", "{\"not\": \"asked as json\"}", "```\ncode\n```"]
        {
            let (server, client) = server().await;
            server.then(Reply::text(text));
            let response = client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap();
            assert_eq!((response.text.as_str(), response.stop), (text, Stop::Complete), "{api:?}");
        }
    }
}

#[tokio::test]
async fn structured_answers_are_read_as_their_type() {
    for api in APIS {
        let (server, client) = server().await;
        for number in 0..20 {
            for mut request in [asking_for_fit(model(api)), asking_for_priority(model(api))] {
                request.messages.last_mut().unwrap().1 = format!("number {number}");
                let response = client.send(&request, &Keys(Some(KEY))).await.unwrap();
                let types = Types::new(&request.types);
                let read = parse_answer(&request.answer_type, &types, &response.text);
                assert!(read.is_ok(), "{api:?} {}: {read:?}", response.text);
            }
        }
        assert_eq!(server.journal().len(), 40);
    }
}

#[tokio::test]
async fn the_cap_cuts_and_is_reported() {
    for api in APIS {
        let (server, client) = server().await;
        server.then(Reply::text("word ".repeat(500)));
        let short = Request { output_tokens_max: 16, ..request(model(api)) };
        let response = client.send(&short, &Keys(Some(KEY))).await.unwrap();
        assert_eq!(response.stop, Stop::Truncated, "{api:?}");
        assert_eq!(response.usage.output_tokens, Some(16));
        assert!(response.text.starts_with("word word") && response.text.len() < 100);
    }
}

#[tokio::test]
async fn refusals_are_billed_and_keep_their_words() {
    for api in APIS {
        for finish in [Finish::Refused, Finish::Filtered] {
            let (server, client) = server().await;
            server.then(Reply::Answer(ScriptedAnswer {
                text: Some("I can't help with that.".to_owned()),
                finish,
                ..ScriptedAnswer::default()
            }));
            let response = client.send(&asking_for_fit(model(api)), &Keys(Some(KEY))).await.unwrap();
            assert_eq!(response.stop, Stop::Refused, "{api:?} {finish:?}");
            assert_eq!(response.usage.output_tokens, server.billed().output_tokens);
            assert!(!response.text.is_empty());
            if finish == Finish::Refused && api != Api::GeminiGenerate {
                assert_eq!(response.text, "I can't help with that.");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_text_fails_with_its_bill() {
    for api in APIS {
        let (server, client) = server().await;
        server.then(Reply::Answer(ScriptedAnswer { finish: Finish::Empty, thinking_tokens: 40, ..ScriptedAnswer::default() }));
        let failed = client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap_err();
        assert_eq!(failed.failure.class, FailureClass::InvalidOutput, "{api:?}");
        assert_eq!(failed.usage.unwrap().output_tokens, Some(40));
        assert!(failed.raw_usage.is_some() && failed.request_id.is_some());
    }
}

#[tokio::test]
async fn usage_that_lies_is_doubted() {
    let fields = ["completion_tokens", "output_tokens", "output_tokens", "candidatesTokenCount"];
    for (api, field) in APIS.into_iter().zip(fields) {
        let cases = [
            (Reported::Missing, None),
            (Reported::Verbatim(Value::Null), None),
            (Reported::Verbatim(json!({field: -7})), None),
            (Reported::Verbatim(json!({field: 1e40})), None),
            (Reported::Verbatim(json!({field: 5_000_000})), Some(5_000_000)),
        ];
        for (usage, expected) in cases {
            let (server, client) = server().await;
            server.then(Reply::Answer(ScriptedAnswer { usage: usage.clone(), ..ScriptedAnswer::default() }));
            let response = client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap();
            assert_eq!(response.usage.output_tokens, expected, "{api:?} {usage:?}");
            assert_eq!(response.usage.input_tokens, None);
            assert_eq!(response.usage_doubts.len(), 1, "{api:?} {usage:?} {:?}", response.usage_doubts);
        }
    }
}

#[tokio::test]
async fn absurd_input_is_doubted_and_kept() {
    let (server, client) = server().await;
    let usage = json!({"input_tokens": 900_000_000_u64, "output_tokens": 3});
    server.then(Reply::Answer(ScriptedAnswer { usage: Reported::Verbatim(usage.clone()), ..ScriptedAnswer::default() }));
    let response = client.send(&request(model(Api::AnthropicMessages)), &Keys(Some(KEY))).await.unwrap();
    assert_eq!((response.usage.input_tokens, response.raw_usage), (Some(900_000_000), usage));
    assert_eq!(response.usage_doubts.len(), 1);
}

#[tokio::test]
async fn a_success_that_is_an_error_is_a_failure_with_unknown_bill() {
    let cases = [
        (r#"{"error":{"message":"Overloaded, try later","type":"overloaded_error"}}"#, FailureClass::RateLimit),
        (r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#, FailureClass::RateLimit),
        (r#"{"error":{"code":503,"message":"UNAVAILABLE","status":"UNAVAILABLE"}}"#, FailureClass::RateLimit),
        (r#"{"error":{"code":429,"message":"limit","status":"RESOURCE_EXHAUSTED"}}"#, FailureClass::RateLimit),
        (r#"{"error":{"message":"no","type":"authentication_error"}}"#, FailureClass::Permission),
        (r#"{"error":"upstream failed"}"#, FailureClass::Transport),
        (r#"{"detail":"upstream failed"}"#, FailureClass::Transport),
        (r#"{"hello":"world"}"#, FailureClass::Transport),
        ("[]", FailureClass::Transport),
        ("null", FailureClass::Transport),
        ("17", FailureClass::Transport),
    ];
    for api in APIS {
        for (body, class) in cases {
            let (server, client) = server().await;
            server.then(Reply::raw(body));
            let failed = client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap_err();
            assert_eq!(
                (failed.failure.class, failed.failure.billing),
                (class, Billing::Unknown),
                "{api:?} {body}: {}",
                failed.failure.message
            );
            assert_eq!(failed.usage, None);
        }
    }
}

#[tokio::test]
async fn a_failed_response_object_keeps_its_usage() {
    let (server, client) = server().await;
    let body = json!({"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "The model broke."}, "output": [],
        "usage": {"input_tokens": 9, "output_tokens": 2}});
    server.then(Reply::raw(body.to_string()));
    let failed = client.send(&request(model(Api::OpenaiResponses)), &Keys(Some(KEY))).await.unwrap_err();
    assert_eq!((failed.failure.class, failed.usage.unwrap().output_tokens), (FailureClass::Transport, Some(2)));
    assert!(failed.failure.message.contains("The model broke."), "{}", failed.failure.message);
}

#[tokio::test]
async fn a_byte_at_a_time_is_still_an_answer() {
    for api in APIS {
        let (server, client) = server().await;
        server.then(Reply::Drip {
            answer: ScriptedAnswer { text: Some("slow".to_owned()), ..ScriptedAnswer::default() },
            pause: std::time::Duration::ZERO,
        });
        assert_eq!(client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap().text, "slow");
    }
}

/// Forms that occur beside the ordinary one.
#[tokio::test]
async fn unusual_answers_are_understood() {
    let chat = |message: Value, finish: Value| json!({"choices": [{"message": message, "finish_reason": finish}]});
    let responses = |items: Value| json!({"status": "completed", "output": items});
    let anthropic = |content: Value, stop: &str| json!({"content": content, "stop_reason": stop});
    let gemini = |parts: Value, reason: &str| json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]});
    let complete = |text: &'static str| Ok((text, Stop::Complete));
    let cases: Vec<(Api, Value, Result<(&str, Stop), FailureClass>)> = vec![
        (
            Api::OpenaiChat,
            chat(
                json!({"content": [{"type": "text", "text": "a"}, {"type": "x"}, {"type": "text", "text": "b"}]}),
                json!("stop"),
            ),
            complete("ab"),
        ),
        (Api::OpenaiChat, chat(json!({"content": "<think>hm</think>\nyes", "reasoning": "hm"}), json!("stop")), complete("yes")),
        (Api::OpenaiChat, chat(json!({"content": "yes", "refusal": null}), json!("some_new_reason")), complete("yes")),
        (Api::OpenaiChat, chat(json!({"content": "yes"}), Value::Null), complete("yes")),
        (Api::OpenaiChat, chat(json!({"content": null}), json!("length")), Ok(("", Stop::Truncated))),
        (
            Api::OpenaiChat,
            chat(json!({"content": null, "tool_calls": [{"id": "1"}]}), json!("tool_calls")),
            Err(FailureClass::InvalidOutput),
        ),
        (Api::OpenaiChat, chat(json!({"content": ""}), json!("stop")), Err(FailureClass::InvalidOutput)),
        (Api::OpenaiChat, json!({"choices": []}), Err(FailureClass::Transport)),
        (
            Api::OpenaiResponses,
            responses(
                json!([{"type": "message", "content": [{"type": "output_text", "text": "a"}]}, {"type": "message", "content": [{"type": "output_text", "text": "b"}]}]),
            ),
            complete("ab"),
        ),
        (Api::OpenaiResponses, responses(json!([{"type": "function_call", "name": "f"}])), Err(FailureClass::InvalidOutput)),
        (Api::OpenaiResponses, json!({"status": "cancelled", "output": []}), Err(FailureClass::InvalidOutput)),
        (
            Api::AnthropicMessages,
            anthropic(
                json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "new"}, {"type": "text", "text": "b"}]),
                "end_turn",
            ),
            complete("ab"),
        ),
        (
            Api::AnthropicMessages,
            anthropic(json!([{"type": "text", "text": "a"}]), "model_context_window_exceeded"),
            Ok(("a", Stop::Truncated)),
        ),
        (
            Api::AnthropicMessages,
            anthropic(json!([{"type": "thinking", "thinking": "hm"}]), "max_tokens"),
            Ok(("", Stop::Truncated)),
        ),
        (
            Api::AnthropicMessages,
            anthropic(json!([{"type": "text", "text": "a"}]), "pause_turn"),
            Err(FailureClass::InvalidOutput),
        ),
        (
            Api::AnthropicMessages,
            anthropic(json!([{"type": "tool_use", "name": "f"}]), "tool_use"),
            Err(FailureClass::InvalidOutput),
        ),
        (Api::AnthropicMessages, anthropic(json!([]), "refusal"), Ok(("no reason is given", Stop::Refused))),
        (
            Api::GeminiGenerate,
            gemini(json!([{"text": "hm", "thought": true}, {"text": "a"}, {"text": "b"}]), "STOP"),
            complete("ab"),
        ),
        (Api::GeminiGenerate, json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}), complete("a")),
        (Api::GeminiGenerate, json!({"candidates": [{"finishReason": "MAX_TOKENS"}]}), Ok(("", Stop::Truncated))),
        (Api::GeminiGenerate, gemini(json!([]), "MALFORMED_FUNCTION_CALL"), Err(FailureClass::InvalidOutput)),
        (
            Api::GeminiGenerate,
            gemini(json!([{"text": "a"}]), "RECITATION"),
            Ok(("the answer was stopped, reason `RECITATION`", Stop::Refused)),
        ),
        (Api::GeminiGenerate, json!({"usageMetadata": {"promptTokenCount": 4}}), Err(FailureClass::InvalidOutput)),
    ];
    for (api, body, expected) in cases {
        let (server, client) = server().await;
        server.then(Reply::raw(body.to_string()));
        let result = client.send(&request(model(api)), &Keys(Some(KEY))).await;
        let result = result.map(|response| (response.text, response.stop)).map_err(|failed| failed.failure.class);
        assert_eq!(result, expected.map(|(text, stop)| (text.to_owned(), stop)), "{api:?} {body}");
    }
}
