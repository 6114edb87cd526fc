//! Changes that an editor offers at a place. A new one is a file here and a line in `ACTIONS`.

mod bound_list;
mod cheaper_model;
mod create_prompt;
mod extract;
mod fill_record;
mod fixes;
mod inline;
mod sort_imports;

use crate::features::rename::{Edits, workspace_edit};
use crate::positions::Lines;
use crate::protocol::Answer;
use crate::syntax::Around;
use crate::workspace::{View, Workspace};
use pmflow_compiler::{FileId, Problem, Span};
use tower_lsp_server::ls_types::*;

/// Where an action is asked for.
pub struct Asked<'a> {
    pub view: &'a View,
    pub lines: &'a Lines,
    pub file: FileId,
    /// In bytes; `from` is `to` for a cursor.
    pub from: u32,
    pub to: u32,
    pub around: Around<'a>,
    /// The problems of the file, each with what the editor shows of it.
    pub problems: &'a [(Problem, Diagnostic)],
}

impl Asked<'_> {
    pub fn span(&self, start: u32, end: u32) -> Span {
        Span { file: self.file, start, end }
    }

    /// The problem of this code inside a stretch.
    pub fn diagnostic(&self, code: &str, within: Span) -> Option<Diagnostic> {
        let inside = |span: Span| within.start <= span.start && span.end <= within.end;
        let found = self.problems.iter().find(|(problem, _)| problem.code == code && inside(problem.span));
        found.map(|(_, diagnostic)| diagnostic.clone())
    }

    /// Where the line of an offset begins.
    pub fn line_start(&self, offset: u32) -> u32 {
        u32::try_from(self.lines.line_start(self.lines.line_of(offset as usize))).unwrap_or(offset)
    }

    /// The white space before the first word of the line.
    pub fn indentation(&self, offset: u32) -> String {
        let line = self.lines.line(self.lines.line_of(offset as usize));
        line.chars().take_while(|c| *c == ' ' || *c == '\t').collect()
    }

    /// Where an item begins, its comments included.
    pub fn start_with_comments(&self, item: Span) -> u32 {
        let mut line = self.lines.line_of(item.start as usize);
        while line > 0 && self.lines.line(line - 1).trim_start().starts_with("//") {
            line -= 1;
        }
        u32::try_from(self.lines.line_start(line)).unwrap_or(item.start)
    }
}

#[derive(Clone, Debug)]
pub struct Offered {
    pub title: String,
    pub kind: CodeActionKind,
    pub edits: Vec<(Span, String)>,
    /// The problem that it mends.
    pub mends: Option<Diagnostic>,
}

impl Offered {
    pub fn new(title: impl Into<String>, kind: CodeActionKind, edits: Vec<(Span, String)>) -> Offered {
        Offered { title: title.into(), kind, edits, mends: None }
    }
}

const ACTIONS: &[fn(&Asked<'_>) -> Vec<Offered>] = &[
    fixes::fixes,
    fixes::all,
    fill_record::fill,
    bound_list::bound,
    create_prompt::create,
    cheaper_model::switch,
    extract::variable,
    extract::function,
    extract::prompt,
    inline::variable,
    sort_imports::sort,
];

pub fn code_actions(workspace: &mut Workspace, params: CodeActionParams) -> Answer<Option<CodeActionResponse>> {
    let file = workspace.document(&params.text_document)?;
    let view = workspace.view(file);
    let lines = workspace.lines(file);
    let problems = crate::diagnostics::with_problems(workspace, &view, file);
    let bytes = lines.bytes(params.range);
    let number = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    let (from, to) = (number(bytes.start), number(bytes.end));
    let Some(tree) = view.tree(file) else { return Ok(None) };
    let around = Around::stretch(tree, from, to);
    let asked = Asked { view: &view, lines: &lines, file, from, to, around, problems: &problems };
    let offered = ACTIONS.iter().flat_map(|action| action(&asked));
    let only = params.context.only;
    let wanted: Vec<Offered> = offered.filter(|offered| is_wanted(&offered.kind, only.as_deref())).collect();
    Ok(Some(wanted.into_iter().map(|offered| as_action(workspace, offered)).collect()))
}

/// A kind holds those that begin with it; what mends a whole file must be asked for.
fn is_wanted(kind: &CodeActionKind, only: Option<&[CodeActionKind]>) -> bool {
    let Some(only) = only else { return *kind != CodeActionKind::SOURCE_FIX_ALL };
    let holds = |wider: &str| {
        wider.is_empty() || kind.as_str().strip_prefix(wider).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    only.iter().any(|wider| holds(wider.as_str()))
}

fn as_action(workspace: &mut Workspace, offered: Offered) -> CodeActionOrCommand {
    let mut edits = Edits::new();
    for (span, text) in offered.edits {
        edits.entry(span.file).or_default().push((span, text));
    }
    CodeActionOrCommand::CodeAction(CodeAction {
        title: offered.title,
        is_preferred: offered.mends.as_ref().map(|_| true),
        diagnostics: offered.mends.map(|diagnostic| vec![diagnostic]),
        kind: Some(offered.kind),
        edit: Some(workspace_edit(workspace, edits)),
        ..CodeAction::default()
    })
}
