//! Calls inside expressions: functions of the author's, builtins and methods. What has an effect is called by steps only.

use super::Checker;
use super::builtins::{self, Builtin};
use super::coerce::Typed;
use super::expressions::{dotted, has_generic};
use super::names::{Found, suggest};
use super::scope::{Place, Scope};
use super::trust::Trust;
use super::ty::{FieldTy, Fit, RecordTy, Ty};
use crate::syntax::ast::{Argument, Expr, ExprKind, Name};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan::{Expr as Plan, Op, ParameterDefault, Piece, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

type Bindings = BTreeMap<EcoString, Ty>;

impl Checker<'_> {
    /// What a call is of, when its callee is a path to an item; nothing is reported when it is not.
    pub(super) fn callee(&mut self, scope: &Scope, callee: &Expr) -> Option<(Found, Vec<Name>)> {
        let names = dotted(callee)?;
        let first = names.first()?;
        if scope.sees(&first.text) || !self.has_item(scope.file, &first.text) {
            return None;
        }
        let problems = self.problems.all.len();
        let references = self.references.len();
        let (found, used) = self.follow(scope.file, None, &names);
        if used == names.len() {
            return Some((found, names));
        }
        if found == Found::Missing {
            return Some((found, names));
        }
        self.problems.all.truncate(problems);
        self.references.truncate(references);
        None
    }

    pub(super) fn infer_call(&mut self, scope: &mut Scope, expr: &Expr, callee: &Expr, arguments: &[Argument]) -> Typed {
        let span = expr.span;
        if let Some((found, names)) = self.callee(scope, callee) {
            return self.call_item(scope, found, &names, arguments, span);
        }
        match &callee.kind {
            ExprKind::Name(name) if !scope.sees(name) => self.call_builtin_function(scope, name, callee.span, arguments, span),
            ExprKind::Field { of, name: Some(name), optional } => self.call_method(scope, of, name, *optional, arguments, span),
            ExprKind::Missing | ExprKind::Field { name: None, .. } => {
                self.infer(scope, callee);
                self.infer_arguments(scope, arguments);
                Typed::error(span)
            }
            _ => {
                let value = self.infer(scope, callee);
                self.infer_arguments(scope, arguments);
                if !value.ty.is_error() {
                    let problem = Problem::new("E0107", callee.span, format!("this is {}, and cannot be called", value.ty));
                    self.report(problem);
                }
                Typed::error(span)
            }
        }
    }

    fn infer_arguments(&mut self, scope: &mut Scope, arguments: &[Argument]) {
        for argument in arguments {
            if !matches!(argument.value.kind, ExprKind::Lambda { .. } | ExprKind::EnumValue(_)) {
                self.infer(scope, &argument.value);
            }
        }
    }

    fn call_item(&mut self, scope: &mut Scope, found: Found, names: &[Name], arguments: &[Argument], span: Span) -> Typed {
        let shown: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
        let shown = shown.join(".");
        match found {
            Found::Function(index) => self.call_function(scope, index, arguments, span),
            Found::Prompt(_) | Found::Operation(_) | Found::Flow(_) if scope.place == Place::Test => {
                self.call_stand_in(scope, found, &shown, arguments, span)
            }
            Found::Prompt(_) | Found::Operation(_) | Found::Flow(_) => {
                let problem = Problem::new(
                    "E0401",
                    span,
                    format!("`{shown}` is {}: it is called by a step, not inside an expression", found.described()),
                );
                let place =
                    if scope.place == Place::Flow { "call it in a step of its own above this one" } else { "call it in a flow" };
                self.report(problem.help(format!("{place}: `let result = {shown}(…)`, and use `result` here")));
                self.infer_arguments(scope, arguments);
                Typed::error(span)
            }
            Found::Missing => {
                self.infer_arguments(scope, arguments);
                Typed::error(span)
            }
            other => {
                self.report(Problem::new("E0107", span, format!("`{shown}` is {}, and cannot be called", other.described())));
                self.infer_arguments(scope, arguments);
                Typed::error(span)
            }
        }
    }

    fn call_function(&mut self, scope: &mut Scope, index: usize, arguments: &[Argument], span: Span) -> Typed {
        let Some(function) = self.items.functions.get(index) else { return Typed::error(span) };
        let (name, full, signature) = (function.name.clone(), function.full.clone(), function.signature.clone());
        if let Some(caller) = self.items.current_function.and_then(|caller| self.items.functions.get_mut(caller)) {
            caller.calls.push((index, span));
        }
        let given = self.check_arguments(scope, &name, &signature, arguments, span);
        let mut trust = Trust::trusted();
        let mut values = Vec::new();
        for (position, parameter) in signature.parameters.iter().enumerate() {
            let default = match self.items.functions.get(index).and_then(|function| function.defaults.get(position)) {
                Some(Some(ParameterDefault::Value(default))) => default.clone(),
                _ => Plan::Literal(Value::None),
            };
            match given.iter().find(|(name, _)| *name == parameter.name) {
                Some((_, value)) => {
                    trust.add(&value.trust);
                    values.push(value.expr.clone());
                }
                None => values.push(default),
            }
        }
        Typed::new(Plan::Call { function: full.to_string(), arguments: values }, signature.result, trust, span)
    }

    fn call_builtin_function(
        &mut self,
        scope: &mut Scope,
        name: &EcoString,
        name_span: Span,
        arguments: &[Argument],
        span: Span,
    ) -> Typed {
        let Some(builtin) = self.builtins.functions.get(name).cloned() else {
            self.report_unknown_function(scope, name, name_span);
            self.infer_arguments(scope, arguments);
            return Typed::error(span);
        };
        self.refer(name_span, builtin.span);
        let mut bindings = Bindings::new();
        let (values, trust) = self.builtin_arguments(scope, &builtin, &mut bindings, arguments, &Trust::trusted(), span);
        let ty = substitute(&builtin.result, &bindings);
        match builtins::operation(None, name) {
            Some(op) => Typed::new(Plan::Op { op, arguments: values }, ty, trust, span),
            None => Typed::error(span),
        }
    }

    fn report_unknown_function(&mut self, scope: &Scope, name: &EcoString, span: Span) {
        let special = match name.as_str() {
            "csv" | "json" | "jsonl" | "sql" => {
                Some(format!("`{name}(…)` is read by a step: `source rows = {name}(…) limit 1000`"))
            }
            "env" => {
                Some("`env(…)` can only be the default of a flow's parameter: `flow f(base: text = env(\"NAME\"))`".to_string())
            }
            "secret" => Some("`secret(…)` can only stand in a connector's `auth`, and in `verify hmac` of a webhook".to_string()),
            _ => None,
        };
        let code_is_secret = name == "secret";
        if let Some(help) = special {
            let problem = match code_is_secret {
                true => Problem::new("E0503", span, "a secret cannot be used here"),
                false => Problem::new("E0401", span, format!("`{name}` cannot be called inside an expression")),
            };
            return self.report(problem.help(help));
        }
        let mut known: Vec<EcoString> = self.builtins.functions.keys().cloned().collect();
        if let Some(names) = self.items.names.get(scope.file) {
            let mut callable: Vec<EcoString> = names
                .keys()
                .filter(|key| {
                    matches!(
                        names.get(*key),
                        Some((super::items::Item::Function(_) | super::items::Item::Prompt(_) | super::items::Item::Flow(_), _))
                    )
                })
                .cloned()
                .collect();
            callable.sort();
            known.extend(callable);
        }
        let problem = Problem::new("E0107", span, format!("there is no function called `{name}`"));
        let method = self.builtins.has_method(name);
        self.report(match method {
            true => problem.help(format!("it is called on a value: `x.{name}(…)`")),
            false => suggest(problem, span, name, known.iter().map(EcoString::as_str)),
        });
    }

    fn call_method(
        &mut self,
        scope: &mut Scope,
        of: &Expr,
        name: &Name,
        optional: bool,
        arguments: &[Argument],
        span: Span,
    ) -> Typed {
        let receiver = self.infer(scope, of);
        if receiver.ty.is_error() {
            self.infer_arguments(scope, arguments);
            return Typed::error(span);
        }
        let original = receiver.expr.clone();
        let Some((receiver, through_optional)) = self.open_optional(receiver, optional, name.span) else {
            self.infer_arguments(scope, arguments);
            return Typed::error(span);
        };
        let value = self.call_on(scope, receiver, name, arguments, span);
        if !through_optional || value.ty.is_error() {
            return value;
        }
        let condition = Box::new(Plan::Op { op: Op::IsSome, arguments: vec![original] });
        let expr = Plan::If { condition, then: Box::new(value.expr), otherwise: Box::new(Plan::Literal(Value::None)) };
        Typed::new(expr, Ty::optional(value.ty), value.trust, span)
    }

    fn call_on(&mut self, scope: &mut Scope, receiver: Typed, name: &Name, arguments: &[Argument], span: Span) -> Typed {
        let Some((builtin, mut bindings, receiver)) = self.method_for(&receiver, &name.text) else {
            self.report_unknown_method(&receiver, name);
            self.infer_arguments(scope, arguments);
            return Typed::error(span);
        };
        self.refer(name.span, builtin.span);
        let (values, trust) = self.builtin_arguments(scope, &builtin, &mut bindings, arguments, &receiver.trust, span);
        let ty = bounded_result(&builtin.name, &receiver.ty, &values, substitute(&builtin.result, &bindings));
        let trust = receiver.trust.join(&trust);
        match builtins::operation(Some(&receiver.ty), &name.text) {
            Some(op) => {
                let arguments = std::iter::once(receiver.expr).chain(values).collect();
                Typed::new(Plan::Op { op, arguments }, ty, trust, span)
            }
            None => {
                let untrusted = !trust.is_trusted();
                Typed::new(Plan::Template(vec![Piece::Hole { value: receiver.expr, untrusted }]), ty, trust, span)
            }
        }
    }

    /// The first declaration whose receiver fits; json is called as the list that it may be.
    fn method_for(&self, receiver: &Typed, name: &str) -> Option<(Arc<Builtin>, Bindings, Typed)> {
        let candidates = self.builtins.methods.get(name)?;
        for builtin in candidates {
            let mut bindings = Bindings::new();
            if builtin.receiver.as_ref().is_some_and(|pattern| unify(pattern, &receiver.ty, &mut bindings)) {
                return Some((builtin.clone(), bindings, receiver.clone()));
            }
        }
        if !matches!(receiver.ty, Ty::Json) {
            return None;
        }
        let list = Ty::list(Ty::Json, None);
        let builtin = candidates.iter().find(|builtin| matches!(builtin.receiver, Some(Ty::List { .. })))?;
        let mut bindings = Bindings::new();
        unify(builtin.receiver.as_ref()?, &list, &mut bindings).then_some(())?;
        let expr = Plan::Cast { of: Box::new(receiver.expr.clone()), ty: list.to_plan() };
        Some((builtin.clone(), bindings, Typed::new(expr, list, receiver.trust.clone(), receiver.span)))
    }

    fn report_unknown_method(&mut self, receiver: &Typed, name: &Name) {
        if name.text.is_empty() {
            return;
        }
        let mut known: Vec<&str> = Vec::new();
        for (method, candidates) in &self.builtins.methods {
            let fits = candidates.iter().any(|builtin| {
                builtin.receiver.as_ref().is_some_and(|pattern| unify(pattern, &receiver.ty, &mut Bindings::new()))
            });
            if fits {
                known.push(method);
            }
        }
        let problem = Problem::new("E0107", name.span, format!("{} has no function `{}`", receiver.ty, name.text));
        let problem = match &receiver.ty {
            Ty::Record(record) if record.field(&name.text).is_some() => {
                problem.help(format!("it is a field: write it without `()`: `.{}`", name.text))
            }
            _ => suggest(problem, name.span, &name.text, known.iter().copied()),
        };
        self.report(problem);
    }

    fn builtin_arguments(
        &mut self,
        scope: &mut Scope,
        builtin: &Builtin,
        bindings: &mut Bindings,
        arguments: &[Argument],
        receiver_trust: &Trust,
        span: Span,
    ) -> (Vec<Plan>, Trust) {
        let mut trust = Trust::trusted();
        let mut values = Vec::new();
        for (position, parameter) in builtin.parameters.iter().enumerate() {
            let given = arguments.iter().find(|argument| argument.name.as_ref().is_some_and(|name| name.text == parameter.name));
            let given = given.or_else(|| arguments.get(position).filter(|argument| argument.name.is_none()));
            match (given, &parameter.default) {
                (Some(argument), _) => {
                    let value = self.builtin_argument(scope, &parameter.ty, &parameter.name, bindings, argument, receiver_trust);
                    trust.add(&value.trust);
                    values.push(value.expr);
                }
                (None, Some(default)) => values.push(Plan::Literal(default.clone())),
                (None, None) => {
                    let problem =
                        Problem::new("E0208", span, format!("`{}` needs `{}` ({})", builtin.name, parameter.name, parameter.ty));
                    self.report(problem);
                }
            }
        }
        if let Some(surplus) = arguments.get(builtin.parameters.len()) {
            let count = builtin.parameters.len();
            let takes = match count {
                0 => "no argument".to_string(),
                1 => "one argument".to_string(),
                count => format!("{count} arguments"),
            };
            self.report(Problem::new("E0208", surplus.value.span, format!("`{}` takes {takes}", builtin.name)));
        }
        (values, trust)
    }

    fn builtin_argument(
        &mut self,
        scope: &mut Scope,
        pattern: &Ty,
        name: &EcoString,
        bindings: &mut Bindings,
        argument: &Argument,
        receiver_trust: &Trust,
    ) -> Typed {
        let purpose = format!("the argument `{name}`");
        let wanted = substitute(pattern, bindings);
        if let (Ty::Function { parameters: types, result }, ExprKind::Lambda { parameters, body }) =
            (&wanted, &argument.value.kind)
        {
            let span = argument.value.span;
            let (lambda, value) = self.infer_lambda(scope, parameters, body, types, Some(result), receiver_trust, span);
            if has_generic(result) {
                unify(result, &value.ty, bindings);
            }
            return Typed { expr: Plan::Lambda(lambda), ..value };
        }
        if has_generic(&wanted) {
            let value = self.infer(scope, &argument.value);
            if !unify(&wanted, &value.ty, bindings) {
                let problem = Problem::new("E0201", value.span, format!("{purpose} is {wanted}, but this is {}", value.ty));
                self.report(problem);
            }
            return value;
        }
        self.check(scope, &argument.value, &wanted, &purpose)
    }
}

