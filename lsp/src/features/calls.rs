//! Which flows call which prompts, operations, functions and flows.

use crate::protocol::Answer;
use crate::syntax::{Declaration, Kind, declarations, declared, meaning};
use crate::workspace::{View, Workspace};
use pmflow_compiler::Span;
use std::collections::BTreeMap;
use tower_lsp_server::ls_types::*;

pub fn prepare(workspace: &mut Workspace, params: CallHierarchyPrepareParams) -> Answer<Option<Vec<CallHierarchyItem>>> {
    let place = workspace.place(&params.text_document_position_params)?;
    let Some((definition, _)) = meaning(&place.view, place.file, place.offset) else { return Ok(None) };
    let found = declared(&place.view, definition).filter(|found| is_callable(found.kind));
    let item = found.and_then(|found| item(workspace, &found));
    Ok(item.map(|item| vec![item]))
}

fn is_callable(kind: Kind) -> bool {
    matches!(kind, Kind::Prompt | Kind::Function | Kind::Flow | Kind::Operation)
}

fn item(workspace: &mut Workspace, found: &Declaration<'_>) -> Option<CallHierarchyItem> {
    let location = workspace.location(found.name.span)?;
    Some(CallHierarchyItem {
        name: found.name.text.to_string(),
        kind: super::symbols::symbol_kind(found.kind),
        tags: None,
        detail: None,
        uri: location.uri,
        range: workspace.range(found.span),
        selection_range: location.range,
        data: None,
    })
}

/// The declaration that an item of the hierarchy is, in the whole workspace.
fn definition(workspace: &mut Workspace, item: &CallHierarchyItem) -> Option<Span> {
    let file = workspace.files.id_of(&item.uri);
    let offset = workspace.lines(file).offset(item.selection_range.start);
    let whole = workspace.whole();
    meaning(&whole, file, u32::try_from(offset).ok()?).map(|(definition, _)| definition)
}

pub fn incoming(
    workspace: &mut Workspace,
    params: CallHierarchyIncomingCallsParams,
) -> Answer<Option<Vec<CallHierarchyIncomingCall>>> {
    let Some(definition) = definition(workspace, &params.item) else { return Ok(None) };
    let whole = workspace.whole();
    let mut callers: BTreeMap<Span, Vec<Range>> = BTreeMap::new();
    for span in super::navigation::uses(&whole, definition) {
        if let Some(caller) = caller(&whole, span) {
            callers.entry(caller.name.span).or_default().push(workspace.range(span));
        }
    }
    let mut calls = Vec::new();
    for (name, from_ranges) in callers {
        let from = declared(&whole, name).and_then(|found| item(workspace, &found));
        calls.extend(from.map(|from| CallHierarchyIncomingCall { from, from_ranges }));
    }
    Ok(Some(calls))
}

/// What a place is in the body of.
fn caller(view: &View, span: Span) -> Option<Declaration<'_>> {
    let item = crate::syntax::item_around(view, span)?;
    let mut around = declarations(item).into_iter().filter(|found| found.span.start <= span.start && span.end <= found.span.end);
    around.rfind(|found| is_callable(found.kind))
}

pub fn outgoing(
    workspace: &mut Workspace,
    params: CallHierarchyOutgoingCallsParams,
) -> Answer<Option<Vec<CallHierarchyOutgoingCall>>> {
    let Some(definition) = definition(workspace, &params.item) else { return Ok(None) };
    let whole = workspace.whole();
    let Some(caller) = declared(&whole, definition) else { return Ok(None) };
    let mut called: BTreeMap<Span, Vec<Range>> = BTreeMap::new();
    for reference in whole.references_in(definition.file) {
        let inside = caller.span.start <= reference.span.start && reference.span.end <= caller.span.end;
        let is_call = inside && declared(&whole, reference.definition).is_some_and(|found| is_callable(found.kind));
        if is_call && reference.definition != definition {
            called.entry(reference.definition).or_default().push(workspace.range(reference.span));
        }
    }
    let mut calls = Vec::new();
    for (name, from_ranges) in called {
        let to = declared(&whole, name).and_then(|found| item(workspace, &found));
        calls.extend(to.map(|to| CallHierarchyOutgoingCall { to, from_ranges }));
    }
    Ok(Some(calls))
}
