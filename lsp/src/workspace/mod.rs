//! What an editor has open, and what is known of it. One thread owns it.

pub mod files;
pub mod view;

use crate::positions::{Encoding, Lines};
use crate::protocol::Fault;
use files::{Files, Look};
use pmflow_compiler::lints::{Level, Levels};
use pmflow_compiler::problems::Severity;
use pmflow_compiler::types::check_project;
use pmflow_compiler::{FileId, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tower_lsp_server::ls_types::*;
pub use view::View;

/// What the project around a folder makes of each warning, and the settings file that says so.
pub type LevelsOf = fn(&Path) -> (Levels, Option<PathBuf>);

/// Checked files that are kept besides the whole workspace.
const VIEWS_MAX: usize = 16;

#[derive(Debug)]
pub struct Workspace {
    pub files: Files,
    pub encoding: Encoding,
    pub client: ClientFacts,
    levels_of: LevelsOf,
    today: i32,
    /// The newest last.
    views: Vec<(FileId, Rc<View>)>,
    whole: Option<(Vec<FileId>, Rc<View>)>,
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
    pub previews: bool,
}

impl Workspace {
    /// `today` in days since 1970-01-01.
    pub fn new(levels_of: LevelsOf, today: i32) -> Workspace {
        Workspace {
            files: Files::default(),
            encoding: Encoding::default(),
            client: ClientFacts::default(),
            levels_of,
            today,
            views: Vec::new(),
            whole: None,
            lines: BTreeMap::new(),
            tokens_sent: BTreeMap::new(),
        }
    }

    /// The file with everything that it imports, checked.
    pub fn view(&mut self, file: FileId) -> Rc<View> {
        if let Some(position) = self.views.iter().position(|(known, _)| *known == file) {
            let known = self.views.remove(position);
            if self.is_fresh(&known.1) {
                let view = known.1.clone();
                self.views.push(known);
                return view;
            }
        }
        let view = Rc::new(self.check(&[file]));
        if self.views.len() >= VIEWS_MAX {
            self.views.remove(0);
        }
        self.views.push((file, view.clone()));
        view
    }

    /// Every file below the roots, and every open one, checked together.
    pub fn whole(&mut self) -> Rc<View> {
        let all = self.files.all();
        if let Some((known, view)) = &self.whole
            && *known == all
            && self.is_fresh(view)
        {
            return view.clone();
        }
        // The old one goes before the new one comes: they are large.
        self.whole = None;
        let view = Rc::new(self.check(&all));
        self.whole = Some((all, view.clone()));
        view
    }

    /// As [`Workspace::whole`], as if these edits were made.
    pub fn whole_with(&self, edits: &BTreeMap<FileId, Vec<(Span, String)>>) -> View {
        let mut look = Look::new(&self.files, self.today);
        for (file, edits) in edits {
            let text = self.files.text(*file).unwrap_or_else(|_| "".into());
            look.pretend(*file, edited(&text, edits).into());
        }
        self.check_with(look, &self.files.all())
    }

    fn check(&self, roots: &[FileId]) -> View {
        self.check_with(Look::new(&self.files, self.today), roots)
    }

    fn check_with(&self, look: Look<'_>, roots: &[FileId]) -> View {
        let mut checked = check_project(&look, roots);
        let folder = roots.first().and_then(|file| self.files.path(*file)).filter(|path| path.is_absolute());
        let (levels, settings) = folder.and_then(|path| path.parent().map(self.levels_of)).unwrap_or_default();
        settings.iter().for_each(|path| look.touch(path));
        checked.problems.all.retain(|problem| problem.severity() == Severity::Error || levels.of(problem.code) != Level::Allow);
        View::new(checked, levels, look.touched(), self.today)
    }

    fn is_fresh(&self, view: &View) -> bool {
        view.touched.iter().all(|(path, mark)| self.files.mark(path) == *mark)
    }

    /// Whether a kept view of the file rests on this path.
    pub fn rests_on(&self, file: FileId, path: &Path) -> bool {
        self.views.iter().any(|(known, view)| *known == file && view.touched.contains_key(path))
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
