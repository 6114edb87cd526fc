//! Conditions whose answer is known before anything runs.

use super::Report;
use crate::problems::Problem;
use crate::syntax::ast::*;
use crate::syntax::walk::{self, Visitor};
use ecow::EcoString;
use std::cmp::Ordering;

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
    fn condition(&mut self, condition: &Expr) {
        let Some(answer) = constant(condition, self.text) else { return };
        let label = if answer { "the other branch is never taken" } else { "what it guards is never done" };
        self.found.push(
            Problem::new("W0105", condition.span, format!("this condition is always {answer}"))
                .label(label)
                .help("write what is meant, or leave the condition out"),
        );
    }
}

/// The answer of a condition made of literals, or of a name compared with itself.
fn constant(condition: &Expr, text: &str) -> Option<bool> {
    match &condition.kind {
        ExprKind::Bool(value) => Some(*value),
        ExprKind::Parenthesized(of) => constant(of, text),
        ExprKind::Unary { operator: UnaryOperator::Not, of } => constant(of, text).map(|value| !value),
        ExprKind::Binary { operator, left, right, .. } => binary(*operator, left, right, text),
        _ => None,
    }
}

fn binary(operator: BinaryOperator, left: &Expr, right: &Expr, text: &str) -> Option<bool> {
    match operator {
        BinaryOperator::And => either(false, constant(left, text), constant(right, text)),
        BinaryOperator::Or => either(true, constant(left, text), constant(right, text)),
        _ => {
            let order =
                if same_name(left, right, text) { Some(Ordering::Equal) } else { compared(&literal(left)?, &literal(right)?) };
            holds(operator, order?)
        }
    }
}

/// `and` is decided by one false side, `or` by one true one; otherwise both sides are needed.
fn either(decisive: bool, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(side), _) | (_, Some(side)) if side == decisive => Some(decisive),
        (_, Some(side)) if side == decisive => Some(decisive),
        (Some(_), Some(_)) => Some(!decisive),
        _ => None,
    }
}

fn holds(operator: BinaryOperator, order: Ordering) -> Option<bool> {
    Some(match operator {
        BinaryOperator::Equal => order.is_eq(),
        BinaryOperator::NotEqual => order.is_ne(),
        BinaryOperator::Less => order.is_lt(),
        BinaryOperator::LessOrEqual => order.is_le(),
        BinaryOperator::Greater => order.is_gt(),
        BinaryOperator::GreaterOrEqual => order.is_ge(),
        _ => return None,
    })
}

/// `lead.score` beside `lead.score`; calls may answer differently each time and are left alone.
fn same_name(left: &Expr, right: &Expr, text: &str) -> bool {
    let written = |expr: &Expr| text.get(expr.span.range()).unwrap_or("").trim();
    is_plain_name(left) && is_plain_name(right) && !written(left).is_empty() && written(left) == written(right)
}

fn is_plain_name(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Name(_) => true,
        ExprKind::Field { of, .. } => is_plain_name(of),
        _ => false,
    }
}

#[derive(PartialEq)]
enum Literal {
    Bool(bool),
    Number(f64),
    Int(i64),
    Money(i128),
    Duration(i64),
    Text(EcoString),
}

fn literal(expr: &Expr) -> Option<Literal> {
    Some(match &expr.kind {
        ExprKind::Parenthesized(of) => literal(of)?,
        ExprKind::Bool(value) => Literal::Bool(*value),
        ExprKind::Int(value) => Literal::Int((*value)?),
        ExprKind::Float(value) => Literal::Number(*value),
        ExprKind::Money(value) => Literal::Money((*value)?),
        ExprKind::Duration(value) => Literal::Duration((*value)?),
        ExprKind::Text(template) => Literal::Text(template.as_constant()?),
        _ => return None,
    })
}

/// The order of two literals of one kind; different kinds are the checker's business.
fn compared(left: &Literal, right: &Literal) -> Option<Ordering> {
    match (left, right) {
        (Literal::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Literal::Int(a), Literal::Int(b)) | (Literal::Duration(a), Literal::Duration(b)) => Some(a.cmp(b)),
        (Literal::Number(a), Literal::Number(b)) => a.partial_cmp(b),
        (Literal::Money(a), Literal::Money(b)) => Some(a.cmp(b)),
        (Literal::Text(a), Literal::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
