//! Batches: handed over, looked at, read, cancelled.

use crate::setting::{KEY, Keys, asking_for_fit, model, request, server};
use pmflow_plan::{Api, Billing, FailureClass};
use pmflow_providers::scripted::{Batching, Reply, Scripted};
use pmflow_providers::{BatchLook, Client, Failed, Handed, Request, Response, Taken};
use std::collections::BTreeMap;

const APIS: [Api; 3] = [Api::OpenaiChat, Api::OpenaiResponses, Api::AnthropicMessages];
const SECRETS: Keys = Keys(Some(KEY));

fn requests(api: Api, count: usize) -> Vec<Request> {
    let named = |number: usize| Request { idempotency_key: format!("pmflow-{number:040}"), ..request(model(api)) };
    (0..count).map(named).collect()
}

async fn taken(client: &Client, requests: &[Request]) -> String {
    let mut handed = client.submit_batch(requests, &SECRETS).await;
    assert_eq!(handed.len(), 1, "{handed:?}");
    match handed.remove(0) {
        Handed { requests: all, outcome: Ok(Taken::As(name)) } if all.len() == requests.len() => name,
        other => panic!("{other:?}"),
    }
}

fn awaited(requests: &[Request]) -> BTreeMap<String, u64> {
    requests.iter().map(|request| (request.idempotency_key.clone(), request.output_tokens_max)).collect()
}

async fn look(client: &Client, requests: &[Request], name: &str) -> BatchLook {
    client.look_at_batch(&requests[0].model, name, &awaited(requests), &SECRETS).await.unwrap()
}

async fn ended(client: &Client, requests: &[Request], name: &str) -> BTreeMap<String, Result<Response, Failed>> {
    assert!(matches!(look(client, requests, name).await, BatchLook::Working));
    match look(client, requests, name).await {
        BatchLook::Ended(answers) => answers,
        other => panic!("{other:?}"),
    }
}

fn accepted(server: &Scripted) -> usize {
    let journal = server.journal();
    assert!(
        journal.iter().all(|entry| entry.refused.is_none()),
        "{:?}",
        journal.iter().map(|entry| &entry.refused).collect::<Vec<_>>()
    );
    journal.len()
}

#[tokio::test]
async fn every_answer_finds_its_request_and_the_bill_is_the_servers() {
    for api in APIS {
        let (server, client) = server().await;
        server.otherwise(|asked| Reply::text(format!("to number {}", asked.number)));
        let mut requests = requests(api, 20);
        requests[3] = Request { idempotency_key: requests[3].idempotency_key.clone(), ..asking_for_fit(model(api)) };
        let name = taken(&client, &requests).await;
        assert_eq!(accepted(&server), 20, "{api:?}");
        let answers = ended(&client, &requests, &name).await;
        let mut output = 0;
        for (number, request) in requests.iter().enumerate() {
            let response = answers[&request.idempotency_key].as_ref().unwrap();
            assert_eq!(response.text, format!("to number {}", number + 1), "{api:?}");
            output += response.usage.output_tokens.unwrap();
        }
        assert_eq!(server.billed().output_tokens, Some(output), "{api:?}");
        assert!(server.journal().iter().all(|entry| entry.batch.as_ref() == Some(&name)));
    }
}

