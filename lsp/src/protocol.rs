//! Which message is answered by which feature. A new feature is a file in `features/` and a line here.

use crate::diagnostics;
use crate::features::*;
use crate::positions::{Encoding, Lines};
use crate::workspace::files::path_of;
use crate::workspace::{Host, Workspace};
use pmflow_compiler::FileId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tower_lsp_server::jsonrpc::{Error, ErrorCode};
use tower_lsp_server::ls_types::*;

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// A code of JSON-RPC or of the protocol.
    pub code: i64,
    pub message: String,
    pub data: Option<Value>,
}

impl Fault {
    /// The request cannot be fulfilled, for a reason that the author should read.
    pub fn refused(message: impl Into<String>) -> Fault {
        Fault { code: -32803, message: message.into(), data: None }
    }

    pub fn invalid(message: impl Into<String>) -> Fault {
        Fault { code: -32602, message: message.into(), data: None }
    }

    pub fn with_data(code: i64, message: &str, data: Value) -> Fault {
        Fault { code, message: message.to_owned(), data: Some(data) }
    }

    pub(crate) fn error(self) -> Error {
        Error { code: ErrorCode::from(self.code), message: self.message.into(), data: self.data }
    }
}

pub type Answer<T> = Result<T, Fault>;

/// What is sent to the editor unasked.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub method: String,
    pub params: Value,
    pub expects_answer: bool,
}

type Handler = Box<dyn Fn(&mut Workspace, Value) -> Answer<Value> + Send>;

/// The server without its transport: every call is complete when it returns.
pub struct Server {
    workspace: Workspace,
    handlers: BTreeMap<&'static str, Handler>,
    state: State,
    messages: Vec<Message>,
    /// Files whose problems may differ from what was published; the edited ones first.
    stale: Vec<FileId>,
    /// The editor has asked for diagnostics, so it is not told them as well.
    pulled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Running,
    ShutDown,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").field("state", &self.state).field("stale", &self.stale).finish_non_exhaustive()
    }
}

fn handlers() -> BTreeMap<&'static str, Handler> {
    BTreeMap::from([
        on("textDocument/completion", completion::completion),
        on("textDocument/hover", hover::hover),
        on("textDocument/signatureHelp", signature::signature_help),
        on("textDocument/definition", navigation::definition),
        on("textDocument/typeDefinition", navigation::type_definition),
        on("textDocument/references", navigation::references),
        on("textDocument/documentHighlight", navigation::highlight),
        on("textDocument/linkedEditingRange", navigation::linked_editing),
        on("textDocument/prepareRename", rename::prepare),
        on("textDocument/rename", rename::rename),
        on("textDocument/documentSymbol", symbols::document_symbols),
        on("workspace/symbol", symbols::workspace_symbols),
        on("textDocument/semanticTokens/full", tokens::full),
        on("textDocument/semanticTokens/full/delta", tokens::delta),
        on("textDocument/semanticTokens/range", tokens::range),
        on("textDocument/inlayHint", inlay::hints),
        on("textDocument/codeLens", lens::lenses),
        on("textDocument/codeAction", crate::actions::code_actions),
        on("textDocument/foldingRange", folding::folding),
        on("textDocument/selectionRange", folding::selection),
        on("textDocument/documentLink", links::links),
        on("textDocument/formatting", formatting::document),
        on("textDocument/rangeFormatting", formatting::range),
        on("textDocument/onTypeFormatting", formatting::on_type),
        on("textDocument/prepareCallHierarchy", calls::prepare),
        on("callHierarchy/incomingCalls", calls::incoming),
        on("callHierarchy/outgoingCalls", calls::outgoing),
        on("textDocument/diagnostic", diagnostics::pulled),
        on("workspace/diagnostic", diagnostics::workspace),
        on("workspace/executeCommand", commands::execute),
    ])
}

