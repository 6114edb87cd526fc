//! Walks an expression. Functions here are small on purpose: they recurse, and each takes its part of the stack.

use super::{Context, DEPTH_MAX, EvaluationError, NOW, Scope, TODAY, lists, maps, numbers, texts, times};
use crate::value::{Record, VALUE_DEPTH_MAX};
use crate::{Expr, Lambda, Op, Type, Value, schema};
use std::sync::Arc;

pub(super) type Outcome = Result<Value, EvaluationError>;

pub(super) struct Interpreter<'a> {
    pub context: &'a Context<'a>,
    pub scope: &'a Scope,
    pub work_left: u64,
    depth: usize,
    /// Fences opened so far by [`Interpreter::render`].
    pub fences: u32,
}

/// Names bound by lambdas, template loops and function calls, on the stack.
#[derive(Clone, Copy)]
pub(super) struct Locals<'a> {
    pub bindings: &'a [(&'a str, Value)],
    pub parent: Option<&'a Locals<'a>>,
    /// A function's body sees its parameters and the run's clock, nothing else.
    pub sealed: bool,
}

impl Locals<'_> {
    pub const NONE: Locals<'static> = Locals { bindings: &[], parent: None, sealed: false };
}

impl<'a> Interpreter<'a> {
    pub fn new(scope: &'a Scope, context: &'a Context<'a>) -> Interpreter<'a> {
        Interpreter { context, scope, work_left: context.work_max, depth: 0, fences: 0 }
    }

    pub fn run(&mut self, expr: &Expr) -> Outcome {
        self.eval(expr, &Locals::NONE)
    }

    pub fn run_lambda(&mut self, lambda: &Lambda, arguments: &[Value]) -> Outcome {
        self.call_lambda(lambda, arguments, &Locals::NONE)
    }

    pub fn eval(&mut self, expr: &Expr, locals: &Locals<'_>) -> Outcome {
        self.enter()?;
        let outcome = match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Var(name) => self.variable(name, locals),
            Expr::Op { op, arguments } => self.operation(*op, arguments, locals),
            Expr::Field { of, name } => self.field(of, name, false, locals),
            Expr::OptionalField { of, name } => self.field(of, name, true, locals),
            Expr::Index { of, index } => self.index(of, index, locals),
            Expr::Record(fields) => self.record(fields, locals),
            Expr::List(items) => self.list(items, locals),
            Expr::If { condition, then, otherwise } => self.choose(condition, then, otherwise, locals),
            Expr::Otherwise { of, otherwise } => self.otherwise(of, otherwise, locals),
            Expr::And(left, right) => self.junction(left, right, false, locals),
            Expr::Or(left, right) => self.junction(left, right, true, locals),
            Expr::Call { function, arguments } => self.call(function, arguments, locals),
            Expr::Template(pieces) => self.template(pieces, locals),
            Expr::Cast { of, ty } => self.cast(of, ty, locals),
            Expr::Lambda(_) => Err(EvaluationError::plan("a lambda stands where a value is needed")),
        };
        self.leave();
        outcome
    }

    pub fn enter(&mut self) -> Result<(), EvaluationError> {
        self.charge(1)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(EvaluationError::limit(format!("the expression is nested more than {DEPTH_MAX} deep")));
        }
        Ok(())
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    pub fn charge(&mut self, work: u64) -> Result<(), EvaluationError> {
        match self.work_left.checked_sub(work) {
            Some(left) => {
                self.work_left = left;
                Ok(())
            }
            None => Err(too_much_work(self.context.work_max)),
        }
    }

    pub fn charge_length(&mut self, length: usize) -> Result<(), EvaluationError> {
        self.charge(length as u64)
    }

    /// Charges for walking a whole value, shared parts counted as often as they are reached.
    pub fn charge_value(&mut self, value: &Value) -> Result<(), EvaluationError> {
        if !matches!(value, Value::List(_) | Value::Record(_)) {
            return Ok(());
        }
        let nodes = value.measure(2 * DEPTH_MAX, self.work_left);
        self.charge(nodes.ok_or_else(|| too_much_work(self.context.work_max))?)
    }

    fn variable(&self, name: &str, locals: &Locals<'_>) -> Outcome {
        let mut frame = Some(locals);
        let mut sealed = false;
        while let Some(current) = frame {
            if let Some((_, value)) = current.bindings.iter().rev().find(|(bound, _)| *bound == name) {
                return Ok(value.clone());
            }
            sealed = current.sealed;
            frame = if sealed { None } else { current.parent };
        }
        let visible = !sealed || name.starts_with('$');
        let found = if visible { self.scope.get(name) } else { None };
        found.cloned().ok_or_else(|| EvaluationError::plan(format!("`{name}` has no value here")))
    }

