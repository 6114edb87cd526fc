//! Expressions: a type, an origin and a plan expression for each.

use super::Checker;
use super::coerce::Typed;
use super::names::{Found, suggest};
use super::resolve::TypeScope;
use super::scope::{FactKind, Scope, VariableKind};
use super::trust::Trust;
use super::ty::{EnumTy, FieldTy, Fit, RecordTy, Ty};
use crate::syntax::ast::{Expr, ExprKind, Name, RecordField, TypeExpr};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan::{Expr as Plan, Lambda, Money, Op, Value};
use std::collections::HashMap;
use std::sync::Arc;

impl Checker<'_> {
    /// The expression as a value of the wanted type.
    pub(super) fn check(&mut self, scope: &mut Scope, expr: &Expr, wanted: &Ty, purpose: &str) -> Typed {
        let value = self.infer_as(scope, expr, Some(wanted), purpose);
        self.coerce(value, wanted, purpose)
    }

    pub(super) fn infer(&mut self, scope: &mut Scope, expr: &Expr) -> Typed {
        self.infer_as(scope, expr, None, "this")
    }

    /// `wanted` guides what has no type of its own; the result may still be of another type.
    pub(super) fn infer_as(&mut self, scope: &mut Scope, expr: &Expr, wanted: Option<&Ty>, purpose: &str) -> Typed {
        if !self.deeper(expr.span) {
            return Typed::error(expr.span);
        }
        // What is wanted could not be read: its values are no mistakes of their own.
        if matches!((wanted, &expr.kind), (Some(Ty::Error), ExprKind::EnumValue(_))) {
            self.depth -= 1;
            return Typed::error(expr.span);
        }
        let wanted = wanted.filter(|wanted| !matches!(wanted, Ty::Error | Ty::Json | Ty::Generic(_)));
        let mut value = self.infer_kind(scope, expr, wanted, purpose);
        self.depth -= 1;
        value.span = expr.span;
        self.types.push((expr.span, value.ty.clone()));
        value
    }

    fn infer_kind(&mut self, scope: &mut Scope, expr: &Expr, wanted: Option<&Ty>, purpose: &str) -> Typed {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Missing | ExprKind::Int(None) | ExprKind::Money(None) | ExprKind::Duration(None) => Typed::error(span),
            ExprKind::None => Typed::literal(Value::None, Ty::None, span),
            ExprKind::Bool(value) => Typed::literal(Value::Bool(*value), Ty::Bool, span),
            ExprKind::Int(Some(value)) => Typed::literal(Value::Int(*value), Ty::int(), span),
            ExprKind::Float(value) => Typed::literal(Value::Float(*value), Ty::Float, span),
            ExprKind::Money(Some(pico)) => Typed::literal(Value::Money(Money::from_pico(*pico)), Ty::Money, span),
            ExprKind::Percent(thousandths) => Typed::literal(Value::Float(*thousandths as f64 / 100_000.0), Ty::Float, span),
            ExprKind::Duration(Some(micros)) => Typed::literal(Value::Duration(*micros), Ty::Duration, span),
            ExprKind::Text(template) => self.infer_template(scope, template),
            ExprKind::Regex(pattern) => {
                self.pattern_is_valid(pattern, span);
                Typed::literal(Value::text(pattern.as_str()), Ty::Regex, span)
            }
            ExprKind::EnumValue(name) => self.enum_value(name, wanted),
            ExprKind::Name(name) => self.infer_name(scope, name, expr),
            ExprKind::Field { of, name, optional } => self.infer_field(scope, expr, of, name.as_ref(), *optional),
            ExprKind::Index { of, index } => self.infer_index(scope, of, index, span),
            ExprKind::Call { callee, arguments } => self.infer_call(scope, expr, callee, arguments),
            ExprKind::Lambda { parameters, body } => self.lambda_value(scope, parameters, body, wanted, span),
            ExprKind::Unary { operator, of } => self.infer_unary(scope, *operator, of, span),
            ExprKind::Binary { operator, operator_span, left, right } => {
                self.infer_binary(scope, *operator, *operator_span, left, right, span, wanted)
            }
            ExprKind::If { condition, then, otherwise } => self.infer_if(scope, condition, then, otherwise, wanted, purpose),
            ExprKind::List(items) => self.infer_list(scope, items, wanted, span),
            ExprKind::Record(fields) => self.infer_record(scope, fields, wanted, span),
            ExprKind::As { of, ty } => self.infer_as_type(scope, of, ty, span),
            ExprKind::Parenthesized(of) => self.infer_as(scope, of, wanted, purpose),
        }
    }

    fn enum_value(&mut self, name: &Name, wanted: Option<&Ty>) -> Typed {
        match wanted.map(Ty::present) {
            Some(Ty::Enum(of)) => self.value_of_enum(&of, name),
            Some(Ty::Error) => Typed::error(name.span),
            _ => {
                let problem =
                    Problem::new("E0206", name.span, format!("it is not known of which enum `.{}` is a value", name.text));
                self.report(problem.help(format!("write the enum's name before it, as in `Priority.{}`", name.text)));
                Typed::error(name.span)
            }
        }
    }

    fn value_of_enum(&mut self, of: &Arc<EnumTy>, name: &Name) -> Typed {
        match of.values.iter().find(|(value, _)| *value == name.text) {
            Some((value, definition)) => {
                self.refer(name.span, *definition);
                Typed::literal(Value::text(value.as_str()), Ty::Enum(of.clone()), name.span)
            }
            None => {
                if !name.text.is_empty() {
                    let problem = Problem::new("E0109", name.span, format!("`{}` has no value `{}`", of.name.shown, name.text));
                    self.report(suggest(problem, name.span, &name.text, of.values.iter().map(|(value, _)| value.as_str())));
                }
                Typed::error(name.span)
            }
        }
    }

    fn infer_name(&mut self, scope: &mut Scope, name: &EcoString, expr: &Expr) -> Typed {
        let span = expr.span;
        if let Some(variable) = scope.find(name) {
            variable.used = true;
            let (unique, ty, trust, definition) =
                (variable.unique.clone(), variable.ty.clone(), variable.trust.clone(), variable.span);
            self.refer(span, definition);
            return self.known(scope, unique.to_string(), Plan::Var(unique.to_string()), ty, trust, span);
        }
        if self.has_name(scope, name) {
            let (found, _) = self.follow(scope.file, scope.connector, &[Name { text: name.clone(), span }]);
            return self.not_a_value(found, name, span);
        }
        if !name.is_empty() {
            self.report_unknown_variable(scope, name, span);
        }
        Typed::error(span)
    }

    /// What conditions and approvals before this place say of a value.
    fn known(&mut self, scope: &Scope, path: String, expr: Plan, ty: Ty, trust: Trust, span: Span) -> Typed {
        let ty = if ty.is_optional() && scope.knows(&path, &FactKind::Present) { ty.present() } else { ty };
        let trust = if !trust.is_trusted() && scope.is_approved(&path) { Trust::trusted() } else { trust };
        Typed::new(expr, ty, trust, span)
    }

    pub(super) fn not_a_value(&mut self, found: Found, name: &str, span: Span) -> Typed {
        if found != Found::Missing {
            let problem = Problem::new("E0112", span, format!("`{name}` is {}, not a value", found.described()));
            let help = match found {
                Found::Prompt(_) | Found::Flow(_) | Found::Operation(_) => format!("it is called by a step: `let x = {name}(…)`"),
                Found::Function(_) => format!("call it: `{name}(…)`"),
                Found::Type(_) => format!("a value of an enum is written `{name}.value`"),
                _ => "name one of the things in it".to_string(),
            };
            self.report(problem.help(help));
        }
        Typed::error(span)
    }

    fn report_unknown_variable(&mut self, scope: &Scope, name: &EcoString, span: Span) {
        let mut known = scope.names();
        if let Some(items) = self.items.names.get(scope.file) {
            let mut names: Vec<EcoString> = items.keys().cloned().collect();
            names.sort();
            known.extend(names);
        }
        let mut problem = Problem::new("E0101", span, format!("there is nothing called `{name}` here"));
        if matches!(name.as_str(), "null" | "nil" | "undefined" | "None") {
            problem = problem.help("what is missing is `none`").fix("write `none`", span, "none");
        } else if self.builtins.has_function(name) {
            problem =
                problem.help(format!("it is a function: `{name}()`")).fix(format!("write `{name}()`"), span, format!("{name}()"));
        } else if crate::stdlib::connectors().contains(&name.as_str()) {
            let start = Span { file: span.file, start: 0, end: 0 };
            problem = problem.help(format!("the standard library has it: `import std.{name}`")).fix(
                "import it",
                start,
                format!("import std.{name}\n"),
            );
        } else {
            problem = match crate::problems::nearest(name, known.iter().map(EcoString::as_str)) {
                Some(near) => problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), span, near),
                None => problem.help("a name must be declared above the place that uses it; texts stand in quotes"),
            };
        }
        self.report(problem);
    }

    fn infer_field(&mut self, scope: &mut Scope, expr: &Expr, of: &Expr, name: Option<&Name>, optional: bool) -> Typed {
        if let Some(value) = self.value_by_path(scope, expr) {
            return value;
        }
        let receiver = self.infer(scope, of);
        let Some(name) = name else { return Typed::error(expr.span) };
        let path = self.path_of(scope, expr);
        let receiver = self.open_optional(receiver, optional, name.span);
        let Some((receiver, through_optional)) = receiver else { return Typed::error(expr.span) };
        let Some((access, ty)) = self.member_value(&receiver, name) else { return Typed::error(expr.span) };
        let ty = if through_optional { Ty::optional(ty) } else { ty };
        let expr_plan = match (access, through_optional) {
            (Access::Field, true) => Plan::OptionalField { of: Box::new(receiver.expr), name: name.text.to_string() },
            (Access::Field, false) => Plan::Field { of: Box::new(receiver.expr), name: name.text.to_string() },
            (Access::Json, _) => {
                Plan::Op { op: Op::JsonField, arguments: vec![receiver.expr, Plan::Literal(Value::text(name.text.as_str()))] }
            }
            (Access::Map, _) => {
                Plan::Index { of: Box::new(receiver.expr), index: Box::new(Plan::Literal(Value::text(name.text.as_str()))) }
            }
        };
        match path {
            Some(path) => self.known(scope, path, expr_plan, ty, receiver.trust, expr.span),
            None => Typed::new(expr_plan, ty, receiver.trust, expr.span),
        }
    }

    /// `Priority.high`, and what is not a value although it is dotted; none when the first name is a variable.
    fn value_by_path(&mut self, scope: &mut Scope, expr: &Expr) -> Option<Typed> {
        let names = dotted(expr)?;
        let first = names.first()?;
        if scope.sees(&first.text) {
            return None;
        }
        if !self.has_name(scope, &first.text) {
            return None;
        }
        let (found, used) = self.follow(scope.file, scope.connector, &names);
        let shown: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
        Some(match (found, names.get(used..)) {
            (Found::Type(index), Some([value])) => match self.items.types.get(index).and_then(|item| item.ty.clone()) {
                Some(Ty::Enum(of)) => self.value_of_enum(&of, value),
                Some(Ty::Error) | None => Typed::error(expr.span),
                Some(_) => self.not_a_value(found, &shown.join("."), expr.span),
            },
            (Found::Type(_), Some([_, ..])) => return None,
            _ => self.not_a_value(found, &shown.join("."), expr.span),
        })
    }

    /// The receiver without its `?`, and whether it had one.
    pub(super) fn open_optional(&mut self, receiver: Typed, allowed: bool, member: Span) -> Option<(Typed, bool)> {
        match &receiver.ty {
            Ty::Error => None,
            Ty::Optional(of) if allowed => {
                let ty = (**of).clone();
                Some((Typed { ty, ..receiver }, true))
            }
            Ty::Optional(_) | Ty::None => {
                let dot = Span { start: receiver.span.end, end: member.start, ..member };
                let problem = Problem::new("E0204", receiver.span, "this may be missing")
                    .label(format!("{}", receiver.ty))
                    .help("write `?.` to go on only when it is there, test it first with `if`, or give a value for that case with `??`")
                    .fix("write `?.`", dot, "?.");
                self.report(problem);
                None
            }
            _ => Some((receiver, false)),
        }
    }

    fn member_value(&mut self, receiver: &Typed, name: &Name) -> Option<(Access, Ty)> {
        match &receiver.ty {
            Ty::Json => Some((Access::Json, Ty::Json)),
            Ty::Map(of) => Some((Access::Map, Ty::optional((**of).clone()))),
            Ty::Record(record) => match record.field(&name.text) {
                Some(field) => {
                    if let Some(definition) = field.span {
                        self.refer(name.span, definition);
                    }
                    Some((Access::Field, field.ty.clone()))
                }
                None => {
                    self.report_unknown_field(record, name);
                    None
                }
            },
            other => {
                let method = self.builtins.has_method(&name.text);
                let problem = Problem::new("E0106", name.span, format!("{other} has no field `{}`", name.text));
                let end = Span { start: name.span.end, ..name.span };
                self.report(match method {
                    true => problem.help(format!("it is called: `.{}()`", name.text)).fix(
                        format!("write `{}()`", name.text),
                        end,
                        "()",
                    ),
                    false => problem.help("only records have fields"),
                });
                None
            }
        }
    }

    pub(super) fn report_unknown_field(&mut self, record: &RecordTy, name: &Name) {
        if name.text.is_empty() {
            return;
        }
        let of = record.name.as_ref().map_or_else(|| "this record".to_string(), |name| format!("`{}`", name.shown));
        let problem = Problem::new("E0106", name.span, format!("{of} has no field `{}`", name.text));
        self.report(suggest(problem, name.span, &name.text, record.fields.iter().map(|field| field.name.as_str())));
    }

    fn infer_index(&mut self, scope: &mut Scope, of: &Expr, index: &Expr, span: Span) -> Typed {
        let receiver = self.infer(scope, of);
        match &receiver.ty {
            Ty::List { of, .. } => {
                let index = self.check(scope, index, &Ty::int(), "the position in a list");
                let expr = Plan::Index { of: Box::new(receiver.expr), index: Box::new(index.expr) };
                Typed::new(expr, (**of).clone(), receiver.trust, span)
            }
            Ty::Map(of) => {
                let index = self.check(scope, index, &Ty::text(), "the key of a map");
                let expr = Plan::Index { of: Box::new(receiver.expr), index: Box::new(index.expr) };
                Typed::new(expr, Ty::optional((**of).clone()), receiver.trust, span)
            }
            Ty::Json => {
                let index = self.infer(scope, index);
                if !matches!(index.ty, Ty::Int { .. } | Ty::Text(_) | Ty::Error) {
                    let problem = Problem::new(
                        "E0201",
                        index.span,
                        format!("json is indexed by a number or a text, but this is {}", index.ty),
                    );
                    self.report(problem);
                }
                let expr = Plan::Op { op: Op::JsonField, arguments: vec![receiver.expr, index.expr] };
                Typed::new(expr, Ty::Json, receiver.trust, span)
            }
            Ty::Error => {
                self.infer(scope, index);
                Typed::error(span)
            }
            Ty::Optional(_) => {
                self.infer(scope, index);
                self.open_optional(receiver, false, span);
                Typed::error(span)
            }
            other => {
                let problem = Problem::new("E0205", span, format!("{other} has no positions"));
                self.report(problem.help("lists, maps and json are indexed with `[…]`"));
                self.infer(scope, index);
                Typed::error(span)
            }
        }
    }

    fn infer_if(
        &mut self,
        scope: &mut Scope,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
        wanted: Option<&Ty>,
        purpose: &str,
    ) -> Typed {
        let condition = self.condition(scope, condition);
        let level = scope.enter();
        scope.learn(&condition.when_true);
        let then = self.infer_as(scope, then, wanted, purpose);
        scope.leave(level);
        scope.learn(&condition.when_false);
        let hint = wanted.cloned().unwrap_or_else(|| then.ty.clone());
        let otherwise = self.infer_as(scope, otherwise, Some(&hint), purpose);
        scope.leave(level);
        let span = then.span.to(otherwise.span);
        let Some(ty) = then.ty.join(&otherwise.ty) else {
            if wanted.is_some_and(|wanted| then.ty.fit(wanted) != Fit::No && otherwise.ty.fit(wanted) != Fit::No) {
                let trust = then.trust.join(&otherwise.trust);
                let (then, otherwise) = (Box::new(then.expr), Box::new(otherwise.expr));
                return Typed::new(Plan::If { condition: Box::new(condition.expr), then, otherwise }, Ty::Json, trust, span);
            }
            let problem =
                Problem::new("E0201", otherwise.span, format!("one branch is {}, the other is {}", then.ty, otherwise.ty));
            self.report(
                problem
                    .related(then.span, format!("this is {}", then.ty))
                    .help("both branches of `if … then … else` give the same type"),
            );
            return Typed::error(span);
        };
        let then = self.widen(then, &ty);
        let otherwise = self.widen(otherwise, &ty);
        let trust = then.trust.join(&otherwise.trust);
        let (then, otherwise) = (Box::new(then.expr), Box::new(otherwise.expr));
        Typed::new(Plan::If { condition: Box::new(condition.expr), then, otherwise }, ty, trust, span)
    }

    /// To a type that holds the value: at most an int becomes a float.
    pub(super) fn widen(&mut self, value: Typed, ty: &Ty) -> Typed {
        match value.ty.fit(ty) {
            Fit::ToFloat => Typed { expr: super::coerce::to_float(value.expr), ..value },
            _ => value,
        }
    }

    fn infer_list(&mut self, scope: &mut Scope, items: &[Expr], wanted: Option<&Ty>, span: Span) -> Typed {
        let length = items.len() as u64;
        if let Some(Ty::List { of, max }) = wanted.map(Ty::present) {
            if let Some(max) = max.filter(|max| length > *max) {
                self.report(Problem::new(
                    "E0202",
                    span,
                    format!("this list takes at most {max} elements, and this has {length}"),
                ));
            }
            let items: Vec<Typed> = items.iter().map(|item| self.check(scope, item, &of, "an element of this list")).collect();
            let ty = Ty::List { of, max: Some(max.map_or(length, |max| max.min(length))) };
            return list_value(items, ty, span);
        }
        let mut of: Option<Ty> = None;
        let mut values = Vec::new();
        for item in items {
            let value = self.infer_as(scope, item, of.as_ref(), "an element of this list");
            of = Some(match of.as_ref().map(|of| of.join(&value.ty)) {
                None => value.ty.clone(),
                Some(Some(joined)) => joined,
                Some(None) => Ty::Json,
            });
            values.push(value);
        }
        let of = of.unwrap_or(Ty::Error);
        let values: Vec<Typed> = values.into_iter().map(|value| self.widen(value, &of)).collect();
        list_value(values, Ty::list(of, Some(length)), span)
    }

    fn infer_record(&mut self, scope: &mut Scope, fields: &[RecordField], wanted: Option<&Ty>, span: Span) -> Typed {
        let wanted = wanted.map(Ty::present);
        let mut seen: HashMap<&EcoString, Span> = HashMap::new();
        let mut types = Vec::new();
        let mut values = Vec::new();
        let mut trust = Trust::trusted();
        for field in fields {
            if let Some(before) = seen.insert(&field.name.text, field.name.span) {
                self.report_duplicate(&field.name, before);
                continue;
            }
            let value = match &wanted {
                Some(Ty::Record(record)) => self.record_field(scope, record, field),
                Some(Ty::Map(of)) => self.check(scope, &field.value, of, &format!("`{}`", field.name.text)),
                _ => self.infer(scope, &field.value),
            };
            trust.add(&value.trust);
            types.push(FieldTy { name: field.name.text.clone(), ty: value.ty, doc: None, span: Some(field.name.span) });
            values.push((field.name.text.to_string(), value.expr));
        }
        let ty = match &wanted {
            Some(Ty::Record(record)) => {
                self.report_missing_fields(record, &types, span);
                Ty::Record(record.clone())
            }
            _ => Ty::Record(Arc::new(RecordTy::new(None, types))),
        };
        Typed::new(Plan::Record(values), ty, trust, span)
    }

    fn record_field(&mut self, scope: &mut Scope, record: &RecordTy, field: &RecordField) -> Typed {
        match record.field(&field.name.text) {
            Some(declared) => {
                if let Some(definition) = declared.span {
                    self.refer(field.name.span, definition);
                }
                self.check(scope, &field.value, &declared.ty, &format!("the field `{}`", field.name.text))
            }
            None => {
                self.report_unknown_field(record, &field.name);
                self.infer(scope, &field.value);
                Typed::error(field.value.span)
            }
        }
    }

    fn report_missing_fields(&mut self, record: &RecordTy, given: &[FieldTy], span: Span) {
        let is_given = |name: &EcoString| given.iter().any(|field| field.name == *name);
        let missing: Vec<&FieldTy> =
            record.fields.iter().filter(|field| !field.ty.is_optional() && !is_given(&field.name)).collect();
        if missing.is_empty() {
            return;
        }
        let names = super::project::listed(missing.iter().map(|field| field.name.as_str()));
        let of = record.name.as_ref().map_or_else(String::new, |name| format!(" of `{}`", name.shown));
        let (fields, are) = if missing.len() == 1 { ("field", "is") } else { ("fields", "are") };
        let problem = Problem::new("E0203", span, format!("the {fields} {names}{of} {are} missing"));
        self.report(problem.help("every field is written that is not optional (`T?`)"));
    }

    fn infer_as_type(&mut self, scope: &mut Scope, of: &Expr, ty: &TypeExpr, span: Span) -> Typed {
        let value = self.infer(scope, of);
        let wanted = self.resolve_type(TypeScope { connector: scope.connector, ..TypeScope::file(scope.file) }, ty);
        if value.ty.is_error() || wanted.is_error() {
            return Typed::error(span);
        }
        let from = value.ty.present();
        let possible = matches!(from, Ty::Json)
            || from.fit(&wanted) != Fit::No
            || wanted.fit(&from) != Fit::No
            || matches!((&from, &wanted.present()), (Ty::Text(_), Ty::Enum(_)));
        if !possible {
            let problem = Problem::new("E0212", span, format!("{} is never {wanted}", value.ty));
            self.report(problem.help("`as` checks a value against a narrower type; it does not convert"));
            return Typed::error(span);
        }
        let expr = Plan::Cast { of: Box::new(value.expr), ty: wanted.to_plan() };
        Typed::new(expr, wanted, value.trust, span)
    }

    fn lambda_value(&mut self, scope: &mut Scope, parameters: &[Name], body: &Expr, wanted: Option<&Ty>, span: Span) -> Typed {
        let Some(Ty::Function { parameters: types, result }) = wanted else {
            let problem = Problem::new("E0206", span, "a function without a name can only be given to something that calls it");
            self.report(problem.help("as in `leads.filter(lead => lead.score > 3)`"));
            return Typed::error(span);
        };
        let (lambda, value) = self.infer_lambda(scope, parameters, body, types, Some(result), &Trust::trusted(), span);
        let ty = Ty::Function { parameters: types.clone(), result: Arc::new(value.ty.clone()) };
        Typed { expr: Plan::Lambda(lambda), ty, trust: value.trust, span }
    }

    /// The lambda with parameters of the given types and origin, and what is known of its result.
    #[expect(clippy::too_many_arguments, reason = "a lambda is checked against all that its caller knows")]
    pub(super) fn infer_lambda(
        &mut self,
        scope: &mut Scope,
        parameters: &[Name],
        body: &Expr,
        types: &[Ty],
        result: Option<&Ty>,
        trust: &Trust,
        span: Span,
    ) -> (Lambda, Typed) {
        if parameters.len() != types.len() {
            let problem = Problem::new(
                "E0208",
                span,
                format!("this function is called with {} values, and it names {}", types.len(), parameters.len()),
            );
            self.report(problem.help("write one name for each: `x => …`, `(x, y) => …`"));
        }
        let level = scope.enter();
        let mut declared = Vec::new();
        for (position, parameter) in parameters.iter().enumerate() {
            let ty = types.get(position).cloned().unwrap_or(Ty::Error);
            let plan = ty.to_plan();
            self.note_type(parameter.span, &ty);
            let unique = scope.declare(&parameter.text, ty, trust.clone(), parameter.span, VariableKind::Lambda);
            declared.push((unique.to_string(), plan));
        }
        let concrete = result.filter(|result| !has_generic(result));
        let value = match concrete {
            Some(result) => self.check(scope, body, result, "the result of this function"),
            None => self.infer(scope, body),
        };
        scope.leave(level);
        (Lambda { parameters: declared, body: Box::new(value.expr.clone()) }, value)
    }
}