fn on<P, R>(method: &'static str, feature: fn(&mut Workspace, P) -> Answer<R>) -> (&'static str, Handler)
where
    P: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    let handler = move |workspace: &mut Workspace, params: Value| {
        let params = serde_json::from_value(params).map_err(|error| Fault::invalid(error.to_string()))?;
        let result = feature(workspace, params)?;
        serde_json::to_value(result).map_err(|error| Fault { code: -32603, message: error.to_string(), data: None })
    };
    (method, Box::new(handler))
}

impl Server {
    /// `today` in days since 1970-01-01.
    pub fn new(host: Host, today: i32) -> Server {
        Server {
            workspace: Workspace::new(host, today),
            handlers: handlers(),
            state: State::New,
            messages: Vec::new(),
            stale: Vec::new(),
            pulled: false,
        }
    }

    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Fault> {
        match (self.state, method) {
            (State::New, "initialize") => return self.initialize(params),
            (State::New, _) => return Err(Fault { code: -32002, message: "the server is not initialized".into(), data: None }),
            (State::Running, "shutdown") => {
                self.state = State::ShutDown;
                return Ok(Value::Null);
            }
            (State::ShutDown, _) | (State::Running, "initialize") => {
                return Err(Fault { code: -32600, message: format!("`{method}` cannot come now"), data: None });
            }
            (State::Running, _) => {}
        }
        let Some(handler) = self.handlers.get(method) else {
            return Err(Fault { code: -32601, message: format!("there is no method `{method}`"), data: None });
        };
        self.pulled |= method == "textDocument/diagnostic" && self.workspace.client.pulls_diagnostics;
        handler(&mut self.workspace, params)
    }

    /// What cannot be understood is left alone: a notification has no answer.
    pub fn notify(&mut self, method: &str, params: Value) {
        if self.state != State::Running {
            return;
        }
        match method {
            "initialized" => self.watch_files(),
            "textDocument/didOpen" => read(params, |params| self.opened(params)),
            "textDocument/didChange" => read(params, |params| self.changed(params)),
            "textDocument/didClose" => read(params, |params| self.closed(params)),
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => self.disk_changed(),
            "workspace/didChangeWorkspaceFolders" => read(params, |params| self.folders_changed(params)),
            _ => {}
        }
    }

    pub fn was_shut_down(&self) -> bool {
        self.state == State::ShutDown
    }

    pub fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// What costs time and need not be done before an answer.
    pub fn clean_up(&mut self) {
        self.workspace.drop_outdated();
    }

    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    /// Publishes the problems of the next file whose problems may have changed.
    pub fn publish_next(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        let file = self.stale.remove(0);
        if self.pulled || !self.workspace.files.is_open(file) {
            return;
        }
        let Some(uri) = self.workspace.files.uri(file) else { return };
        let diagnostics = diagnostics::of(&mut self.workspace, file);
        let params = PublishDiagnosticsParams { uri, diagnostics, version: self.workspace.files.version(file) };
        self.say("textDocument/publishDiagnostics", json!(params), false);
    }

