//! Commands that any editor can send: a prompt as the model would see it, and what a flow costs, each as a text.

use super::hover::figure;
use crate::protocol::{Answer, Fault};
use crate::workspace::view::Priced;
use crate::workspace::{View, Workspace};
use pmflow_compiler::FileId;
use pmflow_compiler::cost::tokens::tokenizer;
use pmflow_compiler::cost::{recommendations, render};
use pmflow_compiler::emit::emit_prompt;
use pmflow_plan::eval::{Context, Scope, render as render_template};
use pmflow_plan::{Plan, Prompt, Role, Type, Value as PlanValue};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tower_lsp_server::ls_types::*;

/// `pmflow.previewPrompt` and `pmflow.showCost` take a document and a name, `pmflow.tokens` a document; all give a
/// text. `pmflow.tests` lists the tests of a document.
pub const NAMES: [&str; 5] = ["pmflow.previewPrompt", "pmflow.showCost", "pmflow.statusCost", "pmflow.tests", "pmflow.tokens"];

pub fn execute(workspace: &mut Workspace, params: ExecuteCommandParams) -> Answer<Value> {
    let text = |at: usize| params.arguments.get(at).and_then(Value::as_str);
    let uri: Uri = text(0).and_then(|uri| uri.parse().ok()).ok_or_else(|| Fault::invalid("the first argument is a document"))?;
    let file = workspace.document(&TextDocumentIdentifier { uri })?;
    let name = || text(1).ok_or_else(|| Fault::invalid("the second argument is a name"));
    let view = workspace.view(file);
    match params.command.as_str() {
        "pmflow.previewPrompt" => preview(&view, file, name()?).map(|content| document(name().unwrap_or_default(), content)),
        "pmflow.showCost" => cost(&view, file, name()?).map(|content| document(name().unwrap_or_default(), content)),
        "pmflow.statusCost" => Ok(status(&view, file)),
        "pmflow.tests" => Ok(tests(workspace, &view, file)),
        "pmflow.tokens" => Ok(json!(super::tokens::listed(workspace, file)?)),
        other => Err(Fault::invalid(format!("there is no command `{other}`"))),
    }
}

/// A virtual document: an editor shows the text under the title.
fn document(title: &str, content: String) -> Value {
    json!({ "title": title, "language": "markdown", "text": content })
}

fn cost(view: &View, file: FileId, flow: &str) -> Answer<String> {
    let priced = priced(view, file, flow)?;
    let advice = recommendations(&priced.plan, &priced.estimate, view.catalog(), view.today);
    Ok(render::markdown(&priced.estimate, &advice, &priced.map))
}

fn priced<'v>(view: &'v View, file: FileId, flow: &str) -> Answer<&'v Priced> {
    let found = view.priced().iter().find(|priced| priced.flow == flow && priced.file == file);
    found.ok_or_else(|| match view.checked.clean() {
        true => Fault::refused(format!("this file has no flow `{flow}`")),
        false => Fault::refused("the file has errors, so it has no cost yet"),
    })
}

/// What the flows of a file cost together, for a status line.
fn status(view: &View, file: FileId) -> Value {
    let flows: Vec<Value> = view
        .priced()
        .iter()
        .filter(|priced| priced.file == file)
        .map(|priced| {
            let run = &priced.estimate.run;
            json!({ "flow": priced.flow, "expected": figure(&run.expected), "ceiling": figure(&run.ceiling) })
        })
        .collect();
    json!({ "flows": flows, "clean": view.checked.clean() })
}

fn tests(workspace: &mut Workspace, view: &View, file: FileId) -> Value {
    let lines = workspace.lines(file);
    let Some(tree) = view.tree(file) else { return json!([]) };
    let tests = tree.items.iter().filter_map(|item| match &item.kind {
        pmflow_compiler::syntax::ast::ItemKind::Test(test) => {
            Some(json!({ "title": test.title.as_str(), "range": lines.span(item.span) }))
        }
        _ => None,
    });
    tests.collect()
}

