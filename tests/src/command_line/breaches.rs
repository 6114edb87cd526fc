//! Runs with a real HTTP provider on this machine: one that does not keep its cap, and what is learned from many runs.

use crate::moderation::Provider;
use crate::process::{Folder, Said, said};
use pmflow_providers::scripted::{Reply, Reported, ScriptedAnswer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const HELLO: &str = r#"prompt greet(name: text) -> text {
  model:      "openai/gpt-5.4-mini"
  max_input:  100 tokens
  max_output: 60 tokens
  user:       "Welcome {{ name }}."
}

flow hello(name: text = "Ada") {
  let greeting = greet(name)
  output greeting
}
"#;

const GREETINGS: &str = r#"prompt greet(name: text) -> text {
  model:      "openai/gpt-5.4-mini"
  max_input:  100 tokens
  max_output: 60 tokens
  user:       "Welcome {{ name }}."
}

flow hello() {
  source people = csv("people.csv") limit 100 expect 5
  for person in people {
    let greeting = greet(person.name)
    output greeting
  }
}
"#;

/// A provider that reports as many tokens of output as are told, whatever its cap, and 20 of input.
fn provider() -> (Provider, Arc<AtomicU64>) {
    let output = Arc::new(AtomicU64::new(0));
    let told = output.clone();
    let provider = Provider::saying(move |_| {
        let output = told.load(Ordering::SeqCst);
        let usage = json!({
            "input_tokens": 20, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": output, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 20 + output
        });
        Reply::Answer(ScriptedAnswer {
            text: Some("Welcome!".to_owned()),
            usage: Reported::Verbatim(usage),
            ..ScriptedAnswer::default()
        })
    });
    (provider, output)
}

#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "`{word}` is not said:\n{}\n{}", said.out, said.err);
    }
}

fn run(provider: &Provider, folder: &Folder) -> Said {
    said(provider.command(folder, &["run", "hello.pmflow", "--yes"]).output().expect("pmflow can be started"))
}

fn json(folder: &Folder, words: &str) -> Value {
    let said = folder.pmflow(words);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{words}: {error}\n{}\n{}", said.out, said.err))
}

fn ceiling(folder: &Folder) -> Value {
    json(folder, "cost hello.pmflow --format json")["run"]["ceiling"].clone()
}

#[test]
fn a_breach_is_told_of_everywhere_and_remembered() {
    let (folder, (provider, output)) = (Folder::new(), provider());
    folder.write("hello.pmflow", HELLO);
    // 119 tokens at $0.75 and 60 at $4.50 per million.
    assert_eq!(ceiling(&folder), json!({ "usd": "0.00035925" }));
    output.store(500, Ordering::SeqCst);
    let remembered = "openai/gpt-5.4-mini: answered with 500 tokens where the cap was 60 (run ";
    ends(&run(&provider, &folder), 2, &["over the bound: 1 call was billed more", remembered, "pmflow.breaches.json"]);

    ends(&folder.pmflow("show last"), 0, &["1 call cost more than was held", "hello/greeting#1 openai/gpt-5.4-mini", "500 out"]);
    let shown = json(&folder, "show last --format json");
    assert_eq!((&shown["breaches"][0]["usage"]["output_tokens"], &shown["cost"]["breaches"]), (&json!(500), &json!(1)));
    ends(&folder.pmflow("usage --by model"), 0, &["1 call billed above what was held"]);
    assert_eq!(json(&folder, "usage --by model --format json")["usage"][0]["breaches"], 1);
    ends(
        &folder.pmflow("budget show"),
        0,
        &["breach: a call of `hello` to openai/gpt-5.4-mini was billed $0.0023, above the $0.0"],
    );

    // From now on the cap counts as soft: 440 tokens more.
    ends(&folder.pmflow("models show openai/gpt-5.4-mini"), 0, &["What runs saw otherwise", remembered]);
    ends(&folder.pmflow("models gpt-5.4-mini"), 0, &["passed a bound in a run"]);
    ends(&folder.pmflow("cost hello.pmflow"), 0, &["kept but for 440 tokens", "answered with 500 tokens where the cap was 60"]);
    assert_eq!(ceiling(&folder), json!({ "usd": "0.00233925" }));
    ends(&run(&provider, &folder), 0, &["at most $0.0023"]);

    // A soft cap that is passed further counts for nothing.
    output.store(700, Ordering::SeqCst);
    ends(&run(&provider, &folder), 2, &["answered with 700 tokens where the cap was 60"]);
    assert_eq!(ceiling(&folder), json!({ "unbounded": ["cap(openai/gpt-5.4-mini)"] }));
    let file = std::fs::read_to_string(folder.path().join("pmflow.breaches.json")).expect("it was written");
    assert_eq!(file.lines().count(), 4, "one line each:\n{file}");
    for (text, reason) in [(file.replace("700", "1"), "that is no breach"), ("[".to_owned(), "EOF")] {
        folder.write("pmflow.breaches.json", text);
        ends(&folder.pmflow("cost hello.pmflow"), 3, &["`pmflow.breaches.json` cannot be used", reason]);
    }
    std::fs::remove_file(folder.path().join("pmflow.breaches.json")).expect("it can be deleted");
    assert_eq!(ceiling(&folder), json!({ "usd": "0.00035925" }));
    // What workers saw is taken over from the store.
    ends(&folder.pmflow("prices breaches"), 0, &["500 tokens", "700 tokens", "check it in"]);
    assert_eq!(ceiling(&folder), json!({ "unbounded": ["cap(openai/gpt-5.4-mini)"] }));
    ends(&folder.pmflow("prices breaches"), 0, &["nothing that is not known"]);
}

#[test]
fn the_cost_of_past_runs_is_expected_and_drift_is_noticed() {
    let (folder, (provider, output)) = (Folder::new(), provider());
    folder.write("hello.pmflow", GREETINGS);
    folder.write("people.csv", "name\nAda\nBea\nCid\nDan\nEve\nFay\nGus\nHal\nIda\nJon\nKim\nLea\n");
    for tokens in [20, 22, 18] {
        output.store(tokens, Ordering::SeqCst);
        ends(&run(&provider, &folder), 0, &["12 items done"]);
    }
    let learned = folder.pmflow("cost hello.pmflow --history");
    ends(&learned, 0, &["`people` brought 12 items a run", "`expect` says 5", "`limit 24` on the source `people`"]);
    insta::with_settings!({ filters => vec![(r"catalog [0-9a-f]{12}", "[catalog]")] }, {
        insta::assert_snapshot!("history_of_three_runs", learned.out);
    });
    // 12 calls of 20 tokens at $0.75 and 20 at $4.50 per million.
    let seen = json(&folder, "cost hello.pmflow --history --format json");
    assert_eq!((&seen["seen"]["runs"], &seen["seen"]["calls"]), (&json!(3), &json!(36)));
    assert_eq!(seen["seen"]["median"], json!("0.00126"));
    let expected: f64 = seen["run"]["expected"]["usd"].as_str().expect("an amount").parse().expect("a number");
    assert!((expected / 0.00126 - 1.0).abs() < 0.1, "{expected} is expected");
    assert_eq!(seen["interval"]["calls_seen"], 36);
    output.store(50, Ordering::SeqCst);
    for _ in 0..3 {
        ends(&run(&provider, &folder), 0, &[]);
    }
    ends(&folder.pmflow("cost hello.pmflow --history"), 0, &["calls at `hello/person/greeting` cost 2.", "times what they did"]);
}
