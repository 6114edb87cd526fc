//! The language, case by case. A problem that is expected stands above the line that it is about:
//!
//! ```text
//! //! E0201 10-14 no field `scroe`
//!   if fit.scroe > 7 {
//! ```
//!
//! The columns are the first and the last character, counted from 1. One column alone is a place between characters.
//! `10-+2:5` ends two lines further down, at column 5. The words after the columns must occur in the message; they may be
//! left out. Lines with `//!` are not part of the source. Exactly the problems that are expected must come.

use crate::sections::{Section, SectionFile, joined, preamble, sections};
use crate::world::{TODAY, TableWorld};
use pmflow_compiler::cost::{Catalog, price};
use pmflow_compiler::emit::emit;
use pmflow_compiler::lints::{Levels, lint_project};
use pmflow_compiler::problems::position::{Files, Position};
use pmflow_compiler::problems::{Problem, Problems, Severity};
use pmflow_compiler::types::{Checked, check_project};
use pmflow_compiler::{FileId, Span, World as _};

/// Which problems a file of cases speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    Errors,
    /// Warnings and hints as well.
    Everything,
}

/// The differences between what the cases of a text expect and what comes; empty when there are none.
pub fn differences(path: &str, text: &str, judged: Judged) -> Vec<String> {
    sections(text).iter().filter_map(|section| difference(path, section, judged)).collect()
}

/// The text with the expectations that would make every case pass.
pub fn blessed(text: &str, judged: Judged) -> String {
    let mut all = sections(text);
    for section in &mut all {
        bless(section, judged);
    }
    joined(&preamble(text), &all)
}

/// Everything the compiler says about a project: what the checker finds, what pricing its flows finds, and the lints.
pub fn problems_of(world: &TableWorld) -> Problems {
    let mut checked = check_project(world, &[TableWorld::ROOT]);
    let costs: Vec<Problem> = checked.flow_names().iter().flat_map(|flow| cost_problems(&checked, flow)).collect();
    checked.problems.all.extend(costs);
    lint_project(&mut checked, Catalog::builtin(), TODAY, &Levels::default());
    checked.problems
}

/// What is wrong with a flow's cost, at the flow's file: the examples ask for the code, not for the place.
fn cost_problems(checked: &Checked, flow: &str) -> Vec<Problem> {
    let Some((mut plan, _)) = emit(checked, flow) else { return Vec::new() };
    let place = Span { file: TableWorld::ROOT, start: 0, end: 0 };
    price(&mut plan).findings.iter().map(|finding| finding.problem(place)).collect()
}

fn difference(path: &str, section: &Section, judged: Judged) -> Option<String> {
    let (world, expected) = prepared(section);
    let found = found(&world, judged);
    let missing = expected.iter().filter(|expectation| !found.iter().any(|problem| expectation.is_met_by(problem)));
    let surplus = found.iter().filter(|problem| !expected.iter().any(|expectation| expectation.is_met_by(problem)));
    let mut lines: Vec<String> =
        missing.map(|expectation| format!("  expected, did not come: {}", expectation.shown())).collect();
    lines.extend(surplus.map(|problem| format!("  came, not expected:     {}", problem.shown())));
    (!lines.is_empty()).then(|| format!("{path}:{} {}\n{}", section.line, section.title, lines.join("\n")))
}

#[derive(Clone, Debug, PartialEq)]
struct Expectation {
    file: String,
    /// Of the source without the expectations, from 1.
    line: usize,
    code: String,
    columns: String,
    words: String,
}

impl Expectation {
    fn is_met_by(&self, found: &Expectation) -> bool {
        let place = (&self.file, self.line, &self.code, &self.columns) == (&found.file, found.line, &found.code, &found.columns);
        place && found.words.contains(&self.words)
    }

    fn shown(&self) -> String {
        format!("{} line {}: {} {} {}", self.file, self.line, self.code, self.columns, self.words)
    }
}

/// The sources without the expectations, and these.
fn prepared(section: &Section) -> (TableWorld, Vec<Expectation>) {
    let mut expected = Vec::new();
    let files = section.files.iter().map(|file| SectionFile { name: file.name.clone(), text: stripped(file, &mut expected) });
    (TableWorld { files: files.collect() }, expected)
}

fn stripped(file: &SectionFile, expected: &mut Vec<Expectation>) -> String {
    let mut text = String::new();
    let mut line_now = 1;
    for line in file.text.lines() {
        match line.trim_start().strip_prefix("//! ") {
            Some(said) => expected.push(expectation(&file.name, line_now, said)),
            None => {
                text.push_str(line);
                text.push('\n');
                line_now += 1;
            }
        }
    }
    text
}

fn expectation(file: &str, line: usize, said: &str) -> Expectation {
    let mut parts = said.splitn(3, ' ');
    let mut next = || parts.next().unwrap_or("").trim().to_owned();
    Expectation { file: file.to_owned(), line, code: next(), columns: next(), words: next() }
}

fn found(world: &TableWorld, judged: Judged) -> Vec<Expectation> {
    let read = |file: FileId| world.source(file);
    let mut files = Files::new(&read);
    let problems = problems_of(world).all.into_iter();
    let judged = problems.filter(|problem| judged == Judged::Everything || problem.severity() == Severity::Error);
    judged.map(|problem| as_expectation(&problem, world, &mut files)).collect()
}

fn as_expectation(problem: &Problem, world: &TableWorld, files: &mut Files<'_>) -> Expectation {
    let (start, end) = files.range(problem.span);
    let file = world.file(problem.span.file).map_or("elsewhere", |file| file.name.as_str()).to_owned();
    Expectation {
        file,
        line: start.line,
        code: problem.code.to_owned(),
        columns: columns(start, end),
        words: problem.message.clone(),
    }
}

fn columns(start: Position, end: Position) -> String {
    if start.offset == end.offset {
        start.column.to_string()
    } else if start.line == end.line {
        format!("{}-{}", start.column, end.column - 1)
    } else {
        format!("{}-+{}:{}", start.column, end.line - start.line, end.column.saturating_sub(1))
    }
}

fn bless(section: &mut Section, judged: Judged) {
    let (world, expected) = prepared(section);
    let found = found(&world, judged);
    for (file, source) in section.files.iter_mut().zip(&world.files) {
        let mut text = String::new();
        for (index, line) in source.text.lines().chain(std::iter::once("")).enumerate() {
            let here = found.iter().filter(|problem| problem.file == source.name && problem.line == index + 1);
            here.for_each(|problem| text.push_str(&comment(problem, &expected)));
            text.push_str(line);
            text.push('\n');
        }
        text.truncate(text.len().saturating_sub(1));
        file.text = text;
    }
}

/// The words of an expectation that is met are kept; a new one gets the whole message.
fn comment(found: &Expectation, expected: &[Expectation]) -> String {
    let kept = expected.iter().find(|expectation| expectation.is_met_by(found)).unwrap_or(found);
    format!("//! {} {} {}", kept.code, kept.columns, kept.words).trim_end().to_owned() + "\n"
}
