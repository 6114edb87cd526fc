//! Above a flow what it costs, with its run; above a prompt its preview; above a test its run.

use super::hover::figure;
use crate::protocol::Answer;
use crate::syntax::item_name;
use crate::workspace::{View, Workspace};
use pmflow_compiler::FileId;
use pmflow_compiler::syntax::ast::{File, ItemKind};
use serde_json::{Value, json};
use tower_lsp_server::ls_types::*;

pub fn lenses(workspace: &mut Workspace, params: CodeLensParams) -> Answer<Option<Vec<CodeLens>>> {
    let file = workspace.document(&params.text_document)?;
    let view = workspace.view(file);
    let lines = workspace.lines(file);
    let uri = params.text_document.uri;
    let Some(tree) = view.tree(file) else { return Ok(None) };
    let mut lenses = Vec::new();
    for item in &tree.items {
        let mut add = |title: String, command: &str, arguments: Vec<Value>| {
            let start = lines.position(item.span.start as usize);
            let command = Command { title, command: command.to_owned(), arguments: Some(arguments) };
            lenses.push(CodeLens { range: Range { start, end: start }, command: Some(command), data: None });
        };
        let name = item_name(item).map(|(name, _)| name.text.to_string()).unwrap_or_default();
        match &item.kind {
            ItemKind::Flow(_) => {
                if let Some(title) = cost(&view, file, &name) {
                    add(title, "pmflow.showCost", vec![json!(uri), json!(name)]);
                }
                if workspace.client.own_commands {
                    add("run".into(), "pmflow.run", vec![json!(uri), json!(name)]);
                    if has_test(tree) {
                        add("run tests".into(), "pmflow.runTests", vec![json!(uri)]);
                    }
                }
            }
            ItemKind::Prompt(_) => add("preview".into(), "pmflow.previewPrompt", vec![json!(uri), json!(name)]),
            ItemKind::Test(test) if workspace.client.own_commands => {
                add("run test".into(), "pmflow.runTests", vec![json!(uri), json!(test.title.as_str())]);
            }
            _ => {}
        }
    }
    Ok(Some(lenses))
}

fn has_test(tree: &File) -> bool {
    tree.items().any(|item| matches!(item.kind, ItemKind::Test(_)))
}

/// `expected $0.43 · at most $1.35 per run · 12 runs a day`
pub fn cost(view: &View, file: FileId, flow: &str) -> Option<String> {
    let priced = view.priced().iter().find(|priced| priced.flow == flow && priced.file == file)?;
    let run = &priced.estimate.run;
    let mut title = format!("expected {} · at most {} per run", figure(&run.expected), figure(&run.ceiling));
    if let Some(most) = priced.estimate.rate.as_ref().and_then(|rate| rate.per_day.most) {
        let runs = if most == 1 { "run" } else { "runs" };
        title.push_str(&format!(" · {most} {runs} a day"));
    }
    Some(title)
}
