//! The language server, `pmflow lsp`: problems as the author types, the one layout, types on hover, definitions.
//!
//! One thread owns every document and does all work in the order in which messages came. Handlers only send to it: a
//! handler that waited before sending would reorder edits. It opens regular files only, never a socket, and starts nothing.

mod analysis;
mod documents;
mod positions;

use analysis::{Analysis, Job};
use std::sync::mpsc;
use tokio::sync::oneshot;
use tower_lsp_server::jsonrpc::{Error, Result};
use tower_lsp_server::ls_types::*;
use tower_lsp_server::{Client, LanguageServer, LspService, Server};

/// Serves one editor over standard input and output until it says `exit`.
pub async fn serve() {
    let (service, socket) = LspService::new(|client: Client| {
        let (jobs, inbox) = mpsc::channel();
        let (publish, mut published) = tokio::sync::mpsc::unbounded_channel::<PublishDiagnosticsParams>();
        std::thread::spawn(move || Analysis::new(publish).work(&inbox));
        tokio::spawn(async move {
            while let Some(params) = published.recv().await {
                client.publish_diagnostics(params.uri, params.diagnostics, params.version).await;
            }
        });
        Editor { jobs }
    });
    Server::new(tokio::io::stdin(), tokio::io::stdout(), socket).serve(service).await;
}

#[derive(Debug)]
struct Editor {
    jobs: mpsc::Sender<Job>,
}

impl Editor {
    fn tell(&self, job: Job) {
        // The thread ends only with the process.
        let _ = self.jobs.send(job);
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(job(reply));
        // A request that panicked has no answer; the next one has.
        answer.await.map_err(|_| Error::internal_error())
    }
}

impl LanguageServer for Editor {
    async fn initialize(&self, _: InitializeParams) -> Result<InitializeResult> {
        let capabilities = ServerCapabilities {
            position_encoding: Some(PositionEncodingKind::UTF16),
            text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
            document_formatting_provider: Some(OneOf::Left(true)),
            hover_provider: Some(HoverProviderCapability::Simple(true)),
            definition_provider: Some(OneOf::Left(true)),
            ..ServerCapabilities::default()
        };
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        let server_info = Some(ServerInfo { name: "pmflow".to_owned(), version });
        Ok(InitializeResult { capabilities, server_info, ..InitializeResult::default() })
    }

    async fn shutdown(&self) -> Result<()> {
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        self.tell(Job::Changed { uri: document.uri, version: document.version, text: document.text });
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let Some(change) = params.content_changes.into_iter().next_back() else { return };
        let document = params.text_document;
        self.tell(Job::Changed { uri: document.uri, version: document.version, text: change.text });
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.tell(Job::Closed { uri: params.text_document.uri });
    }

    async fn formatting(&self, params: DocumentFormattingParams) -> Result<Option<Vec<TextEdit>>> {
        self.ask(|reply| Job::Format { uri: params.text_document.uri, reply }).await
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        let at = params.text_document_position_params;
        self.ask(|reply| Job::Hover { uri: at.text_document.uri, position: at.position, reply }).await
    }

    async fn goto_definition(&self, params: GotoDefinitionParams) -> Result<Option<GotoDefinitionResponse>> {
        let at = params.text_document_position_params;
        self.ask(|reply| Job::Definition { uri: at.text_document.uri, position: at.position, reply }).await
    }
}
