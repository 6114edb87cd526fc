//! What goes wrong on the way, and what is then known about the bill.

use crate::setting::{APIS, KEY, Keys, client_at, model, request, server};
use pmflow_plan::{Api, Billing, Failure, FailureClass};
use pmflow_providers::scripted::{Reply, ScriptedAnswer};
use pmflow_providers::{Client, Request, Settings};
use std::time::{Duration, Instant};

async fn failure_of(api: Api, reply: Reply) -> Failure {
    let (server, client) = server().await;
    server.then(reply);
    let failed = client.send(&request(model(api)), &Keys(Some(KEY))).await.unwrap_err();
    assert_eq!(server.journal().len(), 1, "one call is one request");
    assert!(!failed.failure.message.contains(KEY), "{}", failed.failure.message);
    failed.failure
}

#[tokio::test]
async fn a_rate_limit_says_how_long_in_every_form() {
    let soon = "Wed, 21 Oct 2099 07:28:00 GMT";
    let forms: [(&[(&str, &str)], &str, Option<u64>); 10] = [
        (&[("retry-after", "2")], "", Some(2_000)),
        (&[("retry-after", "1.5")], "", Some(1_500)),
        (&[("retry-after-ms", "250")], "", Some(250)),
        (&[("retry-after", soon)], "", Some(3_600_000)),
        (&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], "", Some(0)),
        (&[("x-ratelimit-reset-tokens", "6m0s"), ("x-ratelimit-remaining-tokens", "0")], "", Some(360_000)),
        (
            &[("anthropic-ratelimit-tokens-reset", "2015-10-21T07:28:00Z"), ("anthropic-ratelimit-tokens-remaining", "0")],
            "",
            Some(0),
        ),
        (
            &[],
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}"#,
            Some(17_000),
        ),
        (&[("retry-after", "whenever")], "", None),
        (&[], "", None),
    ];
    for api in APIS {
        for (headers, body, expected) in forms {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let failure = failure_of(api, Reply::Status { status: 429, headers, body: body.to_owned() }).await;
            assert_eq!((failure.class, failure.billing), (FailureClass::RateLimit, Billing::NotBilled));
            assert_eq!(failure.retry_after_ms, expected, "{api:?}");
        }
    }
    assert_eq!(failure_of(Api::OpenaiChat, Reply::rate_limit("3")).await.retry_after_ms, Some(3_000));
}

#[tokio::test]
async fn a_spent_account_is_no_rate_limit() {
    let body =
        r#"{"error":{"message":"You have run out of credits.","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#;
    let failure = failure_of(
        Api::OpenaiChat,
        Reply::Status { status: 429, headers: vec![("retry-after".into(), "2".into())], body: body.into() },
    )
    .await;
    assert_eq!((failure.class, failure.billing, failure.retry_after_ms), (FailureClass::Permission, Billing::NotBilled, None));
    assert_eq!(
        failure.message,
        "The account at OpenAI cannot pay for `openai/gpt-6.1-terra` (status 429): You have run out of credits. Add credit or raise the limit there; trying again does not help."
    );
    let never = Reply::Status { status: 429, headers: vec![("x-should-retry".into(), "false".into())], body: String::new() };
    assert_eq!(failure_of(Api::OpenaiChat, never).await.class, FailureClass::Permission);
}

