//! `test` items: what stands in for the world, what is run, what is expected.

use super::Checker;
use super::again::Made;
use super::coerce::Typed;
use super::flows::Body;
use super::items::{At, CheckedTest, Expectation, GivenStandIn};
use super::names::{Found, suggest};
use super::phrases::constant_text;
use super::scope::{Place, Scope, VariableKind};
use super::trust::Trust;
use super::ty::{FieldTy, RecordTy, Ty};
use crate::syntax::ast::{Argument, CalledTimes, Expr, ExprKind, GivenValue, ItemKind, Path, TestItem, TestStep, TestStepKind};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan::{self as plan, Expr as Plan, Lambda};
use std::sync::Arc;

/// What a given may stand in for in the flow that is run.
#[derive(Clone)]
struct Target {
    path: Vec<String>,
    /// None: anything goes, for the target is not known.
    ty: Ty,
    parameters: Vec<(EcoString, Ty)>,
}

/// The test that is being checked, for calls inside its expectations.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandIns {
    pub values: Vec<(Found, GivenStandIn, Ty)>,
    /// The test runs a flow, and it is not known which.
    pub flow_unknown: bool,
}

impl Checker<'_> {
    pub(super) fn check_tests(&mut self) {
        for file in 0..self.files.len() {
            let Some(ast) = self.files.get(file).map(|file| file.ast.clone()) else { continue };
            for (position, item) in ast.items().enumerate() {
                if let ItemKind::Test(test) = &item.kind {
                    self.check_test_or_recall(At { file, item: position }, test);
                }
            }
        }
    }

    fn check_test_or_recall(&mut self, at: At, test: &TestItem) {
        if let Some((known, moves)) = self.recalled(at)
            && let Made::Test(made) = &known.made
        {
            self.tests.push(moves.test(made, at.file));
            return self.give_again(at, known.clone(), &moves);
        }
        let outer = self.enter_item();
        self.stand_ins = StandIns::default();
        let checked = self.check_test(at.file, test);
        self.tests.push(checked.clone());
        self.leave_item(at, outer, |_| Some(Made::Test(checked)));
    }

    fn check_test(&mut self, file: usize, test: &TestItem) -> CheckedTest {
        let runs: Vec<(&Expr, Span)> = test
            .steps
            .iter()
            .filter_map(|step| match &step.kind {
                TestStepKind::Run { call } => Some((call, step.span)),
                _ => None,
            })
            .collect();
        for (_, span) in runs.iter().skip(1) {
            self.report(Problem::new("E0802", *span, "a test runs one flow").help("write a test of its own for the other run"));
        }
        let mut scope = Scope::new(file, Place::Test);
        let run = runs.first().and_then(|(call, _)| self.check_run(&mut scope, call));
        let flow = run.as_ref().map(|(index, _)| *index);
        self.stand_ins = StandIns { values: Vec::new(), flow_unknown: flow.is_none() && !runs.is_empty() };
        let mut givens = Vec::new();
        for step in &test.steps {
            if let TestStepKind::Given { target, value } = &step.kind {
                givens.extend(self.check_given(&mut scope, flow, target, value));
            }
        }
        self.declare_results(&mut scope, flow, test.title_span);
        let mut expectations = Vec::new();
        for step in &test.steps {
            expectations.extend(self.check_expectation(&mut scope, flow, step));
        }
        if expectations.is_empty() && !test.steps.iter().any(|step| matches!(step.kind, TestStepKind::Broken)) {
            self.report(
                Problem::new("E0802", test.title_span, "this test expects nothing, so it cannot fail")
                    .help("add `expect outputs.len() == 1`, or what should hold"),
            );
        }
        let full = flow.and_then(|index| self.items.flows.get(index)).map(|flow| flow.full.to_string());
        let input = run.map(|(_, input)| input).unwrap_or_default();
        CheckedTest { title: test.title.to_string(), span: test.title_span, file, flow: full, givens, input, expectations }
    }

    fn check_run(&mut self, scope: &mut Scope, call: &Expr) -> Option<(usize, Vec<(String, Plan)>)> {
        let ExprKind::Call { callee, arguments } = &call.kind else {
            if !matches!(call.kind, ExprKind::Missing) {
                self.report(Problem::new("E0802", call.span, "`run` calls a flow").help("as in `run my_flow()`"));
            }
            return None;
        };
        let names = super::expressions::dotted(callee)?;
        let (found, _) = self.follow(scope.file, None, &names);
        let index = match found {
            Found::Flow(index) => index,
            Found::Missing => return None,
            other => {
                self.report(Problem::new("E0802", callee.span, format!("`run` calls a flow, but this is {}", other.described())));
                return None;
            }
        };
        let flow = self.items.flows.get(index)?;
        let (name, signature) = (flow.name.clone(), flow.signature.clone());
        let given = self.check_arguments(scope, &name, &signature, arguments, call.span);
        Some((index, given.into_iter().map(|(name, value)| (name.to_string(), value.expr)).collect()))
    }

    fn check_given(
        &mut self,
        scope: &mut Scope,
        flow: Option<usize>,
        target: &Path,
        value: &GivenValue,
    ) -> Option<(Vec<String>, GivenStandIn)> {
        let found = self.given_target(scope, flow, target);
        let (wanted, stands_for) = match found {
            Some((target, stands_for)) => (target, stands_for),
            None => {
                if let GivenValue::Value(value) = value
                    && !matches!(value.kind, ExprKind::Lambda { .. } | ExprKind::EnumValue(_))
                {
                    self.infer(scope, value);
                }
                return None;
            }
        };
        let stand_in = match value {
            GivenValue::Fail(text) => GivenStandIn::Fail(self.check(scope, text, &Ty::text(), "the reason").expr),
            GivenValue::Value(Expr { kind: ExprKind::Lambda { parameters, body }, span }) => {
                self.given_function(scope, &wanted, parameters, body, *span)
            }
            GivenValue::Value(value) if matches!(wanted.ty, Ty::Datetime) && constant_text(value).is_some() => {
                GivenStandIn::Value(self.written_time(value))
            }
            GivenValue::Value(value) => {
                let shown: Vec<&str> = target.names.iter().map(|name| name.text.as_str()).collect();
                let purpose = format!("what stands in for `{}`", shown.join("."));
                GivenStandIn::Value(self.check(scope, value, &wanted.ty, &purpose).expr)
            }
        };
        if let Some(stands_for) = stands_for {
            self.stand_ins.values.push((stands_for, stand_in.clone(), wanted.ty.clone()));
        }
        Some((wanted.path, stand_in))
    }

    /// There is no literal for a point in time, so that a text is read here.
    fn written_time(&mut self, value: &Expr) -> Plan {
        let text = constant_text(value).unwrap_or_default();
        let time = plan::value::time::parse_datetime(&text);
        if time.is_none() {
            let problem = Problem::new("E0201", value.span, "this text is no point in time");
            self.report(problem.help("as in `given now = \"2026-11-22T10:00:00Z\"`"));
        }
        Plan::Literal(plan::Value::Datetime(time.unwrap_or(0)))
    }

    fn given_function(
        &mut self,
        scope: &mut Scope,
        target: &Target,
        parameters: &[crate::syntax::ast::Name],
        body: &Expr,
        span: Span,
    ) -> GivenStandIn {
        let types: Vec<Ty> = target.parameters.iter().map(|(_, ty)| ty.clone()).collect();
        let (lambda, _) = self.infer_lambda(scope, parameters, body, &types, Some(&target.ty), &Trust::trusted(), span);
        GivenStandIn::Function(lambda)
    }

    /// A source of the flow, a prompt, an operation, a flow, `approve` or `now`.
    fn given_target(&mut self, scope: &Scope, flow: Option<usize>, target: &Path) -> Option<(Target, Option<Found>)> {
        let plain = |path: &str, ty: Ty| Some((Target { path: vec![path.to_string()], ty, parameters: Vec::new() }, None));
        if let [name] = target.names.as_slice() {
            if name.text.is_empty() {
                return None;
            }
            match name.text.as_str() {
                "approve" => return plain("approve", Ty::Bool),
                "now" => return plain("now", Ty::Datetime),
                _ => {}
            }
            if let Some(ty) = flow.and_then(|flow| self.source_of(flow, &name.text, name.span)) {
                return plain(&name.text, ty);
            }
            if !self.has_item(scope.file, &name.text) {
                // A flow that is not known may have it.
                if !self.stand_ins.flow_unknown {
                    self.report_unknown_target(scope, flow, name);
                }
                return None;
            }
        }
        let (found, used) = self.follow(scope.file, None, &target.names);
        let (full, signature) = match found {
            Found::Prompt(index) => {
                self.items.prompts.get(index).map(|prompt| (prompt.full.clone(), prompt.signature.clone()))?
            }
            Found::Operation(index) => {
                self.items.operations.get(index).map(|operation| (operation.full.clone(), operation.signature.clone()))?
            }
            Found::Flow(index) => self.items.flows.get(index).map(|flow| (flow.full.clone(), flow.signature.clone()))?,
            Found::Missing => return None,
            other => {
                let span = target.names.get(used - 1).map_or(target.span, |name| name.span);
                let problem = Problem::new("E0801", span, format!("nothing can stand in for {}", other.described()));
                self.report(problem.help("a given stands in for a source, a prompt, an operation, a flow, `approve` or `now`"));
                return None;
            }
        };
        let parameters = signature.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.ty.clone())).collect();
        let ty = generic_as_json(&signature.result);
        Some((Target { path: vec![full.to_string()], ty, parameters }, Some(found)))
    }

    fn report_unknown_target(&mut self, scope: &Scope, flow: Option<usize>, name: &crate::syntax::ast::Name) {
        let mut known: Vec<EcoString> =
            flow.map(|flow| self.sources_of(flow)).unwrap_or_default().into_iter().map(|(name, _, _)| name).collect();
        if let Some(names) = self.items.names.get(scope.file) {
            let mut declared: Vec<EcoString> = names.keys().cloned().collect();
            declared.sort();
            known.extend(declared);
        }
        let problem = Problem::new(
            "E0801",
            name.span,
            format!("the flow has nothing called `{}` that something could stand in for", name.text),
        );
        self.report(suggest(problem, name.span, &name.text, known.iter().map(EcoString::as_str)));
    }

    /// The rows that may stand in for a source: fields that may be missing may be left out.
    fn source_of(&mut self, flow: usize, name: &str, span: Span) -> Option<Ty> {
        let (_, ty, definition) = self.sources_of(flow).into_iter().find(|(known, _, _)| known == name)?;
        self.refer(span, definition);
        Some(Ty::list(ty, None))
    }

    fn sources_of(&self, flow: usize) -> Vec<(EcoString, Ty, Span)> {
        self.items.sources.get(&flow).cloned().unwrap_or_default()
    }

    fn declare_results(&mut self, scope: &mut Scope, flow: Option<usize>, span: Span) {
        let outputs = flow
            .and_then(|index| self.items.flows.get(index))
            .map_or(Ty::list(Ty::Json, None), |flow| flow.signature.result.clone());
        let alert = RecordTy::new(
            None,
            ["scope", "level", "text"]
                .into_iter()
                .map(|name| FieldTy { name: name.into(), ty: Ty::text(), doc: None, span: None })
                .collect(),
        );
        let results = [
            ("outputs", outputs),
            ("cost", Ty::Money),
            ("failed", Ty::int()),
            ("calls", Ty::int()),
            ("alerts", Ty::list(Ty::Record(Arc::new(alert)), None)),
        ];
        for (name, ty) in results {
            scope.declare(&name.into(), ty, Trust::trusted(), span, VariableKind::Given);
        }
    }

    fn check_expectation(&mut self, scope: &mut Scope, flow: Option<usize>, step: &TestStep) -> Option<Expectation> {
        let text = self.source_text(step.span);
        match &step.kind {
            TestStepKind::Expect { condition } => {
                let checked = self.condition(scope, condition);
                Some(Expectation::Condition { condition: checked.expr, text, span: step.span })
            }
            TestStepKind::ExpectCalled { target, times } => {
                let (target, _) = self.given_target(scope, flow, target)?;
                let (min, max) = match times {
                    CalledTimes::AtLeastOnce => (1, None),
                    CalledTimes::Never => (0, Some(0)),
                    CalledTimes::Once => (1, Some(1)),
                    CalledTimes::Times(count) => {
                        let read = super::resolve::constant_int(count).and_then(|count| u64::try_from(count).ok());
                        if read.is_none() && !matches!(count.kind, ExprKind::Missing) {
                            self.report(
                                Problem::new("E0302", count.span, "how often is a whole number that is written out")
                                    .help("as in `expect called f 3 times`"),
                            );
                        }
                        (read?, read)
                    }
                };
                Some(Expectation::Called { target: target.path, min, max, text, span: step.span })
            }
            _ => None,
        }
    }

    fn source_text(&self, span: Span) -> String {
        let text =
            self.file_index.get(&span.file).and_then(|index| self.files.get(*index)).and_then(|file| file.text.get(span.range()));
        text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A call of a prompt or an operation in an expectation gives what stands in for it.
    pub(super) fn call_stand_in(
        &mut self,
        scope: &mut Scope,
        found: Found,
        shown: &str,
        arguments: &[Argument],
        span: Span,
    ) -> Typed {
        let signature = match found {
            Found::Prompt(index) => self.items.prompts.get(index).map(|prompt| prompt.signature.clone()),
            Found::Operation(index) => self.items.operations.get(index).map(|operation| operation.signature.clone()),
            Found::Flow(index) => self.items.flows.get(index).map(|flow| flow.signature.clone()),
            _ => None,
        };
        let Some(signature) = signature else { return Typed::error(span) };
        let given = self.check_arguments(scope, shown, &signature, arguments, span);
        self.work.stand_ins_searched += self.stand_ins.values.len() as u64;
        let stand_in = self.stand_ins.values.iter().find(|(target, _, _)| *target == found).cloned();
        match stand_in {
            Some((_, GivenStandIn::Value(value), ty)) => {
                let expr = Plan::Cast { of: Box::new(value), ty: ty.to_plan() };
                Typed::new(expr, ty, Trust::trusted(), span)
            }
            Some((_, GivenStandIn::Function(lambda), ty)) => {
                let mut values = Vec::new();
                for parameter in &signature.parameters {
                    let value = given.iter().find(|(name, _)| *name == parameter.name);
                    values.push(value.map_or(Plan::Literal(plan::Value::None), |(_, value)| value.expr.clone()));
                }
                Typed::new(applied(lambda, values), ty, Trust::trusted(), span)
            }
            _ => {
                let problem = Problem::new(
                    "E0803",
                    span,
                    format!("nothing stands in for `{shown}` in this test, and no test calls the real one"),
                );
                self.report(problem.help(format!("add `given {shown} = …` above")));
                Typed::error(span)
            }
        }
    }

    /// Remembers the sources of a flow for the tests that run it.
    pub(super) fn remember_sources(&mut self, flow: usize, body: &Body) {
        for variable in body.scope.variables().iter().filter(|variable| variable.kind == VariableKind::Source) {
            if let Ty::List { of, .. } = &variable.ty {
                self.items.sources.entry(flow).or_default().push((variable.name.clone(), (**of).clone(), variable.span));
            }
        }
    }
}

/// The lambda's body with its parameters replaced by the values: one element mapped, and taken out again.
fn applied(lambda: Lambda, values: Vec<Plan>) -> Plan {
    let mut body = *lambda.body;
    for ((name, _), value) in lambda.parameters.into_iter().zip(values) {
        crate::emit::visit::replace_variable(&mut body, &name, &value);
    }
    body
}

fn generic_as_json(ty: &Ty) -> Ty {
    match ty {
        Ty::Generic(_) => Ty::Json,
        Ty::List { of, max } => Ty::list(generic_as_json(of), *max),
        other => other.clone(),
    }
}
