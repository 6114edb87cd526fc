//! Names of the project (`module/name`) become names of the plan: `Lead` for the flow's own file, `hunter.Company` for others'.

use super::visit;
use pmflow_plan::{Body, Expr, Operation, Paging, Plan, SourceFrom, Stage, StepKind, Target, Type};
use std::collections::BTreeMap;

pub(super) struct Renaming<'a> {
    /// Of the flow.
    pub module: &'a str,
}

impl Renaming<'_> {
    pub fn name(&self, full: &str) -> String {
        let Some((module, name)) = full.split_once('/') else { return full.to_string() };
        let namesake = name == module || name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'));
        if module == self.module || namesake { name.to_string() } else { format!("{module}.{name}") }
    }

    fn rename(&self, name: &mut String) {
        *name = self.name(name);
    }

    pub fn ty(&self, ty: &mut Type) {
        visit::named_types_mut(ty, &mut |name| self.rename(name));
    }

    pub fn expr(&self, expr: &mut Expr) {
        visit::expr_mut(expr, &mut |part| self.one(part));
    }

    fn one(&self, part: &mut Expr) {
        match part {
            Expr::Call { function, .. } => self.rename(function),
            Expr::Lambda(lambda) => lambda.parameters.iter_mut().for_each(|(_, ty)| self.ty(ty)),
            Expr::Cast { ty, .. } => self.ty(ty),
            _ => {}
        }
    }

    pub fn plan(&self, plan: &mut Plan) {
        self.rename(&mut plan.flow);
        for flow in plan.flows.values_mut() {
            self.rename(&mut flow.name);
            self.parameters(&mut flow.parameters);
            self.ty(&mut flow.output);
            flow.settings.webhook.iter_mut().for_each(|webhook| self.ty(&mut webhook.ty));
            flow.settings.budget.shared.iter_mut().for_each(|budget| self.rename(&mut budget.name));
            visit::steps_mut(&mut flow.body, &mut |step| self.step(&mut step.kind));
        }
        for function in plan.functions.values_mut() {
            self.parameters(&mut function.parameters);
            self.ty(&mut function.result);
            self.expr(&mut function.body);
        }
        plan.types.values_mut().for_each(|ty| self.ty(ty));
        for prompt in plan.prompts.values_mut() {
            self.rename(&mut prompt.name);
            self.parameters(&mut prompt.parameters);
            self.ty(&mut prompt.answer);
            prompt.system.iter_mut().for_each(|text| self.expr(text));
            prompt.messages.iter_mut().for_each(|message| self.expr(&mut message.text));
        }
        plan.operations.values_mut().for_each(|operation| self.operation(operation));
        for connector in plan.connectors.values_mut() {
            self.rename(&mut connector.name);
            self.expr(&mut connector.base_url);
            connector.headers.iter_mut().for_each(|(_, value)| self.expr(value));
        }
        self.keys(&mut plan.flows);
        self.keys(&mut plan.functions);
        self.keys(&mut plan.types);
        self.keys(&mut plan.prompts);
        self.keys(&mut plan.operations);
        self.keys(&mut plan.connectors);
    }

    fn keys<T>(&self, table: &mut BTreeMap<String, T>) {
        *table = std::mem::take(table).into_iter().map(|(name, value)| (self.name(&name), value)).collect();
    }

    fn parameters(&self, parameters: &mut [pmflow_plan::Parameter]) {
        for parameter in parameters {
            self.ty(&mut parameter.ty);
            if let Some(pmflow_plan::ParameterDefault::Value(value)) = &mut parameter.default {
                self.expr(value);
            }
        }
    }

    fn step(&self, kind: &mut StepKind) {
        visit::own_exprs_mut(kind, &mut |part| self.one(part));
        match kind {
            StepKind::Call(call) => match &mut call.target {
                Target::Prompt(name) | Target::Operation(name) | Target::Flow(name) => self.rename(name),
            },
            StepKind::Source(source) => {
                self.ty(&mut source.row);
                if let SourceFrom::Operation { operation, .. } = &mut source.from {
                    self.rename(operation);
                }
            }
            StepKind::For(looped) => {
                for stage in &mut looped.over.stages {
                    if let Stage::Filter(lambda) | Stage::Map(lambda) = stage {
                        lambda.parameters.iter_mut().for_each(|(_, ty)| self.ty(ty));
                    }
                }
            }
            _ => {}
        }
    }

    fn operation(&self, operation: &mut Operation) {
        self.rename(&mut operation.name);
        self.rename(&mut operation.connector);
        self.parameters(&mut operation.parameters);
        self.ty(&mut operation.result);
        visit::pieces_mut(&mut operation.path, &mut |part| self.one(part));
        operation.query.iter_mut().chain(&mut operation.headers).for_each(|(_, value)| self.expr(value));
        match &mut operation.body {
            Body::None => {}
            Body::Json(value) | Body::Text(value) => self.expr(value),
            Body::Form(values) | Body::Multipart(values) => values.iter_mut().for_each(|(_, value)| self.expr(value)),
        }
        operation.mapping.iter_mut().for_each(|value| self.expr(value));
        match &mut operation.paging {
            Paging::None => {}
            Paging::Cursor { next } => self.expr(next),
            Paging::Number { next, .. } | Paging::Offset { next } | Paging::Link { next } => {
                next.iter_mut().for_each(|next| self.expr(next))
            }
        }
        for case in &mut operation.errors {
            case.when.iter_mut().for_each(|when| self.expr(when));
            self.expr(&mut case.message);
        }
    }
}
