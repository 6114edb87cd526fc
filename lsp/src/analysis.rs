//! The thread that owns the documents.

use crate::documents::Documents;
use crate::positions::{offset, position, range};
use pmflow_compiler::types::{Checked, check_project};
use pmflow_compiler::{FileId, Problem, Severity, format};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use tokio::sync::{mpsc as channel, oneshot};
use tower_lsp_server::ls_types::*;

/// What an editor wants; in the order in which it asked.
pub enum Job {
    Changed { uri: Uri, version: i32, text: String },
    Closed { uri: Uri },
    Format { uri: Uri, reply: oneshot::Sender<Option<Vec<TextEdit>>> },
    Hover { uri: Uri, position: Position, reply: oneshot::Sender<Option<Hover>> },
    Definition { uri: Uri, position: Position, reply: oneshot::Sender<Option<GotoDefinitionResponse>> },
}

pub struct Analysis {
    open: BTreeMap<PathBuf, Arc<str>>,
    versions: BTreeMap<PathBuf, i32>,
    /// Edited since its problems were last published.
    stale: BTreeSet<PathBuf>,
    publish: channel::UnboundedSender<PublishDiagnosticsParams>,
}

impl Analysis {
    pub fn new(publish: channel::UnboundedSender<PublishDiagnosticsParams>) -> Analysis {
        Analysis { open: BTreeMap::new(), versions: BTreeMap::new(), stale: BTreeSet::new(), publish }
    }

    /// Takes jobs until the editor is gone. Problems are published when no edit waits, so a burst is checked once.
    pub fn work(mut self, inbox: &mpsc::Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            let mut next = Some(first);
            while let Some(job) = next {
                self.guarded(job);
                next = inbox.try_recv().ok();
            }
            self.publish_stale();
        }
    }

    /// A panic costs one request.
    fn guarded(&mut self, job: Job) {
        let work = std::panic::AssertUnwindSafe(|| self.one(job));
        if std::panic::catch_unwind(work).is_err() {
            eprintln!("pmflow lsp: a request failed; the next ones go on");
        }
    }

    fn one(&mut self, job: Job) {
        // An editor that no longer waits for an answer is not told.
        match job {
            Job::Changed { uri, version, text } => {
                let Some(path) = path_of(&uri) else { return };
                self.open.insert(path.clone(), text.into());
                self.versions.insert(path.clone(), version);
                self.stale.extend(self.open.keys().cloned());
            }
            Job::Closed { uri } => {
                let Some(path) = path_of(&uri) else { return };
                self.open.remove(&path);
                self.versions.remove(&path);
                self.stale.remove(&path);
                let _ = self.publish.send(PublishDiagnosticsParams { uri, diagnostics: Vec::new(), version: None });
            }
            Job::Format { uri, reply } => drop(reply.send(self.format(&uri))),
            Job::Hover { uri, position, reply } => drop(reply.send(self.hover(&uri, position))),
            Job::Definition { uri, position, reply } => drop(reply.send(self.definition(&uri, position))),
        }
    }

    fn publish_stale(&mut self) {
        for path in std::mem::take(&mut self.stale) {
            let (Some(uri), Some(text)) = (Uri::from_file_path(&path), self.open.get(&path)) else { continue };
            let documents = Documents::new(&self.open);
            let check = std::panic::AssertUnwindSafe(|| {
                let file = documents.load(&path).ok()?;
                Some((file, check_project(&documents, &[file])))
            });
            let Ok(Some((file, checked))) = std::panic::catch_unwind(check) else { continue };
            let of_file = checked.problems.all.iter().filter(|problem| problem.span.file == file);
            let diagnostics = of_file.map(|problem| diagnostic(problem, text, &checked, &documents)).collect();
            let version = self.versions.get(&path).copied();
            // Without an editor there is nobody to tell.
            let _ = self.publish.send(PublishDiagnosticsParams { uri, diagnostics, version });
        }
    }

    fn format(&self, uri: &Uri) -> Option<Vec<TextEdit>> {
        let text = self.open.get(&path_of(uri)?)?;
        let formatted = format::format(FileId(0), text);
        if formatted == **text {
            return Some(Vec::new());
        }
        let whole = Range { start: Position::default(), end: position(text, text.len()) };
        Some(vec![TextEdit { range: whole, new_text: formatted }])
    }

    fn hover(&self, uri: &Uri, at: Position) -> Option<Hover> {
        let path = path_of(uri)?;
        let documents = Documents::new(&self.open);
        let file = documents.load(&path).ok()?;
        let text = self.open.get(&path)?;
        let checked = check_project(&documents, &[file]);
        let (span, ty) = checked.type_at(file, u32::try_from(offset(text, at)).ok()?)?;
        let value = format!("```pmflow\n{ty}\n```");
        let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
        Some(Hover { contents, range: Some(range(text, span.range())) })
    }

    fn definition(&self, uri: &Uri, at: Position) -> Option<GotoDefinitionResponse> {
        let path = path_of(uri)?;
        let documents = Documents::new(&self.open);
        let file = documents.load(&path).ok()?;
        let text = self.open.get(&path)?;
        let checked = check_project(&documents, &[file]);
        let definition = checked.definition_at(file, u32::try_from(offset(text, at)).ok()?)?.definition;
        let target = checked.file(definition.file)?;
        let uri = Uri::from_file_path(documents.path(definition.file)?)?;
        Some(GotoDefinitionResponse::Scalar(Location { uri, range: range(&target.text, definition.range()) }))
    }
}

