//! What a project makes of its warnings.

use pmflow_compiler::cost::Catalog;
use pmflow_compiler::lints::{Level, Levels, LintedFile, lint, silenced};
use pmflow_compiler::problems::{Problem, Problems};
use pmflow_compiler::syntax::{Parsed, parse};
use pmflow_compiler::{FileId, Span};
use pmflow_tests::world::TODAY;

const FLOW: &str = "flow f(x: int) {\n  if true { output 1 }  // allow(W0716): the demo is dear\n}\n";

fn codes(problems: &Problems) -> Vec<&'static str> {
    problems.all.iter().map(|problem| problem.code).collect()
}

fn levels(given: &[(&str, Level)]) -> Levels {
    Levels { by_code: given.iter().map(|(code, level)| ((*code).to_owned(), *level)).collect() }
}

fn file(parsed: &Parsed) -> LintedFile<'_> {
    LintedFile { id: FileId(0), text: FLOW, ast: &parsed.file, comments: &parsed.comments }
}

#[test]
fn a_level_drops_or_stops_a_warning_and_never_an_error() {
    let parsed = parse(FileId(0), FLOW);
    let here = Span { file: FileId(0), start: 0, end: 4 };
    let found = Problems { all: vec![Problem::new("E0201", here, "an error")] };
    let linted = |levels: &Levels| lint(&[file(&parsed)], found.clone(), Catalog::builtin(), TODAY, levels);
    assert_eq!(codes(&linted(&Levels::default())), ["E0201", "W0101", "W0105"]);
    let quiet = levels(&[("W0101", Level::Allow), ("E0201", Level::Allow)]);
    assert_eq!(codes(&linted(&quiet)), ["E0201", "W0105"]);
    assert!(quiet.stop(&linted(&quiet)), "an error stops whatever the levels say");
}

#[test]
fn a_denied_warning_stops_the_project() {
    let parsed = parse(FileId(0), FLOW);
    let warned = lint(&[file(&parsed)], Problems::default(), Catalog::builtin(), TODAY, &Levels::default());
    assert!(!Levels::default().stop(&warned));
    assert!(levels(&[("W0105", Level::Deny)]).stop(&warned));
    assert!(!levels(&[("W0104", Level::Deny)]).stop(&warned));
}

/// An allowance of a cost warning is not idle before the flow is priced, and silences what pricing finds.
#[test]
fn what_comes_later_is_silenced_in_place_as_well() {
    let parsed = parse(FileId(0), FLOW);
    let at = |start| Span { file: FileId(0), start, end: start + 2 };
    let later =
        Problems { all: vec![Problem::new("W0716", at(19), "dear"), Problem::new("W0716", at(0), "dear, and not allowed")] };
    let kept = silenced(&[file(&parsed)], later, &Levels::default());
    assert_eq!(kept.all.iter().map(|problem| problem.span.start).collect::<Vec<_>>(), [0]);
}
