//! A `let` in place of its name, and gone.

use super::{Asked, Offered};
use crate::features::navigation::uses;
use crate::syntax::{Kind, declared, meaning};
use pmflow_compiler::Span;
use pmflow_compiler::syntax::ast::{Expr, ExprKind, Step, StepKind};
use pmflow_compiler::syntax::walk::{self, Visitor};
use tower_lsp_server::ls_types::CodeActionKind;

pub fn variable(asked: &Asked<'_>) -> Vec<Offered> {
    offered(asked).into_iter().collect()
}

fn offered(asked: &Asked<'_>) -> Option<Offered> {
    let (definition, _) = meaning(asked.view, asked.file, asked.from)?;
    let mut finder = Finder { name: definition, found: None };
    walk::item(&mut finder, asked.around.item?);
    let (step, value) = finder.found?;
    let all = uses(asked.view, definition);
    // A call happens once; a value may stand anywhere.
    if all.is_empty() || has_effect(asked, value) {
        return None;
    }
    let written = asked.view.text(value.span);
    let text = if needs_brackets(value) { format!("({written})") } else { written.to_owned() };
    let mut edits: Vec<(Span, String)> = all.into_iter().map(|span| (span, text.clone())).collect();
    edits.push((whole_lines(asked, step.span), String::new()));
    let title = format!("inline `{}`", asked.view.text(definition));
    Some(Offered::new(title, CodeActionKind::REFACTOR_INLINE, edits))
}

struct Finder<'a> {
    name: Span,
    found: Option<(&'a Step, &'a Expr)>,
}

impl<'a> Visitor<'a> for Finder<'a> {
    fn step(&mut self, step: &'a Step) {
        if let StepKind::Let { name, value, modifiers, .. } = &step.kind
            && name.span == self.name
            && modifiers.is_empty()
        {
            self.found = Some((step, value));
        }
    }
}

fn has_effect(asked: &Asked<'_>, value: &Expr) -> bool {
    let inside = |span: Span| value.span.start <= span.start && span.end <= value.span.end;
    let references = asked.view.references_in(asked.file).iter().filter(|reference| inside(reference.span));
    let mut kinds = references.filter_map(|reference| declared(asked.view, reference.definition)).map(|found| found.kind);
    kinds.any(|kind| matches!(kind, Kind::Prompt | Kind::Operation | Kind::Flow))
}

fn needs_brackets(value: &Expr) -> bool {
    use ExprKind::{As, Binary, If, Lambda, Unary};
    matches!(value.kind, Binary { .. } | If { .. } | Unary { .. } | Lambda { .. } | As { .. })
}

/// The step's lines, when nothing else stands on them.
fn whole_lines(asked: &Asked<'_>, step: Span) -> Span {
    let start = asked.line_start(step.start);
    let after = asked.lines.line_start(asked.lines.line_of(step.end as usize) + 1);
    let end = u32::try_from(after).unwrap_or(step.end);
    let blank = |start: u32, end: u32| asked.view.text(asked.span(start, end)).trim().is_empty();
    if blank(start, step.start) && blank(step.end, end) { asked.span(start, end) } else { step }
}
