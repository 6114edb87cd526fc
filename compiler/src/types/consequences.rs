//! One slip, one message: what the checker finds only because something could not be read is left out.
//!
//! A stretch is damaged where a problem of syntax stands: its lines, or the whole item where the brackets of the item no longer
//! tell what belongs to what. Left out are the checker's problems inside of damaged lines, unknown names that occur in a
//! damaged stretch (it may declare them), and what an item lacks that is damaged (it may stand in the part that was not read).

use super::CheckedFile;
use crate::Span;
use crate::problems::{Problem, Problems};
use crate::syntax::ast::ItemKind;
use std::collections::BTreeSet;

/// Something is called by a name that nothing bears.
const UNKNOWN_NAME: [&str; 8] = ["E0101", "E0105", "E0106", "E0107", "E0109", "E0206", "E0407", "E0801"];

/// Something is not there.
const MISSING: [&str; 8] = ["E0207", "E0214", "E0301", "E0403", "E0405", "E0601", "E0602", "E0802"];

/// What could not be read.
#[derive(Default)]
pub(super) struct Damage {
    /// Of the problems.
    places: Stretches,
    lines: Stretches,
    /// Items with a problem of syntax.
    items: Stretches,
    /// The rest of an item from where its parts are not known any more.
    scattered: Stretches,
    /// The names in all of it.
    names: BTreeSet<String>,
    /// Names with which the next word has grown together, as in `judgemessage: text)`.
    merged: Vec<String>,
}

impl Damage {
    /// `problems`: of syntax.
    pub fn of(files: &[CheckedFile], problems: &Problems) -> Damage {
        let mut damage = Damage::default();
        let (mut unread, mut last_line) = (Stretches::default(), None);
        for problem in problems.all.iter().filter(|problem| is_damage(problem)) {
            let Some(file) = files.iter().find(|file| file.id == problem.span.file) else { continue };
            // One line may have very many problems.
            let known = last_line.filter(|line| contains(*line, problem.span) && problem.related.is_empty());
            let lines = known.unwrap_or_else(|| lines_of(&file.text, with_related(problem)));
            last_line = Some(lines);
            damage.add(file, problem, lines, &mut unread);
        }
        for stretches in [&mut damage.places, &mut damage.lines, &mut damage.items, &mut damage.scattered, &mut unread] {
            stretches.merge();
        }
        for stretch in &unread.all {
            let text = files.iter().find(|file| file.id == stretch.file).and_then(|file| file.text.get(stretch.range()));
            damage.names.extend(names_in(text.unwrap_or_default()).map(str::to_owned));
        }
        damage
    }

    fn add(&mut self, file: &CheckedFile, problem: &Problem, lines: Span, unread: &mut Stretches) {
        self.places.all.push(problem.span);
        let (item, cut) = item_around(file, problem.span);
        self.items.all.extend(item);
        let whole = item.filter(|_| cut || loses_structure(problem, &file.text));
        if problem.code != "E0013" || whole.is_none() {
            self.lines.all.push(lines);
        }
        // Quotes that stand alone are the end of a text whose beginning is missing.
        let quotes_alone = problem.code == "E0005" && starts_its_line(&file.text, problem.span);
        let last = Span { start: with_related(problem).end, end: lines.end, ..lines };
        let from = if quotes_alone { 0 } else { lines_of(&file.text, last).start };
        self.scattered.all.extend(whole.map(|item| Span { start: from, ..item }));
        unread.all.push(whole.unwrap_or(lines));
        if problem.code == "E0011" && problem.message.contains("round brackets") {
            self.merged.extend(names_in(file.text.get(lines.range()).unwrap_or_default()).take(2).map(str::to_owned));
        }
    }

    /// Whether what is declared here is not known: its uses are no mistakes of their own.
    pub fn covers(&self, span: Span) -> bool {
        self.lines.contain(span)
    }

    /// Whether any of what could not be read reaches into the stretch.
    pub fn meets(&self, span: Span) -> bool {
        [&self.places, &self.lines, &self.items, &self.scattered].into_iter().any(|stretches| stretches.meet(span))
    }

    /// Whether a part of the stretch could not be read.
    pub fn touches(&self, span: Span) -> bool {
        self.places.touch(span)
    }

    pub fn without_consequences(&self, files: &[CheckedFile], problems: Problems) -> Problems {
        if self.names.is_empty() {
            return problems;
        }
        let text = |span: Span| files.iter().find(|file| file.id == span.file).and_then(|file| file.text.get(span.range()));
        let kept = problems.all.into_iter().filter(|problem| is_syntax(problem) || !self.explains(problem, text(problem.span)));
        Problems { all: kept.collect() }
    }

