//! A run's input: what the caller gave, defaults, and the environment.

use pmflow_plan::eval::{self, Scope};
use pmflow_plan::schema::{self, Types};
use pmflow_plan::{Flow, ParameterDefault, Plan, Type, Value};
use std::collections::BTreeMap;

/// What is wrong with the input, one sentence for each parameter.
#[derive(Debug, thiserror::Error)]
#[error("{}", reasons.join("\n       "))]
pub struct InputError {
    pub reasons: Vec<String>,
}

/// As [`read`], for runs that begin later: defaults are left to each run, and the parameter `besides` is given with each.
pub fn read_part(plan: &Plan, given: &BTreeMap<String, String>, besides: Option<&str>) -> Result<Value, InputError> {
    let later = |name: &str, default: &Option<ParameterDefault>| {
        !given.contains_key(name) && (besides == Some(name) || matches!(default, Some(ParameterDefault::Value(_))))
    };
    read_but(plan, given, later)
}

/// The flow's parameters from texts (`--input name=value`): lists, records and maps as JSON.
pub fn read(plan: &Plan, given: &BTreeMap<String, String>) -> Result<Value, InputError> {
    read_but(plan, given, |_, _| false)
}

fn read_but(
    plan: &Plan,
    given: &BTreeMap<String, String>,
    is_later: impl Fn(&str, &Option<ParameterDefault>) -> bool,
) -> Result<Value, InputError> {
    let Some(flow) = plan.flows.get(&plan.flow) else {
        return Err(InputError { reasons: vec![format!("the plan has no flow `{}`", plan.flow)] });
    };
    let mut reasons: Vec<String> = given.keys().filter_map(|name| unknown(flow, name)).collect();
    let mut fields = Vec::new();
    let types = Types::new(&plan.types);
    for parameter in flow.parameters.iter().filter(|parameter| !is_later(&parameter.name, &parameter.default)) {
        let value = match (given.get(&parameter.name), &parameter.default) {
            (Some(text), _) => schema::convert_text(&parameter.ty, &types, text).map_err(|mismatch| mismatch.to_string()),
            (None, Some(ParameterDefault::Value(default))) => evaluated(plan, default),
            (None, Some(ParameterDefault::Environment(variable))) => environment(variable, &parameter.ty, &types),
            (None, None) if matches!(parameter.ty, Type::Optional(_)) => Ok(Value::None),
            (None, None) => Err(format!("is missing; give it with --input {}=…", parameter.name)),
        };
        match value {
            Ok(value) => fields.push((parameter.name.clone(), value)),
            Err(reason) => reasons.push(format!("the input `{}` {reason}", parameter.name)),
        }
    }
    if reasons.is_empty() { Ok(Value::record(fields)) } else { Err(InputError { reasons }) }
}

fn unknown(flow: &Flow, name: &str) -> Option<String> {
    if flow.parameters.iter().any(|parameter| parameter.name == name) {
        return None;
    }
    let names: Vec<String> = flow.parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
    let known = if names.is_empty() { "it takes no input".to_owned() } else { format!("it takes {}", names.join(", ")) };
    Some(format!("the flow `{}` has no input `{name}`; {known}", flow.name))
}

fn environment(variable: &str, ty: &Type, types: &Types<'_>) -> Result<Value, String> {
    let text = crate::secrets::environment(variable)
        .ok_or_else(|| format!("comes from the environment variable {variable}, which is not set"))?;
    schema::convert_text(ty, types, &text).map_err(|mismatch| format!("comes from {variable}: {mismatch}"))
}

fn evaluated(plan: &Plan, default: &pmflow_plan::Expr) -> Result<Value, String> {
    let context = eval::Context::of(plan);
    eval::evaluate(default, &Scope::default(), &context).map_err(|error| format!("has a default that fails: {error}"))
}