    fn field(&mut self, of: &Expr, name: &str, optional: bool, locals: &Locals<'_>) -> Outcome {
        let value = self.eval(of, locals)?;
        match &value {
            Value::Record(record) => {
                self.charge_length(record.fields.len() / 16)?;
                Ok(record.get(name).cloned().unwrap_or(Value::None))
            }
            Value::None if optional => Ok(Value::None),
            other => Err(EvaluationError::value(format!("`{name}` is asked of {}, which has no fields", other.kind()))),
        }
    }

    fn index(&mut self, of: &Expr, index: &Expr, locals: &Locals<'_>) -> Outcome {
        let of = self.eval(of, locals)?;
        let index = self.eval(index, locals)?;
        match (&of, &index) {
            (Value::List(items), Value::Int(place)) => {
                let item = usize::try_from(*place).ok().and_then(|place| items.get(place));
                item.cloned().ok_or_else(|| out_of_range(*place, items.len()))
            }
            (Value::Record(record), Value::Text(name)) => {
                self.charge_length(record.fields.len() / 16)?;
                Ok(record.get(name).cloned().unwrap_or(Value::None))
            }
            (of, index) => Err(EvaluationError::value(format!("{} has no place that {} names", of.kind(), index.kind()))),
        }
    }

    fn record(&mut self, fields: &[(String, Expr)], locals: &Locals<'_>) -> Outcome {
        let mut made: Vec<(Arc<str>, Value)> = Vec::with_capacity(fields.len());
        for (name, expr) in fields {
            let value = self.eval(expr, locals)?;
            made.push((name.as_str().into(), value));
        }
        Ok(Value::Record(Arc::new(Record { fields: made })))
    }

