//! Problems as workflow commands, which GitHub shows as annotations beside the lines of a pull request.

use super::super::position::Files;
use super::super::{Problem, Problems, Severity, explain};
use super::in_order;
use crate::FileId;
use crate::world::Source;

/// One line per problem: `::error file=…,line=…,col=…,endColumn=…,title=…::message`.
pub fn github(problems: &Problems, read: &dyn Fn(FileId) -> Source) -> String {
    let mut files = Files::new(read);
    in_order(problems).iter().map(|problem| annotation(problem, &mut files) + "\n").collect()
}

fn annotation(problem: &Problem, files: &mut Files<'_>) -> String {
    let (start, end) = files.range(problem.span);
    let lines = files.lines(problem.span.file);
    let path = property(lines.path());
    // GitHub takes columns only where the annotation stays on one line.
    let extent = match start.line == end.line {
        true => format!("line={},col={},endColumn={}", start.line, start.column, end.column),
        false => format!("line={},endLine={}", start.line, end.line),
    };
    let title = match explain(problem.code) {
        Some(explanation) => format!("{}: {}", problem.code, explanation.title),
        None => problem.code.to_owned(),
    };
    let command = match problem.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    format!("::{command} file={path},{extent},title={}::{}", property(&title), data(&whole_message(problem, files)))
}

/// The message with everything that the terminal would show around the lines.
fn whole_message(problem: &Problem, files: &mut Files<'_>) -> String {
    let mut message = problem.message.clone();
    if !problem.label.is_empty() {
        message.push_str(&format!(": {}", problem.label));
    }
    for related in &problem.related {
        let (start, _) = files.range(related.span);
        let path = files.lines(related.span.file).path().to_owned();
        message.push_str(&format!("\n{path}:{}:{}: {}", start.line, start.column, related.message));
    }
    let advice = [("Help", problem.help.as_deref()), ("Fix", problem.fix.as_ref().map(|fix| fix.title.as_str()))];
    for (word, text) in advice {
        message.extend(text.map(|text| format!("\n{word}: {text}")));
    }
    message
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
