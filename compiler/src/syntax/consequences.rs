//! One slip, one message: of the problems of one item, those that come only because of another one are forgotten.

use crate::Span;
use crate::problems::{Problem, Problems};
use std::collections::BTreeSet;

/// The problems of one item that stand for themselves, sorted by place. `fallen_apart`: it is a part of an item of which the
/// brackets do not tell what belongs to what. Returns whether this one is such an item.
pub(super) fn forget(text: &str, mut all: Vec<Problem>, fallen_apart: bool) -> (Problems, bool) {
    if all.is_empty() {
        return (Problems::default(), false);
    }
    all.sort_by_key(|problem| (problem.span.start, problem.span.end));
    let lines = Lines::of(text, &all);
    let unclosed = all.iter().filter(|problem| problem.code == "E0005");
    let mut kept = Kept {
        text,
        unclosed: unclosed.clone().map(|problem| lines.of_place(problem.span.start)).collect(),
        lines,
        derailed: BTreeSet::new(),
        said: BTreeSet::new(),
        unread_until: 0,
        scattered_from: (fallen_apart || unclosed.clone().any(|problem| scatters(text, problem))).then_some(0),
        problems: Problems::default(),
    };
    for problem in all {
        kept.take(problem);
    }
    (kept.problems, kept.scattered_from.is_some())
}

struct Kept<'a> {
    text: &'a str,
    lines: Lines,
    /// Lines with a text that is never closed.
    unclosed: BTreeSet<usize>,
    /// Lines of which something was said already.
    said: BTreeSet<usize>,
    /// Lines whose rest was not read as it was meant.
    derailed: BTreeSet<usize>,
    /// What stands before this was not read as it was meant.
    unread_until: u32,
    /// From here on it is not known what belongs to what.
    scattered_from: Option<u32>,
    problems: Problems,
}

impl Kept<'_> {
    fn take(&mut self, problem: Problem) {
        let (line, start) = (self.lines.of_place(problem.span.start), problem.span.start);
        let unclosed = self.unclosed.contains(&line);
        if !self.derailed.is_empty() && stands_behind_its_item(&problem) || self.said.contains(&line) && is_no_step(&problem) {
            return;
        }
        let scattered = self.scattered_from.is_some_and(|from| start >= from);
        let lost = scattered || unclosed || self.derailed.contains(&line) || start < self.unread_until;
        if lost && is_follower(&problem) || unclosed && problem.code == "E0012" {
            return;
        }
        let Some(problem) = self.beside_the_last(problem) else { return };
        self.remember(&problem, line);
        self.problems.push(problem);
    }

    fn remember(&mut self, problem: &Problem, line: usize) {
        let missing = problem.related.first().map(|related| related.span.end);
        if derails(problem) {
            self.derailed.insert(line);
        }
        if is_follower(problem) {
            self.said.insert(line);
        }
        if scatters(self.text, problem) {
            self.scattered_from.get_or_insert(missing.unwrap_or(problem.span.start));
        } else if problem.code == "E0013" {
            self.unread_until = missing.unwrap_or(0);
            self.derailed.extend(missing.map(|place| self.lines.of_place(place)));
        }
    }

    /// Of two problems at one place the second is a consequence: something missing behind another missing thing, or
    /// something unexpected where the missing thing would stand.
    fn beside_the_last(&mut self, problem: Problem) -> Option<Problem> {
        let Some(last) = self.problems.all.last() else { return Some(problem) };
        match last.code {
            "E0017" if last.span.start == problem.span.start => None,
            "E0011" if self.same_place(last.span, problem.span) => match problem.code {
                "E0011" if last.span.start == problem.span.start => None,
                "E0012" if is_generic(&problem) => None,
                "E0012" | "E0017" => {
                    self.problems.all.pop();
                    Some(problem)
                }
                _ => Some(problem),
            },
            _ => Some(problem),
        }
    }

    /// Whether only blanks on one line lie between the first, empty span and the second.
    fn same_place(&self, first: Span, second: Span) -> bool {
        let between = self.text.get(first.end as usize..second.start as usize);
        first.start == first.end && between.is_some_and(|between| between.bytes().all(|byte| matches!(byte, b' ' | b'\t')))
    }
}

/// Tells lines apart, from the first problem's on.
struct Lines {
    ends: Vec<usize>,
}

impl Lines {
    /// `all`: sorted by place.
    fn of(text: &str, all: &[Problem]) -> Lines {
        let start = all.first().map_or(0, |problem| problem.span.start as usize);
        let end = all
            .iter()
            .map(|problem| problem.related.first().map_or(problem.span, |related| related.span).end.max(problem.span.end));
        let end = end.max().map_or(start, |end| end as usize);
        let bytes = text.as_bytes().get(start..end).unwrap_or_default();
        Lines { ends: bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| start + at).collect() }
    }

    fn of_place(&self, place: u32) -> usize {
        self.ends.partition_point(|end| *end < place as usize)
    }
}

/// Says no more than that something else was expected.
fn is_generic(problem: &Problem) -> bool {
    problem.fix.is_none() && problem.help.as_deref().is_none_or(|help| help.starts_with("expected "))
}

/// May be there only because something before it was not read as it was meant.
fn is_follower(problem: &Problem) -> bool {
    match problem.code {
        "E0011" | "E0013" | "E0016" => true,
        "E0010" | "E0015" => !names_the_word_that_is_meant(problem),
        "E0012" => is_unexpected(problem),
        _ => false,
    }
}

fn is_no_step(problem: &Problem) -> bool {
    matches!(problem.code, "E0010" | "E0015") && !names_the_word_that_is_meant(problem)
}

/// A bracket closed the item before its end.
fn stands_behind_its_item(problem: &Problem) -> bool {
    let help = problem.help.as_deref().unwrap_or_default();
    problem.code == "E0010" && !names_the_word_that_is_meant(problem)
        || help.starts_with("no bracket is open")
        || help == "expected the next item"
}

fn is_unexpected(problem: &Problem) -> bool {
    is_generic(problem) || problem.help.as_deref().is_some_and(|help| help.starts_with("no bracket is open"))
}

/// What stands behind it on its line is read differently from what was meant.
fn derails(problem: &Problem) -> bool {
    match problem.code {
        "E0012" => is_unexpected(problem),
        // Behind a misspelt keyword that was taken for another than was meant, too.
        "E0010" | "E0015" => true,
        "E0011" => ["bracket", "{", "for the setting"].iter().any(|part| problem.message.contains(part)),
        "E0013" => true,
        _ => false,
    }
}

/// What follows in the item belongs to something else than what was meant.
fn scatters(text: &str, problem: &Problem) -> bool {
    match problem.code {
        "E0005" => text.get(problem.span.range()) == Some("\"\"\""),
        "E0013" => text.get(problem.span.range()) == Some("{") && !problem.message.contains("record"),
        "E0011" => problem.message.contains("a `{`"),
        _ => false,
    }
}

fn names_the_word_that_is_meant(problem: &Problem) -> bool {
    problem.fix.as_ref().is_some_and(|fix| fix.edits.iter().any(|edit| edit.span == problem.span))
}
