//! A process is killed at every commit and every dispatch, resumed, and must end as if nothing had happened.

use crate::directory::Directory;
use crate::examples::{EXAMPLES, small};
use crate::moderation::Provider;
use crate::process::{Folder, said};
use std::sync::atomic::Ordering;

/// What a user keeps of a run: its outputs, in order.
fn outputs(folder: &Folder) -> String {
    let said = folder.pmflow("outputs --format jsonl --fields value,tags");
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
}

fn run(directory: &Directory, folder: &Folder, words: &[&str], fault: Option<String>) -> crate::process::Said {
    let mut command = directory.command(folder, words);
    if let Some(fault) = fault {
        command.env("PMFLOW_FAULT", fault);
    }
    said(command.output().expect("pmflow can be started"))
}

/// Where runs are kept in a case.
#[derive(Clone, Copy)]
enum Kept {
    InAFile,
    OnAServer,
}

impl Kept {
    fn small(self, example: &str) -> Folder {
        match self {
            Kept::InAFile => small(example),
            Kept::OnAServer => small(example).on_server(),
        }
    }
}

fn every_boundary(example: &str, file: &str, kept: Kept) {
    let directory = Directory::start();
    let words = ["run", file, "--simulate", "--approvals", "approve"];
    let undisturbed = kept.small(example);
    assert_eq!(run(&directory, &undisturbed, &words, None).code, Some(0), "{example} runs");
    let expected = outputs(&undisturbed);

    let mut killed = 0;
    for boundary in 1.. {
        let folder = kept.small(example);
        let first = run(&directory, &folder, &words, Some(format!("any:{boundary}")));
        if first.code == Some(0) {
            break;
        }
        assert_eq!(first.code, None, "{example} is killed at boundary {boundary}, not ended: {}", first.err);
        killed += 1;
        // Killed before anything was committed, there is no run to resume: it is started anew. What may have been sent
        // stays charged, so that the proven ceiling may not suffice for a second call.
        let resumed = match folder.pmflow("runs --format json").out.contains("\"running\"") {
            true => run(&directory, &folder, &["run", "--resume", "last", "--approvals", "approve", "--max-cost", "1"], None),
            false => run(&directory, &folder, &words, None),
        };
        assert_eq!(resumed.code, Some(0), "{example} after boundary {boundary}:\n{}", resumed.err);
        assert_eq!(outputs(&folder), expected, "{example} after boundary {boundary}");
    }
    assert!(killed >= 6, "{example} was killed only {killed} times");
}

#[test]
fn at_every_boundary_of_hello() {
    every_boundary(EXAMPLES[0].0, EXAMPLES[0].1, Kept::InAFile);
}

#[test]
fn at_every_boundary_of_lead_qualification() {
    every_boundary(EXAMPLES[1].0, EXAMPLES[1].1, Kept::InAFile);
}

#[test]
fn at_every_boundary_of_email_generator() {
    every_boundary(EXAMPLES[2].0, EXAMPLES[2].1, Kept::InAFile);
}

#[test]
fn at_every_boundary_of_content_moderation() {
    every_boundary(EXAMPLES[3].0, EXAMPLES[3].1, Kept::InAFile);
}

#[test]
fn at_every_boundary_of_blog_post() {
    every_boundary(EXAMPLES[4].0, EXAMPLES[4].1, Kept::InAFile);
}

#[test]
fn at_every_boundary_of_contact_enrichment() {
    every_boundary(EXAMPLES[5].0, EXAMPLES[5].1, Kept::InAFile);
}

#[test]
fn at_every_boundary_of_hello_on_a_server() {
    every_boundary(EXAMPLES[0].0, EXAMPLES[0].1, Kept::OnAServer);
}

#[test]
fn at_every_boundary_of_email_generator_on_a_server() {
    every_boundary(EXAMPLES[2].0, EXAMPLES[2].1, Kept::OnAServer);
}

#[test]
fn at_every_boundary_of_contact_enrichment_on_a_server() {
    every_boundary(EXAMPLES[5].0, EXAMPLES[5].1, Kept::OnAServer);
}

/// After a cancel is acknowledged no call starts, whoever takes the run up: the call that the dead process owed neither.
#[test]
fn cancelled_while_its_process_was_dead_a_run_sends_nothing() {
    let provider = Provider::start();
    let folder = small("hello");
    let mut command = provider.command(&folder, &["run", "hello.pmflow", "--yes"]);
    let killed = said(command.env("PMFLOW_FAULT", "dispatch:1").output().expect("pmflow can be started"));
    assert_eq!(killed.code, None, "it is killed before its one call is sent: {}", killed.err);

    let cancelled = said(provider.command(&folder, &["cancel", "last"]).output().expect("pmflow can be started"));
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.err);
    assert!(cancelled.out.contains("is cancelled"), "{}", cancelled.out);
    assert_eq!(provider.answered.load(Ordering::SeqCst), 0, "nothing was sent");
    let runs = folder.pmflow("runs --format json");
    assert!(runs.out.contains("\"cancelled\"") && runs.out.contains("\"held\": \"0\""), "{}", runs.out);
}
