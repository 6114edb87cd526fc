//! Problems as an editor shows them, pushed or pulled.

use crate::protocol::Answer;
use crate::workspace::{View, Workspace};
use pmflow_compiler::lints::Level;
use pmflow_compiler::{FileId, Problem, Severity};
use std::hash::{Hash as _, Hasher as _};
use std::rc::Rc;
use tower_lsp_server::ls_types::*;

/// The problems of a file, as `pmflow check` finds them.
pub fn of(workspace: &mut Workspace, file: FileId) -> Vec<Diagnostic> {
    let view = workspace.view(file);
    from(workspace, &view, file)
}

fn from(workspace: &mut Workspace, view: &Rc<View>, file: FileId) -> Vec<Diagnostic> {
    let problems: Vec<&Problem> = view.problems_of(file).collect();
    problems.into_iter().map(|problem| diagnostic(workspace, view, problem)).collect()
}

/// As [`of`], each beside the problem that it shows.
pub fn with_problems(workspace: &mut Workspace, view: &View, file: FileId) -> Vec<(Problem, Diagnostic)> {
    let problems: Vec<&Problem> = view.problems_of(file).collect();
    problems.into_iter().map(|problem| (problem.clone(), diagnostic(workspace, view, problem))).collect()
}

fn diagnostic(workspace: &mut Workspace, view: &View, problem: &Problem) -> Diagnostic {
    let severity = match (problem.severity(), view.project.levels.of(problem.code)) {
        (Severity::Error, _) | (_, Level::Deny) => DiagnosticSeverity::ERROR,
        (Severity::Warning, _) => DiagnosticSeverity::WARNING,
        (Severity::Hint, _) => DiagnosticSeverity::HINT,
    };
    let related = problem.related.iter().filter_map(|related| {
        let location = workspace.location(related.span)?;
        Some(DiagnosticRelatedInformation { location, message: related.message.clone() })
    });
    let related: Vec<_> = related.collect();
    Diagnostic {
        range: workspace.range(problem.span),
        severity: Some(severity),
        code: Some(NumberOrString::String(problem.code.to_owned())),
        code_description: format!("https://example.org/pmflow/explain/{}", problem.code)
            .parse()
            .ok()
            .map(|href| CodeDescription { href }),
        source: Some("pmflow".to_owned()),
        message: message(problem),
        related_information: (!related.is_empty()).then_some(related),
        tags: tag(problem).map(|tag| vec![tag]),
        data: None,
    }
}

fn message(problem: &Problem) -> String {
    let mut message = problem.message.clone();
    for more in [Some(problem.label.as_str()).filter(|label| !label.is_empty()), problem.help.as_deref()].into_iter().flatten() {
        message.push('\n');
        message.push_str(more);
    }
    message
}

/// Unused names and steps that are never reached are greyed out, models that end are struck through.
fn tag(problem: &Problem) -> Option<DiagnosticTag> {
    match problem.code {
        "W0101" | "W0102" | "W0103" | "W0104" => Some(DiagnosticTag::UNNECESSARY),
        "W0107" => Some(DiagnosticTag::DEPRECATED),
        _ => None,
    }
}

pub fn pulled(workspace: &mut Workspace, params: DocumentDiagnosticParams) -> Answer<DocumentDiagnosticReportResult> {
    let file = workspace.document(&params.text_document)?;
    let items = of(workspace, file);
    let result_id = fingerprint(&items);
    let report = match params.previous_result_id == Some(result_id.clone()) {
        true => DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id },
        }),
        false => DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport {
            related_documents: None,
            full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(result_id), items },
        }),
    };
    Ok(DocumentDiagnosticReportResult::Report(report))
}

pub fn workspace(workspace: &mut Workspace, params: WorkspaceDiagnosticParams) -> Answer<WorkspaceDiagnosticReportResult> {
    let view = workspace.whole();
    let files: Vec<FileId> = view.checked.files.iter().filter(|file| file.root).map(|file| file.id).collect();
    let mut items = Vec::new();
    for file in files {
        let Some(uri) = workspace.files.uri(file) else { continue };
        let version = workspace.files.version(file).map(i64::from);
        let found = from(workspace, &view, file);
        let result_id = fingerprint(&found);
        let known = params.previous_result_ids.iter().any(|known| known.uri == uri && known.value == result_id);
        items.push(match known {
            true => WorkspaceDocumentDiagnosticReport::Unchanged(WorkspaceUnchangedDocumentDiagnosticReport {
                uri,
                version,
                unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id },
            }),
            false => WorkspaceDocumentDiagnosticReport::Full(WorkspaceFullDocumentDiagnosticReport {
                uri,
                version,
                full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(result_id), items: found },
            }),
        });
    }
    Ok(WorkspaceDiagnosticReportResult::Report(WorkspaceDiagnosticReport { items }))
}

fn fingerprint(diagnostics: &[Diagnostic]) -> String {
    let text = serde_json::to_string(diagnostics).unwrap_or_default();
    let mut hasher = std::hash::DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
