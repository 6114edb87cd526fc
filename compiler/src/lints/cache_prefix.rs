//! Prompts whose constant text comes after their variable text. Providers charge a fraction for the beginning of a
//! request that they have seen before; what follows the first difference is paid in full every time.

use super::{Report, only_expr, setting};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::*;

/// Below this the constant text after a hole costs too little to speak of.
const CONSTANT_CHARS_MIN: usize = 200;

pub(super) fn check(item: &Item, report: &mut Report<'_>) {
    if let ItemKind::Prompt(prompt) = &item.kind {
        check_prompt(prompt, report);
    }
}

/// The order in which a provider reads the request.
fn check_prompt(prompt: &PromptItem, report: &mut Report<'_>) {
    let mut order = Order::default();
    let turns = prompt.examples.iter().flat_map(|example| ["user", "assistant"].map(|name| setting(&example.settings, name)));
    let whole = [setting(&prompt.settings, "system")].into_iter().chain(turns).chain([setting(&prompt.settings, "user")]);
    for setting in whole.flatten() {
        if let Some(Expr { kind: ExprKind::Text(template), .. }) = only_expr(setting) {
            template.pieces.iter().for_each(|piece| order.read(piece));
        }
    }
    let problem = order.problem(|span| trimmed(report.written(span), span));
    report.problems.extend(problem);
}

/// Without the white space around it.
fn trimmed(written: &str, span: Span) -> Span {
    let start = span.start + (written.len() - written.trim_start().len()) as u32;
    Span { start, end: start + written.trim().len() as u32, ..span }
}

#[derive(Default)]
struct Order {
    constant_before: usize,
    constant_after: usize,
    first_variable: Option<Span>,
    /// The longest constant piece after the first variable one.
    longest: Option<(usize, Span)>,
}

impl Order {
    fn read(&mut self, piece: &TemplatePiece) {
        match piece {
            TemplatePiece::Text { text, span } => self.constant(text.trim().chars().count(), *span),
            TemplatePiece::Hole { span, .. } | TemplatePiece::If { span, .. } | TemplatePiece::For { span, .. } => {
                self.first_variable.get_or_insert(*span);
            }
        }
    }

    fn constant(&mut self, chars: usize, span: Span) {
        if self.first_variable.is_none() {
            self.constant_before += chars;
            return;
        }
        self.constant_after += chars;
        if self.longest.is_none_or(|(longest, _)| longest < chars) {
            self.longest = Some((chars, span));
        }
    }

    fn problem(&self, trimmed: impl Fn(Span) -> Span) -> Option<Problem> {
        let ((_, longest), variable) = (self.longest?, self.first_variable?);
        let worth_it = self.constant_after >= CONSTANT_CHARS_MIN && self.constant_after > self.constant_before;
        worth_it.then(|| {
            let message = format!("{} characters that never change come after text that does", self.constant_after);
            Problem::new("W0106", trimmed(longest), message)
                .label("paid in full in every call")
                .related(variable, "from here on, every request is different")
                .help("put what never changes first, into `system` or above the first `{{ }}`: providers charge less for a beginning that they know")
        })
    }
}
