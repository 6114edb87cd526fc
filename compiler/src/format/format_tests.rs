use super::format;
use crate::FileId;
use crate::syntax::{Parsed, parse};
use proptest::prelude::*;

/// Every whole source file that this repository has.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["tests/syntax", "../examples", "../stdlib"] {
        collect(&root.join(folder), &mut found);
    }
    found.sort();
    assert!(found.len() >= 5);
    found
}

fn collect(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "pmflow") {
            #[allow(clippy::disallowed_methods, reason = "the files are the test's data")]
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path.display().to_string(), text));
        }
    }
}

fn id(path: &str) -> FileId {
    if path.ends_with("prelude.pmflow") { FileId::PRELUDE } else { FileId(0) }
}

/// The tree without its places.
fn tree(parsed: &Parsed) -> String {
    let all = format!("{:?}", parsed.file);
    let pattern = regex::Regex::new(r"(\w+: )?Span \{ file: FileId\(\d+\), start: \d+, end: \d+ \}").unwrap();
    pattern.replace_all(&all, "").into_owned()
}

fn comments(text: &str, file: FileId) -> Vec<String> {
    let mut all: Vec<String> = super::tokens::tokens(file, text)
        .iter()
        .filter(|token| token.kind == super::TokenKind::Comment)
        .map(|token| token.text.to_owned())
        .collect();
    all.sort();
    all
}

fn check(path: &str, text: &str) {
    let file = id(path);
    let once = format(file, text);
    assert_eq!(format(file, &once), once, "{path}: a second pass changes something");
    let (before, after) = (parse(file, text), parse(file, &once));
    assert_eq!(tree(&after), tree(&before), "{path}: the meaning changed:\n{once}");
    assert_eq!(comments(&once, file), comments(text, file), "{path}: a comment was lost:\n{once}");
    assert_eq!(after.problems.all.len(), before.problems.all.len(), "{path}:\n{once}");
}

#[test]
fn every_file_keeps_its_meaning_and_its_comments() {
    for (path, text) in sources() {
        check(&path, &text);
    }
}

#[test]
fn the_sample_reads_well() {
    insta::assert_snapshot!(format(FileId(0), include_str!("../../tests/syntax/lead_enrichment.pmflow")));
}

#[test]
fn a_connector_reads_well() {
    insta::assert_snapshot!(format(FileId(0), include_str!("../../tests/syntax/airtable.pmflow")));
}

#[test]
fn a_crowded_file_is_laid_out() {
    insta::assert_snapshot!(format(FileId(0), include_str!("../../tests/syntax/crowded.pmflow")));
}

#[test]
fn what_does_not_parse_stays_as_it_is() {
    insta::assert_snapshot!(format(FileId(0), include_str!("../../tests/syntax/broken.pmflow")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// White space is free: whatever stands between the tokens of a sample, the layout comes out.
    #[test]
    fn blanks_do_not_change_the_meaning(gaps in prop::collection::vec(0usize..4, 1..40)) {
        let text = include_str!("../../tests/syntax/lead_enrichment.pmflow");
        let mut shaken = String::new();
        let mut gap = gaps.iter().cycle();
        for line in text.split_inclusive('\n') {
            // Only between lines outside of texts: everything else may be adjacent for a reason.
            shaken.push_str(line);
            if line.trim_end().ends_with(',') || line.trim().starts_with("source") || line.trim() == "}" {
                shaken.push_str(&"\n".repeat(*gap.next().unwrap()));
            }
        }
        check("shaken", &shaken);
    }

    /// A damaged file is formatted as well, and a second pass changes nothing.
    #[test]
    fn damaged_files_are_stable(cut in 0usize..2600, length in 0usize..40) {
        let text = include_str!("../../tests/syntax/lead_enrichment.pmflow");
        let cut = text.floor_char_boundary(cut.min(text.len()));
        let end = text.floor_char_boundary((cut + length).min(text.len()));
        let damaged = format!("{}{}", &text[..cut], &text[end..]);
        let once = format(FileId(0), &damaged);
        prop_assert_eq!(format(FileId(0), &once), once);
    }
}

/// The fuzzer's finding: a step's keyword as a setting's value, and a stray word on the next line.
#[test]
fn a_stray_word_behind_a_lone_one_stays_what_it_is() {
    for text in ["budget a {\n  e: stop\n  f\n}\n", "budget a {\n  e: [stop\n  f]\n}\n"] {
        check("found by the fuzzer", text);
        assert!(!parse(FileId(0), text).problems.all.is_empty(), "a stray word is reported: {text}");
    }
}

/// The fuzzer's finding: behind a comma within braces stands the next setting, on a line of its own or not.
#[test]
fn a_word_behind_the_comma_of_inner_settings_is_no_part_of_the_value_before() {
    let text = "connector crm {\n  auth: oauth2 { token_url: \"https://crm.example.com/token\", scope {\n  } more: 1 }\n}\n";
    check("found by the fuzzer", text);
    assert!(!parse(FileId(0), text).problems.all.is_empty(), "{:?}", parse(FileId(0), text).problems);
}