/// The messages of a prompt with values from a test where one has them, and sample values else, each with its tokens.
fn preview(view: &View, file: FileId, name: &str) -> Answer<String> {
    let (plan, full) = emit_prompt(&view.checked, file, name).ok_or_else(|| match view.checked.clean() {
        true => Fault::refused(format!("this file has no prompt `{name}`")),
        false => Fault::refused("the file has errors, so the prompt cannot be shown yet"),
    })?;
    let prompt = plan.prompts.get(&full).ok_or_else(|| Fault::refused(format!("this file has no prompt `{name}`")))?;
    let values: Vec<(String, PlanValue)> = prompt
        .parameters
        .iter()
        .map(|parameter| (parameter.name.clone(), sample(&plan, &parameter.ty, &parameter.name, 0)))
        .collect();
    let scope = Scope::new().with_all(values.iter().cloned());
    let mut text = format!("# {name}\n");
    for (parameter, value) in &values {
        let _ = write!(text, "\n- `{parameter}`: `{}`", serde_json::to_string(&value.to_json()).unwrap_or_default());
    }
    text.push('\n');
    let mut total = 0;
    let system = prompt.system.iter().map(|system| ("system", system));
    let messages =
        prompt.messages.iter().map(|message| (if message.role == Role::User { "user" } else { "assistant" }, &message.text));
    let context = Context::of(&plan);
    for (role, template) in system.chain(messages) {
        let shown = match render_template(template, &scope, &context) {
            Ok(rendered) => rendered.text,
            Err(error) => format!("({error})"),
        };
        let tokens = tokens(&plan, prompt, &shown);
        total += tokens;
        let _ = write!(text, "\n## {role} · {tokens} tokens\n\n````text\n{}\n````\n", shown.trim_end());
    }
    let _ = write!(text, "\n{}\n", totals(&plan, prompt, total));
    Ok(text)
}

fn tokens(plan: &Plan, prompt: &Prompt, text: &str) -> u64 {
    let model = prompt.chain.first().and_then(|id| plan.models.get(id));
    model.map_or(0, |model| tokenizer(model).count(text))
}

fn totals(plan: &Plan, prompt: &Prompt, tokens: u64) -> String {
    let mut text = format!("{tokens} tokens of at most {}.", prompt.input_tokens_max);
    if let Some(model) = prompt.chain.first().and_then(|id| plan.models.get(id)) {
        let input = pmflow_plan::Money::from_pico(i128::from(model.price.base.input).saturating_mul(i128::from(tokens)));
        let _ = write!(text, " This input costs {input} with `{}` ({}).", model.id, super::hover::price_line(model));
    }
    text
}

const SAMPLE_DEPTH_MAX: u32 = 6;

/// A value of the type that a reader recognizes as a sample.
fn sample(plan: &Plan, ty: &Type, name: &str, depth: u32) -> PlanValue {
    if depth > SAMPLE_DEPTH_MAX {
        return PlanValue::None;
    }
    match ty {
        Type::Named(named) => plan.types.get(named).map_or(PlanValue::None, |ty| sample(plan, ty, name, depth + 1)),
        Type::Optional(of) => sample(plan, of, name, depth + 1),
        Type::List { of, .. } => PlanValue::list(vec![sample(plan, of, name, depth + 1)]),
        Type::Record(fields) => {
            PlanValue::record(fields.iter().map(|field| (field.name.clone(), sample(plan, &field.ty, &field.name, depth + 1))))
        }
        Type::Enum(values) => PlanValue::text(values.first().map_or("", String::as_str)),
        Type::Int { min, max } => PlanValue::Int(min.or(*max).unwrap_or(1)),
        Type::Float => PlanValue::Float(1.5),
        Type::Bool => PlanValue::Bool(true),
        _ => PlanValue::text(format!("a sample of {name}").as_str()),
    }
}
