//! From syntax trees to checked flows: names, types, effects, trust, settings.
//!
//! ```text
//! project   which files there are, and which names they declare
//! resolve   what a name or a written type means
//! expressions, calls, templates, narrow   a type, an origin and a plan expression for each expression
//! prompts, models, connectors, flows, steps, tests   one file per thing that an author declares
//! ```
//! Checking never fails: what is wrong is a [`Problem`], and its type absorbs whatever rests on it.

mod again;
mod arguments;
mod builtins;
mod calls;
mod circles;
mod coerce;
mod connectors;
mod consequences;
mod data_files;
mod expressions;
mod flow_settings;
mod flows;
mod functions;
mod items;
mod models;
mod moves;
mod names;
mod narrow;
mod oauth;
mod operations;
mod operators;
mod phrases;
mod project;
mod prompts;
mod repeats;
mod resolve;
mod scope;
mod sources;
mod steps;
mod templates;
mod tests;
mod trust;
mod trust_rules;
mod ty;

pub use again::Memory;
pub use builtins::prelude;
pub(crate) use items::{CheckedFlow, CheckedTest};
pub use items::{Expectation, GivenStandIn};
pub use ty::{EnumTy, FieldTy, RecordTy, Ty, TypeName};

use crate::lints::{Levels, LintedFile, lint_with};
use crate::syntax::{Parsed, ast};
use crate::{FileId, Problem, Problems, Span, World};
use consequences::Damage;
use items::Items;
use pmflow_plan as plan;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// A project whose every file was read and checked.
#[derive(Debug)]
pub struct Checked {
    /// In the order in which they were met: the roots, then what they import.
    pub files: Vec<CheckedFile>,
    /// Sorted by place.
    pub problems: Problems,
    /// Every name that was understood, with the place that declares it; sorted.
    pub references: Vec<Reference>,
    /// The type of every expression, as an author would write it; sorted, outer before inner.
    pub types: Vec<(Span, Ty)>,
    pub work: Work,
    /// Hash of the catalog that prices came from.
    pub catalog: String,
    pub(crate) flows: Vec<CheckedFlow>,
    /// The flows by their full names.
    pub(crate) flow_places: BTreeMap<String, usize>,
    pub(crate) tests: Vec<CheckedTest>,
    pub(crate) parts: PlanParts,
}

#[derive(Debug)]
pub struct CheckedFile {
    pub id: FileId,
    pub path: Arc<str>,
    pub text: Arc<str>,
    pub ast: Arc<ast::File>,
    pub comments: Vec<ast::Comment>,
    /// The name by which others import it; unique in the project.
    pub module: String,
    pub root: bool,
    /// Where each line starts; counted when first asked for.
    pub(crate) lines: OnceLock<Vec<u32>>,
}

/// What checking a project took, counted in steps whose cost does not depend on its size. The same project always gives
/// the same numbers, so that a test can hold checking to growing with the project and no faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Stretches of text that became nodes of syntax trees.
    pub stretches_read: u64,
    /// Expressions, written types, templates and model names that were entered.
    pub nodes_checked: u64,
    /// Names that were followed to what they mean, in scopes and in files.
    pub names_followed: u64,
    /// Imports that were followed to a file.
    pub imports_followed: u64,
    /// Stand-ins of a test that were searched for a called one.
    pub stand_ins_searched: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    pub span: Span,
    pub definition: Span,
}

/// What plans are made of, by full name (`module/name`).
#[derive(Debug, Default)]
pub(crate) struct PlanParts {
    pub functions: BTreeMap<String, plan::Function>,
    pub types: BTreeMap<String, plan::Type>,
    pub models: BTreeMap<String, plan::Model>,
    pub prompts: BTreeMap<String, Arc<plan::Prompt>>,
    pub prompt_spans: BTreeMap<String, Span>,
    pub operations: BTreeMap<String, plan::Operation>,
    pub connectors: BTreeMap<String, plan::Connector>,
}

/// Reads the roots and everything that they import, and checks all of it.
pub fn check_project(world: &dyn World, roots: &[FileId]) -> Checked {
    check(world, roots, None).0
}

/// As [`check_project`], with the same result but for [`Checked::work`]; what is as it was in a check before is not checked
/// once more.
pub fn check_again(world: &dyn World, roots: &[FileId], before: &Memory) -> (Checked, Memory) {
    let (checked, memory) = check(world, roots, Some(before));
    (checked, memory.unwrap_or_default())
}

fn check(world: &dyn World, roots: &[FileId], before: Option<&Memory>) -> (Checked, Option<Memory>) {
    let mut checker = Checker::new(world);
    checker.load(roots);
    checker.damage = Damage::of(&checker.files, &checker.problems);
    checker.declare_items();
    checker.recall(before);
    checker.check_items();
    checker.finish()
}

impl Checked {
    /// No errors; warnings pass. Only a clean project has plans.
    pub fn clean(&self) -> bool {
        !self.problems.has_errors()
    }

    /// The flows of the root files, in the order in which they are written.
    pub fn flow_names(&self) -> Vec<&str> {
        let of_roots = self.flows.iter().filter(|flow| self.files.get(flow.file).is_some_and(|file| file.root));
        of_roots.map(|flow| flow.name.as_str()).collect()
    }

    /// Where the name at a place was declared.
    pub fn definition_at(&self, file: FileId, offset: u32) -> Option<Reference> {
        let covers = |span: Span| span.file == file && span.start <= offset && offset <= span.end;
        self.references.iter().filter(|reference| covers(reference.span)).min_by_key(|r| r.span.end - r.span.start).copied()
    }

