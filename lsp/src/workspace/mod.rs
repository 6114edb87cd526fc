//! What an editor has open, and what is known of it. One thread owns it.

pub mod files;
pub mod view;

use crate::positions::{Encoding, Lines};
use crate::protocol::Fault;
use files::{Files, Look, Mark};
use pmflow_compiler::cost::Catalog;
use pmflow_compiler::emit::tests::TestPlan;
use pmflow_compiler::lints::{Level, Levels};
use pmflow_compiler::problems::Severity;
use pmflow_compiler::types::{Memory, check_again};
use pmflow_compiler::{FileId, Problem, Span};
use pmflow_plan::value::Record;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tower_lsp_server::ls_types::*;
pub use view::View;

/// What the project around a folder says, as the command reads it.
#[derive(Debug, Default)]
pub struct Project {
    pub levels: Levels,
    /// Pinned prices; none: the built-in ones.
    pub catalog: Option<Catalog>,
    /// The files that say so, whether they are there or not.
    pub files: Vec<PathBuf>,
}

/// The prompts that a test calls, in order: the name in the test's plan, and the arguments.
pub type PromptCalls = Vec<(String, Record)>;

/// What only whoever starts the server can do.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// What the project around a folder says.
    pub project_of: fn(&Path) -> Project,
    /// Runs a test offline.
    pub prompt_calls: fn(&TestPlan) -> PromptCalls,
}

impl Default for Host {
    /// No project, and tests that call nothing.
    fn default() -> Host {
        Host { project_of: |_| Project::default(), prompt_calls: |_| Vec::new() }
    }
}

/// Checked files that are kept besides the whole workspace.
const VIEWS_MAX: usize = 16;

#[derive(Debug)]
pub struct Workspace {
    pub files: Files,
    pub encoding: Encoding,
    pub client: ClientFacts,
    pub host: Host,
    today: i32,
    /// The newest last.
    views: Vec<(FileId, Rc<View>)>,
    whole: Option<(Vec<FileId>, Rc<View>)>,
    /// The last view that was replaced: large, and dropped when nobody waits.
    outdated: Option<Rc<View>>,
    lines: BTreeMap<FileId, Rc<Lines>>,
    pub tokens_sent: BTreeMap<FileId, (u64, Vec<SemanticToken>)>,
}

/// What the editor can show.
#[derive(Clone, Debug, Default)]
pub struct ClientFacts {
    pub snippets: bool,
    pub pulls_diagnostics: bool,
    pub refreshes_diagnostics: bool,
    pub nested_symbols: bool,
    pub watches_files: bool,
    pub versioned_edits: bool,
    pub own_commands: bool,
}

impl Workspace {
    /// `today` in days since 1970-01-01.
    pub fn new(host: Host, today: i32) -> Workspace {
        Workspace {
            files: Files::default(),
            encoding: Encoding::default(),
            client: ClientFacts::default(),
            host,
            today,
            views: Vec::new(),
            whole: None,
            outdated: None,
            lines: BTreeMap::new(),
            tokens_sent: BTreeMap::new(),
        }
    }

    /// The file with everything that it imports, checked.
    pub fn view(&mut self, file: FileId) -> Rc<View> {
        let (mut memory, mut seen) = (Rc::default(), BTreeMap::new());
        if let Some(position) = self.views.iter().position(|(known, _)| *known == file) {
            let mut known = self.views.remove(position);
            seen = self.now(&known.1);
            if seen == known.1.touched {
                let view = known.1.clone();
                self.views.push(known);
                return view;
            }
            memory = known.1.memory.clone();
            // Trees that nobody has any more are moved instead of copied.
            if let Some(outdated) = Rc::get_mut(&mut known.1) {
                outdated.checked.forget_trees();
            }
            self.outdated = Some(known.1);
        }
        let view = Rc::new(self.check(&[file], &memory, seen));
        if self.views.len() >= VIEWS_MAX {
            self.views.remove(0);
        }
        self.views.push((file, view.clone()));
        view
    }

    pub fn drop_outdated(&mut self) {
        self.outdated = None;
    }

    /// Every file below the roots, and every open one, checked together.
    pub fn whole(&mut self) -> Rc<View> {
        let all = self.files.all();
        let seen = self.whole.as_ref().map(|(_, view)| self.now(view)).unwrap_or_default();
        if let Some((known, view)) = &self.whole
            && *known == all
            && seen == view.touched
        {
            return view.clone();
        }
        // The old one goes before the new one comes: they are large.
        let memory = self.whole.take().map(|(_, view)| view.memory.clone()).unwrap_or_default();
        let view = Rc::new(self.check(&all, &memory, seen));
        self.whole = Some((all, view.clone()));
        view
    }

