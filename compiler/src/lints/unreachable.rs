//! Steps and branches that no run ever reaches.

use super::Report;
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::*;
use crate::syntax::walk::{self, Visitor};

pub(super) fn check(item: &Item, report: &mut Report<'_>) {
    let mut finder = Finder { text: report.file.text, found: Vec::new() };
    walk::item(&mut finder, item);
    report.problems.extend(finder.found);
}

struct Finder<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl Visitor<'_> for Finder<'_> {
    fn block(&mut self, block: &Block) {
        for (step, next) in block.steps.iter().zip(block.steps.iter().skip(1)) {
            if ends(step) {
                self.found.push(
                    Problem::new("W0104", next.span, "this step is never reached")
                        .related(step.span, "every way through here ends before it")
                        .help("delete it, or move it up"),
                );
                return;
            }
        }
    }

    fn step(&mut self, step: &Step) {
        // The same for `match` is an error, and the checker's.
        if let StepKind::If { condition, otherwise: Some(Otherwise::If(next)), .. } = &step.kind {
            self.same_condition(condition, next);
        }
    }
}

impl Finder<'_> {
    fn written(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("").trim()
    }

    /// `if a { } else if a { }`: the second branch waits for what the first one took.
    fn same_condition(&mut self, condition: &Expr, next: &Step) {
        let mut next = Some(next);
        while let Some(Step { kind: StepKind::If { condition: later, otherwise, .. }, .. }) = next {
            if !self.written(later.span).is_empty() && self.written(later.span) == self.written(condition.span) {
                self.found.push(
                    Problem::new("W0104", later.span, "this branch is never taken")
                        .related(condition.span, "the same was asked here")
                        .help("delete it, or correct one of the two"),
                );
                return;
            }
            next = match otherwise {
                Some(Otherwise::If(step)) => Some(step),
                _ => None,
            };
        }
    }
}

/// Whether nothing after the step in its block is ever reached.
fn ends(step: &Step) -> bool {
    match &step.kind {
        StepKind::Stop | StepKind::Fail { .. } => true,
        StepKind::If { then, otherwise: Some(otherwise), .. } => {
            block_ends(then)
                && match otherwise {
                    Otherwise::Block(block) => block_ends(block),
                    Otherwise::If(step) => ends(step),
                }
        }
        // Without `else` the arms name every value: the checker asks for that.
        StepKind::Match { arms, otherwise, .. } => {
            !arms.is_empty() && arms.iter().all(|arm| block_ends(&arm.body)) && otherwise.as_ref().is_none_or(block_ends)
        }
        _ => false,
    }
}

fn block_ends(block: &Block) -> bool {
    block.steps.iter().any(ends)
}
