//! Commands as they are used one after the other.

use crate::examples::small;
use crate::process::{Folder, Said, said};
use std::io::Write as _;
use std::process::Stdio;

#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "`{word}` is not said:\n{}\n{}", said.out, said.err);
    }
}

const COMMANDS: [&str; 30] = [
    "init",
    "check",
    "fmt",
    "explain",
    "cost",
    "models",
    "prices",
    "plan",
    "test",
    "run",
    "runs",
    "show",
    "outputs",
    "cancel",
    "budget",
    "usage",
    "retry",
    "reconcile",
    "approve",
    "reject",
    "deploy",
    "schedule",
    "export",
    "prune",
    "doctor",
    "worker",
    "serve",
    "migrate",
    "completions",
    "lsp",
];

#[test]
fn explain_themselves() {
    let folder = Folder::new();
    insta::assert_snapshot!("help", folder.pmflow("--help").out);
    for command in COMMANDS {
        let said = folder.pmflow(&format!("{command} --help"));
        ends(&said, 0, &["Usage:"]);
        insta::assert_snapshot!(format!("help_{command}"), said.out);
    }
}

#[test]
fn a_wrong_call_could_not_run() {
    let folder = Folder::new();
    for (words, message) in [
        ("bogus", "unrecognized subcommand 'bogus'"),
        ("run --bogus", "unexpected argument '--bogus'"),
        ("outputs --format xml", "possible values: table, csv, json, jsonl"),
        ("outputs --since yesterday", "`yesterday` is no time"),
        ("run", "which flow?"),
        ("run x.pmflow --input topic", "`topic` is not of the form name=value"),
        ("run x.pmflow --max-cost cheap", "`cheap` is no amount of dollars"),
        ("show", "there is no run yet"),
        ("explain E9999", "there is no diagnostic code `E9999`"),
        ("models nosuchmodel", "the catalog has no model `nosuchmodel`"),
    ] {
        ends(&folder.pmflow(words), 3, &[message]);
    }
}

#[test]
fn what_init_writes_is_right_from_the_start() {
    let folder = Folder::new();
    let said = folder.pmflow("init hello");
    ends(&said, 0, &[]);
    insta::assert_snapshot!("init", said.out);
    ends(&folder.pmflow("init hello"), 3, &["is there already; nothing was written"]);
    ends(&folder.pmflow("check hello --deny-warnings"), 0, &["fine: 1 file checked"]);
    ends(&folder.pmflow("fmt --check hello"), 0, &[]);
    ends(&folder.pmflow("test hello/feedback.pmflow"), 0, &["1 passed, 0 failed"]);
    ends(&folder.pmflow("cost hello/feedback.pmflow"), 0, &["ceiling"]);
    ends(&folder.pmflow("run hello/feedback.pmflow --simulate"), 0, &["4 items done, 0 failed, 4 outputs", "simulated"]);
    ends(&folder.pmflow("run hello/feedback.pmflow --dry-run"), 0, &["nothing was run"]);
    ends(&folder.pmflow("run hello/feedback.pmflow"), 3, &["OPENAI_API_KEY"]);
    ends(&folder.pmflow("run hello/feedback.pmflow --yes"), 3, &["OPENAI_API_KEY", "--simulate"]);
    ends(&folder.pmflow("run hello/feedback.pmflow --simulate --input topic=x"), 3, &["has no input `topic`"]);
    ends(&folder.pmflow("run hello/feedback.pmflow --simulate speed=9"), 3, &["`speed` is no option of the simulated model"]);
    ends(&folder.pmflow("run hello/feedback.pmflow:sort --simulate"), 3, &["has no flow `sort`", "`sort_feedback`"]);
}

#[test]
fn a_flow_is_chosen_where_there_are_several() {
    let folder = Folder::new();
    folder.write("two.pmflow", "flow first() {\n  output 1\n}\n\nflow second(count: int) {\n  output count\n}\n");
    ends(&folder.pmflow("run two.pmflow --simulate"), 3, &["has several flows: `first`, `second`", "two.pmflow:first"]);
    ends(&folder.pmflow("run two.pmflow:third --simulate"), 3, &["has no flow `third`"]);
    ends(&folder.pmflow("run two.pmflow:second --simulate"), 3, &["`count`"]);
    ends(&folder.pmflow("run two.pmflow:second --simulate --input count=many"), 3, &["`count`", "int"]);
    ends(&folder.pmflow("run two.pmflow:second --simulate --input coutn=3"), 3, &["has no input `coutn`", "`count`"]);
    ends(&folder.pmflow("run two.pmflow:second --simulate --input count=3"), 0, &["1 output"]);
    let outputs = folder.pmflow("outputs --format jsonl --fields value").out;
    assert_eq!(outputs, "{\"value\":3}\n");
    ends(&folder.pmflow("outputs --tag none"), 0, &["no outputs match"]);
}

