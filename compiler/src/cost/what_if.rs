//! `--what-if model=openai/gpt-6-luna,rows=5000`: the plan with something else put in, to be priced again.

use super::catalog::Catalog;
use pmflow_plan::{Plan, StepKind};

const FORMS: &str =
    "write `model=ID`, `model.PROMPT=ID`, `rows=N`, `rows.SOURCE=N`, `max_input.PROMPT=N` or `max_output.PROMPT=N`";

/// Changes a plan by settings that are separated by commas. It must be priced anew.
///
/// # Errors
/// A setting that is none, or names what is not there; the message shows the forms or the names.
pub fn what_if(plan: &mut Plan, settings: &str, catalog: &Catalog) -> Result<(), String> {
    for setting in settings.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').ok_or_else(|| format!("`{setting}` is no setting; {FORMS}"))?;
        let (what, of) = match name.trim().split_once('.') {
            Some((what, of)) => (what, Some(of)),
            None => (name.trim(), None),
        };
        let value = value.trim();
        match what {
            "model" => set_model(plan, of, value, catalog)?,
            "rows" => set_rows(plan, of, number(setting, value)?)?,
            "max_input" | "max_output" => set_bound(plan, what, of, number(setting, value)?)?,
            _ => return Err(format!("`{setting}` is no setting; {FORMS}")),
        }
    }
    Ok(())
}

fn set_model(plan: &mut Plan, prompt: Option<&str>, id: &str, catalog: &Catalog) -> Result<(), String> {
    let model = catalog.resolve(id).map_err(|unresolved| format!("{unresolved}: {}", unresolved.help()))?;
    for name in prompts(plan, prompt)? {
        if let Some(prompt) = plan.prompts.get_mut(&name) {
            prompt.chain = vec![id.to_owned()];
        }
    }
    plan.models.insert(id.to_owned(), model);
    Ok(())
}

fn set_bound(plan: &mut Plan, what: &str, prompt: Option<&str>, tokens: u64) -> Result<(), String> {
    for name in prompts(plan, prompt)? {
        let Some(prompt) = plan.prompts.get_mut(&name) else { continue };
        if what == "max_output" {
            prompt.output_tokens_max = tokens;
        } else {
            prompt.input_tokens_max = tokens.saturating_add(prompt.overhead_tokens_max);
        }
    }
    Ok(())
}

fn prompts(plan: &Plan, one: Option<&str>) -> Result<Vec<String>, String> {
    let names: Vec<String> = plan.prompts.keys().cloned().collect();
    match one {
        None => Ok(names),
        Some(one) if plan.prompts.contains_key(one) => Ok(vec![one.to_owned()]),
        Some(one) => Err(format!("the flow calls no prompt `{one}`; it has {}", listed(&names))),
    }
}

/// So many rows come, and no more: of the sources of the flow that is run.
fn set_rows(plan: &mut Plan, source: Option<&str>, rows: u64) -> Result<(), String> {
    let flow = plan.flow.clone();
    let Some(flow) = plan.flows.get_mut(&flow) else { return Ok(()) };
    let mut names = Vec::new();
    let mut found = false;
    for step in &mut flow.body.steps {
        let StepKind::Source(one) = &mut step.kind else { continue };
        names.push(step.name.clone());
        if source.is_none_or(|source| source == step.name) {
            (one.limit, one.expect) = (Some(rows), Some(rows));
            found = true;
        }
    }
    for step in &mut flow.body.steps {
        if let StepKind::For(body) = &mut step.kind
            && matches!(&body.over.from, pmflow_plan::StreamFrom::Source(name) if source.is_none_or(|source| source == name))
        {
            body.items_max = Some(rows);
        }
    }
    if found { Ok(()) } else { Err(format!("the flow has no source{}; it has {}", named(source), listed(&names))) }
}

fn named(source: Option<&str>) -> String {
    source.map(|source| format!(" `{source}`")).unwrap_or_default()
}

fn number(setting: &str, value: &str) -> Result<u64, String> {
    value.replace('_', "").parse().map_err(|_| format!("`{value}` in `{setting}` is no whole number"))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures::leads;
    use crate::cost::price;

    #[test]
    fn another_model_and_other_rows_cost_otherwise() {
        let (mut plan, _) = leads();
        let before = price(&mut plan).run;
        what_if(&mut plan, "model=openai/gpt-6-luna, rows.leads=10, max_output.write_mail=100", Catalog::builtin()).unwrap();
        let after = price(&mut plan);
        assert_eq!(after.prompts[0].calls.most, Some(10));
        assert!(after.run.ceiling.known() < before.ceiling.known());
        assert_eq!(plan.prompts["analyze_fit"].chain, ["openai/gpt-6-luna"]);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (mut plan, _) = leads();
        let mut refused = |settings: &str| what_if(&mut plan, settings, Catalog::builtin()).unwrap_err();
        assert!(refused("rows.lead=5").contains("`leads`"));
        assert!(refused("model.fit=openai/gpt-6-luna").contains("`analyze_fit`"));
        assert!(refused("model=openai/gpt-6-lunar").contains("did you mean"));
        assert!(refused("rows=many").contains("no whole number"));
        assert!(refused("speed=fast").contains("model=ID"));
        assert!(refused("rows").contains("model=ID"));
    }
}
