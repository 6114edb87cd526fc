//! From a checked project to plans. Total for a clean project: the same source gives the same plan, whatever its layout.

mod names;
mod order;
mod streams;
pub mod tests;
pub(crate) mod visit;

pub use crate::types::{Expectation, GivenStandIn};
pub use tests::{TestPlan, test_plans};

use crate::FileId;
use crate::cost::least_output_tokens;
use crate::types::{Checked, CheckedFlow};
use names::Renaming;
use pmflow_plan::{
    Block, Body, Expr, Lambda, Operation, PLAN_FORMAT, ParameterDefault, Place, Plan, SourceFrom, SourceMap, Stage, StepKind,
    Target, Type,
};
use std::collections::{BTreeMap, BTreeSet};

/// The plan of a flow of a root file, with the places of its steps. None: there is no such flow, or the project has errors.
pub fn emit(checked: &Checked, flow: &str) -> Option<(Plan, SourceMap)> {
    let of_roots =
        |candidate: &&CheckedFlow| candidate.name == flow && checked.files.get(candidate.file).is_some_and(|file| file.root);
    let flow = checked.flows.iter().find(of_roots)?;
    emit_flow(checked, flow, &[])
}

/// A prompt of a file with everything that it needs, for whoever shows it without running anything: a plan without a flow,
/// and the prompt's name in it. None: there is no such prompt, or the project has errors.
pub fn emit_prompt(checked: &Checked, file: FileId, prompt: &str) -> Option<(Plan, String)> {
    if !checked.clean() {
        return None;
    }
    let name = format!("{}/{prompt}", checked.file(file)?.module);
    let mut needed = Needed { checked, plan: empty_plan(checked) };
    needed.prompt(&name);
    needed.plan.prompts.contains_key(&name).then_some((needed.plan, name))
}

/// As [`emit`]; what the extra expressions need is in the plan as well.
fn emit_flow(checked: &Checked, flow: &CheckedFlow, extra: &[&Expr]) -> Option<(Plan, SourceMap)> {
    if !checked.clean() {
        return None;
    }
    let mut needed = Needed { checked, plan: empty_plan(checked) };
    needed.flow(flow);
    extra.iter().for_each(|expr| needed.expr(expr));
    let mut plan = needed.plan;
    plan.flow = flow.full.clone();
    if flow.plan.settings.budget.shrinks() {
        bound_shrinking(&mut plan);
    }
    arrange(&mut plan);
    let module = checked.files.get(flow.file).map_or("", |file| file.module.as_str());
    let map = source_map(checked, &plan, module);
    Renaming { module }.plan(&mut plan);
    Some((plan, map))
}

/// How far requests may be shrunk; said only where one may be.
fn bound_shrinking(plan: &mut Plan) {
    for prompt in plan.prompts.values_mut() {
        let thinking = prompt.thinking_tokens_max.unwrap_or(0);
        let answer = prompt.output_tokens_max.saturating_sub(thinking);
        let least = least_output_tokens(&prompt.answer, &plan.types, answer);
        prompt.output_tokens_min = Some(least.saturating_add(thinking));
    }
}

fn empty_plan(checked: &Checked) -> Plan {
    Plan {
        format: PLAN_FORMAT,
        flow: String::new(),
        flows: BTreeMap::new(),
        functions: BTreeMap::new(),
        types: BTreeMap::new(),
        models: BTreeMap::new(),
        prompts: BTreeMap::new(),
        operations: BTreeMap::new(),
        connectors: BTreeMap::new(),
        catalog: checked.catalog.clone(),
        ceiling: None,
    }
}

/// Gathers what a flow needs, and what that needs.
struct Needed<'a> {
    checked: &'a Checked,
    plan: Plan,
}

