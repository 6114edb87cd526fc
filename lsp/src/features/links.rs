//! Imports and data files as links.

use crate::protocol::Answer;
use crate::workspace::Workspace;
use crate::workspace::files::{Mark, tidy};
use pmflow_compiler::Span;
use pmflow_compiler::syntax::ast::*;
use pmflow_compiler::syntax::walk::{self, Visitor};
use tower_lsp_server::ls_types::*;

pub fn links(workspace: &mut Workspace, params: DocumentLinkParams) -> Answer<Option<Vec<DocumentLink>>> {
    let file = workspace.document(&params.text_document)?;
    let lines = workspace.lines(file);
    let parsed = workspace.files.parsed(file, lines.text());
    let mut found = Paths::default();
    for item in &parsed.file.items {
        if let ItemKind::Import(Import::File { path, path_span }) = &item.kind {
            found.paths.push((path.to_string(), *path_span));
        }
        walk::item(&mut found, item);
    }
    let folder = workspace.files.path(file).and_then(|path| path.parent().map(ToOwned::to_owned));
    let Some(folder) = folder.filter(|folder| folder.is_absolute()) else { return Ok(None) };
    let link = |(path, span): (String, Span)| {
        let target = tidy(&folder.join(path));
        let there = matches!(workspace.files.mark(workspace.files.id(&target)), Mark::Open(_) | Mark::Disk { .. });
        let target = Uri::from_file_path(target).filter(|_| there)?;
        Some(DocumentLink { range: lines.span(inside(span)), target: Some(target), tooltip: None, data: None })
    };
    Ok(Some(found.paths.into_iter().filter_map(link).collect()))
}

/// Without the quotes.
fn inside(span: Span) -> Span {
    match span.end - span.start {
        2.. => Span { start: span.start + 1, end: span.end - 1, ..span },
        _ => span,
    }
}

#[derive(Default)]
struct Paths {
    paths: Vec<(String, Span)>,
}

impl<'a> Visitor<'a> for Paths {
    fn expr(&mut self, expr: &'a Expr) {
        let ExprKind::Call { callee, arguments } = &expr.kind else { return };
        let reads = matches!(&callee.kind, ExprKind::Name(name) if matches!(name.as_str(), "csv" | "json" | "jsonl"));
        let Some(Expr { kind: ExprKind::Text(template), span }) = arguments.first().map(|first| &first.value) else { return };
        if let (true, Some(path)) = (reads, template.as_constant()) {
            self.paths.push((path.to_string(), *span));
        }
    }
}