    fn explains(&self, problem: &Problem, text: Option<&str>) -> bool {
        self.lines.contain(problem.span)
            || self.scattered.contain(problem.span)
            || problem.related.iter().any(|related| self.covers(related.span))
            || MISSING.contains(&problem.code) && self.items.contain(problem.span)
            || UNKNOWN_NAME.contains(&problem.code) && text.is_some_and(|text| names_in(text).any(|name| self.may_declare(name)))
    }

    fn may_declare(&self, name: &str) -> bool {
        self.names.contains(name) || self.merged.iter().any(|merged| merged.starts_with(name) || merged.ends_with(name))
    }
}

/// Stretches of files; sorted and apart from each other once they are merged.
#[derive(Default)]
struct Stretches {
    all: Vec<Span>,
}

impl Stretches {
    fn merge(&mut self) {
        self.all.sort_unstable();
        self.all.dedup_by(|next, before| {
            let together = next.file == before.file && next.start <= before.end;
            if together {
                before.end = before.end.max(next.end);
            }
            together
        });
    }

    /// Whether the place where the span starts lies in one of them.
    fn contain(&self, span: Span) -> bool {
        let before = self.all.partition_point(|stretch| (stretch.file, stretch.start) <= (span.file, span.start));
        before.checked_sub(1).and_then(|index| self.all.get(index)).is_some_and(|stretch| contains(*stretch, span))
    }

    /// Whether one of them has a place in common with the span.
    fn meet(&self, span: Span) -> bool {
        let before = self.all.partition_point(|stretch| (stretch.file, stretch.start) <= (span.file, span.end));
        before
            .checked_sub(1)
            .and_then(|last| self.all.get(last))
            .is_some_and(|last| last.file == span.file && last.end >= span.start)
    }

    /// Whether one of them starts in the span.
    fn touch(&self, span: Span) -> bool {
        let first = self.all.partition_point(|stretch| (stretch.file, stretch.start) < (span.file, span.start));
        self.all.get(first).is_some_and(|stretch| contains(span, *stretch))
    }
}

fn is_syntax(problem: &Problem) -> bool {
    problem.code.starts_with("E00")
}

/// A misspelt keyword is read as the word that is meant, and damages nothing.
fn is_damage(problem: &Problem) -> bool {
    let mended = matches!(problem.code, "E0010" | "E0015")
        && problem.fix.as_ref().is_some_and(|fix| fix.edits.iter().any(|edit| edit.span == problem.span));
    is_syntax(problem) && !mended
}

/// The problem's stretch with the places that explain it.
fn with_related(problem: &Problem) -> Span {
    let end = problem.related.iter().map(|related| related.span.end).chain([problem.span.end]).max();
    Span { end: end.unwrap_or(problem.span.end), ..problem.span }
}

/// Whether it is no longer known where the parts of the item end.
fn loses_structure(problem: &Problem, text: &str) -> bool {
    match problem.code {
        "E0005" => text.get(problem.span.range()) == Some("\"\"\""),
        "E0013" => text.get(problem.span.range()) == Some("{"),
        "E0011" => problem.message.contains("a `{`") || problem.message.contains("round brackets"),
        "E0010" => true,
        _ => false,
    }
}

/// The item, with what stands behind it and is none: then a bracket closed it too early.
fn item_around(file: &CheckedFile, span: Span) -> (Option<Span>, bool) {
    let before = file.ast.items.partition_point(|item| item.span.start <= span.start);
    let mut items = file.ast.items.iter().skip(before.saturating_sub(1));
    let Some(item) = items.next().filter(|_| before > 0) else { return (None, false) };
    match items.next() {
        Some(rest) if matches!(rest.kind, ItemKind::Broken) && is_rest(&file.text, rest.span) => {
            (Some(item.span.to(rest.span)), true)
        }
        _ => (Some(item.span), false),
    }
}

/// Whether the stretch is the end of the item before, and no item of which the keyword is misspelt.
fn is_rest(text: &str, span: Span) -> bool {
    let at = span.start as usize;
    text.as_bytes().get(at) == Some(&b'}') || at > 0 && text.as_bytes().get(at - 1) != Some(&b'\n')
}

fn starts_its_line(text: &str, span: Span) -> bool {
    let before = text.get(..span.start as usize).unwrap_or_default();
    before.trim_end_matches([' ', '\t']).ends_with('\n')
}

fn lines_of(text: &str, span: Span) -> Span {
    let start = text.get(..span.start as usize).and_then(|before| before.rfind('\n')).map_or(0, |end| end as u32 + 1);
    let end = text.get(span.end as usize..).and_then(|rest| rest.find('\n')).map_or(text.len() as u32, |at| span.end + at as u32);
    Span { start, end, ..span }
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.file == inner.file && outer.start <= inner.start && inner.start <= outer.end
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
}
