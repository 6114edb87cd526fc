//! The fields that a record value lacks, each with a value to start from.

use super::{Asked, Offered};
use crate::syntax::{Kind, declarations};
use pmflow_compiler::syntax::ast::{Expr, ExprKind, ItemKind};
use pmflow_compiler::{Problem, Span};
use tower_lsp_server::ls_types::CodeActionKind;

pub fn fill(asked: &Asked<'_>) -> Vec<Offered> {
    let records = asked.around.exprs.iter().rev().filter(|expr| matches!(expr.kind, ExprKind::Record(_)));
    for record in records {
        let of_record = |problem: &&Problem| problem.code == "E0203" && problem.span == record.span;
        let mut problems = asked.problems.iter().map(|(problem, _)| problem);
        let Some(edit) = problems.find(of_record).and_then(|problem| filled(asked, record, problem)) else { continue };
        let offered = Offered::new("fill in the missing fields", CodeActionKind::QUICKFIX, vec![edit]);
        return vec![Offered { mends: asked.diagnostic("E0203", record.span), ..offered }];
    }
    Vec::new()
}

fn filled(asked: &Asked<'_>, record: &Expr, problem: &Problem) -> Option<(Span, String)> {
    let ExprKind::Record(written) = &record.kind else { return None };
    // The problem names it: the field `y` of `Point` is missing.
    let (_, named) = problem.message.rsplit_once(" of `")?;
    let name = named.split('`').next()?.rsplit('.').next()?;
    let items = asked.view.checked.files.iter().flat_map(|file| file.ast.items());
    let mut all = items.map(declarations);
    let (declared, whole) = all.find_map(|found| {
        let whole = found.iter().find(|found| found.kind == Kind::Type && found.name.text == name)?.span;
        Some((found, whole))
    })?;
    let inside = |span: Span| whole.start <= span.start && span.end <= whole.end;
    let fields = declared.iter().filter(|field| field.kind == Kind::Field && inside(field.span));
    let missing: Vec<String> = fields
        .filter(|field| written.iter().all(|known| known.name.text != field.name.text))
        .map(|field| (field, asked.view.text(Span { start: field.name.span.end, ..field.span }).trim_start_matches(':').trim()))
        .filter(|(_, ty)| !ty.ends_with('?'))
        .map(|(field, ty)| format!("{}: {}", field.name.text, value(asked, ty)))
        .collect();
    let text = missing.join(", ");
    Some(match written.last() {
        Some(last) => (asked.span(last.value.span.end, last.value.span.end), format!(", {text}")),
        None => (asked.span(record.span.start + 1, record.span.end.checked_sub(1)?), format!(" {text} ")),
    })
}

/// A value to start from, for a type as the author writes it; of an enum its first one.
fn value(asked: &Asked<'_>, ty: &str) -> String {
    let items = asked.view.checked.files.iter().flat_map(|file| file.ast.items());
    let mut enums = items.filter_map(|item| match &item.kind {
        ItemKind::Enum(declared) if declared.name.text == ty => declared.values.first(),
        _ => None,
    });
    if let Some(first) = enums.next() {
        return format!(".{}", first.name.text);
    }
    let start = ty.split_once('(').and_then(|(_, bounds)| bounds.split_once("..")).map_or("0", |(start, _)| start.trim());
    match ty.split(['(', ' ']).next().unwrap_or_default() {
        "int" => start,
        "float" => "0.0",
        "bool" => "false",
        "money" => "$0.00",
        "date" => "today()",
        "datetime" => "now()",
        "duration" => "0s",
        "text" | "json" => "\"\"",
        _ if ty.starts_with('[') => "[]",
        _ => "{}",
    }
    .to_owned()
}