    fn initialize(&mut self, params: Value) -> Result<Value, Fault> {
        let params: InitializeParams = serde_json::from_value(params).map_err(|error| Fault::invalid(error.to_string()))?;
        self.state = State::Running;
        let offered = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.clone());
        self.workspace.encoding = Encoding::chosen(&offered.unwrap_or_default());
        self.workspace.client = capabilities::facts(&params.capabilities);
        self.workspace.files.set_roots(roots(&params));
        let server_info = Some(ServerInfo { name: "pmflow".to_owned(), version: Some(env!("CARGO_PKG_VERSION").to_owned()) });
        let capabilities = capabilities::of(&self.workspace);
        Ok(json!(InitializeResult { capabilities, server_info, ..InitializeResult::default() }))
    }

    /// An editor that can is asked to say when files change on the disk.
    fn watch_files(&mut self) {
        if !self.workspace.client.watches_files {
            return;
        }
        let watchers = ["**/*.pmflow", "**/*.{csv,json,jsonl,tsv}", "**/pmflow.toml"];
        let watchers: Vec<Value> = watchers.iter().map(|pattern| json!({ "globPattern": pattern })).collect();
        let registration = json!({
            "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": { "watchers": watchers }
        });
        self.say("client/registerCapability", json!({ "registrations": [registration] }), true);
    }

    fn opened(&mut self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let file = self.workspace.files.open(&document.uri, document.version, document.text.into());
        self.edited(file);
    }

    fn changed(&mut self, params: DidChangeTextDocumentParams) {
        let document = params.text_document;
        let file = self.workspace.files.id_of(&document.uri);
        let mut lines = self.workspace.lines(file);
        for change in params.content_changes {
            lines = Rc::new(Lines::new(applied(&lines, change), self.workspace.encoding));
        }
        let text = lines.text().clone();
        self.workspace.know_lines(file, lines);
        let file = self.workspace.files.change(&document.uri, document.version, text);
        self.edited(file);
    }

    fn closed(&mut self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        let file = self.workspace.files.close(&uri);
        self.workspace.tokens_sent.remove(&file);
        self.stale.retain(|stale| *stale != file);
        self.say("textDocument/publishDiagnostics", json!({ "uri": uri, "diagnostics": [] }), false);
        self.dependents_stale(file);
    }

    /// The file itself first, then the open files that rest on it.
    fn edited(&mut self, file: FileId) {
        self.stale.retain(|stale| *stale != file);
        self.stale.insert(0, file);
        self.dependents_stale(file);
    }

    fn dependents_stale(&mut self, file: FileId) {
        let mut dependents = false;
        for open in self.workspace.files.open_files() {
            if open != file && !self.stale.contains(&open) && self.workspace.rests_on(open, file) {
                self.stale.push(open);
                dependents = true;
            }
        }
        if dependents && self.pulled && self.workspace.client.refreshes_diagnostics {
            self.say("workspace/diagnostic/refresh", Value::Null, true);
        }
    }

    fn disk_changed(&mut self) {
        let open = self.workspace.files.open_files();
        let missing: Vec<FileId> = open.into_iter().filter(|file| !self.stale.contains(file)).collect();
        self.stale.extend(missing);
    }

    fn folders_changed(&mut self, params: DidChangeWorkspaceFoldersParams) {
        let mut roots: Vec<PathBuf> = self.workspace.files.roots().to_vec();
        let removed: Vec<PathBuf> = params.event.removed.iter().map(|folder| path_of(&folder.uri)).collect();
        roots.retain(|root| !removed.contains(root));
        roots.extend(params.event.added.iter().map(|folder| path_of(&folder.uri)).filter(|path| path.is_absolute()));
        self.workspace.files.set_roots(roots);
        self.disk_changed();
    }

    fn say(&mut self, method: &str, params: Value, expects_answer: bool) {
        self.messages.push(Message { method: method.to_owned(), params, expects_answer });
    }
}

fn read<P: DeserializeOwned>(params: Value, take: impl FnOnce(P)) {
    if let Ok(params) = serde_json::from_value(params) {
        take(params);
    }
}

/// The folders of the workspace; editors that know only one name it in one of two older ways.
fn roots(params: &InitializeParams) -> Vec<PathBuf> {
    #[expect(deprecated, reason = "older editors say nothing else")]
    let older = params.root_uri.as_ref().map(path_of);
    let folders = params.workspace_folders.as_deref().unwrap_or_default();
    let mut roots: Vec<PathBuf> = folders.iter().map(|folder| path_of(&folder.uri)).collect();
    if roots.is_empty() {
        roots.extend(older);
    }
    roots.retain(|root| root.is_absolute() && root.parent().is_some());
    roots
}

fn applied(lines: &Lines, change: TextDocumentContentChangeEvent) -> Arc<str> {
    let Some(range) = change.range else { return change.text.into() };
    let (text, bytes) = (lines.text(), lines.bytes(range));
    let (before, after) = (text.get(..bytes.start).unwrap_or_default(), text.get(bytes.end..).unwrap_or_default());
    [before, &change.text, after].concat().into()
}
