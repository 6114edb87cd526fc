//! Flows: parameters, settings, body, and what callers must know of them.

use super::Checker;
use super::again::{KnownFlow, Made};
use super::items::{At, CheckedFlow, FlowState, OpenFlow, ParameterTy, Signature};
use super::resolve::TypeScope;
use super::scope::{Place, Scope, VariableKind};
use super::trust::{Origin, Trust};
use super::ty::Ty;
use crate::syntax::ast::{FlowItem, ItemKind, Name};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan as plan;
use std::collections::HashMap;
use std::sync::Arc;

/// A flow while its steps are checked.
pub(super) struct Body {
    pub scope: Scope,
    /// The step that the current block belongs to, below the flow: `lead/if-1`.
    pub path: String,
    /// How often a step's name was used, by the path that it stands at.
    names: HashMap<String, u32>,
    pub places: Vec<(String, Span)>,
    pub outputs: Vec<(Ty, Span)>,
    /// How often the current step runs at most; none: without bound.
    pub times: Option<u64>,
    pub outputs_max: Option<u64>,
    pub writes: bool,
    /// Calls of prompts, operations and flows so far.
    pub calls: u32,
    /// The `repeat`s around the current step: loops around each, and where its own variables begin.
    pub repeats: Vec<Repeated>,
    pub parallel: bool,
}

pub(super) struct Repeated {
    pub loops: u32,
    pub variables: usize,
}

impl Body {
    fn new(file: usize) -> Body {
        Body {
            scope: Scope::new(file, Place::Flow),
            path: String::new(),
            names: HashMap::new(),
            places: Vec::new(),
            outputs: Vec::new(),
            times: Some(1),
            outputs_max: Some(0),
            writes: false,
            calls: 0,
            repeats: Vec::new(),
            parallel: false,
        }
    }

    /// The name of a step that binds nothing: `if-1`, `hubspot.create_task`, `hubspot.create_task-2`.
    pub fn name(&mut self, base: &str, numbered: bool, span: Span) -> String {
        let count = self.names.entry(format!("{}/{base}", self.path)).or_insert(0);
        *count += 1;
        let name = if numbered || *count > 1 { format!("{base}-{count}") } else { base.to_string() };
        self.place(&name, span);
        name
    }

    pub fn place(&mut self, name: &str, span: Span) {
        self.places.push((self.below(name), span));
    }

    pub fn below(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}/{name}", self.path) }
    }
}

