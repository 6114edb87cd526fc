//! Every problem code: its page, its examples, and that something raises it.

use pmflow_compiler::World as _;
use pmflow_compiler::problems::{Explanation, Problems, Severity, Verdict, all, explain, nearest_code};
use pmflow_tests::lang::problems_of;
use pmflow_tests::sections::files;
use pmflow_tests::world::TableWorld;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn every_page_has_its_form() {
    for page in all() {
        let form = format!("compiler/src/problems/{}.md", page.code);
        assert!(
            !page.title.is_empty() && !page.title.ends_with('.'),
            "{form}: the first line is `# A title`, without a full stop"
        );
        assert!(!page.text.starts_with("```"), "{form}: below the title, some words for the author");
        assert!(page.text.matches("```").count() % 2 == 0, "{form}: a block is not closed");
        for verdict in [Verdict::Bad, Verdict::Good] {
            assert!(page.examples.iter().any(|example| example.verdict == verdict), "{form}: one block is marked {verdict:?}");
        }
    }
    assert_eq!(all().iter().map(|page| page.title).collect::<BTreeSet<_>>().len(), all().len(), "two codes have one title");
}

#[test]
fn codes_are_found_as_people_write_them() {
    let first = all().first().unwrap();
    assert_eq!(explain(&first.code.to_lowercase()), Some(first));
    assert_eq!(explain("E9999"), None);
    assert_eq!(nearest_code("W011").map(|code| code.starts_with("W01")), Some(true));
    assert_eq!(nearest_code("nothing like it"), None);
}

/// A code without a page leaves `pmflow explain` silent; a page without a code explains what nobody meets.
#[test]
fn pages_and_codes_belong_together() {
    let raised = raised_codes();
    let without_page: Vec<_> = raised.iter().filter(|(code, _)| explain(code).is_none()).collect();
    assert!(without_page.is_empty(), "raised, but no page explains them: {without_page:#?}");
    let never_raised: Vec<&str> = all().iter().map(|page| page.code).filter(|code| !raised.contains_key(*code)).collect();
    assert!(never_raised.is_empty(), "explained, but nothing raises them: {never_raised:?}");
}

#[test]
fn bad_examples_raise_their_code_and_good_ones_nothing() {
    let judged = all().iter().filter(|page| JUDGED.iter().any(|codes| page.code.starts_with(codes)));
    let wrong: Vec<String> = judged.flat_map(wrong_examples).collect();
    assert!(wrong.is_empty(), "{} examples are wrong:\n\n{}", wrong.len(), wrong.join("\n"));
}

/// What [`problems_of`] can raise: the parser's codes and the warnings.
const JUDGED: [&str; 2] = ["E", "W"];

fn wrong_examples(page: &Explanation) -> Vec<String> {
    let mut wrong = Vec::new();
    for example in page.examples.iter().filter(|example| example.language == "pmflow") {
        let world = TableWorld { files: files(example.text) };
        let problems = problems_of(&world);
        let raised = problems.all.iter().any(|problem| problem.code == page.code);
        let errors = problems.all.iter().any(|problem| problem.severity() == Severity::Error);
        let complaint = match example.verdict {
            Verdict::Bad if !raised => "the bad example does not raise the code; it raises",
            Verdict::Good if raised || errors => "the good example raises",
            _ => continue,
        };
        wrong.push(format!("{}: {complaint}:\n{}{}", page.code, example.text, shown(&problems, &world)));
    }
    wrong
}

fn shown(problems: &Problems, world: &TableWorld) -> String {
    pmflow_compiler::problems::render::human(problems, &|file| world.source(file), Default::default())
}

/// The codes that stand in the sources as literals, outside of tests, each with a file.
fn raised_codes() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut codes = BTreeMap::new();
    for folder in ["compiler/src", "cli/src", "lsp/src"] {
        read_folder(&root.join(folder), &mut codes);
    }
    codes
}

fn read_folder(folder: &Path, codes: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            read_folder(&path, codes);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // A file of tests; one of that name may also be about the tests of flows.
            if name.ends_with("tests.rs") && text.contains("#[test]") {
                continue;
            }
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            codes.extend(literals(text).map(|code| (code, path.clone())));
        }
    }
}

/// `"E0301"` in code, not in a comment.
fn literals(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).filter(|literal| is_code(literal)).map(str::to_owned)
}

fn is_code(literal: &str) -> bool {
    literal.len() == 5 && literal.starts_with(['E', 'W', 'H']) && literal.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}
