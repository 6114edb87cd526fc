//! Every file of `tests/lsp`. `PMFLOW_BLESS=1` rewrites the expectations to what comes; read the difference before keeping it.

use pmflow_compiler::FileId;
use pmflow_compiler::format::tokens::tokens;
use pmflow_lsp::{Project, Server};
use pmflow_tests::editor::{blessed, differences};
use pmflow_tests::world::TODAY;
use serde_json::json;
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

/// Half-written files: the text up to a token, and the text without one. The bench does the same with every token.
#[test]
fn half_written_examples_as_edits_of_a_session() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples").canonicalize().unwrap();
    for folder in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|ending| ending == "pmflow") {
                half_written(&root, &path);
            }
        }
    }
}

/// Of all tokens, so that the debug build is done within seconds.
const EVERY: usize = 9;

fn half_written(root: &Path, path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let uri = format!("file://{}", path.display());
    let mut server = Server::new(|_: &Path| Project::default(), TODAY);
    server
        .request("initialize", json!({ "processId": null, "rootUri": format!("file://{}", root.display()), "capabilities": {} }))
        .unwrap();
    server.notify(
        "textDocument/didOpen",
        json!({ "textDocument": { "uri": uri, "languageId": "pmflow", "version": 0, "text": text } }),
    );
    let tokens = tokens(FileId(0), &text);
    let mut texts: Vec<String> = Vec::new();
    for token in tokens.iter().step_by(EVERY) {
        let (start, end) = (token.start as usize, token.start as usize + token.text.len());
        texts.push(text[..end].to_owned());
        texts.push(format!("{}{}", &text[..start], &text[end..]));
    }
    texts.push(text.clone());
    let mut last = Vec::new();
    for (version, text) in texts.iter().enumerate() {
        let document = json!({ "uri": uri, "version": version + 1 });
        server.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [{ "text": text }] }));
        while server.has_stale() {
            server.publish_next();
        }
        last = server.take_messages();
        let end = json!({ "line": text.matches('\n').count(), "character": text.rsplit('\n').next().unwrap().len() });
        for method in ["textDocument/completion", "textDocument/hover", "textDocument/signatureHelp"] {
            let asked = json!({ "textDocument": { "uri": uri }, "position": end });
            assert!(server.request(method, asked).is_ok(), "{method} at the end of {text:?}");
        }
    }
    let published = last.last().unwrap().params["diagnostics"].as_array().unwrap();
    let codes: Vec<&str> = published.iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, Vec::<&str>::new(), "{} has no problem, as the other tests of the examples say", path.display());
}

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lsp");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    assert!(!files.is_empty());
    files
}
