//! Misspelt keywords. Where `promt` or `lett` was reported with the word that is meant, the item is read once more with that
//! word, so that what it declares is known to those who use it.

use crate::Span;
use crate::problems::{Problem, Problems};
use std::collections::BTreeMap;

/// The words that can be mended, in the order of their stand-ins: in the masked copy each is one character from U+0100 on,
/// which no text has there and which is as long as the shortest word that is taken for another.
const MENDED: [&str; 30] = [
    "import",
    "type",
    "enum",
    "model",
    "prompt",
    "fn",
    "connector",
    "budget",
    "flow",
    "test",
    "source",
    "let",
    "do",
    "if",
    "match",
    "for",
    "repeat",
    "set",
    "parallel",
    "wait",
    "approve",
    "output",
    "fail",
    "stop",
    "yield",
    "action",
    "example",
    "given",
    "run",
    "expect",
];

const FIRST: char = '\u{100}';

/// How often one item is read at most.
const READINGS_MAX: usize = 8;

/// The misspelt keywords of one item.
#[derive(Default)]
pub(super) struct Misspelt {
    problems: BTreeMap<Span, Problem>,
    readings: usize,
}

impl Misspelt {
    /// The masked text with the words that are meant. None when nothing is misspelt, or only what was mended before.
    pub(super) fn mend(&mut self, masked: &str, base: usize, found: &Problems) -> Option<String> {
        let is_new = |problem: &&Problem| stand_in(problem).is_some() && !self.problems.contains_key(&problem.span);
        let new: Vec<Problem> = found.all.iter().filter(is_new).cloned().collect();
        self.readings += 1;
        if new.is_empty() || self.readings == READINGS_MAX {
            return None;
        }
        let mut bytes = masked.as_bytes().to_vec();
        for problem in &new {
            let range = problem.span.range();
            let word = bytes.get_mut(range.start.checked_sub(base)?..range.end.checked_sub(base)?)?;
            let mut buffer = [0; 4];
            let stand_in = stand_in(problem)?.encode_utf8(&mut buffer).as_bytes();
            word.fill(b' ');
            word.get_mut(..stand_in.len())?.copy_from_slice(stand_in);
        }
        self.problems.extend(new.into_iter().map(|problem| (problem.span, problem)));
        String::from_utf8(bytes).ok()
    }

    /// All problems of the last reading, and those of the misspelt words.
    pub(super) fn beside(self, found: Problems) -> Vec<Problem> {
        let mut all = found.all;
        all.retain(|problem| !self.problems.contains_key(&problem.span));
        all.extend(self.problems.into_values());
        all
    }
}

/// What stands in the masked copy for the word that the fix of a misspelt one writes.
fn stand_in(problem: &Problem) -> Option<char> {
    let edit = problem.fix.as_ref().filter(|_| matches!(problem.code, "E0010" | "E0015"))?.edits.first()?;
    if edit.span != problem.span || edit.span.range().len() < FIRST.len_utf8() {
        return None;
    }
    let position = MENDED.iter().position(|word| *word == edit.text)?;
    char::from_u32(u32::from(FIRST) + u32::try_from(position).ok()?)
}
