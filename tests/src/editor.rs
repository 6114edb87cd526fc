//! What an editor is answered, case by case.
//!
//! ```text
//! --- the title of a case ---
//! flow f(x: int) {
//!   output <|>x
//! }
//! --- file: other.pmflow ---
//! --- file: = hover ---
//! what is expected
//! ```
//! `<|>` is the cursor, `<[` and `]>` are the ends of a selection. A file whose name starts with `=` is a question, and
//! what stands in it the answer. Columns count from 1. Answers that change texts show the changed files whole.

mod shown;

use crate::sections::{Section, SectionFile, joined, preamble, sections};
use crate::world::TODAY;
use pmflow_lsp::{Fault, Host, Server};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The differences between what the cases of a text expect and what comes.
pub fn differences(path: &str, text: &str, folder: &dyn Fn() -> PathBuf) -> Vec<String> {
    let mut all = Vec::new();
    for section in sections(text) {
        let mut session = Case::of(&section, folder()).session();
        for file in section.files.iter().filter(|file| file.name.starts_with('=')) {
            let came = session.answer(question(file));
            if came.trim_end() != file.text.trim_end() {
                let title = format!("{path}:{} {} {}", section.line, section.title, file.name);
                all.push(format!("{title}\nexpected:\n{}\ncame:\n{came}", file.text));
            }
        }
    }
    all
}

/// The text with the expectations that would make every case pass.
pub fn blessed(text: &str, folder: &dyn Fn() -> PathBuf) -> String {
    let mut all = sections(text);
    for section in &mut all {
        let mut session = Case::of(section, folder()).session();
        for file in section.files.iter_mut().filter(|file| file.name.starts_with('=')) {
            file.text = session.answer(question(file)).trim_end().to_owned() + "\n";
        }
    }
    joined(&preamble(text), &all)
}

fn question(file: &SectionFile) -> &str {
    file.name.trim_start_matches('=').trim()
}

/// The sources of a case without marks, and where the marks were.
struct Case {
    folder: PathBuf,
    files: Vec<SectionFile>,
    from: usize,
    to: usize,
}

impl Case {
    fn of(section: &Section, folder: PathBuf) -> Case {
        let mut files: Vec<SectionFile> = section.files.iter().filter(|file| !file.name.starts_with('=')).cloned().collect();
        let (mut from, mut to) = (0, 0);
        if let Some(main) = files.first_mut() {
            let mut take = |mark: &str| {
                let at = main.text.find(mark)?;
                main.text.replace_range(at..at + mark.len(), "");
                Some(at)
            };
            let cursor = take("<|>").unwrap_or(0);
            from = take("<[").unwrap_or(cursor);
            to = take("]>").unwrap_or(cursor);
        }
        Case { folder, files, from, to }
    }