/// A shell that reads the completions knows every command.
#[test]
fn completions_name_every_command() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = folder.pmflow(&format!("completions {shell}"));
        ends(&said, 0, &COMMANDS);
    }
    let script = folder.write("completions.bash", folder.pmflow("completions bash").out);
    let read = std::process::Command::new("bash").arg("-n").arg(script).output().expect("bash can be started");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

/// A spreadsheet takes what begins with these signs for a formula and computes it.
#[test]
fn csv_outputs_are_safe_in_a_spreadsheet() {
    let folder = Folder::new();
    let cells = r#"{ a: "=1+1", b: "+x", c: "@x", d: "-2+3", e: "-1.5", f: "say \"hi\", twice", g: "two\nlines", h: "\t=1" }"#;
    folder.write("cells.pmflow", format!("flow cells() {{\n  output {cells} tagged [\"=tag\"]\n}}\n"));
    ends(&folder.pmflow("run cells.pmflow --simulate"), 0, &[]);
    let said = folder.pmflow("outputs --format csv");
    ends(&said, 0, &[]);
    let (_, cells) = said.out.split_once("'=tag").expect("a tag is a cell too");
    assert_eq!(cells, ",'=1+1,'+x,'@x,'-2+3,-1.5,\"say \"\"hi\"\", twice\",\"two\nlines\",'\t=1\n");
    assert!(folder.pmflow("outputs --format json").out.contains("\"=1+1\""), "JSON keeps the text as it is");
}

#[test]
fn formatting_changes_no_plan() {
    let folder = Folder::new();
    let messy = "flow   f( count:int=3 ) {   output   { a:\"x\",b:count+1 } tagged [ \"t\" ]\n\n\n}\n";
    folder.write("messy.pmflow", messy);
    let before = folder.pmflow("plan messy.pmflow --id");
    ends(&before, 0, &["plan_"]);
    ends(&folder.pmflow("fmt --check messy.pmflow"), 1, &["would format messy.pmflow"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("messy.pmflow")).unwrap(), messy, "--check changes nothing");
    ends(&folder.pmflow("fmt messy.pmflow"), 0, &["formatted messy.pmflow"]);
    assert_ne!(std::fs::read_to_string(folder.path().join("messy.pmflow")).unwrap(), messy);
    ends(&folder.pmflow("fmt --check messy.pmflow"), 0, &[]);
    assert_eq!(folder.pmflow("plan messy.pmflow --id").out, before.out);

    let mut piped = folder.command(&["fmt", "-"]);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(messy.as_bytes()).unwrap();
    let piped = said(piped.wait_with_output().unwrap());
    assert_eq!(piped.out, std::fs::read_to_string(folder.path().join("messy.pmflow")).unwrap());
}

#[test]
fn codes_and_models_are_explained() {
    let folder = Folder::new();
    let story = folder.pmflow("explain E0301");
    ends(&story, 0, &["E0301: Missing setting", "max_output"]);
    insta::assert_snapshot!("explain", story.out);
    let all = folder.pmflow("explain").out;
    assert!(all.lines().count() > 60 && all.lines().all(|line| line.starts_with(['E', 'W', 'H'])), "{all}");
    let found = folder.pmflow("models gpt-6-luna").out;
    assert!(found.contains("openai/gpt-6-luna") && !found.contains("anthropic/"), "{found}");
    ends(&folder.pmflow("models openai/gpt-6-luna"), 0, &["window         1050000 tokens", "Prices", "as of"]);
}

/// A run that asks a person is left, decided from outside, and goes on with the decision.
#[test]
fn approve_and_reject_decide_how_a_run_goes_on() {
    for (decision, tag, other) in [("approve", "reviewed", "held"), ("reject", "held", "reviewed")] {
        let folder = small("content-moderation");
        ends(&folder.pmflow("run moderation.pmflow --simulate"), 0, &["suspended", "run --resume"]);
        let shown = folder.pmflow("show last");
        ends(&shown, 0, &["waits for a decision", "pmflow approve", "pmflow reject"]);
        let calls =
            |folder: &Folder| folder.pmflow("show last").out.lines().find(|line| line.contains("tokens")).map(str::to_owned);
        let before = calls(&folder);
        ends(&folder.pmflow(&format!("{decision} last")), 0, &["to go on: pmflow run --resume"]);
        ends(&folder.pmflow("run --resume last"), 0, &["succeeded"]);
        let outputs = |tag: &str| folder.pmflow(&format!("outputs --format jsonl --tag {tag}")).out.lines().count();
        assert!(outputs(tag) > 0, "{decision}: {}", folder.pmflow("outputs").out);
        assert_eq!(outputs(other), 0, "{decision}");
        assert_eq!(calls(&folder), before, "no call is repeated");
        ends(&folder.pmflow(&format!("{decision} last")), 3, &["no step of run", "asks for a decision"]);
        ends(&folder.pmflow("run --resume last"), 3, &["succeeded; there is nothing to resume"]);
    }
}

