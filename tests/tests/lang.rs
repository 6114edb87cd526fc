//! Every file of `tests/lang`. `PMFLOW_BLESS=1` rewrites the expectations to what comes; read the difference before keeping it.

use pmflow_tests::lang::{Judged, blessed, differences};
use std::path::{Path, PathBuf};

#[test]
fn every_case_of_the_language() {
    let mut all = Vec::new();
    for path in case_files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let judged = if name.starts_with("lint") { Judged::Everything } else { Judged::Errors };
        let text = std::fs::read_to_string(&path).unwrap();
        if std::env::var_os("PMFLOW_BLESS").is_some() {
            std::fs::write(&path, blessed(&text, judged)).unwrap();
            continue;
        }
        all.extend(differences(&name, &text, judged));
    }
    assert!(all.is_empty(), "{} cases differ:\n\n{}\n", all.len(), all.join("\n\n"));
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let cases = [
        "//! W0101 3-5\nflow f() {\n  output 1\n}\n",
        "flow f(x: int) {\n  output 1\n}\n",
        "flow f(x: int) {\n//! W0101 8-8\n  output 1\n}\n",
        "//! W0101 8-8 other words\nflow f(x: int) {\n  output 1\n}\n",
    ];
    for case in cases {
        let text = format!("--- case ---\n{case}");
        assert_eq!(differences("here", &text, Judged::Everything).len(), 1, "{case}");
        let mended = blessed(&text, Judged::Everything);
        assert_eq!(differences("here", &mended, Judged::Everything), Vec::<String>::new(), "{mended}");
    }
}

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lang");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    assert!(!files.is_empty());
    files
}
