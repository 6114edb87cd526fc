//! What a thing is: its type, its documentation, its cost.

use crate::protocol::Answer;
use crate::syntax::{Around, Declaration, Kind, declared, headline, meaning};
use crate::words;
use crate::workspace::view::Priced;
use crate::workspace::{Place, View, Workspace};
use pmflow_compiler::Span;
use pmflow_compiler::cost::Figure;
use pmflow_compiler::syntax::ast::{Expr, ExprKind, ItemKind, ModelTarget};
use pmflow_plan::{Model, Money};
use std::fmt::Write as _;
use tower_lsp_server::ls_types::*;

pub fn hover(workspace: &mut Workspace, params: HoverParams) -> Answer<Option<Hover>> {
    let place = workspace.place(&params.text_document_position_params)?;
    let Some((span, value)) = at(&place) else { return Ok(None) };
    let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
    Ok(Some(Hover { contents, range: Some(place.lines.span(span)) }))
}

fn at(place: &Place) -> Option<(Span, String)> {
    let view = &*place.view;
    let tree = view.tree(place.file)?;
    let around = Around::place(tree, place.offset);
    if let Some((span, id)) = model_id(&around, place.offset) {
        return Some((span, model_card(&id, view)?));
    }
    if let Some((definition, name)) = meaning(view, place.file, place.offset) {
        let found = declared(view, definition).map(|found| card(view, &found));
        return Some((name, found.or_else(|| module_card(view, definition)).or_else(|| result_card(view, name))?));
    }
    if let Some(said) = setting_card(&around, place.offset).or_else(|| word_card(&around, place)) {
        return Some(said);
    }
    // That a text is a text needs no saying.
    if around.exprs.last().is_some_and(|expr| matches!(expr.kind, ExprKind::Text(_))) {
        return None;
    }
    let (span, ty) = view.checked.type_at(place.file, place.offset)?;
    Some((*span, format!("```pmflow\n{ty}\n```")))
}

fn module_card(view: &View, definition: Span) -> Option<String> {
    let is_import = matches!(crate::syntax::item_around(view, definition)?.kind, ItemKind::Import(_));
    is_import.then(|| format!("```pmflow\nimport {}\n```", view.text(definition)))
}

/// `outputs`, `cost` and what else a test can name without declaring it.
fn result_card(view: &View, name: Span) -> Option<String> {
    Some(format!("```pmflow\n{}: {}\n```", view.text(name), view.type_of(name)?))
}

/// A word of the language, where it begins what the syntax tree has there.
fn word_card(around: &Around<'_>, place: &Place) -> Option<(Span, String)> {
    let text = place.lines.text();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let offset = place.offset as usize;
    let start = offset - text.get(..offset)?.chars().rev().take_while(|c| is_part(*c)).count();
    let length = text.get(start..)?.chars().take_while(|c| is_part(*c)).count();
    let (start, end) = (u32::try_from(start).ok()?, u32::try_from(start + length).ok()?);
    let span = Span { file: place.file, start, end };
    let begins = |node: Span| node.start == start;
    let lists: [(bool, &[words::Word]); 5] = [
        (around.test_steps.iter().any(|step| begins(step.span)), words::TEST_STEPS),
        (around.steps.iter().any(|step| begins(step.span)), words::STEPS),
        (around.modifiers.iter().any(|modifier| begins(modifier.span)), words::MODIFIERS),
        (around.types.iter().any(|ty| begins(ty.span)), words::TYPES),
        (around.item.is_some_and(|item| begins(item.span)), words::ITEMS),
    ];
    let word = text.get(span.range())?;
    let mut docs = lists.iter().filter(|(here, _)| *here).filter_map(|(_, list)| words::documentation(&[list], word));
    Some((span, format!("`{word}`: {}", docs.next()?)))
}

/// The name of a setting under the place, with what it means.
fn setting_card(around: &Around<'_>, offset: u32) -> Option<(Span, String)> {
    let setting =
        around.settings.iter().rev().find(|setting| setting.name.span.start <= offset && offset <= setting.name.span.end)?;
    let known = [words::PROMPT_SETTINGS, words::FLOW_SETTINGS, words::BUDGET_SETTINGS, words::CONNECTOR_SETTINGS];
    let of = match &around.item?.kind {
        ItemKind::Prompt(_) => known.get(..1),
        ItemKind::Flow(_) => known.get(1..2),
        ItemKind::Budget(_) => known.get(2..3),
        _ => known.get(3..),
    };
    let doc = words::documentation(of?, &setting.name.text)?;
    Some((setting.name.span, format!("`{}`: {doc}", setting.name.text)))
}

