//! Every file of `tests/lsp`. `PMFLOW_BLESS=1` rewrites the expectations to what comes; read the difference before keeping it.

use pmflow_tests::editor::{blessed, differences};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn every_case_of_the_editor() {
    let base = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    let folder = || {
        let folder = base.path().canonicalize().unwrap().join(next.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&folder).unwrap();
        folder
    };
    let mut all = Vec::new();
    for path in case_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        if std::env::var_os("PMFLOW_BLESS").is_some() {
            std::fs::write(&path, blessed(&text, &folder)).unwrap();
            continue;
        }
        all.extend(differences(path.file_name().unwrap().to_str().unwrap(), &text, &folder));
    }
    assert!(all.is_empty(), "{} answers differ:\n\n{}\n", all.len(), all.join("\n\n"));
}

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lsp");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    assert!(!files.is_empty());
    files
}
