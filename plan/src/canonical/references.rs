//! What a plan names must be there, and nothing may contain itself.

mod expressions;
mod steps;

use super::DecodeError;
use crate::schema::TYPE_DEPTH_MAX;
use crate::{Overflow, Parameter, ParameterDefault, Plan, Type};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn verify(plan: &Plan) -> Result<(), DecodeError> {
    let check = Check { plan };
    check.names()?;
    check.types()?;
    check.functions()?;
    check.prompts()?;
    check.operations()?;
    check.flows()
}

struct Check<'a> {
    plan: &'a Plan,
}

fn contradiction(message: impl Into<String>) -> DecodeError {
    DecodeError::Contradiction(message.into())
}

impl Check<'_> {
    /// Every thing is kept under its own name.
    fn names(&self) -> Result<(), DecodeError> {
        let plan = self.plan;
        let flows = plan.flows.iter().map(|(key, flow)| ("flow", key, &flow.name));
        let prompts = plan.prompts.iter().map(|(key, prompt)| ("prompt", key, &prompt.name));
        let operations = plan.operations.iter().map(|(key, operation)| ("operation", key, &operation.name));
        let connectors = plan.connectors.iter().map(|(key, connector)| ("connector", key, &connector.name));
        let models = plan.models.iter().map(|(key, model)| ("model", key, &model.id));
        for (what, key, name) in flows.chain(prompts).chain(operations).chain(connectors).chain(models) {
            if key != name {
                return Err(contradiction(format!("the {what} `{name}` is kept as `{key}`")));
            }
        }
        if !plan.flows.contains_key(&plan.flow) {
            return Err(contradiction(format!("its flow `{}` is missing", plan.flow)));
        }
        Ok(())
    }

    fn types(&self) -> Result<(), DecodeError> {
        let mut uses = BTreeMap::new();
        for (name, ty) in &self.plan.types {
            self.ty(ty)?;
            let mut named = BTreeSet::new();
            names_in_type(ty, &mut named);
            uses.insert(name.clone(), named);
        }
        no_circle("type", &uses)
    }

    /// Names are there and the type itself is not too deep.
    fn ty(&self, ty: &Type) -> Result<(), DecodeError> {
        let mut open = vec![(ty, 0usize)];
        while let Some((ty, depth)) = open.pop() {
            if depth > TYPE_DEPTH_MAX {
                return Err(DecodeError::TooDeep { what: "types", max: TYPE_DEPTH_MAX });
            }
            match ty {
                Type::Named(name) if !self.plan.types.contains_key(name) => {
                    return Err(contradiction(format!("the type `{name}` is missing")));
                }
                Type::List { of, .. } | Type::Map(of) | Type::Optional(of) => open.push((of, depth + 1)),
                Type::Record(fields) => open.extend(fields.iter().map(|field| (&field.ty, depth + 1))),
                _ => {}
            }
        }
        Ok(())
    }

    fn parameters(&self, parameters: &[Parameter]) -> Result<(), DecodeError> {
        let mut names = BTreeSet::new();
        for parameter in parameters {
            if !names.insert(&parameter.name) {
                return Err(contradiction(format!("two parameters are called `{}`", parameter.name)));
            }
            self.ty(&parameter.ty)?;
            if let Some(ParameterDefault::Value(expr)) = &parameter.default {
                self.expression(expr)?;
            }
        }
        Ok(())
    }

    fn functions(&self) -> Result<(), DecodeError> {
        let mut uses = BTreeMap::new();
        for (name, function) in &self.plan.functions {
            self.parameters(&function.parameters)?;
            self.ty(&function.result)?;
            self.expression(&function.body)?;
            uses.insert(name.clone(), expressions::functions_called(&function.body));
        }
        no_circle("function", &uses)
    }

    fn prompts(&self) -> Result<(), DecodeError> {
        for (name, prompt) in &self.plan.prompts {
            self.parameters(&prompt.parameters)?;
            self.ty(&prompt.answer)?;
            prompt.system.iter().try_for_each(|system| self.expression(system))?;
            prompt.messages.iter().try_for_each(|message| self.expression(&message.text))?;
            if prompt.chain.is_empty() || prompt.messages.is_empty() {
                return Err(contradiction(format!("the prompt `{name}` has no model or no message")));
            }
            if let Some(model) = prompt.chain.iter().find(|model| !self.plan.models.contains_key(*model)) {
                return Err(contradiction(format!("the prompt `{name}` names the model `{model}`, which is missing")));
            }
            if let Overflow::Truncate { parameter } = &prompt.on_overflow
                && !prompt.parameters.iter().any(|declared| declared.name == *parameter)
            {
                return Err(contradiction(format!("the prompt `{name}` truncates `{parameter}`, which is no parameter")));
            }
        }
        Ok(())
    }

    fn operations(&self) -> Result<(), DecodeError> {
        for connector in self.plan.connectors.values() {
            self.expression(&connector.base_url)?;
            connector.headers.iter().try_for_each(|(_, header)| self.expression(header))?;
        }
        for (name, operation) in &self.plan.operations {
            if !self.plan.connectors.contains_key(&operation.connector) {
                let message = format!("the operation `{name}` names the connector `{}`, which is missing", operation.connector);
                return Err(contradiction(message));
            }
            self.parameters(&operation.parameters)?;
            self.ty(&operation.result)?;
            expressions::of_operation(operation).into_iter().try_for_each(|expr| self.expression(expr))?;
            self.pieces(&operation.path)?;
        }
        Ok(())
    }

    fn flows(&self) -> Result<(), DecodeError> {
        let mut uses = BTreeMap::new();
        for (name, flow) in &self.plan.flows {
            self.parameters(&flow.parameters)?;
            self.ty(&flow.output)?;
            if let Some(webhook) = &flow.settings.webhook {
                self.ty(&webhook.ty)?;
            }
            let mut called = BTreeSet::new();
            self.block(&flow.body, 0, &mut called)?;
            uses.insert(name.clone(), called);
        }
        no_circle("flow", &uses)
    }
}

fn names_in_type(ty: &Type, names: &mut BTreeSet<String>) {
    let mut open = vec![ty];
    while let Some(ty) = open.pop() {
        match ty {
            Type::Named(name) => {
                names.insert(name.clone());
            }
            Type::List { of, .. } | Type::Map(of) | Type::Optional(of) => open.push(of),
            Type::Record(fields) => open.extend(fields.iter().map(|field| &field.ty)),
            _ => {}
        }
    }
}

/// Takes away, again and again, what uses nothing that is left; whatever remains is in a circle or leads into one.
fn no_circle(what: &str, uses: &BTreeMap<String, BTreeSet<String>>) -> Result<(), DecodeError> {
    let mut used_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open_uses: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, used) in uses {
        open_uses.insert(name, used.len());
        used.iter().for_each(|used| used_by.entry(used).or_default().push(name));
    }
    let mut ready: Vec<&str> = open_uses.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        open_uses.remove(name);
        for user in used_by.get(name).into_iter().flatten() {
            if let Some(count) = open_uses.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    ready.push(user);
                }
            }
        }
    }
    match open_uses.keys().next() {
        None => Ok(()),
        Some(name) => Err(contradiction(format!("the {what} `{name}` is made of itself, or of another {what} that is"))),
    }
}
