//! Operators: which types they take, and which operation of the plan each is.

use super::Checker;
use super::coerce::{Typed, to_float};
use super::scope::Scope;
use super::ty::{Fit, Ty};
use crate::syntax::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};
use crate::{Problem, Span};
use pmflow_plan::{Expr as Plan, Op, Value};

impl Checker<'_> {
    pub(super) fn infer_unary(&mut self, scope: &mut Scope, operator: UnaryOperator, of: &Expr, span: Span) -> Typed {
        if operator == UnaryOperator::Not {
            let condition = self.condition(scope, of);
            let expr = Plan::Op { op: Op::Not, arguments: vec![condition.expr] };
            return Typed::new(expr, Ty::Bool, Default::default(), span);
        }
        let value = self.infer(scope, of);
        match (&value.ty, &value.expr) {
            (Ty::Int { .. }, Plan::Literal(Value::Int(number))) => match number.checked_neg() {
                Some(negative) => Typed::literal(Value::Int(negative), Ty::int(), span),
                None => Typed::error(span),
            },
            (Ty::Float, Plan::Literal(Value::Float(number))) => Typed::literal(Value::Float(-number), Ty::Float, span),
            (Ty::Int { .. }, _) => operation(Op::IntNeg, vec![value.expr], Ty::int(), span),
            (Ty::Float, _) => operation(Op::FloatNeg, vec![value.expr], Ty::Float, span),
            (Ty::Money, _) => {
                let zero = Plan::Literal(Value::Money(pmflow_plan::Money::ZERO));
                operation(Op::MoneySub, vec![zero, value.expr], Ty::Money, span)
            }
            (Ty::Duration, _) => {
                operation(Op::DurationSub, vec![Plan::Literal(Value::Duration(0)), value.expr], Ty::Duration, span)
            }
            (Ty::Error, _) => Typed::error(span),
            (other, _) => {
                let problem =
                    Problem::new("E0205", span, format!("{other} cannot be negated")).help("numbers, money and durations can");
                self.report(problem);
                Typed::error(span)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "both sides, the operator, and their places")]
    pub(super) fn infer_binary(
        &mut self,
        scope: &mut Scope,
        operator: BinaryOperator,
        operator_span: Span,
        left: &Expr,
        right: &Expr,
        span: Span,
        wanted: Option<&Ty>,
    ) -> Typed {
        use BinaryOperator::*;
        match operator {
            And | Or => self.infer_logic(scope, operator, left, right, span),
            Otherwise => self.infer_otherwise(scope, left, right, span, wanted),
            Equal | NotEqual => self.infer_equality(scope, operator, left, right, span),
            _ => {
                let left = self.infer(scope, left);
                let right = self.infer(scope, right);
                if left.ty.is_error() || right.ty.is_error() {
                    return Typed::error(span);
                }
                if let Some(missing) = [&left, &right].into_iter().find(|side| side.ty.is_optional()) {
                    let missing = missing.clone();
                    self.open_optional(missing, false, operator_span);
                    return Typed::error(span);
                }
                match operator {
                    Less | LessOrEqual | Greater | GreaterOrEqual => self.compare(operator, operator_span, left, right, span),
                    _ => self.arithmetic(operator, operator_span, left, right, span),
                }
            }
        }
    }

    fn infer_logic(&mut self, scope: &mut Scope, operator: BinaryOperator, left: &Expr, right: &Expr, span: Span) -> Typed {
        let left = self.condition(scope, left);
        let level = scope.enter();
        scope.learn(if operator == BinaryOperator::And { &left.when_true } else { &left.when_false });
        let right = self.condition(scope, right);
        scope.leave(level);
        let (a, b) = (Box::new(left.expr), Box::new(right.expr));
        let expr = if operator == BinaryOperator::And { Plan::And(a, b) } else { Plan::Or(a, b) };
        Typed::new(expr, Ty::Bool, Default::default(), span)
    }

    fn infer_otherwise(&mut self, scope: &mut Scope, left: &Expr, right: &Expr, span: Span, wanted: Option<&Ty>) -> Typed {
        let value = self.infer_as(scope, left, wanted, "this");
        let present = value.ty.present();
        let hint = if matches!(present, Ty::None | Ty::Error) { wanted.cloned() } else { Some(present.clone()) };
        let stand_in = self.infer_as(scope, right, hint.as_ref(), "what stands in");
        if value.ty.is_error() || stand_in.ty.is_error() {
            return Typed::error(span);
        }
        let Some(ty) = present.join(&stand_in.ty) else {
            let problem =
                Problem::new("E0201", stand_in.span, format!("what stands in is {}, but the value is {present}", stand_in.ty));
            self.report(problem.related(value.span, format!("this is {}", value.ty)));
            return Typed::error(span);
        };
        let trust = value.trust.join(&stand_in.trust);
        let stand_in = self.widen(stand_in, &ty);
        let expr = Plan::Otherwise { of: Box::new(value.expr), otherwise: Box::new(stand_in.expr) };
        Typed::new(expr, ty, trust, span)
    }

    fn infer_equality(&mut self, scope: &mut Scope, operator: BinaryOperator, left: &Expr, right: &Expr, span: Span) -> Typed {
        let (left, right) = if matches!(left.kind, ExprKind::EnumValue(_)) {
            let right = self.infer(scope, right);
            (self.infer_as(scope, left, Some(&right.ty), "this"), right)
        } else {
            let left = self.infer(scope, left);
            let right = self.infer_as(scope, right, Some(&left.ty), "this");
            (left, right)
        };
        let comparable =
            left.ty.join(&right.ty).is_some() || left.ty.fit(&right.ty) != Fit::No || right.ty.fit(&left.ty) != Fit::No;
        let known = |ty: &Ty| !matches!(ty, Ty::Function { .. } | Ty::Regex | Ty::Secret);
        if !comparable || !known(&left.ty) || !known(&right.ty) {
            self.report_incomparable(&left, &right);
            return Typed::error(span);
        }
        let (left, right) = both_float(left, right);
        let op = if operator == BinaryOperator::Equal { Op::Eq } else { Op::Ne };
        operation(op, vec![left.expr, right.expr], Ty::Bool, span)
    }

    fn report_incomparable(&mut self, left: &Typed, right: &Typed) {
        let mut problem =
            Problem::new("E0205", left.span.to(right.span), format!("{} and {} are never equal", left.ty, right.ty));
        if let (Ty::Enum(of), Plan::Literal(Value::Text(text))) = (left.ty.present(), &right.expr) {
            let meant = crate::problems::nearest(text, of.values.iter().map(|(value, _)| value.as_str()))
                .or_else(|| of.values.iter().map(|(value, _)| value.as_str()).find(|value| *value == &**text));
            if let Some(meant) = meant {
                problem =
                    problem.help(format!("write `.{meant}`")).fix(format!("write `.{meant}`"), right.span, format!(".{meant}"));
            }
        }
        self.report(problem);
    }

    fn compare(&mut self, operator: BinaryOperator, operator_span: Span, left: Typed, right: Typed, span: Span) -> Typed {
        use BinaryOperator::*;
        let (left, right) = both_float(left, right);
        let strict = matches!(operator, Less | Greater);
        let op = match (&left.ty, &right.ty) {
            (Ty::Int { .. }, Ty::Int { .. }) => [Op::IntLt, Op::IntLe],
            (Ty::Float, Ty::Float) => [Op::FloatLt, Op::FloatLe],
            (Ty::Money, Ty::Money) => [Op::MoneyLt, Op::MoneyLe],
            (Ty::Text(_), Ty::Text(_)) => [Op::TextLt, Op::TextLe],
            (Ty::Date, Ty::Date) | (Ty::Datetime, Ty::Datetime) | (Ty::Duration, Ty::Duration) => [Op::TimeLt, Op::TimeLe],
            _ => {
                let problem = Problem::new("E0205", operator_span, format!("{} and {} have no order", left.ty, right.ty));
                let problem = problem.related(left.span, format!("{}", left.ty)).related(right.span, format!("{}", right.ty));
                self.report(problem.help("numbers, money, text, dates and durations have, each with its own kind"));
                return Typed::error(span);
            }
        };
        let [strictly, or_equal] = op;
        let op = if strict { strictly } else { or_equal };
        let arguments = match operator {
            Greater | GreaterOrEqual => vec![right.expr, left.expr],
            _ => vec![left.expr, right.expr],
        };
        operation(op, arguments, Ty::Bool, span)
    }

    fn arithmetic(&mut self, operator: BinaryOperator, operator_span: Span, left: Typed, right: Typed, span: Span) -> Typed {
        let trust = left.trust.join(&right.trust);
        let (left, right) = both_float(left, right);
        if let (Ty::List { of: a, max }, Ty::List { of: b, max: other_max }, BinaryOperator::Add) =
            (&left.ty, &right.ty, operator)
            && let Some(of) = a.join(b)
        {
            let max = max.zip(*other_max).and_then(|(a, b)| a.checked_add(b));
            let expr = Plan::Op { op: Op::ListConcat, arguments: vec![left.expr, right.expr] };
            return Typed::new(expr, Ty::list(of, max), trust, span);
        }
        let Some((op, ty, swapped)) = arithmetic_operation(operator, &left.ty, &right.ty) else {
            self.report_arithmetic(operator, operator_span, &left, &right);
            return Typed::error(span);
        };
        let arguments = if swapped { vec![right.expr, left.expr] } else { vec![left.expr, right.expr] };
        Typed::new(Plan::Op { op, arguments }, ty, trust, span)
    }

    fn report_arithmetic(&mut self, operator: BinaryOperator, operator_span: Span, left: &Typed, right: &Typed) {
        let sign = match operator {
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            _ => "%",
        };
        let problem = Problem::new("E0205", operator_span, format!("`{sign}` does not take {} and {}", left.ty, right.ty))
            .related(left.span, format!("{}", left.ty))
            .related(right.span, format!("{}", right.ty));
        let texts = matches!(left.ty, Ty::Text(_)) != matches!(right.ty, Ty::Text(_));
        let is_number = |ty: &Ty| matches!(ty, Ty::Int { .. } | Ty::Float);
        let of = |wanted: fn(&Ty) -> bool| wanted(&left.ty) && is_number(&right.ty) || is_number(&left.ty) && wanted(&right.ty);
        let sum = matches!(operator, BinaryOperator::Add | BinaryOperator::Subtract);
        self.report(if texts && operator == BinaryOperator::Add {
            problem.help("values are put into a text with holes: `\"{{ a }} {{ b }}\"`")
        } else if sum && of(|ty| matches!(ty, Ty::Date | Ty::Datetime | Ty::Duration)) {
            problem.help("a length of time has a unit: `3d` are three days")
        } else if sum && of(|ty| matches!(ty, Ty::Money)) {
            problem.help("an amount of money is written `$3.00`")
        } else {
            problem
        });
    }
}

