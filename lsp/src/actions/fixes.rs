//! What the compiler itself knows to mend.

use super::{Asked, Offered};
use pmflow_compiler::{Problem, Span};
use tower_lsp_server::ls_types::CodeActionKind;

pub fn fixes(asked: &Asked<'_>) -> Vec<Offered> {
    let here = asked.problems.iter().filter(|(problem, _)| is_here(asked, problem.span));
    let offered = here.filter_map(|(problem, diagnostic)| {
        let offered = Offered::new(problem.fix.as_ref()?.title.clone(), CodeActionKind::QUICKFIX, edits(problem));
        Some(Offered { mends: Some(diagnostic.clone()), ..offered })
    });
    offered.collect()
}

/// Touched by the selection, or on the cursor's line: what is wrong may be one character.
fn is_here(asked: &Asked<'_>, span: Span) -> bool {
    let line = |offset: u32| asked.lines.line_of(offset as usize);
    (span.start <= asked.to && asked.from <= span.end) || (asked.from == asked.to && line(span.start) == line(asked.from))
}

fn edits(problem: &Problem) -> Vec<(Span, String)> {
    problem.fix.iter().flat_map(|fix| &fix.edits).map(|edit| (edit.span, edit.text.clone())).collect()
}

/// Every fix of the file that does not touch another one.
pub fn all(asked: &Asked<'_>) -> Vec<Offered> {
    let mut taken: Vec<(Span, String)> = Vec::new();
    for (problem, _) in asked.problems {
        let new = edits(problem);
        let apart = |a: Span, b: Span| a.file != b.file || a.end < b.start || b.end < a.start;
        if new.iter().all(|(span, _)| taken.iter().all(|(known, _)| apart(*span, *known))) {
            taken.extend(new);
        }
    }
    let offered = Offered::new("mend everything that has a fix", CodeActionKind::SOURCE_FIX_ALL, taken);
    Some(offered).filter(|offered| !offered.edits.is_empty()).into_iter().collect()
}
