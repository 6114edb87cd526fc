//! Signatures of everything that is called, and the bodies of functions.

use super::Checker;
use super::circles;
use super::items::{At, ParameterTy};
use super::phrases::called_with_text;
use super::resolve::TypeScope;
use super::scope::{Place, Scope, VariableKind};
use super::trust::{Origin, Trust};
use super::ty::Ty;
use crate::Problem;
use crate::syntax::ast::{ItemKind, Parameter};
use pmflow_plan as plan;
use pmflow_plan::ParameterDefault;
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn item(&self, at: At) -> Option<(Arc<crate::syntax::ast::File>, usize)> {
        Some((self.files.get(at.file)?.ast.clone(), at.item))
    }

    pub(super) fn read_signatures(&mut self) {
        for index in 0..self.items.functions.len() {
            self.read_function_signature(index);
        }
        for index in 0..self.items.prompts.len() {
            self.read_prompt_signature(index);
        }
        for index in 0..self.items.operations.len() {
            self.read_operation_signature(index);
        }
        for index in 0..self.items.flows.len() {
            self.read_flow_signature(index);
        }
    }

    fn read_function_signature(&mut self, index: usize) {
        let Some(at) = self.items.functions.get(index).map(|function| function.at) else { return };
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Function(function)) = ast.items.get(item).map(|item| &item.kind) else { return };
        if function.result.is_none() && !function.name.text.is_empty() {
            let problem = Problem::new(
                "E0214",
                function.name.span,
                format!("the function `{}` does not say what it gives", function.name.text),
            );
            self.report(problem.help(format!("write it before the `=`: `fn {}(…) -> text = …`", function.name.text)));
        }
        // Type parameters were reported by the parser; what they stand for stays open.
        let generics: Vec<ecow::EcoString> = function.generics.iter().map(|generic| generic.text.clone()).collect();
        let scope = TypeScope { file: at.file, connector: None, generics: &generics };
        let signature = self.signature(scope, &function.parameters, function.result.as_ref());
        let defaults = self.defaults(at.file, &function.parameters, &signature.parameters, false);
        if let Some(declaration) = self.items.functions.get_mut(index) {
            declaration.signature = signature;
            declaration.defaults = defaults;
        }
    }

    /// Defaults see no other parameter. Only a flow's may come from the environment.
    pub(super) fn defaults(
        &mut self,
        file: usize,
        written: &[Parameter],
        parameters: &[ParameterTy],
        environment: bool,
    ) -> Vec<Option<ParameterDefault>> {
        let mut defaults = Vec::new();
        for parameter in parameters {
            let default =
                written.iter().find(|written| written.name.span == parameter.span).and_then(|written| written.default.as_ref());
            defaults.push(default.map(|default| match called_with_text(default, "env") {
                Some(variable) if environment => {
                    if !matches!(parameter.ty, Ty::Text(_) | Ty::Error) {
                        let problem = Problem::new(
                            "E0201",
                            default.span,
                            format!("`{}` is {}, but the environment holds text", parameter.name, parameter.ty),
                        );
                        self.report(problem.help("declare the parameter as `text`, and convert it where it is used"));
                    }
                    ParameterDefault::Environment(variable.to_string())
                }
                _ => {
                    let mut scope = Scope::new(file, Place::Function);
                    let value = self.check(&mut scope, default, &parameter.ty, &format!("the default of `{}`", parameter.name));
                    ParameterDefault::Value(value.expr)
                }
            }));
        }
        defaults
    }

    pub(super) fn plan_parameters(parameters: &[ParameterTy], defaults: Vec<Option<ParameterDefault>>) -> Vec<plan::Parameter> {
        let mut defaults = defaults.into_iter();
        let with_default = |parameter: &ParameterTy| plan::Parameter {
            name: parameter.name.to_string(),
            ty: parameter.ty.to_plan(),
            default: defaults.next().flatten(),
        };
        parameters.iter().map(with_default).collect()
    }

    /// Parameters as variables. Where each came from is its caller's to know, unless it is declared `trusted`.
    pub(super) fn declare_parameters(&mut self, scope: &mut Scope, parameters: &[ParameterTy]) {
        for (position, parameter) in parameters.iter().enumerate() {
            let trust = match parameter.trusted {
                Some(_) => Trust::trusted(),
                None => Trust::new(Origin::Parameter(position), parameter.span, format!("the parameter `{}`", parameter.name)),
            };
            if matches!(parameter.ty, Ty::Secret) {
                self.report_secret(parameter.span, "a parameter");
            }
            self.note_type(parameter.span, &parameter.ty);
            scope.declare(&parameter.name, parameter.ty.clone(), trust, parameter.span, VariableKind::Parameter);
        }
    }

    pub(super) fn check_functions(&mut self) {
        for index in 0..self.items.functions.len() {
            self.check_function(index);
        }
        self.report_function_circles();
    }

    fn check_function(&mut self, index: usize) {
        let Some(function) = self.items.functions.get(index) else { return };
        let (at, full, signature) = (function.at, function.full.clone(), function.signature.clone());
        let Some((ast, item)) = self.item(at) else { return };
        let Some(ItemKind::Function(function)) = ast.items.get(item).map(|item| &item.kind) else { return };
        let mut scope = Scope::new(at.file, Place::Function);
        self.declare_parameters(&mut scope, &signature.parameters);
        self.items.current_function = Some(index);
        let body = self.check(&mut scope, &function.body, &signature.result, &format!("the result of `{}`", function.name.text));
        self.items.current_function = None;
        let defaults = self.items.functions.get(index).map(|function| function.defaults.clone()).unwrap_or_default();
        let parameters = Self::plan_parameters(&signature.parameters, defaults);
        let function = plan::Function { parameters, result: signature.result.to_plan(), body: body.expr };
        self.parts.functions.insert(full.to_string(), function);
    }

    fn report_function_circles(&mut self) {
        let calls = |function: &super::items::FunctionDeclaration| function.calls.iter().map(|(callee, _)| *callee).collect();
        let needs: Vec<Vec<usize>> = self.items.functions.iter().map(calls).collect();
        for circle in circles::order(&needs).circles {
            let mut names = Vec::new();
            let mut spans = Vec::new();
            for (position, index) in circle.iter().enumerate() {
                let Some(function) = self.items.functions.get(*index) else { continue };
                let next = circle.get(position + 1).or(circle.first());
                names.push(format!("`{}`", function.name));
                spans.extend(function.calls.iter().find(|(callee, _)| Some(callee) == next).map(|(_, span)| *span));
            }
            names.extend(names.first().cloned());
            let (Some((first, others)), Some(name)) = (spans.split_first(), names.first()) else { continue };
            let mut problem = Problem::new("E0115", *first, format!("the function {name} calls itself: {}", names.join(" → ")));
            for other in others {
                problem = problem.related(*other, "and goes on here");
            }
            self.report(
                problem.help("every run must end: use a list's `map`, `filter` or `any`, or a `repeat up to N` in a flow"),
            );
        }
    }
}
