//! References and depth of expressions.

use super::super::{DecodeError, EXPRESSION_DEPTH_MAX};
use super::{Check, contradiction};
use crate::value::VALUE_DEPTH_MAX;
use crate::{Body, Expr, Operation, Paging, Piece};
use std::collections::BTreeSet;

/// An expression or a template's pieces, still to be looked at.
#[derive(Clone, Copy)]
enum Open<'a> {
    Expr(&'a Expr),
    Pieces(&'a [Piece]),
}

impl Check<'_> {
    pub(super) fn expression(&self, expr: &Expr) -> Result<(), DecodeError> {
        self.walk(Open::Expr(expr))
    }

    pub(super) fn pieces(&self, pieces: &[Piece]) -> Result<(), DecodeError> {
        self.walk(Open::Pieces(pieces))
    }

    fn walk(&self, start: Open<'_>) -> Result<(), DecodeError> {
        let mut open = vec![(start, 1usize)];
        let mut parts = Vec::new();
        while let Some((part, depth)) = open.pop() {
            if depth > EXPRESSION_DEPTH_MAX {
                return Err(DecodeError::TooDeep { what: "expressions", max: EXPRESSION_DEPTH_MAX });
            }
            if let Open::Expr(expr) = part {
                self.single(expr)?;
            }
            parts_of(part, &mut parts);
            open.extend(parts.drain(..).map(|part| (part, depth + 1)));
        }
        Ok(())
    }

    fn single(&self, expr: &Expr) -> Result<(), DecodeError> {
        match expr {
            Expr::Literal(value) if value.measure(VALUE_DEPTH_MAX, u64::MAX).is_none() => {
                Err(DecodeError::TooDeep { what: "values", max: VALUE_DEPTH_MAX })
            }
            Expr::Call { function, arguments } => match self.plan.functions.get(function) {
                Some(declared) if declared.parameters.len() == arguments.len() => Ok(()),
                Some(_) => Err(contradiction(format!("`{function}` is called with {} arguments", arguments.len()))),
                None => Err(contradiction(format!("the function `{function}` is missing"))),
            },
            Expr::Cast { ty, .. } => self.ty(ty),
            Expr::Lambda(lambda) => lambda.parameters.iter().try_for_each(|(_, ty)| self.ty(ty)),
            _ => Ok(()),
        }
    }
}

impl Expr {
    /// All names of variables in it, those that a lambda or a template binds itself included.
    pub fn variables(&self) -> BTreeSet<&str> {
        let (mut open, mut names) = (vec![Open::Expr(self)], BTreeSet::new());
        while let Some(part) = open.pop() {
            if let Open::Expr(Expr::Var(name)) = part {
                names.insert(name.as_str());
            }
            parts_of(part, &mut open);
        }
        names
    }
}

fn parts_of<'a>(part: Open<'a>, parts: &mut Vec<Open<'a>>) {
    match part {
        Open::Expr(expr) => parts_of_expression(expr, parts),
        Open::Pieces(pieces) => pieces.iter().for_each(|piece| match piece {
            Piece::Text(_) => {}
            Piece::Hole { value, .. } => parts.push(Open::Expr(value)),
            Piece::If { condition, then, otherwise } => {
                parts.extend([Open::Expr(condition), Open::Pieces(then), Open::Pieces(otherwise)]);
            }
            Piece::For { list, body, .. } => parts.extend([Open::Expr(list), Open::Pieces(body)]),
        }),
    }
}

fn parts_of_expression<'a>(expr: &'a Expr, parts: &mut Vec<Open<'a>>) {
    match expr {
        Expr::Literal(_) | Expr::Var(_) => {}
        Expr::Field { of, .. } | Expr::OptionalField { of, .. } | Expr::Cast { of, .. } => parts.push(Open::Expr(of)),
        Expr::Index { of, index } => parts.extend([Open::Expr(of), Open::Expr(index)]),
        Expr::Record(fields) => parts.extend(fields.iter().map(|(_, field)| Open::Expr(field))),
        Expr::List(items) => parts.extend(items.iter().map(Open::Expr)),
        Expr::If { condition, then, otherwise } => {
            parts.extend([Open::Expr(condition), Open::Expr(then), Open::Expr(otherwise)]);
        }
        Expr::Otherwise { of: left, otherwise: right } | Expr::And(left, right) | Expr::Or(left, right) => {
            parts.extend([Open::Expr(left), Open::Expr(right)]);
        }
        Expr::Call { arguments, .. } | Expr::Op { arguments, .. } => parts.extend(arguments.iter().map(Open::Expr)),
        Expr::Lambda(lambda) => parts.push(Open::Expr(&lambda.body)),
        Expr::Template(pieces) => parts.push(Open::Pieces(pieces)),
    }
}

pub(super) fn functions_called(expr: &Expr) -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    let mut open = vec![Open::Expr(expr)];
    let mut parts = Vec::new();
    while let Some(part) = open.pop() {
        if let Open::Expr(Expr::Call { function, .. }) = part {
            called.insert(function.clone());
        }
        parts_of(part, &mut parts);
        open.append(&mut parts);
    }
    called
}

/// All expressions of an operation but those in its path.
pub(super) fn of_operation(operation: &Operation) -> Vec<&Expr> {
    let mut all: Vec<&Expr> = operation.query.iter().chain(&operation.headers).map(|(_, expr)| expr).collect();
    match &operation.body {
        Body::None => {}
        Body::Json(expr) | Body::Text(expr) => all.push(expr),
        Body::Form(fields) | Body::Multipart(fields) => all.extend(fields.iter().map(|(_, expr)| expr)),
    }
    all.extend(&operation.mapping);
    match &operation.paging {
        Paging::None => {}
        Paging::Cursor { next } => all.push(next),
        Paging::Number { next, .. } | Paging::Offset { next } | Paging::Link { next } => all.extend(next),
    }
    all.extend(operation.errors.iter().flat_map(|case| case.when.iter().chain([&case.message])));
    all
}
