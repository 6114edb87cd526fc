//! Warnings: what is allowed and probably not meant. Each lint is a file of its own and reads syntax trees only, so that
//! it works in a project that has errors, and never guesses at types.
//!
//! A warning is silenced in place by a comment with a reason, `// allow(W0105): the demo never ends`, and set for a whole
//! project by [`Levels`].

mod allow;
mod cache_prefix;
mod conditions;
mod keys;
mod schedules;
mod shutdowns;
mod unreachable;
mod unused;

use crate::cost::Catalog;
use crate::problems::{Problem, Problems, Severity};
use crate::syntax::ast;
use crate::syntax::shift::Shift as _;
use crate::types::Checked;
use crate::{FileId, Span};
use ecow::EcoString;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What a project makes of a warning; `[lints]` in `pmflow.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is not reported.
    Allow,
    Warn,
    /// It stops the project like an error.
    Deny,
}

/// Levels by code; a code that is not named warns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    pub by_code: BTreeMap<String, Level>,
}

impl Levels {
    pub fn of(&self, code: &str) -> Level {
        self.by_code.get(code).copied().unwrap_or(Level::Warn)
    }

    /// Whether any of the problems stops the project.
    pub fn stop(&self, problems: &Problems) -> bool {
        problems.all.iter().any(|problem| problem.severity() == Severity::Error || self.of(problem.code) == Level::Deny)
    }
}

/// A file of the project; the standard library's own files are not linted.
#[derive(Clone, Copy, Debug)]
pub struct LintedFile<'a> {
    pub id: FileId,
    pub text: &'a str,
    pub ast: &'a ast::File,
    pub comments: &'a [ast::Comment],
}

/// What one item says by itself; it is the same for the same text, but for its place.
#[derive(Debug)]
pub(crate) struct Findings {
    start: u32,
    mentions: unused::Mentions,
    unused: Vec<Problem>,
    others: Vec<Problem>,
    models: Vec<(String, Span)>,
}

impl Findings {
    pub fn of(file: &LintedFile<'_>, item: &ast::Item) -> Findings {
        let mentions = unused::Mentions::of(item);
        let mut unused = Report { file, problems: Vec::new() };
        unused::check_inside(item, &mentions, &mut unused);
        let mut others = Report { file, problems: Vec::new() };
        unreachable::check(item, &mut others);
        conditions::check(item, &mut others);
        cache_prefix::check(item, &mut others);
        schedules::check(item, &mut others);
        keys::check(item, &mut others);
        let models = shutdowns::models(item);
        Findings { start: item.span.start, mentions, unused: unused.problems, others: others.problems, models }
    }
}

/// The findings of the items of a file, in its order.
pub(crate) type FileFindings = Vec<Arc<Findings>>;

/// All problems of a project, sorted: the errors that were `found`, and its warnings, found and new ones, but those that a
/// comment or a level silences. `today` is counted in days since 1970-01-01; `catalog` says which models end.
pub fn lint(files: &[LintedFile<'_>], found: Problems, catalog: &Catalog, today: i32, levels: &Levels) -> Problems {
    let of_file = |file: &LintedFile<'_>| file.ast.items().map(|item| Arc::new(Findings::of(file, item))).collect();
    let findings: Vec<FileFindings> = files.iter().map(of_file).collect();
    lint_with(files, &findings, found, catalog, today, levels)
}

/// As [`lint`], with the findings of each file at hand.
pub(crate) fn lint_with(
    files: &[LintedFile<'_>],
    findings: &[FileFindings],
    found: Problems,
    catalog: &Catalog,
    today: i32,
    levels: &Levels,
) -> Problems {
    let mut problems = found;
    let broken: BTreeSet<FileId> =
        problems.all.iter().filter(|problem| is_syntax(problem)).map(|problem| problem.span.file).collect();
    let members: HashSet<&EcoString> = findings.iter().flatten().flat_map(|findings| &findings.mentions.members).collect();
    for (file, findings) in files.iter().zip(findings) {
        let mut report = Report { file, problems: Vec::new() };
        // A statement that could not be read may use any name.
        let broken = broken.contains(&file.id);
        for (item, findings) in report.items().iter().zip(findings) {
            let by = item.span.start.wrapping_sub(findings.start);
            let unused = findings.unused.iter().filter(|_| !broken);
            let ending = findings.models.iter().filter_map(|(id, span)| shutdowns::problem(catalog, id, *span, today));
            report.problems.extend(unused.chain(&findings.others).cloned().chain(ending).map(|problem| moved(problem, by)));
        }
        if !broken {
            unused::check_file(findings, &members, &mut report);
        }
        let damaged = damaged_items(file, &problems);
        problems.all.extend(report.problems.into_iter().filter(|problem| !is_within(&damaged, problem.span)));
    }
    let (mut problems, wrong_allowances) = allow::silence(files, problems);
    problems.all.extend(wrong_allowances);
    at_levels(problems, levels)
}

/// A checked project with its warnings: its problems become what [`lint`] says of its own files.
pub fn lint_project(checked: &mut Checked, catalog: &Catalog, today: i32, levels: &Levels) {
    let own = checked.files.iter().filter(|file| !file.id.is_standard());
    let files: Vec<LintedFile<'_>> =
        own.map(|file| LintedFile { id: file.id, text: &file.text, ast: &file.ast, comments: &file.comments }).collect();
    let found = std::mem::take(&mut checked.problems);
    checked.problems = lint(&files, found, catalog, today, levels);
}

/// The problems that neither a comment nor a level silences, sorted; for those that come later than [`lint`], such as what
/// pricing a flow finds.
pub fn silenced(files: &[LintedFile<'_>], problems: Problems, levels: &Levels) -> Problems {
    at_levels(allow::silence(files, problems).0, levels)
}

fn at_levels(mut problems: Problems, levels: &Levels) -> Problems {
    problems.all.retain(|problem| problem.severity() == Severity::Error || levels.of(problem.code) != Level::Allow);
    problems.sorted()
}

/// The items of which a bracket or a quote is missing: nothing is known of what is not there. In the order of the file.
fn damaged_items(file: &LintedFile<'_>, problems: &Problems) -> Vec<Span> {
    let unclosed = |problem: &&Problem| problem.span.file == file.id && matches!(problem.code, "E0005" | "E0013");
    let item_at = |start: u32| {
        let before = file.ast.items.partition_point(|item| item.span.start <= start);
        file.ast.items.get(before.checked_sub(1)?).map(|item| item.span)
    };
    let mut items: Vec<Span> = problems.all.iter().filter(unclosed).filter_map(|problem| item_at(problem.span.start)).collect();
    items.sort_unstable();
    items.dedup();
    items
}

fn is_within(items: &[Span], place: Span) -> bool {
    let before = items.partition_point(|item| item.start <= place.start);
    before.checked_sub(1).and_then(|index| items.get(index)).is_some_and(|item| place.start <= item.end)
}

fn is_syntax(problem: &Problem) -> bool {
    problem.code.starts_with("E00")
}

fn moved(mut problem: Problem, by: u32) -> Problem {
    problem.shift(by);
    problem
}

/// What the lints of one file find.
struct Report<'a> {
    file: &'a LintedFile<'a>,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn items(&self) -> &'a [Arc<ast::Item>] {
        &self.file.ast.items
    }

    fn written(&self, span: Span) -> &'a str {
        self.file.text.get(span.range()).unwrap_or("")
    }
}

/// The first expression of a setting's value, when it is the only term of its phrase.
fn only_expr(setting: &ast::Setting) -> Option<&ast::Expr> {
    match setting.phrases.first()?.terms.as_slice() {
        [ast::Term::Expr(value)] => Some(value),
        _ => None,
    }
}

fn setting<'a>(settings: &'a [ast::Setting], name: &str) -> Option<&'a ast::Setting> {
    settings.iter().find(|setting| setting.name.text == name)
}