    fn session(self) -> Session {
        for file in &self.files {
            let path = self.folder.join(&file.name);
            std::fs::create_dir_all(path.parent().unwrap_or(&self.folder)).unwrap_or_default();
            std::fs::write(path, &file.text).unwrap_or_default();
        }
        let mut server = Server::new(Host::default(), TODAY);
        let root = uri(&self.folder);
        let capabilities = json!({
            "textDocument": { "completion": { "completionItem": { "snippetSupport": true } },
                              "documentSymbol": { "hierarchicalDocumentSymbolSupport": true } }
        });
        let initialized =
            server.request("initialize", json!({ "processId": null, "rootUri": root, "capabilities": capabilities }));
        assert!(initialized.is_ok(), "{initialized:?}");
        server.notify("initialized", json!({}));
        let mut session = Session { server, case: self };
        let text = session.main().to_owned();
        session.server.notify(
            "textDocument/didOpen",
            json!({ "textDocument": { "uri": session.uri(), "languageId": "pmflow", "version": 1, "text": text } }),
        );
        session
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

pub(crate) struct Session {
    server: Server,
    case: Case,
}

impl Session {
    fn main(&self) -> &str {
        self.case.files.first().map_or("", |file| &file.text)
    }

    fn uri(&self) -> String {
        uri(&self.case.folder.join(crate::sections::MAIN))
    }

    fn position(&self, offset: usize) -> Value {
        let before = self.main().get(..offset).unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().encode_utf16().count();
        json!({ "line": line, "character": column })
    }

    fn at(&self) -> Value {
        json!({ "textDocument": { "uri": self.uri() }, "position": self.position(self.case.to) })
    }

    fn selection(&self) -> Value {
        json!({ "start": self.position(self.case.from), "end": self.position(self.case.to) })
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, Fault> {
        self.server.request(method, params)
    }

    fn with(&self, more: Value) -> Value {
        let mut params = self.at();
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        params
    }

    /// The answer as a person reads it.
    fn answer(&mut self, question: &str) -> String {
        let (what, rest) = question.split_once(' ').unwrap_or((question, ""));
        let options = json!({ "tabSize": 2, "insertSpaces": true });
        let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 100_000, "character": 0 } });
        let (method, params) = match (what, rest) {
            ("complete", _) => ("textDocument/completion", self.at()),
            ("hover", _) => ("textDocument/hover", self.at()),
            ("signature", _) => ("textDocument/signatureHelp", self.at()),
            ("definition", _) => ("textDocument/definition", self.at()),
            ("type", "definition") => ("textDocument/typeDefinition", self.at()),
            ("references", _) => ("textDocument/references", self.with(json!({ "context": { "includeDeclaration": true } }))),
            ("highlight", _) => ("textDocument/documentHighlight", self.at()),
            ("linked", _) => ("textDocument/linkedEditingRange", self.at()),
            ("prepare", _) => ("textDocument/prepareRename", self.at()),
            ("rename", name) => ("textDocument/rename", self.with(json!({ "newName": name }))),
            ("symbols", _) => ("textDocument/documentSymbol", self.at()),
            ("workspace", query) => ("workspace/symbol", json!({ "query": query })),
            ("tokens", _) => ("textDocument/semanticTokens/full", self.at()),
            ("hints", _) => ("textDocument/inlayHint", self.with(json!({ "range": whole }))),
            ("lenses", _) => ("textDocument/codeLens", self.at()),
            ("actions" | "action", _) => {
                let mut context = json!({ "diagnostics": [] });
                if let Some(kind) = rest.strip_prefix("of kind ") {
                    context = json!({ "diagnostics": [], "only": [kind] });
                }
                ("textDocument/codeAction", self.with(json!({ "range": self.selection(), "context": context })))
            }
            ("folds", _) => ("textDocument/foldingRange", self.at()),
            ("selection", _) => ("textDocument/selectionRange", self.with(json!({ "positions": [self.position(self.case.to)] }))),
            ("links", _) => ("textDocument/documentLink", self.at()),
            ("format", "range") => {
                ("textDocument/rangeFormatting", self.with(json!({ "range": self.selection(), "options": options })))
            }
            ("format", _) => ("textDocument/formatting", self.with(json!({ "options": options }))),
            ("typed", character) => {
                let character = if character == "newline" { "\n" } else { character };
                ("textDocument/onTypeFormatting", self.with(json!({ "ch": character, "options": options })))
            }
            ("callers" | "callees", _) => return self.calls(what),
            ("diagnostics", _) => ("textDocument/diagnostic", self.at()),
            ("command", rest) => {
                let mut words = rest.split(' ');
                let command = words.next().unwrap_or_default();
                let mut arguments = vec![json!(self.uri())];
                arguments.extend(words.map(|word| json!(word)));
                ("workspace/executeCommand", json!({ "command": command, "arguments": arguments }))
            }
            (method, _) => (method, self.at()),
        };
        let method = method.to_owned();
        let answer = self.ask(&method, params);
        let shown = match answer {
            Ok(answer) => shown::shown(what, rest, &answer, self),
            Err(fault) => format!("refused ({}): {}", fault.code, fault.message),
        };
        shown.replace(&format!("{}/", uri(&self.case.folder)), "")
    }

    fn calls(&mut self, what: &str) -> String {
        let item = self.ask("textDocument/prepareCallHierarchy", self.at()).unwrap_or_default();
        let Some(item) = item.get(0).cloned() else { return "nothing".to_owned() };
        let method = if what == "callers" { "callHierarchy/incomingCalls" } else { "callHierarchy/outgoingCalls" };
        let calls = self.ask(method, json!({ "item": item })).unwrap_or_default();
        shown::shown(what, "", &calls, self).replace(&format!("{}/", uri(&self.case.folder)), "")
    }

    /// The text of a file by its URI.
    fn text(&self, wanted: &str) -> Option<&str> {
        let file = self.case.files.iter().find(|file| uri(&self.case.folder.join(&file.name)) == wanted)?;
        Some(&file.text)
    }
}
