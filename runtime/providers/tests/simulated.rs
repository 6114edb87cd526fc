//! The simulated model.

use crate::setting::{Keys, asking_for, asking_for_fit, asking_for_priority, model, request};
use pmflow_plan::schema::{Types, parse_answer};
use pmflow_plan::{Api, Billing, FailureClass, Field, Role, Type, types::TextBounds};
use pmflow_providers::{Answer, Client, Request, Settings, SimulateOptions, Stop, tokens};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn client(options: &str) -> Client {
    Client::new(Settings { simulate: Some(SimulateOptions::parse(options).unwrap()), ..Settings::default() })
}

fn about(text: &str, request: Request) -> Request {
    Request { messages: vec![(Role::User, text.to_owned())], ..request }
}

#[tokio::test]
async fn the_same_request_and_seed_give_the_same_answer() {
    let keys = Keys(None);
    let request = asking_for_fit(model(Api::OpenaiChat));
    let first = client("seed=7").send(&request, &keys).await.unwrap();
    assert_eq!(first, client("seed=7").send(&request, &keys).await.unwrap());
    let retried = Request { idempotency_key: "another".to_owned(), ..request.clone() };
    assert_eq!(first.text, client("seed=7").send(&retried, &keys).await.unwrap().text, "the answer does not hang on the attempt");
    assert_ne!(first.text, client("seed=8").send(&request, &keys).await.unwrap().text);
}

#[tokio::test]
async fn a_simulated_model_needs_no_option_no_key_and_no_network() {
    let client = Client::new(Settings::default());
    assert!(client.simulates(Api::Simulated) && !client.simulates(Api::OpenaiChat));
    let response = client.send(&request(model(Api::Simulated)), &Keys(None)).await.unwrap();
    assert!(!response.text.is_empty() && response.stop == Stop::Complete);
    assert_eq!(response.model.as_deref(), Some("simulated"));
    assert_eq!(response.raw_usage["simulated"], json!(true));
}