#[test]
fn cancel_ends_a_run_for_good() {
    let folder = small("content-moderation");
    ends(&folder.pmflow("run moderation.pmflow --simulate"), 0, &["suspended"]);
    let before = folder.pmflow("outputs --format jsonl").out;
    ends(&folder.pmflow("cancel last"), 0, &["is cancelled"]);
    ends(&folder.pmflow("runs"), 0, &["cancelled"]);
    ends(&folder.pmflow("cancel last"), 0, &["has ended already: cancelled"]);
    ends(&folder.pmflow("run --resume last"), 3, &["cancelled; there is nothing to resume"]);
    ends(&folder.pmflow("cancel 1999"), 3, &["there is no run `1999`"]);
    assert_eq!(folder.pmflow("outputs --format jsonl").out, before, "what was stored stays");
}

/// A limit that is too small ends the run as a broken budget, before anything is spent; with more it goes on.
/// Limits of zero, below zero and beyond everything: what they mean is said before anything is spent.
#[test]
fn absurd_limits_are_refused_or_explained() {
    let folder = small("hello");
    for (words, said) in [
        ("run hello.pmflow --simulate --max-cost -1", "`-1` is less than nothing; write an amount of dollars, such as 0.25"),
        ("run hello.pmflow --simulate --max-cost $-1", "`$-1` is less than nothing"),
        ("run hello.pmflow --simulate --max-cost 1e99", "`1e99` is no amount of dollars, such as 0.25"),
        ("budget set team --daily -1", "`-1` is less than nothing"),
        ("budget set team -5", "`-5`: is that per day or per month?"),
        ("budget raise team 5", "`5`: is that per day or per month?"),
        ("budget raise team", "--daily DOLLARS, --monthly DOLLARS, or both"),
        ("budget set team --monthly 99999999", "at most $9,223,372). Nothing was recorded"),
        ("budget set team --daily 5 --zone Mars/Base", "there is no time zone `Mars/Base`"),
    ] {
        ends(&folder.pmflow(words), 3, &[said]);
    }
    ends(&folder.pmflow("budget set team --daily 0"), 0, &["nothing can be spent under it"]);
    let refused = folder.pmflow("run hello.pmflow --simulate --max-cost 0");
    ends(&refused, 2, &["$0.00 of the run's budget is left", "--max-cost DOLLARS"]);
    ends(&folder.pmflow("run hello.pmflow --simulate --max-cost 99999999999999999999"), 0, &["succeeded"]);
}

#[test]
fn a_limit_that_is_too_small_can_be_raised() {
    let folder = small("content-moderation");
    let refused = folder.pmflow("run moderation.pmflow --simulate --max-cost 0.00001");
    ends(&refused, 2, &["of the run's budget is left", "raise the budget and resume the run", "--max-cost"]);
    ends(&folder.pmflow("show last"), 0, &["$0 settled; limit $0.000010"]);
    ends(&folder.pmflow("run --resume last"), 3, &["its budget was used up", "--max-cost DOLLARS"]);
    ends(&folder.pmflow("run --resume last --max-cost 1 --approvals approve"), 0, &["succeeded", "10 items done"]);
    ends(&folder.pmflow("show last"), 0, &["limit $1.00"]);
    assert_eq!(folder.pmflow("outputs --format jsonl").out.lines().count(), 8);
}

/// The end line says how many items failed, and the lines below it which, at which step and where that stands.
#[test]
fn failed_items_are_named_with_their_step_and_line() {
    let folder = small("content-moderation");
    let all = folder.pmflow("run moderation.pmflow --simulate refusal=100%");
    ends(&all, 3, &["ended with all 8 items failed", "moderate/judged", "  at moderation.pmflow:", "declined to answer"]);
    let some = folder.pmflow("run moderation.pmflow --simulate refusal=50% --approvals approve");
    ends(&some, 0, &["succeeded with", "items failed", "  at moderation.pmflow:"]);
}