    /// As [`Workspace::whole`], as if these edits were made.
    pub fn whole_with(&self, edits: &BTreeMap<FileId, Vec<(Span, String)>>) -> View {
        let roots = self.files.all();
        let mut look = self.look(&roots, BTreeMap::new());
        for (file, edits) in edits {
            let text = self.files.text(*file).unwrap_or_else(|_| "".into());
            look.pretend(*file, edited(&text, edits).into());
        }
        self.check_with(look, &roots, &Memory::default())
    }

    fn check(&self, roots: &[FileId], memory: &Memory, seen: BTreeMap<FileId, Mark>) -> View {
        self.check_with(self.look(roots, seen), roots, memory)
    }

    fn look(&self, roots: &[FileId], seen: BTreeMap<FileId, Mark>) -> Look<'_> {
        let first = roots.first().and_then(|file| self.files.path(*file)).filter(|path| path.is_absolute());
        let project = first.and_then(|path| path.parent().map(self.host.project_of)).unwrap_or_default();
        Look::new(&self.files, self.today, project, seen)
    }

    fn check_with(&self, look: Look<'_>, roots: &[FileId], memory: &Memory) -> View {
        let (mut checked, memory) = check_again(&look, roots, memory);
        let (touched, project) = look.finish();
        let heard = |problem: &Problem| problem.severity() == Severity::Error || project.levels.of(problem.code) != Level::Allow;
        checked.problems.all.retain(heard);
        View::new(checked, memory, project, touched, self.today)
    }

    /// What the files are now that a view rests on.
    fn now(&self, view: &View) -> BTreeMap<FileId, Mark> {
        view.touched.keys().map(|file| (*file, self.files.mark(*file))).collect()
    }

    /// Whether a kept view of the file rests on the other one.
    pub fn rests_on(&self, file: FileId, other: FileId) -> bool {
        self.views.iter().any(|(known, view)| *known == file && view.touched.contains_key(&other))
    }

    pub fn lines(&mut self, file: FileId) -> Rc<Lines> {
        let text = match file.is_standard() {
            true => view::standard_text(file),
            false => self.files.text(file).unwrap_or_else(|_| "".into()),
        };
        let encoding = self.encoding;
        let known = self.lines.entry(file).or_insert_with(|| Rc::new(Lines::new(text.clone(), encoding)));
        if !Arc::ptr_eq(known.text(), &text) {
            *known = Rc::new(Lines::new(text, encoding));
        }
        known.clone()
    }

    /// The lines of the text that a file is about to have.
    pub fn know_lines(&mut self, file: FileId, lines: Rc<Lines>) {
        self.lines.insert(file, lines);
    }

    /// A document and a place in it.
    pub fn place(&mut self, at: &TextDocumentPositionParams) -> Result<Place, Fault> {
        let file = self.document(&at.text_document)?;
        let lines = self.lines(file);
        let offset = lines.offset(at.position);
        Ok(Place { file, offset: u32::try_from(offset).unwrap_or(u32::MAX), view: self.view(file), lines })
    }

    /// The document's id, when there is such a document.
    pub fn document(&self, document: &TextDocumentIdentifier) -> Result<FileId, Fault> {
        let file = self.files.id_of(&document.uri);
        match self.files.text(file) {
            Ok(_) => Ok(file),
            Err(reason) => Err(Fault::invalid(format!("`{}` cannot be read: {reason}", document.uri.as_str()))),
        }
    }

    pub fn range(&mut self, span: Span) -> Range {
        self.lines(span.file).span(span)
    }

    /// None for a place in the standard library, which no editor can open.
    pub fn location(&mut self, span: Span) -> Option<Location> {
        let uri = self.files.uri(span.file).filter(|_| !span.file.is_standard())?;
        Some(Location { uri, range: self.range(span) })
    }
}

/// The text with the edits made; they do not overlap.
pub fn edited(text: &str, edits: &[(Span, String)]) -> String {
    let mut sorted: Vec<&(Span, String)> = edits.iter().collect();
    sorted.sort_by_key(|(span, _)| (span.start, span.end));
    let (mut made, mut at) = (String::with_capacity(text.len()), 0);
    for (span, new) in sorted {
        made.push_str(text.get(at..span.start as usize).unwrap_or_default());
        made.push_str(new);
        at = at.max(span.end as usize);
    }
    made.push_str(text.get(at..).unwrap_or_default());
    made
}

#[derive(Debug)]
pub struct Place {
    pub file: FileId,
    /// In bytes.
    pub offset: u32,
    pub view: Rc<View>,
    pub lines: Rc<Lines>,
}
