//! `mode: batch` against a provider on this machine: one batch for all that waits, found again after a kill or a pause.

use crate::moderation::Provider;
use crate::process::{Folder, Said, said};
use pmflow_plan::Usage;
use pmflow_providers::scripted::{Asked, Batching, Reply};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

/// $0.10 and $0.50 per million tokens, and half of that in a batch.
const FLOW: &str = r#"enum Mood { good, bad }

prompt judge(note: text) -> Mood {
  model:      "openai/gpt-6-luna"
  mode:       batch
  max_input:  100 tokens
  max_output: 20 tokens
  user:       "Good or bad? {{ note }}"
}

prompt console(note: text) -> text(max 200 chars) {
  model:      "openai/gpt-6-luna"
  mode:       batch
  max_input:  200 tokens
  max_output: 40 tokens
  user:       "Console who wrote this: {{ note }}"
}

flow moods() {
  concurrency: 4
  source notes = csv("notes.csv") limit 100 expect 30
  for note in notes key note.id {
    let mood = judge(note.text)
    if mood == Mood.bad {
      let words = console(note.text)
      output { id: note.id, words: words }
    }
    output { id: note.id, mood: mood }
  }
}
"#;

fn provider() -> Provider {
    Provider::saying(|asked| Reply::text(answer(asked)))
}

/// Depends on the request alone. Every third note is a bad one.
fn answer(asked: &Asked) -> String {
    let text = asked.messages.last().map_or("", |(_, text)| text.as_str());
    match (text.starts_with("Console"), text.contains("gloom")) {
        (true, _) => "It gets better.".to_owned(),
        (false, true) => r#"{"value":"bad"}"#.to_owned(),
        (false, false) => r#"{"value":"good"}"#.to_owned(),
    }
}

fn folder(rows: usize) -> Folder {
    let folder = Folder::new();
    let row = |number: usize| format!("{number},{}\n", if number.is_multiple_of(3) { "all is gloom" } else { "all is well" });
    folder.write("notes.csv", "id,text\n".to_owned() + &(1..=rows).map(row).collect::<String>());
    folder.write("moods.pmflow", FLOW);
    folder
}

fn run(provider: &Provider, folder: &Folder, words: &[&str]) -> Said {
    said(provider.command(folder, words).output().expect("pmflow can be started"))
}

const RUN: [&str; 3] = ["run", "moods.pmflow", "--yes"];
const RESUME: [&str; 5] = ["run", "--resume", "last", "--max-cost", "1"];

#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "`{word}` is not said:\n{}\n{}", said.out, said.err);
    }
}

fn shown(folder: &Folder, words: &str) -> Value {
    let said = folder.pmflow(words);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{words}: {error}\n{}\n{}", said.out, said.err))
}

fn outputs(folder: &Folder) -> Vec<String> {
    let said = folder.pmflow("outputs --format jsonl --fields value");
    ends(&said, 0, &[]);
    said.out.lines().map(str::to_owned).collect()
}

/// In dollars, at so many pico-dollars for a token in and out.
fn price(usage: &Usage, input: u64, output: u64) -> String {
    let pico = usage.input_tokens.unwrap_or(0) * input + usage.output_tokens.unwrap_or(0) * output;
    pmflow_plan::Money::from_pico(i128::from(pico)).to_decimal()
}

fn batches(provider: &Provider) -> BTreeSet<Option<String>> {
    provider.server.journal().into_iter().map(|entry| entry.batch).collect()
}

fn start(provider: &Provider, folder: &Folder) -> Child {
    let mut command = provider.command(folder, &RUN);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pmflow can be started")
}

/// Until the provider has a batch, and the run knows its name.
fn until_submitted(folder: &Folder, process: &mut Child) {
    loop {
        assert!(process.try_wait().expect("a child can be asked").is_none(), "the run ended before its batch did");
        let runs = folder.pmflow("show last --format json");
        if runs.out.contains("\"awaited\": 3") {
            return;
        }
        std::thread::yield_now();
    }
}

fn interrupt(process: &mut Child) -> Option<i32> {
    let sent = Command::new("kill").args(["-INT", &process.id().to_string()]).status().expect("kill can be started");
    assert!(sent.success());
    process.wait().expect("a child can be waited for").code()
}

#[test]
fn a_loop_is_one_batch_and_what_needs_its_answers_another_one() {
    let (provider, folder) = (provider(), folder(30));
    ends(&folder.pmflow("cost moods.pmflow"), 0, &["moods"]);
    let done = run(&provider, &folder, &RUN);
    ends(&done, 0, &["answers of console, judge come from the provider's batches", "30 items done"]);
    assert_eq!(provider.server.journal().len(), 40);
    assert_eq!(batches(&provider), ["batch_1", "batch_2"].map(|name| Some(name.to_owned())).into());
    let billed = provider.server.billed();
    assert_eq!(shown(&folder, "show last --format json")["cost"]["settled"], json!(price(&billed, 50_000, 250_000)));
    assert_eq!(outputs(&folder).len(), 40);
}

