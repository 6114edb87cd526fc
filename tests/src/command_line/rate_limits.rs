//! Providers that limit, overload and fail, before the whole program: nobody pays for it and no work is lost.

use crate::moderation::Provider;
use crate::process::{Folder, Said, said};
use crate::workers::{Daemon, fine};
use pmflow_providers::scripted::{Asked, Reply};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

const FLOW: &str = r#"model steady = "openai/gpt-6-luna" else "anthropic/claude-haiku-4-5"

prompt judge(note: text) -> text {
  model:      MODEL
  max_input:  200 tokens
  max_output: 20 tokens
  user:       "Good or bad? {{ note }}"
}

flow sort() {
  on_error:    quarantine
  concurrency: 20

  for note in ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11"] key note {
    let mood = judge(note)
    output mood
  }
}
"#;

pub fn project(model: &str, concurrency: u32) -> Folder {
    let folder = Folder::new();
    let flow = FLOW.replace("MODEL", model).replace("concurrency: 20", &format!("concurrency: {concurrency}"));
    folder.write("sort.pmflow", &flow);
    folder
}

fn run(provider: &Provider, folder: &Folder, words: &str) -> Said {
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut command = provider.command(folder, &words);
    command.env("ANTHROPIC_BASE_URL", provider.base_url()).env("ANTHROPIC_API_KEY", "test");
    said(command.output().expect("pmflow can be started"))
}

/// How often each model answered well, and was asked.
type Asks = Arc<Mutex<BTreeMap<String, (u64, u64)>>>;

fn count(asks: &Asks, asked: &Asked, is_well: bool) -> u64 {
    let mut asks = asks.lock().expect("nothing panics under it");
    let (well, all) = asks.entry(asked.model.clone()).or_default();
    *all += 1;
    *well += u64::from(is_well);
    *all
}

#[test]
fn a_storm_of_too_many_requests_costs_nothing_and_loses_nothing() {
    let waits: [(&str, &str, &str); 8] = [
        ("retry-after-ms", "40", ""),
        ("retry-after", "0.05", ""),
        ("retry-after", "1", ""),
        ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", ""),
        ("x-ratelimit-reset-requests", "60ms", ""),
        ("anthropic-ratelimit-requests-reset", "2015-10-21T07:28:00Z", ""),
        (
            "x-nothing",
            "0",
            r#"{"error":{"code":429,"message":"m","details":[{"@type":"x/google.rpc.RetryInfo","retryDelay":"0.2s"}]}}"#,
        ),
        ("retry-after", "soon", ""),
    ];
    let asks = Asks::default();
    let counted = asks.clone();
    let provider = Provider::saying(move |asked| {
        let number = count(&counted, asked, false);
        match waits.get(usize::try_from(number - 1).unwrap_or(usize::MAX)) {
            Some((name, value, body)) => {
                let body = if body.is_empty() { r#"{"error":{"message":"slow down"}}"# } else { body };
                Reply::Status { status: 429, headers: vec![((*name).to_owned(), (*value).to_owned())], body: body.to_owned() }
            }
            None => Reply::text("fine"),
        }
    });
    let folder = project("\"openai/gpt-6-luna\"", 8);
    let said = run(&provider, &folder, "run sort.pmflow --yes");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let all: serde_json::Value = serde_json::from_str(&fine(&folder, "show last --format json")).expect("JSON");
    let cost = all.get("cost").expect("the run has a cost");
    assert_eq!((cost.get("held"), cost.get("unknown")), (Some(&"0".into()), Some(&"0".into())), "{cost:#}");
    assert_eq!(fine(&folder, "outputs --format jsonl --fields value").lines().count(), 12);
    // Each "later" was one request, and no other was wasted: while it held, nobody else asked.
    let asked: u64 = asks.lock().expect("nothing panics").values().map(|(_, all)| all).sum();
    assert_eq!(asked, 12 + 8);
}

#[test]
fn a_model_that_fails_again_and_again_is_not_asked_any_more() {
    let asks = Asks::default();
    let counted = asks.clone();
    let provider = Provider::saying(move |asked| {
        let is_well = asked.model.starts_with("claude");
        count(&counted, asked, is_well);
        if is_well { Reply::text("fine") } else { Reply::status(500, r#"{"error":{"message":"broken"}}"#) }
    });
    let folder = project("steady", 1).on_server();
    // The second process heeds what the first one heard.
    for calls in [12, 24] {
        let said = run(&provider, &folder, "run sort.pmflow --yes --max-cost 1");
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        let asks = asks.lock().expect("nothing panics").clone();
        let of = |start: &str| asks.iter().find(|(model, _)| model.starts_with(start)).map(|(_, asked)| *asked);
        assert_eq!((of("gpt"), of("claude")), (Some((0, 5)), Some((calls, calls))), "five failures, and then nobody asks");
    }
    let steps = fine(&folder, "show last");
    assert!(steps.contains("is out of service"), "{steps}");
}

/// Two workers keep one limit between them. Killed while calls wait, they leave nothing held and nothing unknown, and whoever
/// takes over sends each call once.
#[test]
fn workers_share_a_limit_and_what_waits_was_never_sent() {
    let provider = Provider::saying(|_| Reply::text("fine"));
    let folder = project("\"openai/gpt-6-luna\"", 20).on_server();
    for _ in 0..2 {
        fine(&folder, "run sort.pmflow --yes --detach");
    }
    let worker = |limit: &str| {
        let mut command = provider.command(&folder, &["worker"]);
        command.env("OPENAI_RATE_LIMIT", limit);
        Daemon::start(command)
    };
    let workers = [worker("5 requests"), worker("5 requests")];
    let settled = || {
        let usage: serde_json::Value = serde_json::from_str(&fine(&folder, "usage --format json")).expect("JSON");
        usage.pointer("/usage/0/calls").and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    while settled() < 5 {
        std::thread::yield_now();
    }
    assert_eq!(provider.answered.load(Ordering::SeqCst), 5, "24 calls wait to be sent, and five were");
    for worker in &workers {
        worker.signal("KILL");
    }
    drop(workers);
    let nothing_is_open = || {
        let runs = fine(&folder, "runs --format json");
        assert_eq!(runs.matches("\"held\": \"0\"").count(), 2, "{runs}");
        assert_eq!(runs.matches("\"unknown\": \"0\"").count(), 2, "{runs}");
    };
    nothing_is_open();
    let mut third = worker("1000 requests");
    third.hear("run ended");
    third.hear("run ended");
    assert_eq!(provider.answered.load(Ordering::SeqCst), 24, "each call was made once");
    nothing_is_open();
}

#[test]
fn a_limit_that_is_none_is_told_before_anything_starts() {
    let provider = Provider::saying(|_| Reply::text("fine"));
    let folder = project("\"openai/gpt-6-luna\"", 1);
    let mut command = provider.command(&folder, &["run", "sort.pmflow", "--yes"]);
    let said = said(command.env("OPENAI_RATE_LIMIT", "fast").output().expect("pmflow can be started"));
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("OPENAI_RATE_LIMIT: `fast` is no limit; write `500 requests`"), "{}", said.err);
    assert!(!fine(&folder, "runs --format json").contains("running"));
}
