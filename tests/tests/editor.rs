//! Every file of `tests/lsp`. `PMFLOW_BLESS=1` rewrites the expectations to what comes; read the difference before keeping it.

use pmflow_compiler::FileId;
use pmflow_compiler::format::tokens::tokens;
use pmflow_lsp::{Host, Message, Server};
use pmflow_tests::editor::{blessed, differences};
use pmflow_tests::world::TODAY;
use serde_json::{Value, json};
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

/// Half-written files, as edits: the text grows token by token, then each token goes and comes back. The bench does the same
/// with every letter.
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

/// What is asked after an edit, in turn.
const ASKED: [&str; 15] = [
    "completion",
    "hover",
    "signatureHelp",
    "definition",
    "documentHighlight",
    "codeAction",
    "inlayHint",
    "codeLens",
    "documentSymbol",
    "semanticTokens/full",
    "foldingRange",
    "selectionRange",
    "formatting",
    "documentLink",
    "diagnostic",
];

struct Typing {
    server: Server,
    uri: String,
    text: String,
    edits: usize,
    published: Vec<Message>,
}

impl Typing {
    /// Replaces bytes, and asks something at the end of what was written.
    fn edit(&mut self, from: usize, to: usize, new: &str) {
        let range = json!({ "start": position(&self.text, from), "end": position(&self.text, to) });
        self.text.replace_range(from..to, new);
        self.edits += 1;
        let document = json!({ "uri": self.uri, "version": self.edits });
        let change = json!({ "range": range, "text": new });
        self.server.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
        while self.server.has_stale() {
            self.server.publish_next();
        }
        self.published = self.server.take_messages();
        let at = position(&self.text, from + new.len());
        let asked = json!({
            "textDocument": { "uri": self.uri }, "position": at, "positions": [at], "range": { "start": at, "end": at },
            "context": { "diagnostics": [], "triggerKind": 1, "isRetrigger": false }, "options": { "tabSize": 2, "insertSpaces": true }
        });
        let method = format!("textDocument/{}", ASKED[self.edits % ASKED.len()]);
        let answer = self.server.request(&method, asked);
        let refused = answer.err().map(|fault| fault.code);
        assert!(matches!(refused, None | Some(-32803)), "{method} gave {refused:?} at {from} of {}", self.text);
    }
}

fn position(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let line = before.rsplit('\n').next().unwrap();
    json!({ "line": before.matches('\n').count(), "character": line.encode_utf16().count() })
}

fn half_written(root: &Path, path: &Path) {
    let whole = std::fs::read_to_string(path).unwrap();
    let uri = format!("file://{}", path.display());
    let mut server = Server::new(Host::default(), TODAY);
    server
        .request("initialize", json!({ "processId": null, "rootUri": format!("file://{}", root.display()), "capabilities": {} }))
        .unwrap();
    server.notify(
        "textDocument/didOpen",
        json!({ "textDocument": { "uri": uri, "languageId": "pmflow", "version": 0, "text": "" } }),
    );
    let mut typing = Typing { server, uri, text: String::new(), edits: 0, published: Vec::new() };
    let tokens = tokens(FileId(0), &whole);
    let range = |at: usize| tokens.get(at).map(|token| token.start as usize..token.start as usize + token.text.len());
    for end in (0..tokens.len()).filter_map(range).map(|range| range.end) {
        let written = typing.text.len();
        typing.edit(written, written, &whole[written..end]);
    }
    for range in (0..tokens.len()).filter_map(range) {
        typing.edit(range.start, range.end, "");
        typing.edit(range.start, range.start, &whole[range]);
    }
    let written = typing.text.len();
    typing.edit(written, written, &whole[written..]);
    assert_eq!(typing.text, whole);
    let published = typing.published.last().unwrap().params["diagnostics"].as_array().unwrap();
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
