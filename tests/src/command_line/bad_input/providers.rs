//! Providers that hang, drip, lie and talk nonsense, on a socket of this machine.

use super::ends;
use crate::process::{Folder, Said, said};
use pmflow_providers::scripted::{Asked, Reply, Reported, Scripted, ScriptedAnswer};
use serde_json::{Value, json};
use std::time::Duration;

const FLOW: &str = r#"enum Mood { good, bad }

prompt judge(note: text) -> Mood {
  model:      "openai/gpt-6-luna"
  max_input:  200 tokens
  max_output: 20 tokens
  user:       "Good or bad? {{ note }}"
}

flow sort() {
  on_error: skip
  budget:   $1.00 per run

  source notes: [{ id: text, text: text }] = json("notes.json") limit 10

  for note in notes key note.id {
    let mood = judge(note.text) timeout 30s retry 1
    output { id: note.id, mood: mood }
  }
}
"#;

const NOTES: &str = r#"[{ "id": "calm", "text": "fine" }, { "id": "wild", "text": "STRANGE" }]"#;

/// Answers one note as it should, and the other as the case says.
struct Case {
    folder: Folder,
    server: Scripted,
    said: Said,
}

fn strange(asked: &Asked) -> bool {
    asked.messages.iter().any(|(_, text)| text.contains("STRANGE"))
}

