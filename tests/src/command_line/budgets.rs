//! Budgets over several runs, and runs that take over from others, against a provider on this machine.

use crate::process::{Folder, Said, said};
use pmflow_providers::scripted::{Asked, Reply, Scripted, ScriptedAnswer};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const FLOW: &str = r#"enum Mood { good, bad }

prompt judge(note: text) -> Mood {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 20 tokens
  user:       "Good or bad? {{ note }}"
}

flow sort() {
  on_error: quarantine
  budget:   $1.00 per run, $5.00 per day

  source notes: [{ id: text, text: text }] = json("notes.json") limit 10

  for note in notes key note.id {
    let mood = judge(note.text)
    output { id: note.id, mood: mood }
  }
}
"#;

const NOTES: &str =
    r#"[{ "id": "calm", "text": "fine" }, { "id": "wild", "text": "STRANGE" }, { "id": "mild", "text": "so so" }]"#;

struct Project {
    folder: Folder,
    server: Scripted,
    /// The wild note is refused.
    strange: Arc<AtomicBool>,
}

impl Project {
    async fn new() -> Project {
        let server = Scripted::start().await.expect("a port of this machine is free");
        let strange = Arc::new(AtomicBool::new(true));
        let is_strange = strange.clone();
        let wild = |asked: &Asked| asked.messages.iter().any(|(_, text)| text.contains("STRANGE"));
        server.otherwise(move |asked| match wild(asked) && is_strange.load(Ordering::SeqCst) {
            true => Reply::status(400, r#"{"error":{"message":"no such note"}}"#),
            false => Reply::Answer(ScriptedAnswer::default()),
        });
        let folder = Folder::new();
        folder.write("sort.pmflow", FLOW);
        folder.write("notes.json", NOTES);
        Project { folder, server, strange }
    }

    async fn pmflow(&self, words: &str) -> Said {
        let mut command = self.folder.command(&words.split_whitespace().collect::<Vec<_>>());
        command.env("OPENAI_API_KEY", "test").env("OPENAI_BASE_URL", self.server.base_url()).env("USER", "ada");
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("the task ends");
        said(output.expect("pmflow can be started"))
    }

    async fn json(&self, words: &str) -> Value {
        let said = self.pmflow(words).await;
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", said.out, said.err))
    }
}

#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert!(!said.err.contains("panicked"), "{}", said.err);
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    let all = format!("{}{}", said.out, said.err);
    for word in words {
        assert!(all.contains(word), "`{word}` is not said:\n{all}");
    }
}

