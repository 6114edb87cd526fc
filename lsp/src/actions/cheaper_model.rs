//! A cheaper model with the same features, and what it saves.

use super::{Asked, Offered};
use pmflow_compiler::Span;
use pmflow_compiler::cost::recommendations;
use pmflow_compiler::syntax::ast::{ExprKind, ItemKind, ModelTarget, PromptItem, Term};
use tower_lsp_server::ls_types::CodeActionKind;

pub fn switch(asked: &Asked<'_>) -> Vec<Offered> {
    let Some(ItemKind::Prompt(prompt)) = asked.around.item.map(|item| &item.kind) else { return Vec::new() };
    let path = format!("prompt:{}", prompt.name.text);
    let mut offered: Vec<Offered> = Vec::new();
    for priced in asked.view.priced() {
        let advice = recommendations(&priced.plan, &priced.estimate, asked.view.catalog(), asked.view.today);
        for advice in advice.iter().filter(|advice| advice.path == path) {
            // "`new/id` for `old/id` in `prompt`"
            let quoted: Vec<&str> = advice.what.split('`').collect();
            let [_, new, " for ", old, ..] = quoted.as_slice() else { continue };
            let title = format!("switch to `{new}`: {}", advice.saving());
            let Some(span) = written(asked, prompt, old).filter(|_| offered.iter().all(|known| known.title != title)) else {
                continue;
            };
            offered.push(Offered::new(title, CodeActionKind::REFACTOR_REWRITE, vec![(span, format!("\"{new}\""))]));
        }
    }
    offered
}

/// Where the id stands: in the prompt, or in the `model` that it names.
fn written(asked: &Asked<'_>, prompt: &PromptItem, id: &str) -> Option<Span> {
    let setting = prompt.settings.iter().find(|setting| setting.name.text == "model")?;
    let [Term::Expr(value)] = setting.phrases.first()?.terms.as_slice() else { return None };
    if let ExprKind::Text(template) = &value.kind {
        return (template.as_constant()?.as_str() == id).then_some(value.span);
    }
    let definition = asked.view.reference_at(asked.file, value.span.end)?.definition;
    let ItemKind::Model(model) = &crate::syntax::item_around(asked.view, definition)?.kind else { return None };
    model.chain.iter().find_map(|link| match &link.target {
        ModelTarget::Id { text, span } if text == id => Some(*span),
        _ => None,
    })
}
