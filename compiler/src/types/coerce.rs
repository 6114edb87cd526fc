//! A value of one type where another is wanted: what fits, what is checked when the flow runs, what cannot be.

use super::Checker;
use super::trust::Trust;
use super::ty::{EnumTy, Fit, RecordTy, Ty};
use crate::problems::nearest;
use crate::{Problem, Span};
use pmflow_plan::types::TextBounds;
use pmflow_plan::{Expr, Op, Value};

/// An expression of the plan with all that is known of it.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub expr: Expr,
    pub ty: Ty,
    pub trust: Trust,
    pub span: Span,
}

impl Typed {
    pub fn new(expr: Expr, ty: Ty, trust: Trust, span: Span) -> Typed {
        let trust = if ty.is_harmless() { Trust::trusted() } else { trust };
        Typed { expr, ty, trust, span }
    }

    pub fn literal(value: Value, ty: Ty, span: Span) -> Typed {
        Typed { expr: Expr::Literal(value), ty, trust: Trust::trusted(), span }
    }

    pub fn error(span: Span) -> Typed {
        Typed::literal(Value::None, Ty::Error, span)
    }
}

impl Checker<'_> {
    /// `purpose`: "the argument `lead`", "the condition".
    pub(super) fn coerce(&mut self, value: Typed, wanted: &Ty, purpose: &str) -> Typed {
        if let (Expr::Literal(literal), false) = (&value.expr, value.ty.is_error())
            && let Some(problem) = out_of_bounds(literal, &wanted.present(), value.span, purpose)
        {
            self.report(problem);
            return Typed::new(value.expr, wanted.clone(), value.trust, value.span);
        }
        match value.ty.fit(wanted) {
            Fit::Same => {
                let ty = if value.ty.is_error() { Ty::Error } else { wanted.clone() };
                Typed::new(value.expr, ty, value.trust, value.span)
            }
            Fit::ToFloat => Typed::new(to_float(value.expr), wanted.clone(), value.trust, value.span),
            Fit::Contract if is_settled(&value.expr, &wanted.present()) => {
                Typed::new(value.expr, wanted.clone(), value.trust, value.span)
            }
            Fit::Contract => {
                let cast = Expr::Cast { of: Box::new(value.expr), ty: wanted.to_plan() };
                Typed::new(cast, wanted.clone(), value.trust, value.span)
            }
            Fit::No => {
                self.report_misfit(&value, wanted, purpose);
                Typed::new(value.expr, Ty::Error, value.trust, value.span)
            }
        }
    }

    fn report_misfit(&mut self, value: &Typed, wanted: &Ty, purpose: &str) {
        let (span, actual) = (value.span, &value.ty);
        let mismatch = |code| Problem::new(code, span, format!("{purpose} is {wanted}, but this is {actual}"));
        let end = Span { start: span.end, ..span };
        let problem = match (actual, &wanted.present()) {
            (Ty::Optional(of), wanted) if of.fit(wanted) != Fit::No => {
                Problem::new("E0204", span, format!("{purpose} is {wanted}, but this may be missing"))
                    .label(format!("{actual}"))
                    .help("give a value for that case with `?? …`, or test it first with `if`")
            }
            (Ty::None, wanted) => Problem::new("E0204", span, format!("{purpose} is {wanted} and cannot be none"))
                .help(format!("a value that may be missing has the type `{wanted}?`")),
            (Ty::Json, wanted) => {
                Problem::new("E0209", span, format!("{purpose} is {wanted}, but the shape of this value is not known"))
                    .label("json")
                    .help(format!("check it with `as {wanted}`"))
                    .fix(format!("check it with `as {wanted}`"), end, format!(" as {wanted}"))
            }
            (Ty::Int { .. } | Ty::Float, Ty::Duration) => mismatch("E0201").help("a duration has a unit: `5s`, `5m`, `5h`, `5d`"),
            (Ty::Int { .. } | Ty::Float, Ty::Money) => mismatch("E0201").help("an amount of money is written `$5.00`"),
            (Ty::Text(_), Ty::Enum(of)) => self.text_for_enum(value, of, purpose),
            (Ty::Record(from), Ty::Record(to)) => record_misfit(mismatch("E0201"), from, to),
            (
                Ty::Int { .. } | Ty::Float | Ty::Bool | Ty::Money | Ty::Date | Ty::Datetime | Ty::Duration | Ty::Enum(_),
                Ty::Text(_),
            ) => mismatch("E0201").help("a text is made of it with `.to_text()`, or inside a text: `\"{{ … }}\"`"),
            (Ty::Text(_), Ty::Int { .. }) => {
                mismatch("E0201").help("`.to_int()` reads a number; it may be missing: `x.to_int() ?? 0`")
            }
            (Ty::Text(_), Ty::Float) => {
                mismatch("E0201").help("`.to_float()` reads a number; it may be missing: `x.to_float() ?? 0.0`")
            }
            (Ty::Int { .. }, Ty::Int { .. }) => mismatch("E0202").help("no value of the one lies within the bounds of the other"),
            (Ty::Float, Ty::Int { .. }) => mismatch("E0201").help("`.round()` makes an int of it"),
            _ => mismatch("E0201"),
        };
        self.report(problem);
    }

    fn text_for_enum(&self, value: &Typed, of: &EnumTy, purpose: &str) -> Problem {
        let name = &of.name.shown;
        let Expr::Literal(Value::Text(text)) = &value.expr else {
            return Problem::new("E0201", value.span, format!("{purpose} is {name}, but this is text"))
                .help(format!("check it with `as {name}`"))
                .fix(format!("check it with `as {name}`"), Span { start: value.span.end, ..value.span }, format!(" as {name}"));
        };
        let meant = of.values.iter().map(|(value, _)| value.as_str()).find(|value| *value == &**text);
        let meant = meant.or_else(|| nearest(text, of.values.iter().map(|(value, _)| value.as_str())));
        let problem = Problem::new("E0201", value.span, format!("{purpose} is {name}, but this is text"));
        match meant {
            Some(meant) => {
                problem.help(format!("write `.{meant}`")).fix(format!("write `.{meant}`"), value.span, format!(".{meant}"))
            }
            None => problem
                .help(format!("its values are {}", super::project::listed(of.values.iter().map(|(value, _)| value.as_str())))),
        }
    }
}

