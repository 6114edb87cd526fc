//! Where a name is declared, and where it is used.

use crate::protocol::Answer;
use crate::syntax::{Kind, declared, meaning};
use crate::workspace::{Place, View, Workspace};
use pmflow_compiler::syntax::ast::{Import, ItemKind};
use pmflow_compiler::types::Ty;
use pmflow_compiler::{FileId, Span};
use tower_lsp_server::ls_types::*;

pub fn definition(workspace: &mut Workspace, params: GotoDefinitionParams) -> Answer<Option<GotoDefinitionResponse>> {
    let place = workspace.place(&params.text_document_position_params)?;
    if let Some(location) = imported(workspace, &place) {
        return Ok(Some(GotoDefinitionResponse::Scalar(location)));
    }
    let Some((definition, _)) = meaning(&place.view, place.file, place.offset) else { return Ok(None) };
    // A module's name leads to its file.
    let module = at_import(&place.view, definition).and_then(|path| import_target(workspace, definition.file, path));
    Ok(module.or_else(|| workspace.location(definition)).map(GotoDefinitionResponse::Scalar))
}

/// The file that an `import` names, when the place is on it.
fn imported(workspace: &mut Workspace, place: &Place) -> Option<Location> {
    let tree = place.view.tree(place.file)?;
    let path = tree.items().find_map(|item| match &item.kind {
        ItemKind::Import(Import::File { path, path_span }) => {
            (path_span.start <= place.offset && place.offset <= path_span.end).then(|| path.to_string())
        }
        _ => None,
    })?;
    import_target(workspace, place.file, &path)
}

fn at_import(view: &View, definition: Span) -> Option<&str> {
    view.tree(definition.file)?.items.iter().find_map(|item| match &item.kind {
        ItemKind::Import(Import::File { path, path_span }) if *path_span == definition => Some(path.as_str()),
        _ => None,
    })
}

pub fn import_target(workspace: &mut Workspace, from: FileId, path: &str) -> Option<Location> {
    let folder = workspace.files.path(from)?.parent()?.to_owned();
    let target = crate::workspace::files::tidy(&folder.join(path));
    let file = workspace.files.id(&target);
    workspace.files.text(file).ok()?;
    Some(Location { uri: workspace.files.uri(file)?, range: Range::default() })
}

pub fn type_definition(workspace: &mut Workspace, params: GotoDefinitionParams) -> Answer<Option<GotoDefinitionResponse>> {
    let place = workspace.place(&params.text_document_position_params)?;
    let named = place.view.reference_at(place.file, place.offset).map(|reference| reference.definition);
    let ty = named.and_then(|definition| place.view.type_of(definition));
    let ty = ty.or_else(|| place.view.checked.type_at(place.file, place.offset).map(|(_, ty)| ty));
    let definition = ty.and_then(|ty| type_declaration(&place.view, ty));
    let location = definition.and_then(|definition| workspace.location(definition));
    Ok(location.map(GotoDefinitionResponse::Scalar))
}

/// Where the record or enum is declared that a type is, holds or lists.
fn type_declaration(view: &View, ty: &Ty) -> Option<Span> {
    match ty {
        Ty::Enum(of) => {
            let (_, value) = of.values.first()?;
            let item = crate::syntax::item_around(view, *value)?;
            let inner = crate::syntax::declarations(item).into_iter();
            inner.filter(|found| found.kind == Kind::Enum).find(|found| covers(found.span, *value)).map(|found| found.name.span)
        }
        Ty::Record(record) => {
            record.name.as_ref()?;
            let field = record.fields.iter().find_map(|field| field.span)?;
            let item = crate::syntax::item_around(view, field)?;
            let inner = crate::syntax::declarations(item).into_iter();
            inner.filter(|found| found.kind == Kind::Type).find(|found| covers(found.span, field)).map(|found| found.name.span)
        }
        Ty::List { of, .. } | Ty::Map(of) | Ty::Optional(of) => type_declaration(view, of),
        _ => None,
    }
}

fn covers(outer: Span, inner: Span) -> bool {
    outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
}

pub fn references(workspace: &mut Workspace, params: ReferenceParams) -> Answer<Option<Vec<Location>>> {
    let place = workspace.place(&params.text_document_position)?;
    let Some((definition, _)) = meaning(&place.view, place.file, place.offset) else { return Ok(None) };
    let whole = workspace.whole();
    let mut spans = uses(&whole, definition);
    if params.context.include_declaration {
        spans.insert(0, definition);
    }
    Ok(Some(spans.into_iter().filter_map(|span| workspace.location(span)).collect()))
}

/// Every place that names a definition, sorted.
pub fn uses(view: &View, definition: Span) -> Vec<Span> {
    let references = view.checked.references.iter().filter(|reference| reference.definition == definition);
    references.map(|reference| reference.span).filter(|span| *span != definition).collect()
}

pub fn highlight(workspace: &mut Workspace, params: DocumentHighlightParams) -> Answer<Option<Vec<DocumentHighlight>>> {
    let place = workspace.place(&params.text_document_position_params)?;
    let Some((definition, _)) = meaning(&place.view, place.file, place.offset) else { return Ok(None) };
    let mut all: Vec<DocumentHighlight> = Vec::new();
    if definition.file == place.file {
        all.push(DocumentHighlight { range: place.lines.span(definition), kind: Some(DocumentHighlightKind::WRITE) });
    }
    for span in uses(&place.view, definition).into_iter().filter(|span| span.file == place.file) {
        all.push(DocumentHighlight { range: place.lines.span(span), kind: Some(DocumentHighlightKind::READ) });
    }
    Ok(Some(all))
}

/// A local name and its uses change together while one is typed over; what other files may use does not.
pub fn linked_editing(workspace: &mut Workspace, params: LinkedEditingRangeParams) -> Answer<Option<LinkedEditingRanges>> {
    let place = workspace.place(&params.text_document_position_params)?;
    let Some((definition, _)) = meaning(&place.view, place.file, place.offset) else { return Ok(None) };
    let local = declared(&place.view, definition).is_some_and(|found| found.kind == Kind::Variable && found.within.is_some());
    let name = place.view.text(definition).to_owned();
    if !local || definition.file != place.file {
        return Ok(None);
    }
    let mut spans = uses(&place.view, definition);
    spans.insert(0, definition);
    spans.retain(|span| place.view.text(*span) == name);
    let ranges = spans.into_iter().map(|span| place.lines.span(span)).collect();
    Ok(Some(LinkedEditingRanges { ranges, word_pattern: Some("[A-Za-z_][A-Za-z0-9_]*".to_owned()) }))
}
