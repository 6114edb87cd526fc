//! Steps that call: sources, `let`, `do`, and the modifiers of their calls.

use super::Checker;
use super::coerce::Typed;
use super::expressions::dotted;
use super::flows::Body;
use super::names::{Found, suggest};
use super::project::listed;
use super::resolve::TypeScope;
use super::scope::VariableKind;
use super::trust::{Origin, Trust};
use super::ty::{Fit, Ty};
use crate::syntax::ast::{Argument, Expr, ExprKind, Modifier, ModifierKind, Name, TypeExpr};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan as plan;
use pmflow_plan::{Expr as Plan, FailureClass, OperationKind, Retry, StepKind, Target, Value};
use std::collections::BTreeMap;

const RETRIES_MAX: u32 = 100;
const BACKOFF_MS: (u64, u64) = (1_000, 60_000);

/// The modifiers of one call, read.
#[derive(Default)]
struct Modifiers<'a> {
    limit: Option<u64>,
    expect: Option<u64>,
    retry: Option<(Retry, Span)>,
    timeout_ms: Option<u64>,
    otherwise: Option<&'a Expr>,
    cache_ms: Option<u64>,
    key: Option<&'a Expr>,
}

/// What a call is of, and what it gives.
struct Callee {
    target: Target,
    result: Ty,
    origin: Trust,
    kind: CalleeKind,
    name: String,
    arguments: BTreeMap<String, Plan>,
}

#[derive(Clone, Copy, PartialEq)]
enum CalleeKind {
    Prompt,
    Read,
    Action { repeatable: bool },
    Flow,
}

