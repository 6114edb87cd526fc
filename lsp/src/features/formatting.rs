//! The one layout, as the smallest edits: an editor keeps its cursors and folds where nothing changes.

use crate::positions::Lines;
use crate::protocol::Answer;
use crate::workspace::Workspace;
use pmflow_compiler::FileId;
use pmflow_compiler::format::format;
use tower_lsp_server::ls_types::*;

pub fn document(workspace: &mut Workspace, params: DocumentFormattingParams) -> Answer<Option<Vec<TextEdit>>> {
    let file = workspace.document(&params.text_document)?;
    Ok(Some(edits(workspace, file, None)))
}

pub fn range(workspace: &mut Workspace, params: DocumentRangeFormattingParams) -> Answer<Option<Vec<TextEdit>>> {
    let file = workspace.document(&params.text_document)?;
    let last = params.range.end.line.saturating_sub(u32::from(params.range.end.character == 0));
    let last = last.max(params.range.start.line);
    Ok(Some(edits(workspace, file, Some((params.range.start.line, last)))))
}

/// After `}` the item that it closes is laid out, once the file has no mistake in its brackets; after a line break the
/// line that was left.
pub fn on_type(workspace: &mut Workspace, params: DocumentOnTypeFormattingParams) -> Answer<Option<Vec<TextEdit>>> {
    let at = params.text_document_position;
    let file = workspace.document(&at.text_document)?;
    let lines = workspace.lines(file);
    let offset = u32::try_from(lines.offset(at.position)).unwrap_or(u32::MAX);
    if params.ch == "\n" {
        let left = at.position.line.saturating_sub(1);
        return Ok(Some(edits(workspace, file, Some((left, left)))));
    }
    let parsed = workspace.files.parsed(file, lines.text());
    let closed = parsed.file.items().find(|item| item.span.start < offset && offset <= item.span.end);
    let Some(item) = closed.filter(|_| !parsed.problems.has_errors()) else { return Ok(Some(Vec::new())) };
    let line = |offset: u32| u32::try_from(lines.line_of(offset as usize)).unwrap_or(u32::MAX);
    Ok(Some(edits(workspace, file, Some((line(item.span.start), line(offset))))))
}

fn edits(workspace: &mut Workspace, file: FileId, only: Option<(u32, u32)>) -> Vec<TextEdit> {
    let lines = workspace.lines(file);
    let formatted = format(file, lines.text());
    let touches = |hunk: &Hunk| only.is_none_or(|(first, last)| hunk.old.start <= last as usize && hunk.old.end > first as usize);
    hunks(&lines, &formatted).into_iter().filter(touches).map(|hunk| hunk.edit(&lines)).collect()
}

/// Old lines that become new text.
#[derive(Debug, PartialEq)]
struct Hunk {
    old: std::ops::Range<usize>,
    new: String,
}

impl Hunk {
    fn edit(self, lines: &Lines) -> TextEdit {
        let bytes = lines.line_start(self.old.start)..lines.line_start(self.old.end);
        TextEdit { range: lines.range(bytes), new_text: self.new }
    }
}

/// The lines that differ. The layout moves white space and commas only, so lines are matched by what else stands in them.
fn hunks(lines: &Lines, formatted: &str) -> Vec<Hunk> {
    let old: Vec<&str> = lines.text().split_inclusive('\n').collect();
    let new: Vec<&str> = formatted.split_inclusive('\n').collect();
    let mut hunks: Vec<Hunk> = Vec::new();
    let (mut at_old, mut at_new) = (0, 0);
    while at_old < old.len() || at_new < new.len() {
        if old.get(at_old) == new.get(at_new) {
            (at_old, at_new) = (at_old + 1, at_new + 1);
            continue;
        }
        let (to_old, to_new) = next_match(&old, &new, at_old, at_new);
        let text = new.get(at_new..to_new).unwrap_or_default().concat();
        hunks.push(Hunk { old: at_old..to_old, new: text });
        (at_old, at_new) = (to_old, to_new);
    }
    hunks
}

/// How far a matching line is looked for before everything to the end is replaced.
const LOOKAHEAD: usize = 200;

/// The nearest place behind, in both, from where the same words follow on whole lines.
fn next_match(old: &[&str], new: &[&str], at_old: usize, at_new: usize) -> (usize, usize) {
    let words = |line: &str| line.chars().filter(|c| !c.is_whitespace() && *c != ',').collect::<String>();
    let (mut to_old, mut to_new) = (at_old, at_new);
    let (mut old_words, mut new_words) = (String::new(), String::new());
    for _ in 0..LOOKAHEAD {
        let (Some(old_line), Some(new_line)) = (old.get(to_old), new.get(to_new)) else { break };
        if old_words.len() <= new_words.len() {
            old_words.push_str(&words(old_line));
            to_old += 1;
        } else {
            new_words.push_str(&words(new_line));
            to_new += 1;
        }
        if old_words == new_words && to_old > at_old && (to_new > at_new || old_words.is_empty()) {
            return (to_old, to_new);
        }
    }
    (old.len(), new.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::positions::Encoding;

    #[test]
    fn only_lines_that_differ_are_replaced() {
        let lines = Lines::new("a\n  b\nc\n\n\n\nd { e\n}\nf\n".into(), Encoding::Utf16);
        let formatted = "a\nb\nc\n\nd {\n  e\n}\nf\n";
        let found = hunks(&lines, formatted);
        assert_eq!(found.first(), Some(&Hunk { old: 1..2, new: "b\n".into() }));
        let mut text = String::new();
        let old: Vec<&str> = lines.text().split_inclusive('\n').collect();
        let mut at = 0;
        for hunk in &found {
            text.push_str(&old[at..hunk.old.start].concat());
            text.push_str(&hunk.new);
            at = hunk.old.end;
        }
        text.push_str(&old[at..].concat());
        assert_eq!(text, formatted);
        assert!(found.iter().all(|hunk| hunk.old.end <= 8), "{found:?}");
    }
}
