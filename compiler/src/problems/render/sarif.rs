//! Problems as SARIF 2.1.0, which code scanners and editors read.

use super::super::position::Files;
use super::super::{Code, Edit, Explanation, Fix, Problem, Problems, Severity, explain};
use super::in_order;
use crate::world::Source;
use crate::{FileId, Span};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One SARIF log with one run, indented, ending in a line break. Only the rules that were broken are listed.
pub fn sarif(problems: &Problems, read: &dyn Fn(FileId) -> Source) -> String {
    let mut files = Files::new(read);
    let problems = in_order(problems);
    let codes: BTreeSet<Code> = problems.iter().map(|problem| problem.code).collect();
    let indexes: BTreeMap<Code, usize> = codes.iter().enumerate().map(|(index, code)| (*code, index)).collect();
    let results = problems.iter().map(|problem| result(problem, indexes.get(problem.code).copied(), &mut files)).collect();
    let driver =
        Driver { name: "pmflow", semantic_version: env!("CARGO_PKG_VERSION"), rules: codes.into_iter().map(rule).collect() };
    let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
    let log = Log { schema: SCHEMA, version: "2.1.0", runs: vec![run] };
    serde_json::to_string_pretty(&log).expect("a log has only text keys and finite numbers") + "\n"
}

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: Vec<Run>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Finding>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_description: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_description: Option<Text>,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Help {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<SuggestedFix>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Clone, PartialEq, Serialize)]
struct ArtifactLocation {
    uri: String,
}

/// Lines and columns from 1; the end column is the one after the last character.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SuggestedFix {
    description: Text,
    artifact_changes: Vec<ArtifactChange>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: ArtifactLocation,
    replacements: Vec<Replacement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Text,
}

fn rule(code: Code) -> Rule {
    let explanation = explain(code);
    Rule {
        id: code,
        short_description: explanation.map(|explanation| text(explanation.title)),
        full_description: explanation.map(|explanation| text(first_paragraph(explanation))),
        help: Help {
            text: match explanation {
                Some(_) => format!("Run `pmflow explain {code}` for the whole story."),
                None => "A policy of this project; it was given on the command line.".to_owned(),
            },
            markdown: explanation.map(|explanation| format!("# {}\n\n{}", explanation.title, explanation.text)),
        },
        default_configuration: Configuration { level: level(Problem::new(code, NOWHERE, "").severity()) },
    }
}

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn first_paragraph(explanation: &Explanation) -> String {
    explanation.text.split("\n\n").next().unwrap_or(explanation.title).replace('\n', " ")
}

fn result(problem: &Problem, rule_index: Option<usize>, files: &mut Files<'_>) -> Finding {
    let related = problem.related.iter().enumerate();
    Finding {
        rule_id: problem.code,
        rule_index,
        level: level(problem.severity()),
        message: text(whole_message(problem)),
        locations: vec![location(problem.span, None, None, files)],
        related_locations: related
            .map(|(index, related)| location(related.span, Some(index), Some(&related.message), files))
            .collect(),
        fixes: problem.fix.iter().filter(|fix| !fix.edits.is_empty()).map(|fix| suggested_fix(fix, files)).collect(),
    }
}

fn whole_message(problem: &Problem) -> String {
    let mut message = problem.message.clone();
    if !problem.label.is_empty() {
        message.push_str(&format!(": {}", problem.label));
    }
    message.extend(problem.help.as_ref().map(|help| format!("\n{help}")));
    message
}

fn suggested_fix(fix: &Fix, files: &mut Files<'_>) -> SuggestedFix {
    let mut changes: Vec<ArtifactChange> = Vec::new();
    for edit in &fix.edits {
        let artifact_location = artifact(edit.span.file, files);
        let replacement = replacement(edit, files);
        match changes.iter_mut().find(|change| change.artifact_location == artifact_location) {
            Some(change) => change.replacements.push(replacement),
            None => changes.push(ArtifactChange { artifact_location, replacements: vec![replacement] }),
        }
    }
    SuggestedFix { description: text(fix.title.as_str()), artifact_changes: changes }
}

fn replacement(edit: &Edit, files: &mut Files<'_>) -> Replacement {
    Replacement { deleted_region: region(edit.span, files), inserted_content: text(edit.text.as_str()) }
}

fn location(span: Span, id: Option<usize>, message: Option<&String>, files: &mut Files<'_>) -> Location {
    let physical_location = PhysicalLocation { artifact_location: artifact(span.file, files), region: region(span, files) };
    Location { id, physical_location, message: message.map(|message| text(message.as_str())) }
}

fn artifact(file: FileId, files: &mut Files<'_>) -> ArtifactLocation {
    ArtifactLocation { uri: relative_uri(files.lines(file).path()) }
}

fn region(span: Span, files: &mut Files<'_>) -> Region {
    let (start, end) = files.range(span);
    Region { start_line: start.line, start_column: start.column, end_line: end.line, end_column: end.column }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

fn text(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

/// A path as a relative reference: everything but letters, digits and `-._~/` is percent-encoded, so that a colon in a
/// file's name is not taken for a scheme.
fn relative_uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    })
}
