//! Commands that any editor can send: a prompt as the model would see it, and what a flow costs, each as a text.

use super::hover::figure;
use super::preview::preview;
use crate::protocol::{Answer, Fault};
use crate::workspace::view::Priced;
use crate::workspace::{View, Workspace};
use pmflow_compiler::FileId;
use pmflow_compiler::cost::{recommendations, render};
use serde_json::{Value, json};
use tower_lsp_server::ls_types::*;

/// `pmflow.previewPrompt` and `pmflow.showCost` take a document and a name, `pmflow.tokens` a document; all give a
/// text. The preview takes the title of a test as well, whose values it shows. `pmflow.tests` lists the tests of a document.
pub const NAMES: [&str; 5] = ["pmflow.previewPrompt", "pmflow.showCost", "pmflow.statusCost", "pmflow.tests", "pmflow.tokens"];

pub fn execute(workspace: &mut Workspace, params: ExecuteCommandParams) -> Answer<Value> {
    let text = |at: usize| params.arguments.get(at).and_then(Value::as_str);
    let uri: Uri = text(0).and_then(|uri| uri.parse().ok()).ok_or_else(|| Fault::invalid("the first argument is a document"))?;
    let file = workspace.document(&TextDocumentIdentifier { uri })?;
    let name = || text(1).ok_or_else(|| Fault::invalid("the second argument is a name"));
    let view = workspace.view(file);
    match params.command.as_str() {
        "pmflow.previewPrompt" => {
            let preview = preview(workspace, file, name()?, text(2))?;
            Ok(document(name()?, preview))
        }
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
    let tests = tree.items().filter_map(|item| match &item.kind {
        pmflow_compiler::syntax::ast::ItemKind::Test(test) => {
            Some(json!({ "title": test.title.as_str(), "range": lines.span(item.span) }))
        }
        _ => None,
    });
    tests.collect()
}
