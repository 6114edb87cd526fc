//! The imports in order: the standard library first, each kind by name.

use super::{Asked, Offered};
use pmflow_compiler::Span;
use pmflow_compiler::syntax::ast::{Import, ItemKind};
use tower_lsp_server::ls_types::CodeActionKind;

pub fn sort(asked: &Asked<'_>) -> Vec<Offered> {
    let items = asked.view.tree(asked.file).map(|tree| tree.items.as_slice()).unwrap_or_default();
    let imports: Vec<(bool, &str, Span)> = items
        .iter()
        .filter_map(|item| match &item.kind {
            ItemKind::Import(import) => Some((matches!(import, Import::File { .. }), asked.view.text(item.span), item.span)),
            _ => None,
        })
        .collect();
    let mut sorted = imports.clone();
    sorted.sort_by_key(|(is_file, text, _)| (*is_file, *text));
    if sorted == imports {
        return Vec::new();
    }
    // Comments stay where they are; the imports change places.
    let edits = imports.iter().zip(&sorted).map(|(place, import)| (place.2, import.1.to_owned())).collect();
    vec![Offered::new("sort the imports", CodeActionKind::SOURCE_ORGANIZE_IMPORTS, edits)]
}
