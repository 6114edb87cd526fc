//! `// allow(W0105): reason` silences a warning in place. At the end of a line it covers that line, on a line of its own
//! the statement, setting or item that begins on the next one. The reason is required, and an allowance that silences
//! nothing is a warning itself, so that none outlives what it was written for.

use super::LintedFile;
use crate::problems::{Problem, Problems, Severity, all, explain, nearest_code};
use crate::syntax::ast::*;
use crate::syntax::walk::{self, Visitor};
use crate::{FileId, Span};
use std::collections::BTreeMap;

/// The problems that no comment in the files silences, and what is wrong with those comments themselves. Each problem is
/// held against the comments of its own file only.
pub(super) fn silence(files: &[LintedFile<'_>], problems: Problems) -> (Problems, Vec<Problem>) {
    let mut own = Vec::new();
    let mut allowances: BTreeMap<FileId, Vec<Allowance>> = BTreeMap::new();
    for file in files {
        let mut here = Vec::new();
        file.comments.iter().for_each(|comment| read(file, comment, &mut here, &mut own));
        if !here.is_empty() {
            allowances.insert(file.id, here);
        }
    }
    let mut kept = Problems::default();
    for problem in problems.all {
        let here = allowances.get_mut(&problem.span.file);
        match here.and_then(|here| here.iter_mut().find(|allowance| allowance.covers(&problem))) {
            Some(allowance) => allowance.used = true,
            None => kept.push(problem),
        }
    }
    own.extend(allowances.values().flatten().filter(|allowance| allowance.is_idle()).map(|allowance| {
        Problem::new("W0111", allowance.code_span, format!("there is no {} here to allow", allowance.code))
            .help("delete the comment; it goes on the line of the warning, or on a line of its own above it")
    }));
    (kept, own)
}

struct Allowance {
    code: String,
    code_span: Span,
    covered: Span,
    reason: bool,
    used: bool,
}

impl Allowance {
    /// Warnings about costs come only when a flow is priced: nothing is known of them here.
    fn is_idle(&self) -> bool {
        !self.used && self.reason && !self.code.starts_with("W07")
    }

    fn covers(&self, problem: &Problem) -> bool {
        let place = problem.span;
        let inside = place.file == self.covered.file && self.covered.start <= place.start && place.start <= self.covered.end;
        inside && problem.code == self.code && problem.severity() != Severity::Error
    }
}

fn read(file: &LintedFile<'_>, comment: &Comment, allowances: &mut Vec<Allowance>, problems: &mut Vec<Problem>) {
    let content = comment.text.trim_start_matches('/').trim_start();
    let Some(inner) = content.strip_prefix("allow(") else { return };
    let Some((codes, rest)) = inner.split_once(')') else { return };
    let reason = rest.trim_start().strip_prefix(':').is_some_and(|reason| !reason.trim().is_empty());
    if !reason {
        problems.push(
            Problem::new("W0110", comment.span, "this allowance gives no reason")
                .help(format!("say why: `// allow({codes}): the reason`")),
        );
    }
    let start = comment.span.start + (comment.text.len() - inner.len()) as u32;
    let covered = covered(file, comment.span);
    let mut offset = 0;
    for part in codes.split(',') {
        let lead = part.len() - part.trim_start().len();
        let code = part.trim();
        let at = start + (offset + lead) as u32;
        let code_span = Span { file: file.id, start: at, end: at + code.len() as u32 };
        offset += part.len() + 1;
        match refusal(code) {
            Some(problem) => problems.push(problem(code_span)),
            None => allowances.push(Allowance { code: code.to_owned(), code_span, covered, reason, used: false }),
        }
    }
}

/// Why a code cannot be allowed.
fn refusal(code: &str) -> Option<Box<dyn FnOnce(Span) -> Problem>> {
    if code.starts_with('W') && explain(code).is_some() {
        return None;
    }
    let message = if explain(code).is_some() {
        format!("`{code}` is no warning; only warnings can be allowed")
    } else {
        format!("there is no warning `{code}`")
    };
    let near = nearest_code(code).filter(|near| near.starts_with('W'));
    let any = all().iter().find(|explanation| explanation.code.starts_with('W')).map_or("W0101", |explanation| explanation.code);
    Some(Box::new(move |span| {
        let problem = Problem::new("W0110", span, message);
        match near {
            Some(near) => problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), span, near),
            None => problem.help(format!("a warning's code stands in its message, as in `// allow({any}): the reason`")),
        }
    }))
}

/// The bytes in which an allowance silences.
fn covered(file: &LintedFile<'_>, comment: Span) -> Span {
    let line = line_of(file.text, comment.start as usize);
    let before = file.text.get(line.start..comment.start as usize).unwrap_or("");
    if !before.trim().is_empty() {
        return span(file.id, line.start, line.end);
    }
    let mut next = line;
    while next.end < file.text.len() {
        next = line_of(file.text, next.end + 1);
        let content = file.text.get(next.clone()).unwrap_or("").trim();
        if !content.is_empty() && !content.starts_with("//") {
            break;
        }
    }
    let own = span(file.id, next.start, next.end);
    largest_node_in(file, own).map_or(own, |node| own.to(node))
}

fn span(file: FileId, start: usize, end: usize) -> Span {
    Span { file, start: start as u32, end: end as u32 }
}

/// The line around a byte, without its break.
fn line_of(text: &str, at: usize) -> std::ops::Range<usize> {
    let bytes = text.as_bytes();
    let start = bytes.iter().take(at).rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end = bytes.iter().skip(at).position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
    start..end
}

/// The largest thing that starts on a line.
fn largest_node_in(file: &LintedFile<'_>, line: Span) -> Option<Span> {
    let mut nodes = Nodes::default();
    for item in &file.ast.items {
        nodes.spans.push(item.span);
        if let ItemKind::Connector(connector) = &item.kind {
            nodes.spans.extend(connector.operations.iter().map(|operation| operation.span));
            nodes.spans.extend(connector.types.iter().map(|item| item.span));
        }
        walk::item(&mut nodes, item);
    }
    let starting = nodes.spans.into_iter().filter(|node| line.start <= node.start && node.start < line.end);
    starting.max_by_key(|node| node.end - node.start)
}

#[derive(Default)]
struct Nodes {
    spans: Vec<Span>,
}

impl Visitor<'_> for Nodes {
    fn step(&mut self, step: &Step) {
        self.spans.push(step.span);
    }

    fn setting(&mut self, setting: &Setting) {
        self.spans.push(setting.span);
    }
}