impl Needed<'_> {
    fn flow(&mut self, flow: &CheckedFlow) {
        if self.plan.flows.contains_key(&flow.full) {
            return;
        }
        self.plan.flows.insert(flow.full.clone(), (*flow.plan).clone());
        self.parameters(&flow.plan.parameters);
        self.ty(&flow.plan.output);
        if let Some(webhook) = &flow.plan.settings.webhook {
            self.ty(&webhook.ty);
        }
        self.block(&flow.plan.body);
    }

    fn block(&mut self, block: &Block) {
        let mut exprs: Vec<Expr> = Vec::new();
        let mut targets: Vec<Target> = Vec::new();
        let mut types: Vec<Type> = Vec::new();
        visit::steps(block, &mut |step| {
            visit::own_exprs(&step.kind, &mut |expr| exprs.push(shallow(expr)));
            match &step.kind {
                StepKind::Call(call) => targets.push(call.target.clone()),
                StepKind::Source(source) => {
                    types.push(source.row.clone());
                    if let SourceFrom::Operation { operation, .. } = &source.from {
                        targets.push(Target::Operation(operation.clone()));
                    }
                }
                StepKind::For(looped) => {
                    for stage in &looped.over.stages {
                        if let Stage::Filter(lambda) | Stage::Map(lambda) = stage {
                            types.extend(lambda.parameters.iter().map(|(_, ty)| ty.clone()));
                        }
                    }
                }
                _ => {}
            }
        });
        exprs.iter().for_each(|expr| self.one(expr));
        types.iter().for_each(|ty| self.ty(ty));
        targets.iter().for_each(|target| self.target(target));
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Prompt(name) => self.prompt(name),
            Target::Operation(name) => self.operation(name),
            Target::Flow(name) => {
                if let Some(flow) = self.checked.flow(name) {
                    self.flow(flow);
                }
            }
        }
    }

    fn prompt(&mut self, name: &str) {
        let Some(prompt) = self.checked.parts.prompts.get(name).filter(|_| !self.plan.prompts.contains_key(name)) else { return };
        self.plan.prompts.insert(name.to_string(), (**prompt).clone());
        for id in &prompt.chain {
            if let Some(model) = self.checked.parts.models.get(id) {
                self.plan.models.insert(id.clone(), model.clone());
            }
        }
        self.parameters(&prompt.parameters);
        self.ty(&prompt.answer);
        prompt.system.iter().for_each(|text| self.expr(text));
        prompt.messages.iter().for_each(|message| self.expr(&message.text));
    }

    fn operation(&mut self, name: &str) {
        let Some(operation) = self.checked.parts.operations.get(name).filter(|_| !self.plan.operations.contains_key(name)) else {
            return;
        };
        self.plan.operations.insert(name.to_string(), operation.clone());
        if let Some(connector) = self.checked.parts.connectors.get(&operation.connector) {
            self.plan.connectors.insert(operation.connector.clone(), connector.clone());
            self.expr(&connector.base_url);
            connector.headers.iter().for_each(|(_, value)| self.expr(value));
        }
        self.parameters(&operation.parameters);
        self.ty(&operation.result);
        operation_exprs(operation).into_iter().for_each(|expr| self.expr(expr));
        visit::pieces(&operation.path, &mut |expr| self.one(expr));
    }

    fn parameters(&mut self, parameters: &[pmflow_plan::Parameter]) {
        for parameter in parameters {
            self.ty(&parameter.ty);
            if let Some(ParameterDefault::Value(value)) = &parameter.default {
                self.expr(value);
            }
        }
    }

    fn expr(&mut self, root: &Expr) {
        visit::expr(root, &mut |expr| self.one(expr));
    }

    /// What an expression itself needs, without the expressions in it.
    fn one(&mut self, expr: &Expr) {
        match expr {
            Expr::Call { function, .. } => {
                let Some(declared) =
                    self.checked.parts.functions.get(function).filter(|_| !self.plan.functions.contains_key(function))
                else {
                    return;
                };
                self.plan.functions.insert(function.clone(), declared.clone());
                self.parameters(&declared.parameters);
                self.ty(&declared.result);
                self.expr(&declared.body);
            }
            Expr::Lambda(lambda) => lambda.parameters.iter().for_each(|(_, ty)| self.ty(ty)),
            Expr::Cast { ty, .. } => self.ty(ty),
            _ => {}
        }
    }

    fn ty(&mut self, ty: &Type) {
        let mut names = Vec::new();
        visit::named_types(ty, &mut |name| names.push(name.to_string()));
        for name in names {
            if self.plan.types.contains_key(&name) {
                continue;
            }
            if let Some(declared) = self.checked.parts.types.get(&name) {
                self.plan.types.insert(name, declared.clone());
                self.ty(declared);
            }
        }
    }
}

