//! `repeat`, and the variables that it carries from round to round.

use super::Checker;
use super::flows::{Body, Repeated};
use super::scope::VariableKind;
use super::trust::{Origin, Trust};
use crate::syntax::ast::{Block, Expr, ExprKind, Name, Otherwise, Step, StepKind};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan as plan;
use pmflow_plan::{Expr as Plan, Value};

impl Checker<'_> {
    pub(super) fn check_repeat(
        &mut self,
        body: &mut Body,
        span: Span,
        up_to: &Expr,
        condition: Option<&Expr>,
        inner: &Block,
    ) -> Option<(String, plan::StepKind)> {
        let times = super::resolve::constant_int(up_to).and_then(|times| u64::try_from(times).ok()).filter(|times| *times > 0);
        if times.is_none() && !matches!(up_to.kind, ExprKind::Missing | ExprKind::Int(None)) {
            let problem =
                Problem::new("E0706", up_to.span, "how often a `repeat` runs at most is a whole number that is written out");
            self.report(problem.help("as in `repeat up to 3 while …`"));
        }
        let carried = self.carried(body, inner);
        for unique in &carried {
            body.scope.forget(unique);
        }
        let name = body.name("repeat", true, span);
        let condition = match condition {
            Some(condition) => self.condition(&mut body.scope, condition).expr,
            None => Plan::Literal(Value::Bool(true)),
        };
        let outer_times = body.times;
        body.times = outer_times.zip(times).and_then(|(outer, times)| outer.checked_mul(times));
        body.repeats.push(Repeated { loops: body.scope.loops, variables: body.scope.variables().len() });
        let block = self.inner_block(body, &name, inner);
        body.repeats.pop();
        body.times = outer_times;
        for unique in &carried {
            body.scope.forget(unique);
        }
        Some((name, plan::StepKind::Repeat { up_to: times.unwrap_or(1), condition, body: block }))
    }

    /// The variables that the loop sets. What a later round gives them may come from anywhere: their text is not trusted.
    fn carried(&mut self, body: &mut Body, inner: &Block) -> Vec<EcoString> {
        let mut names = Vec::new();
        names_set(inner, &mut names);
        let mut carried = Vec::new();
        for name in names {
            let Some(variable) = body.scope.find(&name.text) else { continue };
            if variable.trust.is_trusted() && !variable.ty.is_harmless() {
                variable.trust = Trust::new(Origin::External, name.span, format!("`{}` is set again here", name.text));
            }
            carried.push(variable.unique.clone());
        }
        carried
    }

    pub(super) fn check_set(
        &mut self,
        body: &mut Body,
        span: Span,
        name: &Name,
        value: &Expr,
    ) -> Option<(String, plan::StepKind)> {
        let Some(variable) = body.scope.find(&name.text) else {
            let value = Expr { span: name.span, kind: ExprKind::Name(name.text.clone()) };
            self.infer(&mut body.scope, &value);
            return None;
        };
        let (unique, ty, definition, kind, loops) =
            (variable.unique.clone(), variable.ty.clone(), variable.span, variable.kind, variable.loops);
        let position = body.scope.variables().iter().position(|variable| variable.unique == unique).unwrap_or(0);
        let allowed = body
            .repeats
            .last()
            .is_some_and(|repeat| repeat.loops == loops && body.scope.loops == loops && position < repeat.variables);
        self.refer(name.span, definition);
        if !allowed || kind != VariableKind::Let {
            let reason = match kind {
                _ if body.repeats.is_empty() => {
                    "`set` gives a variable its next value in a `repeat`, and there is none around it"
                }
                VariableKind::Let => {
                    "only a variable that was declared before the `repeat`, and in the same item, is carried from round to round"
                }
                _ => "only a variable that was declared with `let` is carried from round to round",
            };
            let problem = Problem::new("E0404", name.span, format!("`{}` cannot be set here: {reason}", name.text));
            self.report(problem.related(definition, "declared here").help("use `let` for a new name"));
        }
        let value = self.check(&mut body.scope, value, &ty, &format!("`{}`", name.text));
        body.scope.forget(&unique);
        if let Some(variable) = body.scope.find(&name.text) {
            variable.trust.add(&value.trust.passed(&name.text, name.span));
        }
        let step = body.name(&format!("set-{unique}"), true, span);
        Some((step, plan::StepKind::Set { variable: unique.to_string(), value: value.expr }))
    }
}

/// The names that a `repeat` sets in its own rounds; loops inside it have items of their own.
fn names_set<'a>(block: &'a Block, names: &mut Vec<&'a Name>) {
    for step in &block.steps {
        match &step.kind {
            StepKind::Set { name, .. } => names.push(name),
            StepKind::If { then, otherwise, .. } => {
                names_set(then, names);
                match otherwise {
                    Some(Otherwise::Block(block)) => names_set(block, names),
                    Some(Otherwise::If(step)) => names_set_of_step(step, names),
                    None => {}
                }
            }
            StepKind::Match { arms, otherwise, .. } => {
                arms.iter().for_each(|arm| names_set(&arm.body, names));
                otherwise.iter().for_each(|block| names_set(block, names));
            }
            StepKind::Repeat { body, .. } | StepKind::Parallel { body } => names_set(body, names),
            StepKind::Approve { otherwise: Some(block), .. } => names_set(block, names),
            _ => {}
        }
    }
}

fn names_set_of_step<'a>(step: &'a Step, names: &mut Vec<&'a Name>) {
    if let StepKind::If { then, otherwise, .. } = &step.kind {
        names_set(then, names);
        match otherwise {
            Some(Otherwise::Block(block)) => names_set(block, names),
            Some(Otherwise::If(step)) => names_set_of_step(step, names),
            None => {}
        }
    }
}
