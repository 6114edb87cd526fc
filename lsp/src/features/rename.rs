//! Another name, everywhere. A rename that would give new errors is refused with the first of them.

use super::navigation::uses;
use crate::protocol::{Answer, Fault};
use crate::syntax::{Kind, declared, item_around, meaning};
use crate::workspace::{View, Workspace};
use pmflow_compiler::syntax::ast::*;
use pmflow_compiler::syntax::walk::{self, Visitor};
use pmflow_compiler::{FileId, Span};
use std::collections::{BTreeMap, BTreeSet};
use tower_lsp_server::ls_types::*;

pub fn prepare(workspace: &mut Workspace, params: TextDocumentPositionParams) -> Answer<Option<PrepareRenameResponse>> {
    let place = workspace.place(&params)?;
    let Some((definition, name)) = meaning(&place.view, place.file, place.offset) else {
        return Err(Fault::refused("there is no name here"));
    };
    renamable(&place.view, definition)?;
    let placeholder = place.view.text(name).to_owned();
    Ok(Some(PrepareRenameResponse::RangeWithPlaceholder { range: place.lines.span(name), placeholder }))
}

fn renamable(view: &View, definition: Span) -> Result<Kind, Fault> {
    if definition.file.is_standard() {
        return Err(Fault::refused("this name belongs to the standard library"));
    }
    match declared(view, definition) {
        Some(found) => Ok(found.kind),
        None => Err(Fault::refused("a module bears the name of its file: rename the file, and the imports that name it")),
    }
}

pub fn rename(workspace: &mut Workspace, params: RenameParams) -> Answer<Option<WorkspaceEdit>> {
    let place = workspace.place(&params.text_document_position)?;
    let Some((definition, _)) = meaning(&place.view, place.file, place.offset) else {
        return Err(Fault::refused("there is no name here"));
    };
    let new = params.new_name;
    if !is_name(&new) {
        return Err(Fault::refused(format!("`{new}` is not a name: names are made of the letters a–z, A–Z, digits and `_`")));
    }
    let whole = workspace.whole();
    renamable(&whole, definition)?;
    let old = whole.text(definition).to_owned();
    if old == new {
        return Ok(None);
    }
    let mut spans = uses(&whole, definition);
    spans.push(definition);
    spans.retain(|span| whole.text(*span) == old && !span.file.is_standard());
    let mut edits = Edits::new();
    for span in spans {
        edits.entry(span.file).or_default().push((span, new.clone()));
    }
    if let Some(history) = history(&whole, definition, &old) {
        edits.entry(definition.file).or_default().push(history);
    }
    refuse_new_errors(workspace, &whole, &edits)?;
    Ok(Some(workspace_edit(workspace, edits)))
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub type Edits = BTreeMap<FileId, Vec<(Span, String)>>;

/// `was OLD` behind a step that runs know by its name, unless it has a history already.
fn history(view: &View, definition: Span, old: &str) -> Option<(Span, String)> {
    let item = item_around(view, definition)?;
    let mut finder = StepNamed { name: definition, found: None };
    walk::item(&mut finder, item);
    let (step, value, modifiers) = finder.found?;
    let known = modifiers.iter().any(|modifier| matches!(modifier.kind, ModifierKind::Was(_)));
    let is_source = matches!(step.kind, StepKind::Source { .. });
    if known || !(is_source || calls_out(view, value)) {
        return None;
    }
    let end = modifiers.last().map_or(value.span.end, |modifier| modifier.span.end);
    Some((Span { start: end, end, ..step.span }, format!(" was {old}")))
}

struct StepNamed<'a> {
    name: Span,
    found: Option<(&'a Step, &'a Expr, &'a [Modifier])>,
}

impl<'a> Visitor<'a> for StepNamed<'a> {
    fn step(&mut self, step: &'a Step) {
        if let StepKind::Source { name, call: value, modifiers, .. } | StepKind::Let { name, value, modifiers, .. } = &step.kind
            && name.span == self.name
        {
            self.found = Some((step, value, modifiers));
        }
    }
}

/// Whether the value is what a prompt, an operation or a flow answers.
fn calls_out(view: &View, value: &Expr) -> bool {
    let ExprKind::Call { callee, .. } = &value.kind else { return false };
    let reference = view.reference_at(callee.span.file, callee.span.end);
    let found = reference.and_then(|reference| declared(view, reference.definition));
    found.is_some_and(|found| matches!(found.kind, Kind::Prompt | Kind::Operation | Kind::Flow))
}

fn refuse_new_errors(workspace: &mut Workspace, before: &View, edits: &Edits) -> Result<(), Fault> {
    let after = workspace.whole_with(edits);
    let errors = |view: &View| view.checked.problems.all.iter().filter(|problem| problem.code.starts_with('E')).count();
    if errors(&after) <= errors(before) {
        return Ok(());
    }
    let known: BTreeSet<&str> = before.checked.problems.all.iter().map(|problem| problem.message.as_str()).collect();
    let new = after
        .checked
        .problems
        .all
        .iter()
        .find(|problem| problem.code.starts_with('E') && !known.contains(problem.message.as_str()));
    let reason = new.map_or("there would be new errors", |problem| problem.message.as_str());
    Err(Fault::refused(format!("this name cannot be taken: {reason}")))
}

/// The edits in the form that the editor takes.
pub fn workspace_edit(workspace: &mut Workspace, edits: Edits) -> WorkspaceEdit {
    let mut by_file = Vec::new();
    for (file, edits) in edits {
        let Some(uri) = workspace.files.uri(file) else { continue };
        let lines = workspace.lines(file);
        let edits: Vec<TextEdit> =
            edits.into_iter().map(|(span, new_text)| TextEdit { range: lines.span(span), new_text }).collect();
        by_file.push((uri, workspace.files.version(file), edits));
    }
    if workspace.client.versioned_edits {
        let documents = by_file.into_iter().map(|(uri, version, edits)| TextDocumentEdit {
            text_document: OptionalVersionedTextDocumentIdentifier { uri, version },
            edits: edits.into_iter().map(OneOf::Left).collect(),
        });
        return WorkspaceEdit { document_changes: Some(DocumentChanges::Edits(documents.collect())), ..WorkspaceEdit::default() };
    }
    let changes = by_file.into_iter().map(|(uri, _, edits)| (uri, edits)).collect();
    WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }
}