#[test]
fn killed_at_every_boundary_a_run_finds_its_batch_again() {
    let undisturbed = (provider(), folder(3));
    ends(&run(&undisturbed.0, &undisturbed.1, &RUN), 0, &[]);
    let expected = outputs(&undisturbed.1);
    let mut killed = 0;
    for boundary in 1.. {
        let (provider, folder) = (provider(), folder(3));
        let mut command = provider.command(&folder, &RUN);
        let first = said(command.env("PMFLOW_FAULT", format!("any:{boundary}")).output().expect("pmflow can be started"));
        if first.code == Some(0) {
            break;
        }
        assert_eq!(first.code, None, "killed at boundary {boundary}, not ended: {}", first.err);
        killed += 1;
        match folder.pmflow("runs --format json").out {
            runs if runs.contains("\"running\"") => ends(&run(&provider, &folder, &RESUME), 0, &[]),
            runs if runs.contains("\"succeeded\"") => {}
            _ => ends(&run(&provider, &folder, &RUN), 0, &[]),
        }
        assert_eq!(outputs(&folder), expected, "boundary {boundary}");
        // Only a batch that was being handed over is handed over again; its calls stay charged.
        let cost = &shown(&folder, "show last --format json")["cost"];
        let (sent, unknown) = (provider.server.journal().len(), cost["unknown"] != json!("0"));
        assert!(sent == 4 || (unknown && sent <= 7), "boundary {boundary}: {sent} requests, {cost}");
    }
    assert!(killed >= 10, "killed only {killed} times");
}

#[test]
fn a_run_that_waits_for_a_batch_is_suspended_at_once_and_sends_nothing_again() {
    let (provider, folder) = (provider(), folder(3));
    provider.server.batches(Batching::Held);
    let mut process = start(&provider, &folder);
    until_submitted(&folder, &mut process);
    assert_eq!(interrupt(&mut process), Some(130));
    ends(&folder.pmflow("show last"), 0, &["suspended", "batch_1 of openai/gpt-6-luna: 3 answers awaited"]);
    provider.server.batches(Batching::Prompt);
    ends(&run(&provider, &folder, &["run", "--resume", "last"]), 0, &["3 items done"]);
    assert_eq!(provider.server.journal().len(), 4);
    let billed = provider.server.billed();
    assert_eq!(shown(&folder, "show last --format json")["cost"]["settled"], json!(price(&billed, 50_000, 250_000)));
}

#[test]
fn a_cancelled_run_tells_the_provider_and_pays_what_was_answered() {
    let (provider, folder) = (provider(), folder(3));
    provider.server.batches(Batching::Held);
    let mut process = start(&provider, &folder);
    until_submitted(&folder, &mut process);
    ends(&folder.pmflow("cancel last"), 0, &[]);
    assert_eq!(process.wait().expect("a child can be waited for").code(), Some(3));
    // Of three, the provider had answered two.
    let billed = provider.server.billed();
    let cost = &shown(&folder, "show last --format json")["cost"];
    assert_eq!((&cost["settled"], &cost["unknown"]), (&json!(price(&billed, 50_000, 250_000)), &json!("0")), "{cost}");
    assert!(billed.output_tokens > Some(0));
}

#[test]
fn cancelled_while_it_is_suspended_a_run_keeps_its_calls_charged() {
    let (provider, folder) = (provider(), folder(3));
    provider.server.batches(Batching::Held);
    let mut process = start(&provider, &folder);
    until_submitted(&folder, &mut process);
    interrupt(&mut process);
    ends(&run(&provider, &folder, &["cancel", "last"]), 0, &["cancelled"]);
    let run = shown(&folder, "show last --format json");
    assert_eq!((&run["status"], &run["cost"]["held"]), (&json!("cancelled"), &json!("0")), "{run}");
    assert_ne!(run["cost"]["unknown"], json!("0"), "nobody asked what the provider had answered");
    provider.server.batches(Batching::Prompt);
}

#[test]
fn without_batches_requests_go_out_one_by_one() {
    let (provider, folder) = (provider(), folder(6));
    provider.server.batches(Batching::Absent);
    ends(&run(&provider, &folder, &RUN), 0, &["6 items done"]);
    assert_eq!(batches(&provider), [None].into());
    let billed = provider.server.billed();
    assert_eq!(shown(&folder, "show last --format json")["cost"]["settled"], json!(price(&billed, 100_000, 500_000)));
}

#[test]
fn simulated_batches_cost_what_batches_cost() {
    let folder = folder(3);
    ends(&folder.pmflow("run moods.pmflow --simulate seed=3"), 0, &["3 items done"]);
    ends(&folder.pmflow("test moods.pmflow"), 0, &[]);
}