    fn list(&mut self, items: &[Expr], locals: &Locals<'_>) -> Outcome {
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            made.push(self.eval(item, locals)?);
        }
        Ok(Value::list(made))
    }

    fn choose(&mut self, condition: &Expr, then: &Expr, otherwise: &Expr, locals: &Locals<'_>) -> Outcome {
        let branch = if self.condition(condition, locals)? { then } else { otherwise };
        self.eval(branch, locals)
    }

    pub fn condition(&mut self, condition: &Expr, locals: &Locals<'_>) -> Result<bool, EvaluationError> {
        truth(&self.eval(condition, locals)?)
    }

    fn otherwise(&mut self, of: &Expr, otherwise: &Expr, locals: &Locals<'_>) -> Outcome {
        match self.eval(of, locals)? {
            Value::None => self.eval(otherwise, locals),
            value => Ok(value),
        }
    }

    /// `or` when `decided_by` is true, `and` when it is false.
    fn junction(&mut self, left: &Expr, right: &Expr, decided_by: bool, locals: &Locals<'_>) -> Outcome {
        if self.condition(left, locals)? == decided_by {
            return Ok(Value::Bool(decided_by));
        }
        self.condition(right, locals).map(Value::Bool)
    }

    fn call(&mut self, name: &str, arguments: &[Expr], locals: &Locals<'_>) -> Outcome {
        let functions = self.context.functions;
        let function = functions.get(name).ok_or_else(|| EvaluationError::plan(format!("there is no function `{name}`")))?;
        if arguments.len() != function.parameters.len() {
            let message = format!("`{name}` takes {} arguments, not {}", function.parameters.len(), arguments.len());
            return Err(EvaluationError::plan(message));
        }
        let mut bindings = Vec::with_capacity(arguments.len());
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            bindings.push((parameter.name.as_str(), self.eval(argument, locals)?));
        }
        let value = self.eval(&function.body, &Locals { bindings: &bindings, parent: None, sealed: true })?;
        // Calls are what could double a value's depth and size over and over.
        self.charge_value(&value)?;
        match value.measure(VALUE_DEPTH_MAX, u64::MAX) {
            Some(_) => Ok(value),
            None => Err(EvaluationError::limit(format!("the value of `{name}` is nested more than {VALUE_DEPTH_MAX} deep"))),
        }
    }

    fn cast(&mut self, of: &Expr, ty: &Type, locals: &Locals<'_>) -> Outcome {
        let value = self.eval(of, locals)?;
        self.charge_value(&value)?;
        schema::cast(ty, &self.context.types, value).map_err(|mismatch| EvaluationError::value(mismatch.to_string()))
    }

    pub fn call_lambda(&mut self, lambda: &Lambda, arguments: &[Value], locals: &Locals<'_>) -> Outcome {
        match (lambda.parameters.as_slice(), arguments) {
            ([(name, _)], [argument]) => {
                let bindings = [(name.as_str(), argument.clone())];
                self.eval(&lambda.body, &Locals { bindings: &bindings, parent: Some(locals), sealed: false })
            }
            (parameters, arguments) if parameters.len() == arguments.len() => {
                let names = parameters.iter().map(|(name, _)| name.as_str());
                let bindings: Vec<(&str, Value)> = names.zip(arguments.iter().cloned()).collect();
                self.eval(&lambda.body, &Locals { bindings: &bindings, parent: Some(locals), sealed: false })
            }
            (parameters, arguments) => {
                let message = format!("a lambda of {} parameters is given {}", parameters.len(), arguments.len());
                Err(EvaluationError::plan(message))
            }
        }
    }

    fn operation(&mut self, op: Op, arguments: &[Expr], locals: &Locals<'_>) -> Outcome {
        match arguments {
            [] => self.clock(op, locals),
            [of @ .., Expr::Lambda(lambda)] => self.with_lambda(op, of, lambda, locals),
            [one] => {
                let values = [self.eval(one, locals)?];
                self.plain(op, &values)
            }
            [one, two] => {
                let values = [self.eval(one, locals)?, self.eval(two, locals)?];
                self.plain(op, &values)
            }
            many => self.plain_of_many(op, many, locals),
        }
    }

    fn plain_of_many(&mut self, op: Op, arguments: &[Expr], locals: &Locals<'_>) -> Outcome {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.eval(argument, locals)?);
        }
        self.plain(op, &values)
    }

    fn with_lambda(&mut self, op: Op, of: &[Expr], lambda: &Lambda, locals: &Locals<'_>) -> Outcome {
        let [list] = of else {
            return Err(wrong_operands(op, &[]));
        };
        match self.eval(list, locals)? {
            Value::List(items) => lists::with_lambda(self, op, &items, lambda, locals),
            other => Err(wrong_operands(op, &[other])),
        }
    }

    fn clock(&mut self, op: Op, locals: &Locals<'_>) -> Outcome {
        match op {
            Op::Now => self.variable(NOW, locals),
            Op::Today => self.variable(TODAY, locals),
            other => Err(wrong_operands(other, &[])),
        }
    }

    /// An operation on values alone. Every operation stands in exactly one family.
    fn plain(&mut self, op: Op, values: &[Value]) -> Outcome {
        use Op::*;
        match op {
            IntAdd | IntSub | IntMul | IntDiv | IntRem | IntNeg | IntLt | IntLe | IntToFloat | IntToText | FloatAdd
            | FloatSub | FloatMul | FloatDiv | FloatRem | FloatNeg | FloatLt | FloatLe | FloatRound | FloatToText | MoneyAdd
            | MoneySub | MoneyMul | MoneyLt | MoneyLe | MoneyToText | Not => numbers::apply(op, values),
            DurationAdd | DurationSub | DurationMul | TimeLt | TimeLe | DateAdd | DateSub | DateSince | DatetimeAdd
            | DatetimeSub | DatetimeSince | DatetimeDate | DateParse | DatetimeParse => times::apply(op, values),
            TextLt | TextLe | TextConcat | TextLen | TextLower | TextUpper | TextTrim | TextSplit | TextContains
            | TextStartsWith | TextEndsWith | TextReplace | TextMatches | TextBefore | TextAfter | TextTruncate | TextToInt
            | TextToFloat | TextParseJson => texts::apply(self, op, values),
            ListConcat | ListFilter | ListMap | ListFlatMap | ListSortBy | ListTake | ListSkip | ListDistinctBy | ListGroupBy
            | ListSumInt | ListSumFloat | ListSumMoney | ListAvg | ListMin | ListMax | ListCount | ListAny | ListAll
            | ListFirst | ListLast | ListJoin | ListZip | ListChunk | ListContains => lists::apply(self, op, values),
            Eq | Ne | IsSome | JsonToText | JsonField | MapKeys | MapValues => maps::apply(self, op, values),
            Now | Today => Err(wrong_operands(op, values)),
        }
    }
}

pub(super) fn truth(value: &Value) -> Result<bool, EvaluationError> {
    let wrong = || EvaluationError::plan(format!("a condition is true or false, not {}", value.kind()));
    value.as_bool().ok_or_else(wrong)
}

/// The name of an operation as plans and messages write it: `int.add`.
pub(super) fn name_of(op: Op) -> String {
    serde_json::to_value(op).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn wrong_operands(op: Op, values: &[Value]) -> EvaluationError {
    let kinds: Vec<&str> = values.iter().map(Value::kind).collect();
    let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(" and ") };
    EvaluationError::plan(format!("`{}` is not made for {kinds}", name_of(op)))
}

fn too_much_work(work_max: u64) -> EvaluationError {
    EvaluationError::limit(format!("the expression takes more than {work_max} steps; filter or limit what it works on"))
}

fn out_of_range(place: i64, length: usize) -> EvaluationError {
    EvaluationError::value(match length {
        0 => format!("index {place} in an empty list"),
        1 => format!("index {place} in a list of one, whose only index is 0"),
        _ => format!("index {place} in a list of {length}, whose last index is {}", length - 1),
    })
}