fn path_of(uri: &Uri) -> Option<PathBuf> {
    let path = uri.to_file_path()?.into_owned();
    Some(path.canonicalize().unwrap_or(path))
}

fn diagnostic(problem: &Problem, text: &str, checked: &Checked, documents: &Documents<'_>) -> Diagnostic {
    let severity = match problem.severity() {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Hint => DiagnosticSeverity::HINT,
    };
    let mut message = problem.message.clone();
    for more in [Some(problem.label.as_str()).filter(|label| !label.is_empty()), problem.help.as_deref()].into_iter().flatten() {
        message.push('\n');
        message.push_str(more);
    }
    let related = problem.related.iter().filter_map(|related| {
        let target = checked.file(related.span.file)?;
        let uri = Uri::from_file_path(documents.path(related.span.file)?)?;
        let location = Location { uri, range: range(&target.text, related.span.range()) };
        Some(DiagnosticRelatedInformation { location, message: related.message.clone() })
    });
    Diagnostic {
        range: range(text, problem.span.range()),
        severity: Some(severity),
        code: Some(NumberOrString::String(problem.code.to_owned())),
        source: Some("pmflow".to_owned()),
        message,
        related_information: Some(related.collect()),
        ..Diagnostic::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The problems of a document, as an editor is told.
    fn published(text: &str) -> Vec<Diagnostic> {
        let (publish, mut published) = channel::unbounded_channel();
        let (jobs, inbox) = mpsc::channel();
        let uri = Uri::from_file_path(Path::new("/nowhere/flow.pmflow")).expect("an absolute path is a URI");
        for (version, text) in ["flow", text].into_iter().enumerate() {
            let version = i32::try_from(version).expect("two versions");
            jobs.send(Job::Changed { uri: uri.clone(), version, text: text.to_owned() }).expect("the inbox is open");
        }
        drop(jobs);
        Analysis::new(publish).work(&inbox);
        let last = published.try_recv().expect("problems are published");
        assert_eq!(last.version, Some(1), "a burst of edits is checked once, at its end");
        assert!(published.try_recv().is_err());
        last.diagnostics
    }

    #[test]
    fn a_mistake_is_published_with_its_code_and_place() {
        let diagnostics = published("flow hello() {\n  output gretting\n}\n");
        let first = diagnostics.first().expect("there is a mistake");
        assert_eq!(first.range.start, Position { line: 1, character: 9 });
        assert_eq!(first.severity, Some(DiagnosticSeverity::ERROR));
        assert!(first.message.contains("gretting"), "{}", first.message);
    }

    #[test]
    fn a_fine_document_has_no_problem() {
        assert_eq!(published("flow hello() {\n  output 1\n}\n"), Vec::new());
    }
}