fn good() -> Reply {
    Reply::text(r#"{"value":"good"}"#)
}

async fn run(flow: &str, reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Case {
    let server = Scripted::start().await.expect("a port of this machine is free");
    server.otherwise(move |asked| if strange(asked) { reply(asked) } else { Reply::Answer(ScriptedAnswer::default()) });
    let folder = Folder::new();
    folder.write("sort.pmflow", flow);
    folder.write("notes.json", NOTES);
    let mut command = folder.command(&["run", "sort.pmflow", "--yes"]);
    command.env("OPENAI_API_KEY", "test").env("OPENAI_BASE_URL", server.base_url());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("the task ends");
    Case { folder, said: said(output.expect("pmflow can be started")), server }
}

impl Case {
    fn show(&self) -> Value {
        let shown = self.folder.pmflow("show last --format json");
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        serde_json::from_str(&shown.out).expect("`show --format json` is JSON")
    }

    /// What the ledger says: settled, held and of unknown outcome, in dollars.
    fn cost(&self) -> [f64; 3] {
        let whole = self.show();
        ["settled", "held", "unknown"].map(|part| {
            let amount = whole.pointer(&format!("/cost/{part}")).expect("the cost has its parts");
            amount.as_str().and_then(|text| text.parse().ok()).or(amount.as_f64()).unwrap_or_else(|| panic!("{whole:#}"))
        })
    }

    /// The calm note is stored, the wild one is named as failed for this reason, and nothing stays held.
    #[track_caller]
    fn only_the_wild_note_failed(&self, attempts: usize, words: &[&str]) {
        ends(&self.said, 0, &["1 item done, 1 failed, 1 output"]);
        let failed = self.folder.pmflow("show last --failed");
        ends(&failed, 0, &["sort/note[wild]/mood", "sort.pmflow:17"]);
        ends(&failed, 0, words);
        assert!(!failed.out.contains("note[calm]"), "{}", failed.out);
        let outputs = self.folder.pmflow("outputs --format jsonl --fields value").out;
        assert!(outputs.contains("\"calm\"") && outputs.lines().count() == 1, "{outputs}");
        let asked = self.server.journal().iter().filter(|entry| strange(&entry.asked)).count();
        assert_eq!(asked, attempts, "{}", failed.out);
        assert_eq!(self.cost()[1], 0.0, "nothing stays held");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_hang() {
    for reply in [Reply::Hang, Reply::HangAfterHeaders] {
        let case = run(&FLOW.replace("30s", "3s"), move |_| reply.clone()).await;
        case.only_the_wild_note_failed(2, &["within 3 s"]);
        let [settled, _, unknown] = case.cost();
        assert!(settled > 0.0 && unknown > 0.0, "what may have been billed stays charged: {:#}", case.show()["cost"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_drip() {
    let drip = Reply::Drip { answer: ScriptedAnswer::default(), pause: Duration::from_millis(300) };
    let case = run(&FLOW.replace("30s", "3s"), move |_| drip.clone()).await;
    case.only_the_wild_note_failed(2, &["within 3 s"]);
    assert!(case.cost()[2] > 0.0, "{:#}", case.show()["cost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_cut_the_answer_or_the_connection() {
    let cut = Reply::Cut { answer: ScriptedAnswer::default(), bytes: 30 };
    for reply in [cut, Reply::Reset] {
        let case = run(FLOW, move |_| reply.clone()).await;
        case.only_the_wild_note_failed(2, &["OpenAI", "connection"]);
        assert!(case.cost()[2] > 0.0, "{:#}", case.show()["cost"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_send_broken_json_or_bad_utf8() {
    let cases: [(&[u8], &[&str]); 5] = [
        (b"{\"choices\": [{", &["not JSON", "EOF while parsing"]),
        (b"\xff\xfe\x80 not text", &["not UTF-8"]),
        (b"<html>Bad gateway</html>", &["web page", "`base_url` is wrong"]),
        (b"", &["the body is empty"]),
        (b"null", &["JSON that is no answer of its API"]),
    ];
    for (body, words) in cases {
        let case = run(FLOW, move |_| Reply::raw(body)).await;
        case.only_the_wild_note_failed(2, &[&["OpenAI"][..], words].concat());
        assert!(case.cost()[2] > 0.0, "{:#}", case.show()["cost"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_answer_200_with_an_error() {
    let body = json!({ "error": { "message": "The engine is on holiday.", "type": "server_error", "code": null } }).to_string();
    let case = run(FLOW, move |_| Reply::raw(body.clone())).await;
    case.only_the_wild_note_failed(2, &["The engine is on holiday."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_refuse_the_key_are_not_asked_again() {
    let body = json!({ "error": { "message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key" } });
    let case = run(FLOW, move |_| Reply::status(401, body.to_string())).await;
    case.only_the_wild_note_failed(1, &["OPENAI_API_KEY", "401"]);
    assert_eq!(case.cost()[2], 0.0, "a refused key costs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_answer_outside_the_schema() {
    let case = run(FLOW, move |_| Reply::text("\"splendid\"")).await;
    case.only_the_wild_note_failed(1, &["does not fit"]);
    let [settled, _, unknown] = case.cost();
    assert!(settled > 0.0 && unknown == 0.0, "an answer that does not fit is paid for: {:#}", case.show()["cost"]);
}

/// Whatever a provider claims to have counted, the run never spends beyond what was held, silently or not.
#[tokio::test(flavor = "multi_thread")]
async fn that_lie_about_usage() {
    let lies = [
        Reported::Missing,
        Reported::Verbatim(json!({ "prompt_tokens": -5, "completion_tokens": -1, "total_tokens": -6 })),
        Reported::Verbatim(json!({ "prompt_tokens": 1e300, "completion_tokens": 2, "total_tokens": 3 })),
        Reported::Verbatim(json!("many")),
        Reported::Verbatim(
            json!({ "prompt_tokens": 9_000_000_000_u64, "completion_tokens": 9_000_000_000_u64, "total_tokens": 18_000_000_000_u64 }),
        ),
        Reported::Verbatim(json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 })),
    ];
    for lie in lies {
        let told = format!("{lie:?}");
        let answer = ScriptedAnswer { usage: lie, ..ScriptedAnswer::default() };
        let case = run(FLOW, move |_| Reply::Answer(answer.clone())).await;
        assert!(!case.said.err.contains("panicked"), "{told}: {}", case.said.err);
        assert!(matches!(case.said.code, Some(0 | 2)), "{told}: {:?} {}", case.said.code, case.said.err);
        assert_eq!(case.cost()[1], 0.0, "{told}");
        let outputs = case.folder.pmflow("outputs --format jsonl --fields value").out;
        assert!(outputs.contains("\"calm\""), "{told}: {outputs}");
    }
}

/// Without `on_error: skip` the run fails, names the item, and can be resumed once the provider is well again.
#[tokio::test(flavor = "multi_thread")]
async fn that_recover_let_the_run_go_on() {
    let case = run(&FLOW.replace("on_error: skip", "on_error: stop"), |_| Reply::raw("{")).await;
    ends(&case.said, 3, &["failed", "pmflow run --resume"]);
    ends(&case.folder.pmflow("show last --failed"), 0, &["sort/note[wild]/mood"]);
    case.server.otherwise(|_| good());
    let mut command = case.folder.command(&["run", "--resume", "last", "--yes"]);
    command.env("OPENAI_API_KEY", "test").env("OPENAI_BASE_URL", case.server.base_url());
    let resumed = tokio::task::spawn_blocking(move || command.output()).await.expect("the task ends");
    ends(&said(resumed.expect("pmflow can be started")), 0, &["2 outputs"]);
    let calm = case.server.journal().iter().filter(|entry| !strange(&entry.asked)).count();
    assert_eq!(calm, 1, "what was paid for is not asked again");
}
