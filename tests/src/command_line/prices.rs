//! Prices that a project pins, and what is known of a model.

use crate::process::{Folder, Said};

#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "`{word}` is not said:\n{}\n{}", said.out, said.err);
    }
}

const FLOW: &str = r#"prompt greet(name: text) -> text {
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

/// A model's prices as the lock has them, at its maker's and at a reseller's.
const PRICE: &str = r#""aliases":["gpt-5.4-mini-2026-03-17"],"price":{"input":"0.75","output":"4.5""#;

fn pinned() -> (Folder, String) {
    let folder = Folder::new();
    folder.write("hello.pmflow", FLOW);
    ends(&folder.pmflow("prices update"), 0, &["pinned catalog", "in pmflow.lock, as they are built in"]);
    let lock = std::fs::read_to_string(folder.path().join("pmflow.lock")).expect("the lock is written");
    assert!(lock.contains(PRICE), "the model's line reads otherwise than this test takes it to");
    (folder, lock)
}

#[test]
fn a_project_is_priced_by_what_it_pins() {
    let (folder, lock) = pinned();
    let ceiling = |folder: &Folder| {
        let json: serde_json::Value = serde_json::from_str(&folder.pmflow("cost hello.pmflow --format json").out).unwrap();
        (json["run"]["ceiling"]["usd"].as_str().unwrap().to_owned(), json["catalog"].as_str().unwrap().to_owned())
    };
    let (before, catalog) = ceiling(&folder);
    ends(&folder.pmflow("prices diff --check"), 0, &["nothing would change"]);
    folder.write("pmflow.lock", lock.replace(PRICE, &PRICE.replace("4.5", "45")));
    let (after, other) = ceiling(&folder);
    assert_ne!((before, catalog), (after, other), "the pinned price counts, and the plan says which catalog it was");
    let said = folder.pmflow("prices diff");
    ends(&said, 0, &[]);
    insta::assert_snapshot!("prices_diff", said.out);
    ends(&folder.pmflow("prices diff --check"), 2, &[]);
    ends(&folder.pmflow("models show openai/gpt-5.4-mini"), 0, &["output $45"]);
    ends(&folder.pmflow("run hello.pmflow --simulate"), 0, &["succeeded"]);
    ends(&folder.pmflow("prices update"), 0, &["price.output: 45 -> 4.5", "2 models changed"]);
    ends(&folder.pmflow("prices diff --check"), 0, &[]);
}

#[test]
fn a_model_ends_when_the_pinned_catalog_says_so() {
    let (folder, lock) = pinned();
    ends(&folder.pmflow("check hello.pmflow"), 0, &["fine"]);
    let ended = |line: &str| match line.contains(PRICE) && !line.contains("shutdown") {
        true => line.replace(PRICE, &format!("\"shutdown\":\"2026-06-01\",{PRICE}")),
        false => line.to_owned(),
    };
    folder.write("pmflow.lock", lock.lines().map(ended).collect::<Vec<_>>().join("\n"));
    ends(&folder.pmflow("check hello.pmflow"), 0, &["W0107", "the provider ended `openai/gpt-5.4-mini` on 2026-06-01"]);
}

#[test]
fn a_file_of_prices_can_be_pinned() {
    let (folder, lock) = pinned();
    folder.write("ours.json", lock.replacen(PRICE, &PRICE.replace("0.75", "0.5"), 1));
    ends(&folder.pmflow("prices diff ours.json"), 0, &["price.input: 0.75 -> 0.5", "pmflow prices update ours.json"]);
    ends(&folder.pmflow("prices update ours.json"), 0, &["1 model changed"]);
    ends(&folder.pmflow("prices diff ours.json --check"), 0, &["nothing would change"]);
    ends(&folder.pmflow("prices update none.json"), 3, &["cannot read `none.json`: there is no such file"]);
}

#[test]
fn a_lock_that_cannot_be_believed_is_refused_with_every_reason() {
    let (folder, lock) = pinned();
    let line = lock.lines().find(|line| line.contains(PRICE)).expect("the model has a line").to_owned();
    let cases = [
        ("a negative price", lock.replacen(PRICE, &PRICE.replace("4.5", "-4.5"), 1)),
        ("a price beyond all reason", lock.replacen(PRICE, &PRICE.replace("4.5", "99999999999999999999"), 1)),
        ("no price", lock.replacen(PRICE, &PRICE.replace(r#","output":"4.5""#, ""), 1)),
        ("a price of nothing", lock.replacen(PRICE, &PRICE.replace("4.5", "0"), 1)),
        ("a model twice", lock.replacen(&line, &format!("{line}\n{line}"), 1)),
        ("facts from the future", lock.replacen("\"as_of\": \"2026-11-22\"", "\"as_of\": \"2126-11-22\"", 1)),
        ("another format", lock.replacen("\"format\": 1", "\"format\": 7", 1)),
        ("half a file", lock.get(..lock.len() / 2).expect("the lock is ASCII").to_owned()),
        ("nothing", String::new()),
    ];
    let mut said = String::new();
    for (what, text) in cases {
        assert_ne!(text, lock, "{what}");
        folder.write("pmflow.lock", text);
        let cost = folder.pmflow("cost hello.pmflow");
        ends(&cost, 3, &["`pmflow.lock` cannot be used"]);
        said += &format!("{what}\n{}\n", cost.err);
    }
    insta::assert_snapshot!("prices_refused", said);
    // What is broken can be mended by what the help says.
    ends(&folder.pmflow("prices update"), 0, &["cannot be used", "pinned catalog"]);
    ends(&folder.pmflow("cost hello.pmflow"), 0, &[]);
}

#[test]
fn a_model_is_shown_with_the_source_of_each_fact() {
    let folder = Folder::new();
    for (name, id) in
        [("tiers", "openai/gpt-6.1-terra"), ("disagreement", "xai/grok-code-fast-1"), ("shutdown", "anthropic/claude-sonnet-4-5")]
    {
        let said = folder.pmflow(&format!("models show {id}"));
        ends(&said, 0, &[]);
        insta::assert_snapshot!(format!("models_show_{name}"), said.out);
    }
    ends(
        &folder.pmflow("models show openai/gpt-6-lunar"),
        3,
        &["no model `openai/gpt-6-lunar`", "did you mean `openai/gpt-6-luna`"],
    );
    ends(
        &folder.pmflow("models show gpt-6-luna"),
        3,
        &["without its provider", "write `openai/gpt-6-luna` or `azure/gpt-6-luna`"],
    );
    ends(&folder.pmflow("models show openai/gpt-6.2-sol"), 3, &["has no known price", "declare what it costs"]);
    ends(&folder.pmflow("models show openai/gpt-6-luna --format json"), 0, &["\"as_of\""]);
}