pub(super) fn to_float(expr: Expr) -> Expr {
    match expr {
        // Exact below 2⁵³, the nearest float above, as everywhere.
        Expr::Literal(Value::Int(value)) => Expr::Literal(Value::Float(value as f64)),
        expr => Expr::Op { op: Op::IntToFloat, arguments: vec![expr] },
    }
}

fn record_misfit(problem: Problem, from: &RecordTy, to: &RecordTy) -> Problem {
    for wanted in &to.fields {
        match from.field(&wanted.name) {
            None if !wanted.ty.is_optional() => {
                return problem.help(format!("the field `{}` ({}) is missing", wanted.name, wanted.ty));
            }
            Some(field) if field.ty.fit(&wanted.ty) == Fit::No => {
                return problem.help(format!("its field `{}` is {}, where {} is wanted", field.name, field.ty, wanted.ty));
            }
            _ => {}
        }
    }
    problem
}

/// A literal that lies within the bounds needs no check at run time.
fn is_settled(expr: &Expr, wanted: &Ty) -> bool {
    let Expr::Literal(literal) = expr else { return false };
    match (literal, wanted) {
        (Value::Int(_), Ty::Int { .. }) => true,
        // A byte-level tokenizer never makes more tokens than bytes.
        (Value::Text(text), Ty::Text(bounds)) => bounds.tokens_max.is_none_or(|max| text.len() as u64 <= max),
        _ => false,
    }
}

fn out_of_bounds(literal: &Value, wanted: &Ty, span: Span, purpose: &str) -> Option<Problem> {
    match (literal, wanted) {
        (Value::Int(value), Ty::Int { min, max }) => {
            let outside = min.is_some_and(|min| *value < min) || max.is_some_and(|max| *value > max);
            outside.then(|| Problem::new("E0202", span, format!("{purpose} is {wanted}, and {value} lies outside")))
        }
        (Value::Text(text), Ty::Text(bounds)) => text_out_of_bounds(text, bounds, span, purpose),
        _ => None,
    }
}

fn text_out_of_bounds(text: &str, bounds: &TextBounds, span: Span, purpose: &str) -> Option<Problem> {
    let chars = text.chars().count() as u64;
    if let Some(max) = bounds.chars_max.filter(|max| chars > *max) {
        return Some(Problem::new("E0202", span, format!("{purpose} takes at most {max} characters, and this has {chars}")));
    }
    let form = bounds.matches.as_ref()?;
    let whole = regex::Regex::new(&format!("^(?:{form})$")).ok()?;
    (!whole.is_match(text))
        .then(|| Problem::new("E0202", span, format!("{purpose} has the form /{form}/, and this text has not")))
}