#[tokio::test]
async fn a_refused_key_names_its_variable_and_is_not_shown() {
    for (api, variable) in APIS.into_iter().zip(["OPENAI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"]) {
        let (_server, client) = server().await;
        let failed = client.send(&request(model(api)), &Keys(Some("sk-0123456789-wrong"))).await.unwrap_err();
        assert_eq!(
            (failed.failure.class, failed.failure.billing),
            (FailureClass::Permission, Billing::NotBilled),
            "{}",
            failed.failure.message
        );
        assert!(
            failed.failure.message.contains(variable) && !failed.failure.message.contains("0123456789"),
            "{}",
            failed.failure.message
        );
        assert!(!format!("{failed:?}").contains("0123456789"));
    }
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let failure = failure_of(
        Api::AnthropicMessages,
        Reply::status(404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#),
    )
    .await;
    assert_eq!((failure.class, failure.billing), (FailureClass::InvalidInput, Billing::NotBilled));
    assert!(failure.message.contains("`claude-sonnet-5-5`") && failure.message.contains("/v1/messages"), "{}", failure.message);
}

#[tokio::test]
async fn errors_of_the_server_leave_the_bill_open() {
    for (status, class) in [
        (500, FailureClass::Transport),
        (502, FailureClass::Transport),
        (503, FailureClass::RateLimit),
        (504, FailureClass::Timeout),
        (529, FailureClass::RateLimit),
    ] {
        let failure = failure_of(Api::AnthropicMessages, Reply::status(status, "<html>oops</html>")).await;
        assert_eq!((failure.class, failure.billing), (class, Billing::Unknown), "{status}");
        assert!(failure.message.contains(&status.to_string()) && !failure.message.contains("<html>"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, _) = server().await;
    let location = vec![("location".to_owned(), format!("{}/v1/chat/completions", other.base_url()))];
    let failure = failure_of(Api::OpenaiChat, Reply::Status { status: 307, headers: location, body: String::new() }).await;
    assert_eq!(failure.class, FailureClass::InvalidInput);
    assert!(failure.message.contains(&other.base_url()), "{}", failure.message);
    assert!(other.journal().is_empty(), "the key must not travel to another address");
}

#[tokio::test]
async fn bodies_that_are_no_answer() {
    let answer = ScriptedAnswer { text: Some("half of this".to_owned()), ..ScriptedAnswer::default() };
    let cases: [(&str, Reply, &str); 9] = [
        ("empty", Reply::raw(""), "the body is empty"),
        ("white", Reply::raw(" \n "), "the body is empty"),
        ("broken", Reply::raw(r#"{"choices": ["#), "not JSON"),
        ("text", Reply::raw("Bad gateway"), "not JSON"),
        ("bad UTF-8", Reply::raw(b"{\"a\": \"\xff\xfe\"}".to_vec()), "not UTF-8 (byte 7)"),
        ("deep", Reply::raw("[".repeat(100_000)), "not JSON"),
        (
            "page",
            Reply::Raw {
                content_type: "text/html; charset=utf-8".into(),
                body: b"<!DOCTYPE html><title>Sign in</title>".to_vec(),
            },
            "web page",
        ),
        ("cut", Reply::Cut { answer, bytes: 40 }, "the connection broke"),
        ("flood", Reply::Flood { bytes: 33 * 1024 * 1024 }, "more than 32 MB"),
    ];
    for (name, reply, expected) in cases {
        let failure = failure_of(Api::OpenaiChat, reply).await;
        assert_eq!((failure.class, failure.billing), (FailureClass::Transport, Billing::Unknown), "{name}");
        assert!(failure.message.contains(expected), "{name}: {}", failure.message);
        assert!(failure.message.contains("127.0.0.1"), "{name}: {}", failure.message);
    }
}

#[tokio::test]
async fn a_reset_connection_leaves_the_bill_open() {
    for api in APIS {
        let failure = failure_of(api, Reply::Reset).await;
        assert_eq!((failure.class, failure.billing), (FailureClass::Transport, Billing::Unknown), "{}", failure.message);
    }
}

#[tokio::test]
async fn nobody_listening_means_not_sent() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for address in [format!("http://127.0.0.1:{port}"), "http://no-such-host.invalid".to_owned()] {
        let failed = client_at(&address).send(&request(model(Api::OpenaiChat)), &Keys(Some(KEY))).await.unwrap_err();
        assert_eq!(
            (failed.failure.class, failed.failure.billing),
            (FailureClass::Transport, Billing::NotSent),
            "{}",
            failed.failure.message
        );
        assert!(failed.failure.message.contains("cannot be reached"), "{}", failed.failure.message);
    }
}

#[tokio::test]
async fn time_runs_out_at_each_stage() {
    let slow = ScriptedAnswer::default();
    let cases = [
        (Reply::Hang, "did not begin to answer within 60 ms"),
        (Reply::HangAfterHeaders, "did not finish within 60 ms"),
        (Reply::Drip { answer: slow, pause: Duration::from_millis(10) }, "did not finish within 60 ms"),
    ];
    for (reply, expected) in cases {
        let (server, client) = server().await;
        server.then(reply);
        let hurried = Request { timeout: Duration::from_millis(60), ..request(model(Api::OpenaiChat)) };
        let started = Instant::now();
        let failed = client.send(&hurried, &Keys(Some(KEY))).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!((failed.failure.class, failed.failure.billing), (FailureClass::Timeout, Billing::Unknown));
        assert!(failed.failure.message.contains(expected), "{}", failed.failure.message);
    }
}

#[tokio::test]
async fn silence_is_noticed_before_the_whole_time_is_over() {
    let (server, _) = server().await;
    let base_urls = [("openai".to_owned(), server.base_url())].into();
    let settings = Settings {
        base_urls,
        idle_timeout: Duration::from_millis(40),
        first_byte_timeout: Duration::from_millis(50),
        system_proxy: false,
        ..Settings::default()
    };
    let client = Client::new(settings);
    for (reply, expected) in
        [(Reply::HangAfterHeaders, "then sent nothing for 40 ms"), (Reply::Hang, "did not begin to answer within 50 ms")]
    {
        server.then(reply);
        let failed = client.send(&request(model(Api::OpenaiChat)), &Keys(Some(KEY))).await.unwrap_err();
        assert!(failed.failure.message.contains(expected), "{}", failed.failure.message);
    }
}