/// Whether the type has the pattern's shape; type parameters are bound on the way.
pub(super) fn unify(pattern: &Ty, actual: &Ty, bindings: &mut Bindings) -> bool {
    match (pattern, actual) {
        (Ty::Generic(name), _) => {
            let joined = match bindings.get(name) {
                Some(bound) => bound.join(actual),
                None => Some(actual.clone()),
            };
            joined.map(|joined| bindings.insert(name.clone(), joined)).is_some()
        }
        (_, Ty::Error) => true,
        (Ty::List { of: pattern, .. }, Ty::List { of, .. }) | (Ty::Map(pattern), Ty::Map(of)) => unify(pattern, of, bindings),
        (Ty::Optional(pattern), Ty::Optional(of)) => unify(pattern, of, bindings),
        (Ty::Optional(pattern), of) => unify(pattern, of, bindings),
        (Ty::Function { .. }, Ty::Function { .. }) => true,
        (pattern, Ty::Json) => matches!(pattern, Ty::Json),
        (pattern, actual) => actual.fit(pattern) == Fit::Same && !matches!(pattern, Ty::Json),
    }
}

pub(super) fn substitute(ty: &Ty, bindings: &Bindings) -> Ty {
    match ty {
        Ty::Generic(name) => bindings.get(name).cloned().unwrap_or_else(|| ty.clone()),
        Ty::List { of, max } => Ty::list(substitute(of, bindings), *max),
        Ty::Map(of) => Ty::Map(Arc::new(substitute(of, bindings))),
        Ty::Optional(of) => Ty::optional(substitute(of, bindings)),
        Ty::Record(record) if record.name.is_none() => {
            let fields =
                record.fields.iter().map(|field| FieldTy { ty: substitute(&field.ty, bindings), ..field.clone() }).collect();
            Ty::Record(Arc::new(RecordTy::new(None, fields)))
        }
        Ty::Function { parameters, result } => Ty::Function {
            parameters: parameters.iter().map(|parameter| substitute(parameter, bindings)).collect(),
            result: Arc::new(substitute(result, bindings)),
        },
        other => other.clone(),
    }
}

/// What a list's bound says of the list made from it.
fn bounded_result(method: &str, receiver: &Ty, arguments: &[Plan], result: Ty) -> Ty {
    let (Ty::List { max, .. }, Ty::List { of, .. }) = (receiver, &result) else { return result };
    let of = of.clone();
    let first = match arguments.first() {
        Some(Plan::Literal(Value::Int(number))) => u64::try_from(*number).ok(),
        _ => None,
    };
    match method {
        "filter" | "map" | "sort_by" | "distinct_by" | "group_by" | "zip" => Ty::List { of, max: *max },
        "skip" => Ty::List { of, max: max.map(|max| max.saturating_sub(first.unwrap_or(0))) },
        "take" => Ty::List { of, max: max.map_or(first, |max| Some(first.map_or(max, |first| first.min(max)))) },
        "chunk" => match first.filter(|size| *size > 0) {
            Some(size) => {
                let max = max.map(|max| max.div_ceil(size));
                let inner = match &*of {
                    Ty::List { of, .. } => Ty::List { of: of.clone(), max: Some(size) },
                    other => other.clone(),
                };
                Ty::list(inner, max)
            }
            None => Ty::List { of, max: *max },
        },
        _ => result,
    }
}
