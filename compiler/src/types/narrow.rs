//! Conditions, and what is known where they hold.

use super::Checker;
use super::coerce::Typed;
use super::scope::{Fact, FactKind, Scope};
use super::ty::Ty;
use crate::Problem;
use crate::syntax::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};
use pmflow_plan::{Expr as Plan, Op};

pub(super) struct Condition {
    pub expr: Plan,
    pub when_true: Vec<Fact>,
    pub when_false: Vec<Fact>,
}

impl Checker<'_> {
    /// A bool, or a value that may be missing: then the condition is whether it is there.
    pub(super) fn condition(&mut self, scope: &mut Scope, expr: &Expr) -> Condition {
        if !self.deeper(expr.span) {
            return Condition {
                expr: Plan::Literal(pmflow_plan::Value::Bool(false)),
                when_true: Vec::new(),
                when_false: Vec::new(),
            };
        }
        let condition = self.condition_kind(scope, expr);
        self.depth -= 1;
        condition
    }

    fn condition_kind(&mut self, scope: &mut Scope, expr: &Expr) -> Condition {
        match &expr.kind {
            ExprKind::Parenthesized(of) => self.condition(scope, of),
            ExprKind::Unary { operator: UnaryOperator::Not, of } => {
                let of = self.condition(scope, of);
                let expr = Plan::Op { op: Op::Not, arguments: vec![of.expr] };
                Condition { expr, when_true: of.when_false, when_false: of.when_true }
            }
            ExprKind::Binary { operator: BinaryOperator::And, left, right, .. } => {
                let left = self.condition(scope, left);
                let level = scope.enter();
                scope.learn(&left.when_true);
                let right = self.condition(scope, right);
                scope.leave(level);
                let when_true = [left.when_true, right.when_true].concat();
                Condition { expr: Plan::And(Box::new(left.expr), Box::new(right.expr)), when_true, when_false: Vec::new() }
            }
            ExprKind::Binary { operator: BinaryOperator::Or, left, right, .. } => {
                let left = self.condition(scope, left);
                let level = scope.enter();
                scope.learn(&left.when_false);
                let right = self.condition(scope, right);
                scope.leave(level);
                let when_false = [left.when_false, right.when_false].concat();
                Condition { expr: Plan::Or(Box::new(left.expr), Box::new(right.expr)), when_true: Vec::new(), when_false }
            }
            _ => self.simple_condition(scope, expr),
        }
    }

    fn simple_condition(&mut self, scope: &mut Scope, expr: &Expr) -> Condition {
        let value = self.infer(scope, expr);
        let (when_true, when_false) = self.facts(scope, expr, &value);
        let present = Plan::Op { op: Op::IsSome, arguments: vec![value.expr.clone()] };
        let expr = match &value.ty {
            Ty::Bool | Ty::Error => value.expr,
            Ty::Optional(of) if !matches!(**of, Ty::Bool) => present,
            Ty::Json | Ty::None => present,
            Ty::Optional(_) => {
                let problem = Problem::new("E0204", value.span, "this may be missing, and is neither true nor false then");
                self.report(
                    problem.label("bool?").help("say what it is then: `(x ?? false)`, or ask whether it is there: `x != none`"),
                );
                value.expr
            }
            other => {
                let problem = Problem::new("E0201", value.span, format!("a condition is true or false, but this is {other}"));
                let help = match other {
                    Ty::Text(_) => "compare it, as in `x != \"\"`",
                    Ty::List { .. } => "compare its length, as in `x.len() > 0`",
                    _ => "compare it with something, as in `x > 0`",
                };
                self.report(problem.help(help));
                value.expr
            }
        };
        Condition { expr, when_true, when_false }
    }

    fn facts(&mut self, scope: &mut Scope, expr: &Expr, value: &Typed) -> (Vec<Fact>, Vec<Fact>) {
        match &expr.kind {
            ExprKind::Binary { operator: BinaryOperator::NotEqual, left, right, .. } => {
                (self.present(scope, left, right), Vec::new())
            }
            ExprKind::Binary { operator: BinaryOperator::Equal, left, right, .. } => {
                (Vec::new(), self.present(scope, left, right))
            }
            ExprKind::Call { callee, .. } => (self.matched(scope, callee), Vec::new()),
            _ if value.ty.is_optional() => {
                let present = self.present_along(scope, expr);
                (present, Vec::new())
            }
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// `x != none`
    fn present(&mut self, scope: &mut Scope, left: &Expr, right: &Expr) -> Vec<Fact> {
        match (&left.kind, &right.kind) {
            (_, ExprKind::None) => self.present_along(scope, left),
            (ExprKind::None, _) => self.present_along(scope, right),
            _ => Vec::new(),
        }
    }

    /// When `a?.b` is there, so is `a`.
    fn present_along(&mut self, scope: &mut Scope, expr: &Expr) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut at = expr;
        loop {
            facts.extend(self.path_of(scope, at).map(|path| Fact { path, kind: FactKind::Present }));
            match &at.kind {
                ExprKind::Field { of, optional: true, .. } => at = of,
                ExprKind::Parenthesized(of) => at = of,
                _ => return facts,
            }
        }
    }

    /// `x.matches(/…/)`: where it holds, the author has fixed the text's form.
    fn matched(&mut self, scope: &mut Scope, callee: &Expr) -> Vec<Fact> {
        match &callee.kind {
            ExprKind::Field { of, name: Some(name), .. } if name.text == "matches" => {
                self.path_of(scope, of).map(|path| Fact { path, kind: FactKind::Trusted }).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The path of a value that starts at a variable: facts are kept by it.
    pub(super) fn path_of(&mut self, scope: &mut Scope, expr: &Expr) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        let mut at = expr;
        let root = loop {
            match &at.kind {
                ExprKind::Name(name) => break scope.find(name)?.unique.clone(),
                ExprKind::Field { of, name: Some(name), .. } => {
                    names.push(name.text.as_str());
                    at = of;
                }
                ExprKind::Parenthesized(of) => at = of,
                _ => return None,
            }
        };
        names.push(root.as_str());
        names.reverse();
        Some(names.join("."))
    }
}