fn dollars(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} of {value:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_holds_over_runs_and_what_was_spent_adds_up() {
    let project = Project::new().await;
    ends(&project.pmflow("run sort.pmflow --yes").await, 0, &["succeeded with 1 of 3 items failed"]);
    let show = project.json("budget show --format json").await;
    let budget = show.pointer("/budgets/0").unwrap_or_else(|| panic!("{show:#}"));
    assert_eq!(budget.get("name").and_then(Value::as_str), Some("sort"), "the flow's own limit per day is a budget");
    let cost = project.json("show last --format json").await;
    let settled = dollars(cost.get("cost").unwrap_or(&Value::Null), "settled");
    assert!(settled > 0.0);
    assert_eq!((dollars(budget, "settled"), dollars(budget, "held")), (settled, 0.0));

    // Less than one call: refused before anything is sent, and it says what to do.
    ends(
        &project.pmflow("budget set user:ada --monthly 0.0000001 --on-exceed suspend").await,
        0,
        &["monthly budget `user` of user ada"],
    );
    let before = project.server.journal().len();
    let refused = project.pmflow("run sort.pmflow --yes").await;
    ends(
        &refused,
        2,
        &["suspended", "is left of the monthly budget `user` of user ada", "pmflow budget raise", "pmflow run --resume"],
    );
    assert_eq!(project.server.journal().len(), before, "nothing was sent");
    ends(&project.pmflow("budget show").await, 0, &["block:", "user ada"]);

    ends(&project.pmflow("budget raise user:ada --monthly 2").await, 0, &["is $2.00 for the period"]);
    ends(&project.pmflow("run --resume last").await, 0, &["succeeded with 1 of 3 items failed"]);
    ends(&project.pmflow("budget ledger user:ada").await, 0, &["held", "spent", "given back", "limit", "run 20"]);
    let usage = project.json("usage --by member --format json").await;
    let ada = usage.pointer("/usage/0").unwrap_or_else(|| panic!("{usage:#}"));
    assert_eq!(ada.get("member").and_then(Value::as_str), Some("ada"));
    assert_eq!(ada.get("calls").and_then(Value::as_u64), Some(4), "{usage:#}");
    assert!((dollars(ada, "spent") - 2.0 * settled).abs() < 1e-9, "{usage:#}");
    for form in ["--format table", "--by model --format bars", "--by flow --format csv"] {
        ends(&project.pmflow(&format!("usage {form}")).await, 0, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_does_what_failed_and_pays_for_nothing_twice() {
    let project = Project::new().await;
    ends(&project.pmflow("run sort.pmflow --yes").await, 0, &["succeeded with 1 of 3 items failed", "pmflow retry 20"]);
    let sent = project.server.journal().len();
    project.strange.store(false, Ordering::SeqCst);
    ends(
        &project.pmflow("retry last --yes").await,
        0,
        &["takes over what run", "succeeded", "3 items done, 0 failed, 3 outputs"],
    );
    assert_eq!(project.server.journal().len(), sent + 1, "only the wild note is asked about");

    // Nothing is left to do; a named step is done again; another definition asks other questions.
    ends(&project.pmflow("retry last --yes").await, 0, &["3 items done"]);
    assert_eq!(project.server.journal().len(), sent + 1);
    ends(&project.pmflow("retry last --yes --from sort/note/mood").await, 0, &["3 items done"]);
    assert_eq!(project.server.journal().len(), sent + 4);
    project.folder.write("sort.pmflow", FLOW.replace("Good or bad?", "How is it, good or bad?"));
    ends(&project.pmflow("retry last --yes --with sort.pmflow").await, 0, &["3 items done"]);
    assert_eq!(project.server.journal().len(), sent + 7);
    ends(&project.pmflow("retry last --yes --from sort/nothing").await, 3, &["the flow has no step `sort/nothing`", "sort/"]);
    ends(&project.pmflow("retry last").await, 3, &["real money needs a yes"]);
}

const DIGEST: &str = r#"type Digest { words: [text](max 400) }

prompt digest(note: text) -> Digest {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 2000 tokens
  user:       "Take it apart. {{ note }}"
}

flow read() {
  budget:     $1.00 per run
  when_short: shrink_request

  let taken = digest("a note") else { words: ["too dear"] }
  output taken.words
}
"#;

/// The cap of the last request, and what `pmflow show` says of it.
async fn last_cap(project: &Project) -> (u64, Value) {
    let journal = project.server.journal();
    let asked = journal.last().map(|entry| entry.asked.output_tokens_max).expect("something was sent");
    (asked, project.json("show last --format json").await.get("shrunk").cloned().unwrap_or_default())
}

/// A call that a budget has no room for, of the run's own and of a shared one.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_shrunk_or_refused_as_the_flow_says() {
    let project = Project::new().await;
    project.folder.write("read.pmflow", DIGEST);
    let cost = project.json("cost read.pmflow --format json").await;
    let ceiling = cost.pointer("/run/ceiling").map(|ceiling| dollars(ceiling, "usd")).expect("it has a ceiling");
    let limit = format!("{:.9}", ceiling * 0.8);

    ends(&project.pmflow(&format!("run read.pmflow --yes --max-cost {limit}")).await, 0, &["succeeded"]);
    let (own, shown) = last_cap(&project).await;
    assert!((1_000..2_000).contains(&own), "{own}");
    assert_eq!(shown.pointer("/0/output_tokens_max").and_then(Value::as_u64), Some(own), "{shown:#}");
    ends(&project.pmflow("show last").await, 0, &["shrunk   1 request, the least to 1,", " of 2,000 tokens"]);

    // A run takes at most half of what others could need as well.
    ends(&project.pmflow(&format!("budget set user:ada --monthly {limit} --on-exceed suspend")).await, 0, &[]);
    ends(&project.pmflow("run read.pmflow --yes").await, 0, &["succeeded"]);
    let (shared, shown) = last_cap(&project).await;
    assert!((500..own).contains(&shared), "{shared}");
    assert_eq!(shown.pointer("/0/declared").and_then(Value::as_u64), Some(2_000), "{shown:#}");

    project.folder.write("read.pmflow", DIGEST.replace("shrink_request", "refuse"));
    let sent = project.server.journal().len();
    ends(&project.pmflow("run read.pmflow --yes").await, 0, &["succeeded"]);
    assert_eq!(project.server.journal().len(), sent, "nothing was sent");
    ends(&project.pmflow("outputs").await, 0, &["too dear"]);
    ends(&project.pmflow("show last").await, 0, &["is left of the monthly budget `user` of user ada"]);

    project.folder.write("read.pmflow", DIGEST.replace("shrink_request", "wait"));
    ends(&project.pmflow("run read.pmflow --yes").await, 2, &["suspended"]);
}

/// A call whose answer was lost stays charged in full, in its run and in its budget, until somebody says what it cost.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_reconciled_once() {
    let project = Project::new().await;
    project.server.then(Reply::Hang);
    project.folder.write("sort.pmflow", FLOW.replace("judge(note.text)", "judge(note.text) timeout 1s"));
    ends(&project.pmflow("run sort.pmflow --yes").await, 0, &["items failed"]);
    let listed = project.pmflow("reconcile last").await;
    ends(&listed, 0, &["mood#1", "pmflow-"]);
    let call = listed.out.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a call").to_owned();
    let unknown = || async { project.json("budget show --format json").await.pointer("/budgets/0").cloned().expect("a budget") };
    assert!(dollars(&unknown().await, "unknown") > 0.0);
    ends(&project.pmflow(&format!("reconcile last {call} --billed 0.00001")).await, 0, &["cost $0.000010"]);
    assert_eq!(dollars(&unknown().await, "unknown"), 0.0, "the shared budget hears of it");
    ends(&project.pmflow(&format!("reconcile last {call} --not-billed")).await, 3, &["is no call of unknown outcome"]);
    ends(&project.pmflow("reconcile last").await, 0, &["the outcome of every call of run", "is known"]);
}