#[tokio::test]
async fn different_inputs_get_different_enum_values() {
    let client = client("");
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..300 {
        let response = client
            .send(&about(&format!("message {number}"), asking_for_priority(model(Api::OpenaiChat))), &Keys(None))
            .await
            .unwrap();
        *counts.entry(response.text).or_default() += 1;
    }
    assert_eq!(
        counts.keys().map(String::as_str).collect::<Vec<_>>(),
        [r#"{"value":"high"}"#, r#"{"value":"low"}"#, r#"{"value":"medium"}"#]
    );
    assert!(counts.values().all(|count| *count > 60), "{counts:?}");
}

#[tokio::test]
async fn tokens_are_counted_for_real() {
    let client = client("");
    for number in 0..20 {
        let request = about(&format!("message {number} 日本"), asking_for_fit(model(Api::OpenaiChat)));
        let response = client.send(&request, &Keys(None)).await.unwrap();
        assert_eq!(response.usage.output_tokens, Some(tokens::count("o200k_base", &response.text)));
        let Answer::Json { schema, .. } = &request.answer else { panic!("a record is asked for") };
        let texts = ["You are terse.", &request.messages[0].1];
        let expected: u64 = texts.iter().map(|text| tokens::count("o200k_base", text) + 3).sum::<u64>()
            + tokens::count("o200k_base", &schema.value.to_string())
            + 3;
        assert_eq!(response.usage.input_tokens, Some(expected));
        assert_eq!((response.usage.cache_read_tokens, response.usage.reasoning_tokens), (Some(0), Some(0)));
    }
}

#[tokio::test]
async fn the_cap_is_never_passed_and_max_uses_all_of_it() {
    for size in ["min", "typical", "max"] {
        let client = client(&format!("output={size}"));
        for cap in [1, 2, 10, 60, 400] {
            for request in [request(model(Api::OpenaiChat)), asking_for_fit(model(Api::OpenaiChat))] {
                let response = client.send(&Request { output_tokens_max: cap, ..request }, &Keys(None)).await.unwrap();
                let used = response.usage.output_tokens.unwrap();
                assert!(used <= cap, "{size} {cap}: {used}");
                assert!(size != "max" || used == cap, "{size} {cap}: {used}");
                assert!(tokens::count("o200k_base", &response.text) <= used);
                assert_eq!(used - tokens::count("o200k_base", &response.text), response.usage.reasoning_tokens.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn answers_fit_any_type() {
    let field = |name: &str, ty: Type| Field { name: name.to_owned(), ty, doc: None };
    let text = |chars_max, tokens_max, matches: Option<&str>| {
        Type::Text(TextBounds { chars_max, tokens_max, matches: matches.map(str::to_owned) })
    };
    let parts = vec![
        text(None, None, Some("[A-Z]{2}-[0-9]{4}")),
        text(Some(5), None, None),
        text(None, Some(4), None),
        Type::Int { min: Some(i64::MIN), max: Some(i64::MAX) },
        Type::Int { min: Some(7), max: Some(7) },
        Type::Float,
        Type::Bool,
        Type::Money,
        Type::Date,
        Type::Datetime,
        Type::Duration,
        Type::Json,
        Type::List { of: Box::new(Type::text()), max: Some(2) },
        Type::Map(Box::new(Type::Bool)),
        Type::optional(Type::int()),
        Type::Named("Priority".to_owned()),
    ];
    let record = Type::Record(parts.iter().enumerate().map(|(at, ty)| field(&format!("f{at}"), ty.clone())).collect());
    let counter = |text: &str| tokens::count("o200k_base", text);
    let client = client("");
    for ty in parts.into_iter().chain([record]) {
        let plain = matches!(ty, Type::Text(_));
        for number in 0..25 {
            let mut request = Request {
                output_tokens_max: 20_000,
                ..about(&number.to_string(), asking_for(ty.clone(), model(Api::OpenaiChat)))
            };
            if plain && number % 2 == 0 {
                request.answer = Answer::Text;
            }
            let response = client.send(&request, &Keys(None)).await.unwrap();
            assert_eq!(response.stop, Stop::Complete, "{}", response.text);
            let types = Types::new(&request.types).counting(&counter);
            // A text that was asked for as JSON is read as JSON here; the product asks for texts as they are.
            let wanted = if plain && number % 2 == 1 { Type::Record(vec![field("value", ty.clone())]) } else { ty.clone() };
            let read = parse_answer(&wanted, &types, &response.text);
            assert!(read.is_ok(), "{ty:?} {}: {read:?}", response.text);
        }
    }
}

#[tokio::test]
async fn failures_come_at_their_rates_and_differ_between_attempts() {
    let client = client("seed=3,rate_limit=20%,transport=10%,timeout=10%,refusal=10%,invalid=10%,truncated=10%");
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..1_000 {
        let attempt = Request { idempotency_key: format!("attempt {number}"), ..asking_for_fit(model(Api::OpenaiChat)) };
        let name = match client.send(&attempt, &Keys(None)).await {
            Ok(response) if response.stop == Stop::Complete => {
                assert!(response.usage.output_tokens > Some(0));
                if serde_json::from_str::<Value>(&response.text).is_ok() { "right".to_owned() } else { "invalid".to_owned() }
            }
            Ok(response) => format!("{:?}", response.stop),
            Err(failed) => {
                let expected =
                    if failed.failure.class == FailureClass::RateLimit { Billing::NotBilled } else { Billing::Unknown };
                assert_eq!(failed.failure.billing, expected);
                assert!(failed.failure.message.to_lowercase().contains("simulate"), "{}", failed.failure.message);
                format!("{:?}", failed.failure.class)
            }
        };
        *counts.entry(name).or_default() += 1;
    }
    for (name, share) in [
        ("right", 300),
        ("RateLimit", 200),
        ("Transport", 100),
        ("Timeout", 100),
        ("Refused", 100),
        ("invalid", 100),
        ("Truncated", 100),
    ] {
        let count = counts.get(name).copied().unwrap_or(0);
        assert!(count.abs_diff(share) < 45, "{name}: {count} of 1000, wanted about {share}: {counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn latency_is_waited_for_and_the_timeout_ends_it() {
    let started = tokio::time::Instant::now();
    client("latency=50ms").send(&request(model(Api::Simulated)), &Keys(None)).await.unwrap();
    assert_eq!(started.elapsed().as_millis(), 50);
    let started = tokio::time::Instant::now();
    client("latency=1s..2s").send(&request(model(Api::Simulated)), &Keys(None)).await.unwrap();
    assert!((1_000..=2_001).contains(&started.elapsed().as_millis()));
    let started = tokio::time::Instant::now();
    let hurried = Request { timeout: Duration::from_millis(30), ..request(model(Api::Simulated)) };
    let failed = client("latency=1h").send(&hurried, &Keys(None)).await.unwrap_err();
    assert_eq!((failed.failure.class, started.elapsed().as_millis()), (FailureClass::Timeout, 30));
}
