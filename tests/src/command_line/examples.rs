//! Every example is checked, laid out, priced, tested and run offline.

use crate::directory::Directory;
use crate::process::{Folder, Said};

pub const EXAMPLES: [(&str, &str); 6] = [
    ("hello", "hello.pmflow"),
    ("lead-qualification", "leads.pmflow"),
    ("email-generator", "emails.pmflow"),
    ("content-moderation", "moderation.pmflow"),
    ("blog-post", "blog.pmflow"),
    ("contact-enrichment", "enrichment.pmflow"),
];

/// The first rows of the collection: enough to branch on, few enough to be killed at every step.
pub fn small(example: &str) -> Folder {
    let folder = Folder::with_example(example);
    if example == "content-moderation" {
        let path = folder.path().join("sms-spam-collection.tsv");
        let rows = std::fs::read_to_string(&path).expect("the collection can be read");
        let head: String = rows.split_inclusive('\n').take(9).collect();
        std::fs::write(&path, head).expect("the collection can be shortened");
    }
    folder
}

fn each(check: impl Fn(&str, &str, &Folder)) {
    for (example, file) in EXAMPLES {
        check(example, file, &small(example));
    }
}

fn fine(said: &Said, what: &str) {
    assert_eq!(said.code, Some(0), "{what}\n--- out\n{}\n--- err\n{}", said.out, said.err);
}

#[test]
fn are_checked_without_a_problem() {
    each(|example, file, folder| {
        let said = folder.pmflow(&format!("check {file} --deny-warnings"));
        fine(&said, example);
        assert_eq!(said.err.trim(), "fine: 1 file checked", "{example}");
    });
}

#[test]
fn have_the_one_layout() {
    each(|example, _, folder| fine(&folder.pmflow("fmt --check ."), example));
}

#[test]
fn pass_their_own_tests() {
    for (example, file) in EXAMPLES.iter().filter(|(example, _)| *example != "hello") {
        let said = small(example).pmflow(&format!("test {file}"));
        fine(&said, example);
        assert!(said.out.contains(" passed, 0 failed"), "{example}: {}", said.out);
    }
}

#[test]
fn are_priced() {
    each(|example, file, folder| {
        let said = folder.pmflow(&format!("cost {file}"));
        fine(&said, example);
        insta::assert_snapshot!(format!("cost_{example}"), said.out);
    });
}

#[test]
fn run_offline() {
    let directory = Directory::start();
    each(|example, file, folder| {
        let said = directory.run(folder, &["run", file, "--simulate", "--approvals", "approve"]);
        fine(&said, example);
        assert!(said.err.contains("simulated"), "{example} must say that its answers are simulated: {}", said.err);
        let outputs = folder.pmflow("outputs --format jsonl");
        fine(&outputs, example);
        assert!(!outputs.out.trim().is_empty(), "{example} stored no output");
    });
}

/// The README's first command is given from the folder above, and so are those that look at what it did.
#[test]
fn a_run_is_found_from_where_it_was_started() {
    let folder = Folder::new();
    let below = folder.path().join("flows");
    std::fs::create_dir(&below).expect("a folder can be made");
    std::fs::copy(crate::process::examples().join("hello/hello.pmflow"), below.join("hello.pmflow"))
        .expect("a file can be copied");
    fine(&folder.pmflow("run flows/hello.pmflow --simulate"), "run");
    let runs = folder.pmflow("runs");
    fine(&runs, "runs");
    assert!(runs.out.contains("succeeded"), "{}", runs.out);
    assert!(!below.join(".pmflow").exists(), "nothing is written beside the flow");
}