impl Checker<'_> {
    pub(super) fn check_source(
        &mut self,
        body: &mut Body,
        name: &Name,
        ty: Option<&TypeExpr>,
        call: &Expr,
        modifiers: &[Modifier],
    ) -> Option<(String, StepKind)> {
        let annotated = ty.map(|ty| (self.resolve_type(TypeScope::file(body.scope.file), ty), ty.span));
        let row = annotated.as_ref().map(|(ty, span)| match ty {
            Ty::List { of, .. } => (**of).clone(),
            Ty::Error => Ty::Error,
            other => {
                let problem = Problem::new("E0201", *span, format!("a source gives a list, but `{}` is {other}", name.text));
                self.report(problem.help(format!("write `[{other}]`")).fix("make it a list", *span, format!("[{other}]")));
                other.clone()
            }
        });
        let allowed = ["limit", "expect", "retry", "timeout", "was"];
        let modifiers_read = self.modifiers(modifiers, &allowed, "a source");
        let Some((from, row)) = self.source_from(body, call, row.clone()) else {
            let rows = Ty::list(row.unwrap_or(Ty::Error), modifiers_read.limit.or(Some(0)));
            self.bind(body, name, rows, Trust::trusted(), VariableKind::Source);
            return None;
        };
        let max = modifiers_read.limit;
        let trust = Trust::new(Origin::External, name.span, format!("`{}` is read from outside", name.text));
        let unique = self.bind(body, name, Ty::list(row.clone(), max), trust, VariableKind::Source);
        if max.is_none() {
            self.items.source_ends.push((unique.clone(), Span { start: call.span.end, ..call.span }));
        }
        body.calls += u32::from(matches!(from, plan::SourceFrom::Operation { .. }));
        let source = plan::Source {
            from,
            row: row.to_plan(),
            limit: max,
            expect: modifiers_read.expect,
            streamed: false,
            retry: modifiers_read.retry.map(|(retry, _)| retry),
            timeout_ms: modifiers_read.timeout_ms,
        };
        Some((unique, StepKind::Source(source)))
    }

    fn source_from(&mut self, body: &mut Body, call: &Expr, row: Option<Ty>) -> Option<(plan::SourceFrom, Ty)> {
        let ExprKind::Call { callee, arguments } = &call.kind else {
            if !matches!(call.kind, ExprKind::Missing) {
                let problem = Problem::new("E0407", call.span, "a source is read by a call");
                self.report(problem.help("as in `csv(\"leads.csv\")` or `airtable.records(…)`"));
            }
            return None;
        };
        if let ExprKind::Name(name) = &callee.kind
            && matches!(name.as_str(), "csv" | "json" | "jsonl" | "sql")
            && !self.has_item(body.scope.file, name)
        {
            return self.file_source(body, name, arguments, call.span, row);
        }
        match self.callee(&body.scope, callee) {
            Some((Found::Operation(index), names)) => self.operation_source(body, index, &names, arguments, call.span, row),
            Some((Found::Missing, _)) => {
                for argument in arguments {
                    self.infer(&mut body.scope, &argument.value);
                }
                Some((
                    plan::SourceFrom::Operation { operation: String::new(), arguments: BTreeMap::new() },
                    row.unwrap_or(Ty::Error),
                ))
            }
            Some((found, names)) => {
                let shown: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
                let problem =
                    Problem::new("E0407", callee.span, format!("`{}` is {}, not a source", shown.join("."), found.described()));
                self.report(problem.help("rows come from `csv`, `json`, `jsonl`, or a connector's source"));
                None
            }
            None => {
                let problem = match dotted(callee).as_deref() {
                    Some([name]) => {
                        let problem = Problem::new("E0407", name.span, format!("there is no source called `{}`", name.text));
                        suggest(problem, name.span, &name.text, ["csv", "json", "jsonl"].into_iter())
                    }
                    _ => Problem::new("E0407", callee.span, "this is not a source")
                        .help("rows come from `csv`, `json`, `jsonl`, or a connector's source"),
                };
                let first_unknown = dotted(callee).filter(|names| names.len() > 1).and_then(|names| names.first().cloned());
                match first_unknown.filter(|name| !body.scope.sees(&name.text)) {
                    Some(_) => {
                        let names = dotted(callee).unwrap_or_default();
                        self.follow(body.scope.file, None, &names);
                    }
                    None => self.report(problem),
                }
                None
            }
        }
    }

    fn operation_source(
        &mut self,
        body: &mut Body,
        index: usize,
        names: &[Name],
        arguments: &[Argument],
        span: Span,
        row: Option<Ty>,
    ) -> Option<(plan::SourceFrom, Ty)> {
        let operation = self.items.operations.get(index)?;
        let (name, full, signature, kind) =
            (operation.name.clone(), operation.full.clone(), operation.signature.clone(), operation.kind);
        if kind != OperationKind::Source {
            let problem = Problem::new("E0407", names.last()?.span, format!("`{name}` is an action, not a source"));
            self.report(problem.help(format!("call it with `let x = {name}(…)`")));
            return None;
        }
        let given = self.check_arguments(&mut body.scope, &name, &signature, arguments, span);
        let declared = match &signature.result {
            Ty::List { of, .. } => (**of).clone(),
            _ => Ty::Error,
        };
        let row = match row {
            Some(row) if super::expressions::has_generic(&declared) || matches!(declared, Ty::Json) => row,
            Some(row) => {
                if declared.fit(&row) == Fit::No {
                    let problem = Problem::new("E0201", span, format!("`{name}` gives rows of {declared}, not of {row}"));
                    self.report(problem.help("leave out the type, or write one that the rows fit"));
                }
                row
            }
            None if super::expressions::has_generic(&declared) => Ty::Json,
            None => declared,
        };
        let arguments = given.into_iter().map(|(name, value)| (name.to_string(), value.expr)).collect();
        Some((plan::SourceFrom::Operation { operation: full.to_string(), arguments }, row))
    }

    pub(super) fn check_let(
        &mut self,
        body: &mut Body,
        name: &Name,
        ty: Option<&TypeExpr>,
        value: &Expr,
        modifiers: &[Modifier],
    ) -> Option<(String, StepKind)> {
        let wanted = ty.map(|ty| self.resolve_type(TypeScope::file(body.scope.file), ty));
        if let ExprKind::Call { callee, arguments } = &value.kind
            && let Some((found @ (Found::Prompt(_) | Found::Operation(_) | Found::Flow(_)), _)) = self.callee(&body.scope, callee)
        {
            let called = self.call_step(body, found, callee.span, arguments, value.span);
            return self.let_call(body, name, wanted, called, modifiers, value.span);
        }
        let purpose = format!("`{}`", name.text);
        let value = match &wanted {
            Some(wanted) => self.check(&mut body.scope, value, wanted, &purpose),
            None => self.infer(&mut body.scope, value),
        };
        if !value.ty.is_error() {
            self.report_modifier_of_value(modifiers);
        }
        if matches!(value.ty, Ty::Regex | Ty::Function { .. } | Ty::Secret) {
            self.report(Problem::new("E0201", value.span, format!("{} cannot be kept under a name", value.ty)));
        }
        let ty = wanted.unwrap_or(value.ty.clone());
        let trust = value.trust.passed(&name.text, name.span);
        let unique = self.bind(body, name, ty, trust, VariableKind::Let);
        Some((unique, StepKind::Let { value: value.expr }))
    }

    fn report_modifier_of_value(&mut self, modifiers: &[Modifier]) {
        let Some(modifier) = modifiers.iter().find(|modifier| !matches!(modifier.kind, ModifierKind::Was(_))) else { return };
        let problem = Problem::new(
            "E0406",
            modifier.span,
            format!("`{}` belongs to a call of a prompt, an operation or a flow", modifier_name(&modifier.kind)),
        );
        self.report(problem.help("this value is computed, and cannot fail in that way; `??` stands in for what is missing"));
    }

    fn let_call(
        &mut self,
        body: &mut Body,
        name: &Name,
        wanted: Option<Ty>,
        called: Option<Callee>,
        modifiers: &[Modifier],
        span: Span,
    ) -> Option<(String, StepKind)> {
        let Some(called) = called else {
            self.bind(body, name, wanted.unwrap_or(Ty::Error), Trust::trusted(), VariableKind::Let);
            return None;
        };
        let (call, result, stand_in_trust) = self.modified_call(body, called, modifiers);
        let (call, origin) = call;
        let mut ty = result;
        if let Some(wanted) = wanted {
            if ty.fit(&wanted) == Fit::Same || matches!(ty, Ty::Error) {
                ty = wanted;
            } else {
                let problem = Problem::new("E0201", span, format!("`{}` is {wanted}, but the call gives {ty}", name.text));
                self.report(problem.help(format!(
                    "take what it gives, and check it in a step of its own: `let checked = {} as {wanted}`",
                    name.text
                )));
                ty = Ty::Error;
            }
        }
        let trust = origin.join(&stand_in_trust).passed(&name.text, name.span);
        let unique = self.bind(body, name, ty, trust, VariableKind::Let);
        Some((unique, StepKind::Call(call)))
    }

    pub(super) fn check_do(&mut self, body: &mut Body, call: &Expr, modifiers: &[Modifier]) -> Option<(String, StepKind)> {
        let ExprKind::Call { callee, arguments } = &call.kind else {
            if !matches!(call.kind, ExprKind::Missing) {
                let problem = Problem::new("E0406", call.span, "`do` calls an action").help("as in `do hubspot.create_task(…)`");
                self.report(problem);
            }
            return None;
        };
        let found = match self.callee(&body.scope, callee) {
            Some((Found::Missing, _)) => {
                for argument in arguments {
                    self.infer(&mut body.scope, &argument.value);
                }
                return None;
            }
            Some((found, _)) => found,
            None => {
                match dotted(callee).filter(|names| names.first().is_some_and(|first| !body.scope.sees(&first.text))) {
                    Some(names) => {
                        self.follow(body.scope.file, None, &names);
                    }
                    None => self.report(
                        Problem::new("E0406", callee.span, "`do` calls an action").help("as in `do hubspot.create_task(…)`"),
                    ),
                }
                return None;
            }
        };
        let called = self.call_step(body, found, callee.span, arguments, call.span)?;
        match called.kind {
            CalleeKind::Read | CalleeKind::Prompt => {
                let what = if called.kind == CalleeKind::Prompt { "a prompt" } else { "an operation that only reads" };
                let problem = Problem::new(
                    "E0406",
                    callee.span,
                    format!("`do` is for what changes something, but `{}` is {what}", called.name),
                );
                self.report(problem.help(format!("use what it gives: `let result = {}(…)`", called.name)));
            }
            CalleeKind::Action { .. } | CalleeKind::Flow => {}
        }
        let name = called.name.clone();
        let ((call, _), _, _) = self.modified_call(body, called, modifiers);
        Some((body.name(&name, false, callee.span), StepKind::Call(call)))
    }

    fn call_step(&mut self, body: &mut Body, found: Found, callee: Span, arguments: &[Argument], span: Span) -> Option<Callee> {
        if let Found::Flow(index) = found
            && !self.ensure_flow(index, Some(span))
        {
            return None;
        }
        let (target, name, signature, kind, origin) = match found {
            Found::Prompt(index) => {
                let prompt = self.items.prompts.get(index)?;
                let origin = Trust::new(Origin::Model, span, format!("`{}` is answered by a model", prompt.name));
                (
                    Target::Prompt(prompt.full.to_string()),
                    prompt.name.clone(),
                    prompt.signature.clone(),
                    CalleeKind::Prompt,
                    origin,
                )
            }
            Found::Operation(index) => {
                let operation = self.items.operations.get(index)?;
                let kind = match operation.kind {
                    OperationKind::Read => CalleeKind::Read,
                    _ => CalleeKind::Action { repeatable: operation.repeatable },
                };
                if operation.kind == OperationKind::Source {
                    let problem = Problem::new("E0407", callee, format!("`{}` is a source", operation.name));
                    let help =
                        format!("its rows are read by a step of their own: `source rows = {}(…) limit 1000`", operation.name);
                    self.report(problem.help(help));
                    return None;
                }
                let origin = Trust::new(Origin::External, span, format!("`{}` answers from outside", operation.name));
                (Target::Operation(operation.full.to_string()), operation.name.clone(), operation.signature.clone(), kind, origin)
            }
            Found::Flow(index) => {
                let flow = self.items.flows.get(index)?;
                body.writes |= flow.writes;
                let origin = Trust::new(Origin::Model, span, format!("the outputs of `{}`", flow.name));
                (Target::Flow(flow.full.to_string()), flow.name.clone(), flow.signature.clone(), CalleeKind::Flow, origin)
            }
            Found::Missing => return None,
            other => {
                let problem = Problem::new("E0406", callee, format!("this is {}, and no step can call it", other.described()));
                self.report(problem.help(format!("steps call {}", listed(["prompts", "operations", "flows"]).replace('`', ""))));
                return None;
            }
        };
        body.calls += 1;
        body.writes |= matches!(kind, CalleeKind::Action { .. });
        let given = self.check_arguments(&mut body.scope, &name, &signature, arguments, span);
        let arguments = given.into_iter().map(|(name, value)| (name.to_string(), value.expr)).collect();
        Some(Callee { target, result: signature.result, origin, kind, name: name.to_string(), arguments })
    }

    /// The call with its origin, the type of what it gives, and the origin of what stands in.
    fn modified_call(&mut self, body: &mut Body, called: Callee, modifiers: &[Modifier]) -> ((plan::Call, Trust), Ty, Trust) {
        let allowed: &[&str] = match called.kind {
            CalleeKind::Prompt | CalleeKind::Read => &["retry", "timeout", "else", "cache", "was"],
            CalleeKind::Action { .. } => &["retry", "timeout", "else", "key", "was"],
            CalleeKind::Flow => &["timeout", "else", "was"],
        };
        let what = match called.kind {
            CalleeKind::Prompt => "a prompt",
            CalleeKind::Read => "an operation that reads",
            CalleeKind::Action { .. } => "an action",
            CalleeKind::Flow => "a flow",
        };
        let read = self.modifiers(modifiers, allowed, what);
        if let (Some((_, span)), CalleeKind::Action { repeatable: false }) = (&read.retry, called.kind) {
            let problem = Problem::new(
                "E0402",
                *span,
                format!("`{}` may not be retried: nothing says that doing it twice is harmless", called.name),
            );
            self.report(problem.help("where the action is declared, say how a repeat is recognised: `repeat: idempotency_header \"…\"`, `upsert_key \"…\"`, `check_then_write \"…\"` or `at_least_once_ok`"));
        }
        let mut result = called.result.clone();
        let mut stand_in_trust = Trust::trusted();
        let otherwise = read.otherwise.map(|otherwise| {
            let stand_in = self.infer_as(&mut body.scope, otherwise, Some(&called.result), "what stands in");
            stand_in_trust = stand_in.trust.clone();
            self.stand_in(&called, stand_in, &mut result)
        });
        let key = read.key.map(|key| {
            let key = self.infer(&mut body.scope, key);
            if !matches!(key.ty, Ty::Text(_) | Ty::Int { .. } | Ty::Error) {
                self.report(Problem::new(
                    "E0201",
                    key.span,
                    format!("an idempotency key is a text or an int, but this is {}", key.ty),
                ));
            }
            key.expr
        });
        let call = plan::Call {
            target: called.target,
            arguments: called.arguments,
            retry: read.retry.map(|(retry, _)| retry),
            timeout_ms: read.timeout_ms,
            otherwise,
            cache_ms: read.cache_ms,
            key,
        };
        ((call, called.origin), result, stand_in_trust)
    }

    fn stand_in(&mut self, called: &Callee, stand_in: Typed, result: &mut Ty) -> Plan {
        match result.join(&stand_in.ty) {
            Some(joined) => {
                let value = self.widen(stand_in, &joined);
                *result = joined;
                value.expr
            }
            None => {
                let message = format!("what stands in is {}, but `{}` gives {}", stand_in.ty, called.name, called.result);
                self.report(Problem::new("E0201", stand_in.span, message).help("`else none` makes the result optional"));
                stand_in.expr
            }
        }
    }

    fn modifiers<'a>(&mut self, modifiers: &'a [Modifier], allowed: &[&str], what: &str) -> Modifiers<'a> {
        let mut read = Modifiers::default();
        let mut seen: Vec<&str> = Vec::new();
        for modifier in modifiers {
            let name = modifier_name(&modifier.kind);
            if !allowed.contains(&name) {
                let problem = Problem::new("E0406", modifier.span, format!("{what} takes no `{name}`"));
                self.report(problem.help(format!("it takes {}", listed(allowed.iter().copied()))));
                continue;
            }
            if seen.contains(&name) {
                self.report(
                    Problem::new("E0111", modifier.span, format!("`{name}` is said twice")).help("delete one of the two"),
                );
                continue;
            }
            seen.push(name);
            match &modifier.kind {
                ModifierKind::Limit(number) => read.limit = self.count(number, "`limit`", "limit 200"),
                ModifierKind::Expect(number) => read.expect = self.count(number, "`expect`", "expect 120"),
                ModifierKind::Retry { times, backoff, on } => {
                    read.retry = self.retry(times, backoff.as_deref(), on).map(|retry| (retry, modifier.span));
                }
                ModifierKind::Timeout(time) => read.timeout_ms = self.duration_ms(time, "`timeout`", "timeout 30s"),
                ModifierKind::Cache(time) => read.cache_ms = self.duration_ms(time, "`cache`", "cache 7d"),
                ModifierKind::Else(value) => read.otherwise = Some(value),
                ModifierKind::Key(value) => read.key = Some(value),
                ModifierKind::Was(_) => {}
            }
        }
        read
    }

    fn count(&mut self, number: &Expr, what: &str, example: &str) -> Option<u64> {
        if matches!(number.kind, ExprKind::Missing | ExprKind::Int(None)) {
            return None;
        }
        let count = super::resolve::constant_int(number).and_then(|count| u64::try_from(count).ok());
        if count.is_none() {
            self.report(
                Problem::new("E0302", number.span, format!("{what} takes a whole number that is written out"))
                    .help(format!("as in `{example}`")),
            );
        }
        count
    }

    fn retry(&mut self, times: &Expr, backoff: Option<&(Expr, Expr)>, on: &[Name]) -> Option<Retry> {
        let times_read = self.count(times, "`retry`", "retry 3")?;
        let Some(times_read) = u32::try_from(times_read).ok().filter(|times| *times <= RETRIES_MAX) else {
            self.report(Problem::new("E0302", times.span, format!("a call is retried at most {RETRIES_MAX} times")));
            return None;
        };
        let (min, max) = match backoff {
            None => BACKOFF_MS,
            Some((min, max)) => {
                let read = (
                    self.duration_ms(min, "`backoff`", "backoff 1s..60s")?,
                    self.duration_ms(max, "`backoff`", "backoff 1s..60s")?,
                );
                if read.0 > read.1 {
                    self.report(
                        Problem::new("E0302", min.span.to(max.span), "the shorter wait comes first")
                            .help("as in `backoff 1s..60s`"),
                    );
                }
                read
            }
        };
        let (unbilled, classes): (Vec<&Name>, Vec<&Name>) = on.iter().partition(|name| name.text == "unbilled");
        if let (Some(name), false) = (unbilled.first(), classes.is_empty()) {
            let text = "`unbilled` is no kind of failure: it stands alone after `on`";
            self.report(Problem::new("E0302", name.span, text).help("delete it, or the kinds beside it"));
        }
        let on: Vec<FailureClass> = classes.iter().filter_map(|name| self.failure_class(&name.text, name.span)).collect();
        Some(Retry { times: times_read, backoff_ms_min: min, backoff_ms_max: max, on, unbilled: !unbilled.is_empty() })
    }

    /// The arguments of `csv(…)` and its kin: the path, and options by name.
    pub(super) fn split_file_arguments<'a>(
        &mut self,
        arguments: &'a [Argument],
        known: &[&str],
        format: &str,
    ) -> (Option<&'a Expr>, BTreeMap<EcoString, &'a Expr>) {
        let mut path = None;
        let mut options = BTreeMap::new();
        for argument in arguments {
            match &argument.name {
                None if path.is_none() => path = Some(&argument.value),
                None => self.report(Problem::new(
                    "E0208",
                    argument.value.span,
                    format!("`{format}` takes one path; options are named"),
                )),
                Some(name) if name.text == "path" && path.is_none() => path = Some(&argument.value),
                Some(name) if known.contains(&name.text.as_str()) => {
                    options.insert(name.text.clone(), &argument.value);
                }
                Some(name) => {
                    let problem = Problem::new("E0108", name.span, format!("`{format}` has no option `{}`", name.text));
                    self.report(suggest(problem, name.span, &name.text, known.iter().copied()));
                }
            }
        }
        (path, options)
    }

    pub(super) fn literal_text(expr: &Plan) -> Option<&str> {
        match expr {
            Plan::Literal(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

fn modifier_name(kind: &ModifierKind) -> &'static str {
    match kind {
        ModifierKind::Limit(_) => "limit",
        ModifierKind::Expect(_) => "expect",
        ModifierKind::Retry { .. } => "retry",
        ModifierKind::Timeout(_) => "timeout",
        ModifierKind::Else(_) => "else",
        ModifierKind::Cache(_) => "cache",
        ModifierKind::Key(_) => "key",
        ModifierKind::Was(_) => "was",
    }
}