fn operation(op: Op, arguments: Vec<Plan>, ty: Ty, span: Span) -> Typed {
    Typed::new(Plan::Op { op, arguments }, ty, Default::default(), span)
}

/// Where one side is a float, an int on the other becomes one.
fn both_float(left: Typed, right: Typed) -> (Typed, Typed) {
    let convert = |value: Typed| Typed { expr: to_float(value.expr), ty: Ty::Float, ..value };
    match (&left.ty, &right.ty) {
        (Ty::Int { .. }, Ty::Float) => (convert(left), right),
        (Ty::Float, Ty::Int { .. }) => (left, convert(right)),
        _ => (left, right),
    }
}

/// The operation, its result, and whether the sides change places (`3 * $1` is `$1 * 3`).
fn arithmetic_operation(operator: BinaryOperator, left: &Ty, right: &Ty) -> Option<(Op, Ty, bool)> {
    use BinaryOperator::*;
    use Ty::*;
    let plain = |op: Op, ty: Ty| Some((op, ty, false));
    match (operator, left, right) {
        (Add, Int { .. }, Int { .. }) => plain(Op::IntAdd, Ty::int()),
        (Subtract, Int { .. }, Int { .. }) => plain(Op::IntSub, Ty::int()),
        (Multiply, Int { .. }, Int { .. }) => plain(Op::IntMul, Ty::int()),
        (Divide, Int { .. }, Int { .. }) => plain(Op::IntDiv, Ty::int()),
        (Remainder, Int { .. }, Int { .. }) => plain(Op::IntRem, Ty::int()),
        (Add, Float, Float) => plain(Op::FloatAdd, Float),
        (Subtract, Float, Float) => plain(Op::FloatSub, Float),
        (Multiply, Float, Float) => plain(Op::FloatMul, Float),
        (Divide, Float, Float) => plain(Op::FloatDiv, Float),
        (Remainder, Float, Float) => plain(Op::FloatRem, Float),
        (Add, Money, Money) => plain(Op::MoneyAdd, Money),
        (Subtract, Money, Money) => plain(Op::MoneySub, Money),
        (Multiply, Money, Int { .. }) => plain(Op::MoneyMul, Money),
        (Multiply, Int { .. }, Money) => Some((Op::MoneyMul, Money, true)),
        (Add, Duration, Duration) => plain(Op::DurationAdd, Duration),
        (Subtract, Duration, Duration) => plain(Op::DurationSub, Duration),
        (Multiply, Duration, Int { .. }) => plain(Op::DurationMul, Duration),
        (Multiply, Int { .. }, Duration) => Some((Op::DurationMul, Duration, true)),
        (Add, Date, Duration) => plain(Op::DateAdd, Date),
        (Add, Duration, Date) => Some((Op::DateAdd, Date, true)),
        (Subtract, Date, Duration) => plain(Op::DateSub, Date),
        (Subtract, Date, Date) => plain(Op::DateSince, Duration),
        (Add, Datetime, Duration) => plain(Op::DatetimeAdd, Datetime),
        (Add, Duration, Datetime) => Some((Op::DatetimeAdd, Datetime, true)),
        (Subtract, Datetime, Duration) => plain(Op::DatetimeSub, Datetime),
        (Subtract, Datetime, Datetime) => plain(Op::DatetimeSince, Duration),
        (Add, Ty::Text(_), Ty::Text(_)) => plain(Op::TextConcat, Ty::text()),
        (_, _, _) => Option::None,
    }
}