impl Checker<'_> {
    /// A step that binds a variable bears its name.
    pub(super) fn bind(&mut self, body: &mut Body, name: &Name, ty: Ty, trust: Trust, kind: VariableKind) -> String {
        let unknown = self.refuse_second(body, name) || self.damage.covers(name.span);
        let ty = if unknown { Ty::Error } else { ty };
        self.note_type(name.span, &ty);
        let unique = body.scope.declare(&name.text, ty, trust, name.span, kind);
        body.place(&unique, name.span);
        unique.to_string()
    }

    /// A run finds the results of its steps by their names, so a name in sight is not given again. True when it was.
    pub(super) fn refuse_second(&mut self, body: &mut Body, name: &Name) -> bool {
        let before = body.scope.find(&name.text).map(|variable| variable.span).filter(|_| !name.text.is_empty());
        if let Some(before) = before {
            self.report_duplicate(name, before);
        }
        before.is_some()
    }

    pub(super) fn read_flow_signature(&mut self, index: usize) {
        let Some(at) = self.items.flows.get(index).map(|flow| flow.at) else { return };
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Flow(flow)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let mut parameters = self.read_parameters(TypeScope::file(at.file), &flow.parameters);
        parameters.extend(self.webhook_parameter(at.file, flow));
        if let Some(declaration) = self.items.flows.get_mut(index) {
            declaration.signature = Signature { parameters, result: Ty::list(Ty::Error, None) };
        }
    }

    pub(super) fn check_flows(&mut self) {
        for index in 0..self.items.flows.len() {
            self.ensure_flow(index, None);
        }
    }

    /// Checks a flow before its caller needs its outputs. False: it is being checked already, which was reported.
    pub(super) fn ensure_flow(&mut self, index: usize, call: Option<Span>) -> bool {
        let Some(flow) = self.items.flows.get_mut(index) else { return false };
        let (at, name) = (flow.at, flow.name.clone());
        match flow.state {
            FlowState::Checked => {
                self.note_call_of(index);
                return true;
            }
            FlowState::Checking => {
                self.report_flow_circle(&name, call);
                return false;
            }
            FlowState::Unchecked => flow.state = FlowState::Checking,
        }
        self.items.flows_open.push(OpenFlow { index, name, call });
        if self.items.flows_open.len() <= FLOWS_NESTED_MAX {
            self.check_flow_or_recall(index, at);
        } else {
            let span = call.unwrap_or(Span { file: crate::FileId(0), start: 0, end: 0 });
            self.report(Problem::new("E0115", span, format!("flows call each other more than {FLOWS_NESTED_MAX} deep")));
        }
        self.items.flows_open.pop();
        if let Some(flow) = self.items.flows.get_mut(index) {
            flow.state = FlowState::Checked;
        }
        self.note_call_of(index);
        true
    }

    fn note_call_of(&mut self, callee: usize) {
        let below = self.items.flows.get(callee).map_or(0, |callee| callee.flows_below + 1);
        let caller = self.items.flows_open.last().map(|caller| caller.index);
        if let Some(caller) = caller.and_then(|caller| self.items.flows.get_mut(caller)) {
            caller.flows_below = caller.flows_below.max(below);
        }
    }

    fn check_flow_or_recall(&mut self, index: usize, at: At) {
        if self.recall_flow(index, at) {
            return;
        }
        let outer = self.enter_item();
        self.check_flow(index, at);
        self.leave_item(at, outer, |checker| {
            let flow = checker.items.flows.get(index)?;
            Some(Made::Flow(KnownFlow {
                checked: flow.checked.clone()?,
                writes: flow.writes,
                outputs_max: flow.outputs_max,
                result: flow.signature.result.clone(),
                demands: flow.signature.parameters.iter().map(|parameter| parameter.demand.clone()).collect(),
                sources: checker.items.sources.get(&index).cloned().unwrap_or_default(),
                flows_below: flow.flows_below,
            }))
        });
    }

    /// False: the flow must be checked.
    fn recall_flow(&mut self, index: usize, at: At) -> bool {
        let Some((known, moves)) = self.recalled(at) else { return false };
        let (Made::Flow(made), Some(flow)) = (&known.made, self.items.flows.get_mut(index)) else { return false };
        if self.items.flows_open.len() + made.flows_below > FLOWS_NESTED_MAX {
            return false;
        }
        flow.writes = made.writes;
        flow.outputs_max = made.outputs_max;
        flow.flows_below = made.flows_below;
        flow.signature.result = moves.ty(&made.result);
        for (parameter, demand) in flow.signature.parameters.iter_mut().zip(moves.demands(&made.demands)) {
            parameter.demand = demand;
        }
        flow.checked = Some(moves.flow(&made.checked, at.file));
        let sources = made.sources.iter().map(|(name, ty, span)| (name.clone(), moves.ty(ty), moves.span(*span)));
        if !made.sources.is_empty() {
            self.items.sources.insert(index, sources.collect());
        }
        self.give_again(at, known.clone(), &moves);
        true
    }

    fn report_flow_circle(&mut self, name: &EcoString, call: Option<Span>) {
        let from = self.items.flows_open.iter().position(|open| open.name == *name).unwrap_or(0);
        let mut names: Vec<String> = self.items.flows_open.iter().skip(from).map(|open| format!("`{}`", open.name)).collect();
        names.push(format!("`{name}`"));
        let calls: Vec<Span> = self.items.flows_open.iter().skip(from + 1).filter_map(|open| open.call).collect();
        let Some(call) = call else { return };
        let mut problem = Problem::new("E0115", call, format!("the flow `{name}` calls itself: {}", names.join(" → ")));
        for other in calls {
            problem = problem.related(other, "by way of this call");
        }
        self.report(problem.help("every run must end: use `repeat up to N` in one flow, or let a schedule start the next run"));
    }

    fn check_flow(&mut self, index: usize, at: At) {
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Flow(flow)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let Some(declaration) = self.items.flows.get(index) else { return };
        let (name, full, signature) = (declaration.name.clone(), declaration.full.clone(), declaration.signature.clone());
        let defaults = self.defaults(at.file, &flow.parameters, &signature.parameters, true);
        let settings = self.flow_settings(at.file, flow);
        let mut body = Body::new(at.file);
        let is_written = |parameter: &&ParameterTy| flow.parameters.iter().any(|written| written.name.span == parameter.span);
        let written: Vec<ParameterTy> = signature.parameters.iter().filter(is_written).cloned().collect();
        self.declare_parameters(&mut body.scope, &written);
        self.declare_webhook(at.file, flow, &mut body);
        let parameters = Self::plan_parameters(&signature.parameters, defaults);
        let block = self.check_block(&mut body, &flow.body);
        let output = self.output_type(&body);
        self.remember_sources(index, &body);
        self.settle_demands(index);
        let planned = plan::Flow { name: full.to_string(), parameters, settings, output: output.to_plan(), body: block };
        let Some(declaration) = self.items.flows.get_mut(index) else { return };
        declaration.writes = body.writes;
        declaration.outputs_max = body.outputs_max;
        declaration.signature.result = Ty::list(output, body.outputs_max);
        declaration.checked = Some(CheckedFlow {
            name: name.to_string(),
            full: full.to_string(),
            file: at.file,
            span: flow.name.span,
            plan: Arc::new(planned),
            places: body.places,
        });
    }

    /// What is sent to the webhook, as a parameter after the written ones.
    fn webhook_parameter(&mut self, file: usize, flow: &FlowItem) -> Option<ParameterTy> {
        let (name, ty, span) = self.webhook_variable(file, flow)?;
        let is_new = flow.parameters.iter().all(|parameter| parameter.name.text != name);
        let optional = ty.is_optional();
        is_new.then_some(ParameterTy { name, ty, optional, trusted: None, span, demand: None })
    }

    fn declare_webhook(&mut self, file: usize, flow: &FlowItem, body: &mut Body) {
        let Some((name, ty, span)) = self.webhook_variable(file, flow) else { return };
        if let Some(before) = flow.parameters.iter().find(|parameter| parameter.name.text == name) {
            return self.report_duplicate(&Name { text: name, span }, before.name.span);
        }
        let trust = Trust::new(Origin::External, span, format!("`{name}` is sent to the webhook from outside"));
        body.scope.declare(&name, ty, trust, span, VariableKind::Parameter);
    }

    /// The type that all outputs have in common; json when there is none.
    fn output_type(&self, body: &Body) -> Ty {
        let mut outputs = body.outputs.iter().map(|(ty, _)| ty);
        let Some(first) = outputs.next() else { return Ty::Json };
        let mut common = first.clone();
        for ty in outputs {
            match common.join(ty) {
                Some(joined) => common = joined,
                None => return Ty::Json,
            }
        }
        common
    }

    fn settle_demands(&mut self, index: usize) {
        let demands = std::mem::take(&mut self.items.demands);
        let Some(declaration) = self.items.flows.get_mut(index) else { return };
        for (position, demand) in demands {
            if let Some(parameter) = declaration.signature.parameters.get_mut(position) {
                parameter.demand.get_or_insert(demand);
            }
        }
    }
}

const FLOWS_NESTED_MAX: usize = 32;
