//! What the checker knows and the author did not write: types, names of parameters, costs.

use super::hover::figure;
use crate::protocol::Answer;
use crate::syntax::{Kind, declarations, declared};
use crate::workspace::view::Priced;
use crate::workspace::{View, Workspace};
use pmflow_compiler::cost::Figure;
use pmflow_compiler::syntax::ast::*;
use pmflow_compiler::syntax::walk::{self, Visitor};
use pmflow_compiler::types::Ty;
use pmflow_compiler::{FileId, Span};
use tower_lsp_server::ls_types::*;

pub fn hints(workspace: &mut Workspace, params: InlayHintParams) -> Answer<Option<Vec<InlayHint>>> {
    let file = workspace.document(&params.text_document)?;
    let view = workspace.view(file);
    let lines = workspace.lines(file);
    let shown = lines.bytes(params.range);
    let Some(tree) = view.tree(file) else { return Ok(None) };
    let mut found = Found { view: &view, hints: Vec::new() };
    for item in tree.items().filter(|item| item.span.range().start <= shown.end && shown.start <= item.span.range().end) {
        found.types(item);
        walk::item(&mut found, item);
    }
    found.costs(file);
    let mut hints = found.hints;
    hints.retain(|hint| shown.contains(&(hint.0 as usize)) || hint.0 as usize == shown.end);
    hints.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let as_hint = |(at, label, kind): (u32, String, Option<InlayHintKind>)| InlayHint {
        position: lines.position(at as usize),
        padding_left: Some(kind.is_none()),
        padding_right: Some(kind == Some(InlayHintKind::PARAMETER)),
        label: InlayHintLabel::String(label),
        kind,
        text_edits: None,
        tooltip: None,
        data: None,
    };
    Ok(Some(hints.into_iter().map(as_hint).collect()))
}

struct Found<'v> {
    view: &'v View,
    /// Where it stands, what it says.
    hints: Vec<(u32, String, Option<InlayHintKind>)>,
}

const TYPE_LENGTH_MAX: usize = 60;

impl Found<'_> {
    /// Behind every variable whose type is not written.
    fn types(&mut self, item: &Item) {
        for declared in declarations(item) {
            if !matches!(declared.kind, Kind::Variable | Kind::Source) {
                continue;
            }
            let written = self.view.text(Span {
                start: declared.name.span.end,
                end: declared.span.end.max(declared.name.span.end),
                ..declared.name.span
            });
            if written.trim_start().starts_with(':') {
                continue;
            }
            let ty = self.view.type_of(declared.name.span).filter(|ty| !matches!(ty, Ty::Error | Ty::None));
            if let Some(shown) = ty.map(|ty| format!(": {ty}")).filter(|shown| shown.chars().count() <= TYPE_LENGTH_MAX) {
                self.hints.push((declared.name.span.end, shown, Some(InlayHintKind::TYPE)));
            }
        }
    }

    /// Behind each prompt's name what a call costs, behind each step what it costs in a run.
    fn costs(&mut self, file: FileId) {
        let mut shown: Vec<(u32, String, Option<InlayHintKind>)> = Vec::new();
        for priced in self.view.priced().iter().filter(|priced| priced.file == file) {
            for row in &priced.estimate.prompts {
                let span = place(self.view, priced, file, &format!("prompt:{}", row.prompt));
                if let Some(at) = span.and_then(|span| self.end_of_line(span)) {
                    let label = format!("≈ {} a call, at most {}", figure(&row.call.expected), figure(&row.call.ceiling));
                    shown.push((at, label, None));
                }
            }
            for node in priced.estimate.nodes.iter().rev().skip(1) {
                let worth = !matches!(node.cost.expected, Figure::Known(money) if money == pmflow_plan::Money::ZERO);
                let span = place(self.view, priced, file, &node.path).filter(|_| worth && node.path.contains('/'));
                if let Some(at) = span.and_then(|span| self.end_of_line(span)) {
                    let label = format!("≈ {}, at most {}", figure(&node.cost.expected), figure(&node.cost.ceiling));
                    shown.push((at, label, None));
                }
            }
        }
        // Several nodes may stand on one line; the last one, the outermost, says it.
        shown.sort_by_key(|(at, _, _)| *at);
        shown.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        self.hints.extend(shown);
    }

    fn end_of_line(&self, span: Span) -> Option<u32> {
        let text = &self.view.file(span.file)?.text;
        let rest = text.get(span.end as usize..)?;
        let length = rest.find('\n').unwrap_or(rest.len());
        Some(span.end + u32::try_from(rest.get(..length)?.trim_end().len()).ok()?)
    }
}

/// The word at a step's place.
pub fn place(view: &View, priced: &Priced, file: FileId, path: &str) -> Option<Span> {
    let place = priced.map.places.get(path)?;
    let checked = view.file(file).filter(|checked| *checked.path == *place.file)?;
    let start = checked.line_start(place.line)? as usize;
    let columns = place.column.saturating_sub(1) as usize;
    let line = checked.text.get(start..)?;
    let at = start + line.chars().take(columns).map(char::len_utf8).sum::<usize>();
    let at = u32::try_from(at).ok()?;
    Some(Span { file, start: at, end: at })
}

impl<'a> Visitor<'a> for Found<'_> {
    fn expr(&mut self, expr: &'a Expr) {
        let ExprKind::Call { callee, arguments } = &expr.kind else { return };
        let reference = self.view.reference_at(expr.span.file, callee.span.end);
        let Some(found) = reference.and_then(|reference| declared(self.view, reference.definition)) else { return };
        // Of a builtin the name says enough.
        if found.name.span.file == FileId::PRELUDE || found.parameters.len() < 2 {
            return;
        }
        for (argument, parameter) in arguments.iter().zip(found.parameters) {
            let says = |name: &str| self.view.text(argument.value.span).rsplit('.').next() == Some(name);
            if argument.name.is_none() && !says(&parameter.name.text) {
                let label = format!("{}:", parameter.name.text);
                self.hints.push((argument.value.span.start, label, Some(InlayHintKind::PARAMETER)));
            }
        }
    }
}