enum Access {
    Field,
    Json,
    Map,
}

fn list_value(items: Vec<Typed>, ty: Ty, span: Span) -> Typed {
    let trust = items.iter().fold(Trust::trusted(), |trust, item| trust.join(&item.trust));
    Typed::new(Plan::List(items.into_iter().map(|item| item.expr).collect()), ty, trust, span)
}

pub(super) fn has_generic(ty: &Ty) -> bool {
    match ty {
        Ty::Generic(_) => true,
        Ty::List { of, .. } | Ty::Map(of) | Ty::Optional(of) => has_generic(of),
        Ty::Record(record) => record.name.is_none() && record.fields.iter().any(|field| has_generic(&field.ty)),
        Ty::Function { parameters, result } => parameters.iter().any(has_generic) || has_generic(result),
        _ => false,
    }
}

/// `a.b.c` as names; none when it is anything else.
pub(super) fn dotted(expr: &Expr) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    let mut at = expr;
    loop {
        match &at.kind {
            ExprKind::Name(text) => {
                names.push(Name { text: text.clone(), span: at.span });
                names.reverse();
                return Some(names);
            }
            ExprKind::Field { of, name: Some(name), optional: false } => {
                names.push(name.clone());
                at = of;
            }
            _ => return None,
        }
    }
}