/// The declaration, its documentation, and what it costs.
pub fn card(view: &View, found: &Declaration<'_>) -> String {
    let mut text = format!("```pmflow\n{}\n```", headline(view, found));
    if let Some(doc) = found.doc {
        let _ = write!(text, "\n\n{doc}");
    }
    let cost = match found.kind {
        Kind::Prompt => prompt_cost(view, found),
        Kind::Flow => flow_cost(view, found),
        _ => None,
    };
    if let Some(cost) = cost {
        let _ = write!(text, "\n\n{cost}");
    }
    text
}

pub fn figure(figure: &Figure) -> String {
    match figure {
        Figure::Known(money) => money.to_string(),
        Figure::Unbounded(_) => "unbounded".to_owned(),
        Figure::Overflow => "beyond counting".to_owned(),
    }
}

fn prompt_cost(view: &View, found: &Declaration<'_>) -> Option<String> {
    let mut rows = Vec::new();
    for priced in view.priced() {
        for row in priced.estimate.prompts.iter().filter(|row| is_prompt(view, priced, &row.prompt, found)) {
            rows.push(format!(
                "| `{}` | {} | {} | {} | {} |",
                priced.flow,
                figure(&row.call.expected),
                figure(&row.call.ceiling),
                figure(&row.run.expected),
                figure(&row.run.ceiling)
            ));
        }
    }
    if rows.is_empty() {
        return None;
    }
    let head = "| flow | a call | at most | a run | at most |\n|---|---:|---:|---:|---:|";
    Some(format!("{head}\n{}", rows.join("\n")))
}

/// Whether the plan's prompt of this name is the declared one. A prompt of another file is called `file.name` there.
fn is_prompt(view: &View, priced: &Priced, name: &str, found: &Declaration<'_>) -> bool {
    if name.rsplit(['.', '/']).next() != Some(found.name.text.as_str()) {
        return false;
    }
    let Some(place) = priced.map.places.get(&format!("prompt:{name}")) else { return true };
    view.file(found.name.span.file).is_some_and(|file| *file.path == *place.file)
}

fn flow_cost(view: &View, found: &Declaration<'_>) -> Option<String> {
    let priced = view.priced().iter().find(|priced| priced.flow == found.name.text && priced.file == found.name.span.file)?;
    let estimate = &priced.estimate;
    let mut text = "| prompt | a call | at most | a run | at most |\n|---|---:|---:|---:|---:|".to_owned();
    for row in &estimate.prompts {
        let cells = [&row.call.expected, &row.call.ceiling, &row.run.expected, &row.run.ceiling].map(figure);
        let _ = write!(text, "\n| `{}` | {} |", row.prompt, cells.join(" | "));
    }
    let cells = [&estimate.run.expected, &estimate.run.ceiling].map(figure);
    let _ = write!(text, "\n| **a run** | | | {} |", cells.join(" | "));
    if let Some(month) = &estimate.month {
        let _ = write!(text, "\n\nA month: {} expected, {} at most.", figure(&month.expected), figure(&month.ceiling));
    }
    Some(text)
}

/// A quoted model id under the place.
pub fn model_id(around: &Around<'_>, offset: u32) -> Option<(Span, String)> {
    let item = around.item?;
    if let ItemKind::Model(model) = &item.kind {
        return model.chain.iter().find_map(|link| match &link.target {
            ModelTarget::Id { text, span } if span.start <= offset && offset <= span.end => Some((*span, text.to_string())),
            _ => None,
        });
    }
    let in_model = around.settings.iter().any(|setting| setting.name.text == "model");
    let Some(Expr { span, kind: ExprKind::Text(template) }) = around.exprs.first() else { return None };
    Some((*span, template.as_constant()?.to_string())).filter(|_| in_model)
}

fn model_card(id: &str, view: &View) -> Option<String> {
    let catalog = view.catalog();
    let model = catalog.resolve(id).ok()?;
    let mut text = format!("**{id}**\n\n{}", price_line(&model));
    let _ = write!(text, "\n\nContext {} tokens, output {} tokens at most.", model.context_tokens_max, model.output_tokens_max);
    if let Some(end) = catalog.shutdown(id) {
        let days = i64::from(end) - i64::from(view.today);
        let _ = match days {
            ..=0 => write!(text, "\n\nIts provider has ended it."),
            _ => write!(text, "\n\nIts provider ends it in {days} days."),
        };
    }
    Some(text)
}

/// `$1.25 in, $10.00 out per million tokens`
pub fn price_line(model: &Model) -> String {
    let million = |pico: u64| Money::from_pico(i128::from(pico) * 1_000_000);
    let rates = &model.price.base;
    format!("{} in, {} out per million tokens", million(rates.input), million(rates.output))
}
