//! What the arguments of calls are known to hold: texts that are written in the flow or given with a run.

use super::expectations::children;
use pmflow_plan::{Block, Call, Expr, Flow, ParameterDefault, Plan, StepKind, Target, Value};
use std::collections::BTreeMap;

/// Bytes by prompt and parameter, where every call of the prompt is known to give it; of several calls, the mean.
pub(super) fn known_sizes(plan: &Plan, inputs: &BTreeMap<String, Value>) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut seen: BTreeMap<&str, Calls> = BTreeMap::new();
    for (name, flow) in &plan.flows {
        let given = if *name == plan.flow { parameters(flow, inputs) } else { BTreeMap::new() };
        block(&flow.body, &given, 0, &mut seen);
    }
    seen.into_iter().map(|(prompt, calls)| (prompt.to_owned(), calls.means())).collect()
}

/// Calls nested deeper are left out, and then nothing is known of their prompts' other calls either way.
const DEPTH_MAX: u32 = 200;

#[derive(Default)]
struct Calls {
    calls: u64,
    /// Sum of bytes, and how many calls give them.
    bytes: BTreeMap<String, (u64, u64)>,
}

impl Calls {
    fn means(self) -> BTreeMap<String, u64> {
        let everywhere = self.bytes.into_iter().filter(|(_, (_, given))| *given == self.calls);
        everywhere.map(|(parameter, (bytes, given))| (parameter, bytes / given.max(1))).collect()
    }
}

/// What is given, else a default that is a literal.
fn parameters<'a>(flow: &'a Flow, inputs: &'a BTreeMap<String, Value>) -> BTreeMap<&'a str, &'a Value> {
    let value = |parameter: &'a pmflow_plan::Parameter| match (inputs.get(&parameter.name), &parameter.default) {
        (Some(value), _) | (None, Some(ParameterDefault::Value(Expr::Literal(value)))) => Some((parameter.name.as_str(), value)),
        _ => None,
    };
    flow.parameters.iter().filter_map(value).collect()
}

fn block<'a>(of: &'a Block, given: &BTreeMap<&str, &Value>, depth: u32, seen: &mut BTreeMap<&'a str, Calls>) {
    if depth > DEPTH_MAX {
        return;
    }
    for step in &of.steps {
        if let StepKind::Call(Call { target: Target::Prompt(prompt), arguments, .. }) = &step.kind {
            let calls = seen.entry(prompt).or_default();
            calls.calls += 1;
            for (parameter, argument) in arguments {
                if let Some(bytes) = bytes(argument, given) {
                    let sum = calls.bytes.entry(parameter.clone()).or_default();
                    *sum = (sum.0.saturating_add(bytes), sum.1 + 1);
                }
            }
        }
        children(step).into_iter().for_each(|inner| block(inner, given, depth + 1, seen));
    }
}

fn bytes(argument: &Expr, given: &BTreeMap<&str, &Value>) -> Option<u64> {
    let value = match argument {
        Expr::Literal(value) => value,
        Expr::Var(name) => given.get(name.as_str())?,
        _ => return None,
    };
    match value {
        Value::Text(text) => Some(text.len() as u64),
        _ => None,
    }
}
