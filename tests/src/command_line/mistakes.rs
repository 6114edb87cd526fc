//! What a beginner gets wrong: every mistake is reported, once, at its place, and in the same words each time.

use crate::process::{Folder, Said, data};
use serde_json::Value;

fn project(name: &str) -> Folder {
    let folder = Folder::new();
    for entry in std::fs::read_dir(data().join(name)).expect("the project is there") {
        let entry = entry.expect("a folder's entry can be read");
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a project's file can be copied");
    }
    folder
}

/// Twice, for the same bytes.
fn checked(folder: &Folder, words: &str) -> Said {
    let said = folder.pmflow(words);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let again = folder.pmflow(words);
    assert_eq!((said.out.as_bytes(), said.err.as_bytes()), (again.out.as_bytes(), again.err.as_bytes()));
    said
}

/// File, line, column and code of each problem.
fn places(json: &str) -> Vec<(String, u64, u64, String)> {
    let whole: Value = serde_json::from_str(json).expect("the problems are JSON");
    let problems = whole.get("problems").and_then(Value::as_array).expect("there is a list of problems");
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
    let place = |problem: &Value| {
        let start = problem.get("start").cloned().unwrap_or_default();
        (text(problem, "file"), number(&start, "line"), number(&start, "column"), text(problem, "code"))
    };
    let mut places: Vec<_> = problems.iter().map(place).collect();
    places.sort();
    places
}

#[test]
fn ten_in_three_files_are_ten_messages() {
    let folder = project("mistakes");
    insta::assert_snapshot!("mistakes", checked(&folder, "check .").err);
    let json = checked(&folder, "check . --format json").out;
    insta::assert_snapshot!("mistakes_json", json);
    let mut found = places(&json);
    assert_eq!(found.len(), 10);
    found.dedup();
    assert_eq!(found.len(), 10, "each once");
    assert!(found.iter().all(|(file, line, column, _)| !file.is_empty() && *line > 0 && *column > 0), "{found:?}");
}

/// The file that is named does not matter: what it imports is checked with it, and nothing is said twice.
#[test]
fn are_the_same_from_the_file_that_imports_the_others() {
    let folder = project("mistakes");
    let all = places(&checked(&folder, "check . --format json").out);
    let from_one = places(&checked(&folder, "check support.pmflow --format json").out);
    let named_twice = places(&checked(&folder, "check support.pmflow ./support.pmflow shapes.pmflow --format json").out);
    assert_eq!(from_one, all);
    assert_eq!(named_twice, all);
}
