//! A bound for what has none: `limit` on a source, `max` on a list's type.

use super::{Asked, Offered};
use pmflow_compiler::syntax::ast::{ModifierKind, RefinementKind, StepKind, TypeExprKind};
use tower_lsp_server::ls_types::CodeActionKind;

const ROWS: u64 = 1000;
const ELEMENTS: u64 = 20;

pub fn bound(asked: &Asked<'_>) -> Vec<Offered> {
    let rewrite = |title: String, at: u32, text: String| {
        Offered::new(title, CodeActionKind::REFACTOR_REWRITE, vec![(asked.span(at, at), text)])
    };
    let mut offered = Vec::new();
    if let Some(StepKind::Source { name, call, modifiers, .. }) = asked.around.steps.last().map(|step| &step.kind)
        && !modifiers.iter().any(|modifier| matches!(modifier.kind, ModifierKind::Limit(_)))
    {
        let title = format!("read at most {ROWS} rows of `{}`", name.text);
        offered.push(rewrite(title, call.span.end, format!(" limit {ROWS}")));
    }
    let list = asked.around.types.iter().rev().find_map(|ty| match &ty.kind {
        TypeExprKind::List { refinements, .. } => Some((ty, refinements)),
        _ => None,
    });
    if let Some((ty, refinements)) = list
        && !refinements.iter().any(|refinement| matches!(refinement.kind, RefinementKind::Max { .. }))
    {
        let title = format!("bound the list: at most {ELEMENTS} elements");
        offered.push(rewrite(title, ty.span.end, format!("(max {ELEMENTS})")));
    }
    offered
}
