//! A provider on this machine that answers at once, or after a fixed time.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::time::Duration;

/// Starts it on threads of its own; its address, to be used as `OPENAI_BASE_URL`.
pub fn start(latency: Duration) -> String {
    let (address_in, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let address = listener.local_addr().expect("a bound port has an address");
            address_in.send(format!("http://{address}/v1")).expect("somebody waits for the address");
            let answer = move |Json(_): Json<Value>| async move {
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                Json(response())
            };
            let app =
                Router::new().route("/v1/responses", post(answer)).route("/v1/chat/completions", post(|| async { Json(chat()) }));
            axum::serve(listener, app).await.expect("the provider serves");
        });
    });
    address.recv().expect("the provider says its address")
}

fn response() -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-6-luna", "error": null,
        "incomplete_details": null,
        "output": [{ "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "{\"value\":\"spam\"}", "annotations": [] }] }],
        "usage": { "input_tokens": 60, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": 8,
            "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 68 },
    })
}

fn chat() -> Value {
    json!({
        "id": "chat_1", "object": "chat.completion", "created": 1, "model": "gpt-6-luna",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "{\"value\":\"spam\"}" } }],
        "usage": { "prompt_tokens": 60, "completion_tokens": 8, "total_tokens": 68 },
    })
}