/// The expression with what [`Needed::one`] reads, and without its parts, which are visited on their own.
fn shallow(expr: &Expr) -> Expr {
    let nothing = || Box::new(Expr::Literal(pmflow_plan::Value::None));
    match expr {
        Expr::Call { function, .. } => Expr::Call { function: function.clone(), arguments: Vec::new() },
        Expr::Lambda(lambda) => Expr::Lambda(Lambda { parameters: lambda.parameters.clone(), body: nothing() }),
        Expr::Cast { ty, .. } => Expr::Cast { of: nothing(), ty: ty.clone() },
        _ => *nothing(),
    }
}

pub(crate) fn operation_exprs(operation: &Operation) -> Vec<&Expr> {
    use pmflow_plan::Paging;
    let mut exprs: Vec<&Expr> = operation.query.iter().chain(&operation.headers).map(|(_, value)| value).collect();
    match &operation.body {
        Body::None => {}
        Body::Json(value) | Body::Text(value) => exprs.push(value),
        Body::Form(values) | Body::Multipart(values) => exprs.extend(values.iter().map(|(_, value)| value)),
    }
    exprs.extend(&operation.mapping);
    match &operation.paging {
        Paging::None => {}
        Paging::Cursor { next } => exprs.push(next),
        Paging::Number { next, .. } | Paging::Offset { next } | Paging::Link { next } => exprs.extend(next),
    }
    for case in &operation.errors {
        exprs.extend(&case.when);
        exprs.push(&case.message);
    }
    exprs
}

fn arrange(plan: &mut Plan) {
    let operations = plan.operations.iter().map(|(name, operation)| (name.clone(), operation.kind)).collect::<BTreeMap<_, _>>();
    let flows = writing_flows(plan);
    let names: Vec<String> = plan.flows.keys().cloned().collect();
    let writing: Vec<(String, bool)> = names.into_iter().map(|name| (name.clone(), flows.contains(&name))).collect();
    let writers = order::Writers {
        operations: operations.iter().map(|(name, kind)| (name.as_str(), *kind)).collect(),
        flows: writing.iter().map(|(name, writes)| (name.as_str(), *writes)).collect(),
    };
    for flow in plan.flows.values_mut() {
        streams::stream(&mut flow.body);
        order::arrange(&mut flow.body, &writers, false);
    }
}

/// The flows that change something outside, by themselves or by the flows they call.
fn writing_flows(plan: &Plan) -> BTreeSet<String> {
    let mut writing: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = writing.len();
        for (name, flow) in &plan.flows {
            let mut writes = false;
            visit::steps(&flow.body, &mut |step| {
                if let StepKind::Call(call) = &step.kind {
                    writes |= match &call.target {
                        Target::Prompt(_) => false,
                        Target::Operation(operation) => plan
                            .operations
                            .get(operation)
                            .is_some_and(|operation| operation.kind == pmflow_plan::OperationKind::Action),
                        Target::Flow(flow) => writing.contains(flow),
                    };
                }
            });
            if writes {
                writing.insert(name.clone());
            }
        }
        if writing.len() == before {
            return writing;
        }
    }
}

fn source_map(checked: &Checked, plan: &Plan, module: &str) -> SourceMap {
    let renaming = Renaming { module };
    let mut map = SourceMap::default();
    for flow in plan.flows.keys().filter_map(|name| checked.flow(name)) {
        let name = renaming.name(&flow.full);
        map.places.extend(place(checked, flow.span).map(|place| (name.clone(), place)));
        for (path, span) in &flow.places {
            map.places.extend(place(checked, *span).map(|place| (format!("{name}/{path}"), place)));
        }
    }
    for prompt in plan.prompts.keys() {
        let span = checked.parts.prompt_spans.get(prompt);
        let place = span.and_then(|span| place(checked, *span));
        map.places.extend(place.map(|place| (format!("prompt:{}", renaming.name(prompt)), place)));
    }
    map
}

fn place(checked: &Checked, span: crate::Span) -> Option<Place> {
    let file = checked.file(span.file)?;
    let lines = file.line_starts();
    let line = lines.partition_point(|start| *start <= span.start);
    let start = *lines.get(line.checked_sub(1)?)?;
    let before = file.text.get(start as usize..span.start as usize)?;
    let column = before.chars().count() + 1;
    Some(Place { file: file.path.to_string(), line: u32::try_from(line).ok()?, column: u32::try_from(column).ok()? })
}
