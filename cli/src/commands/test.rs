use crate::disk::flow_files;
use crate::exit::{Code, Result};
use crate::format::plural;
use crate::loading::load;
use crate::terminal::{Style, Terminal};
use crate::testing;
use pmflow_compiler::emit::tests::test_plans;
use std::path::PathBuf;

/// Run the tests of flows, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow test                            every test of every .pmflow file below this folder
  pmflow test leads.pmflow --filter strong
  pmflow test --format json")]
pub struct Arguments {
    /// Files and folders.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,

    /// Only tests whose title contains this.
    #[arg(long, default_value = "")]
    filter: String,

    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let files = flow_files(&arguments.paths)?;
    let loaded = load(&files)?;
    loaded.print_problems(terminal);
    if !loaded.passes() {
        return Ok(Code::Problems);
    }
    let mut results = Vec::new();
    let (mut passed, mut failed) = (0, 0);
    for test in test_plans(&loaded.checked).iter().filter(|test| test.title.contains(&arguments.filter)) {
        let outcome = testing::run(test);
        let place =
            test.place.as_ref().map(|place| format!("{}:{}:{}", place.file, place.line, place.column)).unwrap_or_default();
        if outcome.failures.is_empty() {
            passed += 1
        } else {
            failed += 1
        }
        if arguments.format == Format::Text {
            report(&outcome, &place, terminal);
        }
        results.push(serde_json::json!({ "title": outcome.title, "place": place, "passed": outcome.failures.is_empty(), "failures": outcome.failures }));
    }
    match arguments.format {
        Format::Json => terminal.line(&format!("{:#}", serde_json::json!({ "version": 1, "tests": results }))),
        Format::Text => terminal.line(&format!("{passed} passed, {failed} failed")),
    }
    if passed + failed == 0 {
        terminal.note(&format!("there is no test in {}", plural(files.len() as u64, "file")));
    }
    Ok(if failed > 0 { Code::Problems } else { Code::Fine })
}

fn report(outcome: &testing::Outcome, place: &str, terminal: &Terminal) {
    if outcome.failures.is_empty() {
        terminal.line(&format!("{} {}", terminal.paint(Style::Good, "pass"), outcome.title));
        return;
    }
    terminal.line(&format!("{} {}  {}", terminal.paint(Style::Bad, "FAIL"), outcome.title, terminal.paint(Style::Quiet, place)));
    for failure in &outcome.failures {
        terminal.line(&format!("  {failure}"));
    }
}
