//! The reference interpreter of [`Expr`]: pure, bounded in work, depth and size.
//!
//! Whatever native code computes must agree with it. Every operation is described where it is declared ([`crate::Op`])
//! and, where that is silent, at its arm here.

mod interpreter;
mod lists;
mod maps;
mod numbers;
mod scope;
mod template;
mod texts;
mod times;

pub use scope::Scope;
pub use template::{FENCE_NOTICE, Rendered};

use crate::patterns::Patterns;
use crate::schema::{TokenCount, Types};
use crate::value::VALUE_DEPTH_MAX;
use crate::{Expr, Function, Lambda, Plan, Type, Value};
use interpreter::Interpreter;
use std::collections::BTreeMap;
use std::fmt;

/// Names that `now()` and `today()` read from the [`Scope`].
pub const NOW: &str = "$now";
pub const TODAY: &str = "$today";

/// Work units of one evaluation, unless the context says otherwise: about one per expression, list element and 64 bytes
/// of text; a few seconds at most.
pub const WORK_MAX: u64 = 100_000_000;
/// Expressions inside each other while evaluating, the bodies of called functions included.
pub const DEPTH_MAX: usize = 512;
/// The longest text that an operation makes.
pub const TEXT_BYTES_MAX: usize = 64 << 20;
/// The longest list that an operation makes.
pub const LIST_ITEMS_MAX: usize = 10_000_000;
/// Parts of a value that an evaluation may end with.
pub const VALUE_NODES_MAX: u64 = 50_000_000;

/// What an expression needs besides its variables. Cheap to make; share [`Patterns`] between contexts to compile
/// patterns once.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    pub functions: &'a BTreeMap<String, Function>,
    pub types: Types<'a>,
    pub work_max: u64,
}

impl<'a> Context<'a> {
    pub fn new(functions: &'a BTreeMap<String, Function>, types: &'a BTreeMap<String, Type>) -> Context<'a> {
        Context { functions, types: Types::new(types), work_max: WORK_MAX }
    }

    pub fn of(plan: &'a Plan) -> Context<'a> {
        Context::new(&plan.functions, &plan.types)
    }

    /// Counts tokens where a cast meets a bound in tokens.
    pub fn counting(mut self, tokens: &'a (dyn TokenCount + Sync)) -> Context<'a> {
        self.types = self.types.counting(tokens);
        self
    }

    pub fn with_patterns(mut self, patterns: Patterns) -> Context<'a> {
        self.types = self.types.with_patterns(patterns);
        self
    }

    pub fn work_max(mut self, work_max: u64) -> Context<'a> {
        self.work_max = work_max;
        self
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError {
    pub kind: EvaluationErrorKind,
    /// For a person: `division by zero`, `index 5 in a list of 3`.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvaluationErrorKind {
    /// The values do not allow it: overflow, division by zero, out of range, a failed cast.
    Value,
    /// Too much work, too deep or too large.
    Limit,
    /// The plan is wrong: an unknown name, an operation on values that it is not for. A checked program has none.
    Plan,
}

impl EvaluationError {
    pub fn value(message: impl Into<String>) -> EvaluationError {
        EvaluationError { kind: EvaluationErrorKind::Value, message: message.into() }
    }

    pub fn limit(message: impl Into<String>) -> EvaluationError {
        EvaluationError { kind: EvaluationErrorKind::Limit, message: message.into() }
    }

    pub fn plan(message: impl Into<String>) -> EvaluationError {
        EvaluationError { kind: EvaluationErrorKind::Plan, message: message.into() }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EvaluationError {}

/// The value of an expression.
pub fn evaluate(expr: &Expr, scope: &Scope, context: &Context<'_>) -> Result<Value, EvaluationError> {
    let value = Interpreter::new(scope, context).run(expr)?;
    match expr {
        // These come from outside and were bounded there.
        Expr::Literal(_) | Expr::Var(_) | Expr::Field { .. } => Ok(value),
        _ => bounded(value),
    }
}

/// As [`evaluate`], for a condition.
pub fn evaluate_bool(expr: &Expr, scope: &Scope, context: &Context<'_>) -> Result<bool, EvaluationError> {
    evaluate(expr, scope, context)?.as_bool().ok_or_else(|| EvaluationError::plan("a condition that is neither true nor false"))
}

/// The value of a lambda for its arguments: a stage of a stream applied to a row.
pub fn apply(lambda: &Lambda, arguments: &[Value], scope: &Scope, context: &Context<'_>) -> Result<Value, EvaluationError> {
    Interpreter::new(scope, context).run_lambda(lambda, arguments).and_then(bounded)
}

/// A text that is sent to a model, with every untrusted hole fenced as data; see [`Rendered`].
pub fn render(expr: &Expr, scope: &Scope, context: &Context<'_>) -> Result<Rendered, EvaluationError> {
    Interpreter::new(scope, context).render(expr)
}

fn bounded(value: Value) -> Result<Value, EvaluationError> {
    if !matches!(value, Value::List(_) | Value::Record(_)) || value.measure(VALUE_DEPTH_MAX, VALUE_NODES_MAX).is_some() {
        return Ok(value);
    }
    let message = format!("the value is nested more than {VALUE_DEPTH_MAX} deep or has more than {VALUE_NODES_MAX} parts");
    Err(EvaluationError::limit(message))
}