    /// The innermost expression at a place, with its type.
    pub fn type_at(&self, file: FileId, offset: u32) -> Option<&(Span, Ty)> {
        let covers = |span: Span| span.file == file && span.start <= offset && offset <= span.end;
        self.types.iter().filter(|(span, _)| covers(*span)).min_by_key(|(span, _)| span.end - span.start)
    }

    /// For a project that is no longer looked at: its trees, which may be shared, go at once.
    pub fn forget_trees(&mut self) {
        for file in &mut self.files {
            file.ast = Arc::new(ast::File { id: file.id, items: Vec::new() });
        }
    }

    pub(crate) fn flow(&self, full: &str) -> Option<&CheckedFlow> {
        self.flows.get(*self.flow_places.get(full)?)
    }

    pub fn file(&self, id: FileId) -> Option<&CheckedFile> {
        self.files.iter().find(|file| file.id == id)
    }
}

impl CheckedFile {
    /// Where a line (from 1) starts, in bytes.
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.line_starts().get((line as usize).checked_sub(1)?).copied()
    }

    pub(crate) fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let after_breaks = self.text.bytes().zip(1u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
            std::iter::once(0).chain(after_breaks).collect()
        })
    }

    /// As the lints want it.
    pub fn linted(&self) -> LintedFile<'_> {
        LintedFile { id: self.id, text: &self.text, ast: &self.ast, comments: &self.comments }
    }
}

/// What checking gathers.
pub(crate) struct Checker<'w> {
    world: &'w dyn World,
    files: Vec<CheckedFile>,
    parsed: Vec<Arc<Parsed>>,
    file_index: HashMap<FileId, usize>,
    items: Items,
    builtins: builtins::Builtins,
    problems: Problems,
    damage: Damage,
    references: Vec<Reference>,
    types: Vec<(Span, Ty)>,
    /// Of the items whose check is over.
    finished: again::Gathered,
    again: again::Again,
    /// The item that is being checked rests on a file that is no source.
    reads_data: bool,
    parts: PlanParts,
    tests: Vec<CheckedTest>,
    stand_ins: tests::StandIns,
    /// How deep the expression, block or template that is being checked lies.
    depth: u32,
    work: Work,
}

/// By place, outer before inner.
fn order_of_types((span, _): &(Span, Ty)) -> (FileId, u32, std::cmp::Reverse<u32>) {
    (span.file, span.start, std::cmp::Reverse(span.end))
}

/// Deeper nesting is reported instead of followed.
const DEPTH_MAX: u32 = 256;

impl<'w> Checker<'w> {
    fn new(world: &'w dyn World) -> Checker<'w> {
        Checker {
            world,
            files: Vec::new(),
            parsed: Vec::new(),
            file_index: HashMap::new(),
            items: Items::default(),
            builtins: builtins::Builtins::default(),
            problems: Problems::default(),
            damage: Damage::default(),
            references: Vec::new(),
            types: Vec::new(),
            finished: again::Gathered::default(),
            again: again::Again::default(),
            reads_data: false,
            parts: PlanParts::default(),
            tests: Vec::new(),
            stand_ins: tests::StandIns::default(),
            depth: 0,
            work: Work::default(),
        }
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The editor asks for the type of a name where it is declared, too.
    fn note_type(&mut self, span: Span, ty: &Ty) {
        self.types.push((span, ty.clone()));
    }

    fn refer(&mut self, span: Span, definition: Span) {
        self.work.names_followed += 1;
        self.references.push(Reference { span, definition });
    }

    /// Enters a nested expression; false, with a problem, when it lies too deep.
    fn deeper(&mut self, span: Span) -> bool {
        self.work.nodes_checked += 1;
        if self.depth >= DEPTH_MAX {
            self.report(
                Problem::new("E0003", span, "this is nested too deeply to be checked")
                    .label(format!("more than {DEPTH_MAX} levels deep"))
                    .help("give the inner parts names with `let`, or move them into a `fn`"),
            );
            return false;
        }
        self.depth += 1;
        true
    }

    fn finish(mut self) -> (Checked, Option<Memory>) {
        self.gather_finished();
        self.references.sort_unstable();
        self.references.dedup();
        self.types.sort_by_key(order_of_types);
        let prelude = |span: Span| span.file == FileId::PRELUDE;
        self.types.retain(|(span, _)| !prelude(*span));
        let findings = self.findings();
        let memory = self.memory(&findings);
        let own = self.files.iter().zip(findings).filter(|(file, _)| !file.id.is_standard());
        let (linted, findings): (Vec<LintedFile<'_>>, Vec<_>) = own.map(|(file, findings)| (file.linted(), findings)).unzip();
        let (catalog, today) = (self.world.catalog(), self.world.today());
        let problems = lint_with(&linted, &findings, self.problems, catalog, today, &Levels::default());
        let problems = self.damage.without_consequences(&self.files, problems);
        let flows = self.items.checked_flows();
        let checked = Checked {
            problems,
            files: self.files,
            references: self.references,
            types: self.types,
            work: self.work,
            catalog: self.world.catalog().hash().to_owned(),
            flow_places: flows.iter().enumerate().map(|(place, flow)| (flow.full.clone(), place)).collect(),
            flows,
            tests: self.tests,
            parts: self.parts,
        };
        (checked, memory)
    }
}

#[cfg(test)]
mod again_tests;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod growth;
