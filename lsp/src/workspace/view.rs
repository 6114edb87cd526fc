//! A checked project as the features ask for it.

use super::Project;
use super::files::Mark;
use pmflow_compiler::cost::{Catalog, Estimate, price_with};
use pmflow_compiler::emit::emit;
use pmflow_compiler::syntax::ast;
use pmflow_compiler::types::{Checked, CheckedFile, Memory, Reference, Ty, prelude};
use pmflow_compiler::{FileId, Problem, Span, stdlib};
use pmflow_plan::{Plan, SourceMap};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Debug)]
pub struct View {
    pub checked: Checked,
    /// What the next check may know.
    pub memory: Rc<Memory>,
    pub project: Project,
    /// What it rests on.
    pub touched: BTreeMap<FileId, Mark>,
    pub today: i32,
    by_id: BTreeMap<FileId, usize>,
    priced: OnceCell<Vec<Priced>>,
}

#[derive(Debug)]
pub struct Priced {
    pub flow: String,
    pub file: FileId,
    pub plan: Plan,
    pub map: SourceMap,
    pub estimate: Estimate,
}

impl View {
    pub fn new(checked: Checked, memory: Memory, project: Project, touched: BTreeMap<FileId, Mark>, today: i32) -> View {
        let by_id = checked.files.iter().enumerate().map(|(index, file)| (file.id, index)).collect();
        View { checked, memory: Rc::new(memory), project, touched, today, by_id, priced: OnceCell::new() }
    }

    pub fn file(&self, file: FileId) -> Option<&CheckedFile> {
        self.checked.files.get(*self.by_id.get(&file)?)
    }

    pub fn tree(&self, file: FileId) -> Option<&ast::File> {
        match file {
            FileId::PRELUDE => Some(prelude()),
            other => self.file(other).map(|file| &*file.ast),
        }
    }

    pub fn text(&self, span: Span) -> &str {
        match self.file(span.file) {
            Some(file) => file.text.get(span.range()).unwrap_or_default(),
            None => stdlib::file("prelude.pmflow").unwrap_or_default().get(span.range()).unwrap_or_default(),
        }
    }

    pub fn problems_of(&self, file: FileId) -> impl Iterator<Item = &Problem> {
        self.checked.problems.all.iter().filter(move |problem| problem.span.file == file)
    }

    /// The names of a file that were understood, in the order of the file.
    pub fn references_in(&self, file: FileId) -> &[Reference] {
        let all = &self.checked.references;
        let start = all.partition_point(|reference| reference.span.file < file);
        let end = all.partition_point(|reference| reference.span.file <= file);
        all.get(start..end).unwrap_or_default()
    }

    /// The smallest name around a place, with what declares it.
    pub fn reference_at(&self, file: FileId, offset: u32) -> Option<Reference> {
        let covers = |span: Span| span.start <= offset && offset <= span.end;
        let found = self.references_in(file).iter().filter(|reference| covers(reference.span));
        found.min_by_key(|reference| reference.span.end - reference.span.start).copied()
    }

    /// The type of the expression, or of the name where it is declared, that is exactly this stretch.
    pub fn type_of(&self, span: Span) -> Option<&Ty> {
        let types = &self.checked.types;
        let key = |span: Span| (span.file, span.start, std::cmp::Reverse(span.end));
        let start = types.partition_point(|(known, _)| key(*known) < key(span));
        let same = types.get(start..).unwrap_or_default().iter().take_while(|(known, _)| *known == span);
        same.map(|(_, ty)| ty).find(|ty| !matches!(ty, Ty::Error))
    }

    /// The prices that the project is judged by.
    pub fn catalog(&self) -> &Catalog {
        self.project.catalog.as_ref().unwrap_or_else(|| Catalog::builtin())
    }

    /// The flows of the root files, with their costs; empty while there are errors.
    pub fn priced(&self) -> &[Priced] {
        self.priced.get_or_init(|| {
            let names: Vec<String> = self.checked.flow_names().iter().map(ToString::to_string).collect();
            names.into_iter().filter_map(|flow| self.price(flow)).collect()
        })
    }

    fn price(&self, flow: String) -> Option<Priced> {
        let (mut plan, map) = emit(&self.checked, &flow)?;
        let estimate = price_with(&mut plan, self.catalog());
        let file = self.checked.files.iter().find(|file| file.root)?.id;
        Some(Priced { flow, file, plan, map, estimate })
    }
}

/// The text of a file of the standard library.
pub fn standard_text(file: FileId) -> Arc<str> {
    if file == FileId::PRELUDE {
        return stdlib::file("prelude.pmflow").unwrap_or_default().into();
    }
    let known = stdlib::connectors();
    let found = known.iter().enumerate().find(|(position, _)| FileId::standard(*position) == file);
    found.and_then(|(_, name)| stdlib::connector(name)).unwrap_or_default().into()
}