#[tokio::test]
async fn what_was_not_reached_or_failed_is_told_apart_and_not_billed() {
    for api in APIS {
        let (server, client) = server().await;
        server.batches(Batching::Late);
        server.then(Reply::status(400, r#"{"error":{"message":"too long","type":"invalid_request_error"}}"#));
        let requests = requests(api, 4);
        let name = taken(&client, &requests).await;
        let answers = ended(&client, &requests, &name).await;
        let failure = |number: usize| &answers[&requests[number].idempotency_key].as_ref().unwrap_err().failure;
        assert_eq!((failure(0).class, failure(0).billing), (FailureClass::InvalidInput, Billing::NotBilled), "{api:?}");
        assert!(failure(0).message.contains("too long"), "{}", failure(0).message);
        assert_eq!((failure(1).class, failure(1).billing), (FailureClass::Timeout, Billing::NotBilled), "{api:?}");
        assert!(answers[&requests[2].idempotency_key].is_ok());
    }
}

#[tokio::test]
async fn a_cancelled_batch_keeps_what_was_answered() {
    for api in APIS {
        let (server, client) = server().await;
        server.batches(Batching::Held);
        let requests = requests(api, 4);
        let name = taken(&client, &requests).await;
        assert!(matches!(look(&client, &requests, &name).await, BatchLook::Working));
        client.cancel_batch(&requests[0].model, &name, &SECRETS).await.unwrap();
        let BatchLook::Ended(answers) = look(&client, &requests, &name).await else { panic!("{api:?}") };
        let cancelled = answers.values().filter_map(|answer| answer.as_ref().err()).map(|failed| failed.failure.class);
        assert_eq!(cancelled.collect::<Vec<_>>(), [FailureClass::Cancelled; 2], "{api:?}");
    }
}

#[tokio::test]
async fn where_there_are_no_batches_nothing_is_taken() {
    for api in APIS {
        let (server, client) = server().await;
        server.batches(Batching::Absent);
        let handed = client.submit_batch(&requests(api, 3), &SECRETS).await;
        assert_eq!(handed, [Handed { requests: vec![0, 1, 2], outcome: Ok(Taken::NoBatches) }], "{api:?}");
    }
    let (_server, client) = server().await;
    let handed = client.submit_batch(&requests(Api::GeminiGenerate, 1), &SECRETS).await;
    assert_eq!(handed[0].outcome, Ok(Taken::NoBatches));
}

#[tokio::test]
async fn a_provider_that_takes_none_for_now_says_when() {
    for api in APIS {
        let (server, client) = server().await;
        server.batches(Batching::Busy);
        let handed = client.submit_batch(&requests(api, 2), &SECRETS).await;
        let failure = handed[0].outcome.as_ref().unwrap_err();
        assert_eq!((failure.class, failure.billing), (FailureClass::RateLimit, Billing::NotBilled), "{api:?}");
        assert_eq!(failure.retry_after_ms, Some(1_000));
    }
}

#[tokio::test]
async fn a_batch_that_is_wrong_as_a_whole_is_not_billed() {
    let (server, client) = server().await;
    server.batches(Batching::Refused);
    let requests = requests(Api::OpenaiChat, 2);
    let name = taken(&client, &requests).await;
    let answers = ended(&client, &requests, &name).await;
    for answer in answers.values() {
        let failure = &answer.as_ref().unwrap_err().failure;
        assert_eq!(failure.billing, Billing::NotBilled);
        assert!(failure.message.contains("Enqueued token limit reached"), "{}", failure.message);
    }
}

#[tokio::test]
async fn an_unknown_batch_and_a_missing_answer_are_said() {
    for api in APIS {
        let (_server, client) = server().await;
        let mut requests = requests(api, 2);
        assert!(matches!(look(&client, &requests, "batch_of_nobody").await, BatchLook::Unknown));
        let name = taken(&client, &requests).await;
        requests[1].idempotency_key = "pmflow-another".to_owned();
        let answers = ended(&client, &requests, &name).await;
        let failure = &answers["pmflow-another"].as_ref().unwrap_err().failure;
        assert_eq!((failure.class, failure.billing), (FailureClass::UnknownOutcome, Billing::Unknown));
        assert!(answers[&requests[0].idempotency_key].is_ok());
    }
}

#[tokio::test]
async fn nothing_is_handed_over_without_a_key() {
    let client = Client::new(pmflow_providers::Settings::default());
    let handed = client.submit_batch(&requests(Api::OpenaiChat, 2), &Keys(None)).await;
    assert_eq!(handed[0].requests, [0, 1]);
    assert_eq!(handed[0].outcome.as_ref().unwrap_err().billing, Billing::NotSent);
}
