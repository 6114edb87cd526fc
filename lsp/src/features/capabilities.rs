//! What the server says of itself, and what it reads of what the editor says.

use super::{commands, tokens};
use crate::workspace::{ClientFacts, Workspace};
use tower_lsp_server::ls_types::*;

pub fn facts(client: &ClientCapabilities) -> ClientFacts {
    let document = client.text_document.as_ref();
    let workspace = client.workspace.as_ref();
    let snippets = document.and_then(|document| document.completion.as_ref()?.completion_item.as_ref()?.snippet_support);
    let nested = document.and_then(|document| document.document_symbol.as_ref()?.hierarchical_document_symbol_support);
    let watches = workspace.and_then(|workspace| workspace.did_change_watched_files.as_ref()?.dynamic_registration);
    let refreshes = workspace.and_then(|workspace| workspace.diagnostics.as_ref()?.refresh_support);
    let versioned = workspace.and_then(|workspace| workspace.workspace_edit.as_ref()?.document_changes);
    ClientFacts {
        snippets: snippets.unwrap_or(false),
        pulls_diagnostics: document.is_some_and(|document| document.diagnostic.is_some()),
        refreshes_diagnostics: refreshes.unwrap_or(false),
        nested_symbols: nested.unwrap_or(false),
        watches_files: watches.unwrap_or(false),
        versioned_edits: versioned.unwrap_or(false),
        // Only an editor that says so has the commands behind the lenses.
        own_commands: client.experimental.as_ref().and_then(|own| own.get("pmflowCommands")?.as_bool()).unwrap_or(false),
    }
}

pub fn of(workspace: &Workspace) -> ServerCapabilities {
    let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    ServerCapabilities {
        position_encoding: Some(workspace.encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions { include_text: Some(false) })),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: words(&[".", "\"", "{", "/", " ", ":", "("]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: words(&["(", ","]),
            retrigger_characters: words(&[","]),
            ..SignatureHelpOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        type_definition_provider: Some(TypeDefinitionProviderCapability::Simple(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        linked_editing_range_provider: Some(LinkedEditingRangeServerCapabilities::Simple(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        document_symbol_provider: Some(OneOf::Left(true)),
        workspace_symbol_provider: Some(OneOf::Left(true)),
        semantic_tokens_provider: Some(tokens::capability().into()),
        inlay_hint_provider: Some(OneOf::Left(true)),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![
                CodeActionKind::QUICKFIX,
                CodeActionKind::REFACTOR_EXTRACT,
                CodeActionKind::REFACTOR_INLINE,
                CodeActionKind::REFACTOR_REWRITE,
                CodeActionKind::SOURCE_ORGANIZE_IMPORTS,
                CodeActionKind::SOURCE_FIX_ALL,
            ]),
            ..CodeActionOptions::default()
        })),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        selection_range_provider: Some(SelectionRangeProviderCapability::Simple(true)),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        }),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_range_formatting_provider: Some(OneOf::Left(true)),
        document_on_type_formatting_provider: Some(DocumentOnTypeFormattingOptions {
            first_trigger_character: "}".to_owned(),
            more_trigger_character: words(&["\n"]),
        }),
        call_hierarchy_provider: Some(CallHierarchyServerCapability::Simple(true)),
        diagnostic_provider: Some(DiagnosticServerCapabilities::Options(DiagnosticOptions {
            identifier: Some("pmflow".to_owned()),
            inter_file_dependencies: true,
            workspace_diagnostics: true,
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        // A client registers what is named here, and one that has commands of these names itself would have them twice.
        execute_command_provider: (!workspace.client.own_commands).then(|| ExecuteCommandOptions {
            commands: commands::NAMES.iter().map(ToString::to_string).collect(),
            ..ExecuteCommandOptions::default()
        }),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(OneOf::Left(true)),
            }),
            file_operations: None,
        }),
        ..ServerCapabilities::default()
    }
}
