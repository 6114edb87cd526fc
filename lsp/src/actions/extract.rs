//! A selected value as a thing of its own: a `let` above its step, a `fn` above its item, a text as a `prompt`.

use super::{Asked, Offered, create_prompt};
use crate::syntax::{Declaration, Kind, declared, in_sight};
use pmflow_compiler::Span;
use pmflow_compiler::syntax::ast::{Expr, ExprKind, File, Step, StepKind};
use pmflow_compiler::types::Ty;
use tower_lsp_server::ls_types::CodeActionKind;

/// The expression that is exactly the selection, without the blanks around it.
fn selected<'a>(asked: &Asked<'a>) -> Option<&'a Expr> {
    let text = asked.view.text(asked.span(asked.from, asked.to));
    let lead = u32::try_from(text.len() - text.trim_start().len()).ok()?;
    let (from, length) = (asked.from + lead, u32::try_from(text.trim().len()).ok()?);
    let is_whole = |expr: &&&Expr| expr.span.start == from && expr.span.end == from + length;
    asked.around.exprs.iter().rev().find(is_whole).copied().filter(|_| length > 0)
}

/// The wanted name, with a number when the file has it already.
fn free_name(asked: &Asked<'_>, wanted: &str) -> String {
    let words = asked.lines.text().split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let taken: Vec<&str> = words.filter(|word| word.starts_with(wanted)).collect();
    let numbered = (2..100).map(|number| format!("{wanted}{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(&name.as_str())).unwrap_or_else(|| wanted.to_owned())
}

/// What the names inside an expression are declared by.
fn names_in(asked: &Asked<'_>, expr: &Expr) -> Vec<Span> {
    let inside = |span: Span| expr.span.start <= span.start && span.end <= expr.span.end;
    let references = asked.view.references_in(asked.file).iter().filter(|reference| inside(reference.span));
    references.map(|reference| reference.definition).collect()
}

pub fn variable(asked: &Asked<'_>) -> Vec<Offered> {
    let (Some(expr), Some(step)) = (selected(asked), asked.around.steps.last()) else { return Vec::new() };
    // A name inside a lambda or a template's loop means nothing above the step.
    let inner = |name: &Span| step.span.start <= name.start && name.end <= step.span.end && name.file == asked.file;
    if names_in(asked, expr).iter().any(inner) {
        return Vec::new();
    }
    let (name, indent) = (free_name(asked, "extracted"), asked.indentation(step.span.start));
    let above = asked.span(step.span.start, step.span.start);
    let declared = format!("let {name} = {}\n{indent}", asked.view.text(expr.span));
    let edits = vec![(above, declared), (expr.span, name.clone())];
    vec![Offered::new(format!("extract to `let {name}`"), CodeActionKind::REFACTOR_EXTRACT, edits)]
}

pub fn function(asked: &Asked<'_>) -> Vec<Offered> {
    extracted_function(asked).into_iter().collect()
}

fn extracted_function(asked: &Asked<'_>) -> Option<Offered> {
    let (expr, item, tree) = (selected(asked)?, asked.around.item?, asked.view.tree(asked.file)?);
    let result = asked.view.type_of(expr.span).filter(|ty| is_written(ty))?;
    let used = names_in(asked, expr);
    // A function has no effects.
    let effect = |kind: Kind| matches!(kind, Kind::Prompt | Kind::Operation | Kind::Flow);
    if used.iter().filter_map(|name| declared(asked.view, *name)).any(|found| effect(found.kind)) {
        return None;
    }
    let parameters = parameters(asked, tree, expr, &used)?;
    let typed: Vec<String> = parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let given: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    let name = free_name(asked, "extracted");
    let at = asked.start_with_comments(item.span);
    let function = format!("fn {name}({}) -> {result} = {}\n\n", typed.join(", "), asked.view.text(expr.span));
    let edits = vec![(asked.span(at, at), function), (expr.span, format!("{name}({})", given.join(", ")))];
    Some(Offered::new(format!("extract to `fn {name}`"), CodeActionKind::REFACTOR_EXTRACT, edits))
}

/// The names in sight that an expression uses, each with its type; none: a type that cannot be written.
fn parameters(asked: &Asked<'_>, tree: &File, expr: &Expr, used: &[Span]) -> Option<Vec<(String, String)>> {
    let seen = in_sight(tree, expr.span.start).into_iter().filter(|found| used.contains(&found.name.span));
    let typed = |found: Declaration<'_>| {
        let ty = asked.view.type_of(found.name.span).filter(|ty| is_written(ty))?;
        Some((found.name.text.to_string(), ty.to_string()))
    };
    seen.map(typed).collect()
}

pub fn prompt(asked: &Asked<'_>) -> Vec<Offered> {
    extracted_prompt(asked).into_iter().collect()
}

/// A text in a flow becomes what a prompt asks; the answer stands where the text stood.
fn extracted_prompt(asked: &Asked<'_>) -> Option<Offered> {
    let (step, item, tree) = (*asked.around.steps.last()?, asked.around.item?, asked.view.tree(asked.file)?);
    let expr = selected(asked)?;
    let used = names_in(asked, expr);
    let inner = |name: &Span| step.span.start <= name.start && name.end <= step.span.end && name.file == asked.file;
    if !matches!(expr.kind, ExprKind::Text(_)) || used.iter().any(inner) {
        return None;
    }
    let parameters = parameters(asked, tree, expr, &used)?;
    let given: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    let name = free_name(asked, "extracted");
    let call = format!("{name}({})", given.join(", "));
    let at = asked.start_with_comments(item.span);
    let declared = create_prompt::declaration(&name, &parameters, asked.view.text(expr.span));
    let mut edits = vec![(asked.span(at, at), declared)];
    if is_value_of(step, expr) {
        edits.push((expr.span, call));
    } else {
        let (answer, indent) = (free_name(asked, "answer"), asked.indentation(step.span.start));
        edits.push((asked.span(step.span.start, step.span.start), format!("let {answer} = {call}\n{indent}")));
        edits.push((expr.span, answer));
    }
    Some(Offered::new(format!("extract to `prompt {name}`"), CodeActionKind::REFACTOR_EXTRACT, edits))
}

/// A call stands alone behind the `=` of its step.
fn is_value_of(step: &Step, expr: &Expr) -> bool {
    matches!(&step.kind, StepKind::Let { value, .. } if value.span == expr.span)
}

/// Whether the type's text can stand in a file.
fn is_written(ty: &Ty) -> bool {
    match ty {
        Ty::Error | Ty::None | Ty::Regex | Ty::Function { .. } | Ty::Generic(_) => false,
        Ty::List { of, .. } | Ty::Map(of) | Ty::Optional(of) => is_written(of),
        Ty::Record(record) => {
            record.name.is_some() || record.fields.len() <= 6 && record.fields.iter().all(|field| is_written(&field.ty))
        }
        _ => true,
    }
}
