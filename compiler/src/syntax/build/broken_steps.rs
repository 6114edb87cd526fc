//! What stands where a step should and is none.

use super::{Builder, Pair, meant_by, nearest};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{Step, StepKind};

/// The words that start a step.
const STEP_WORDS: [&str; 15] = [
    "source", "let", "do", "if", "match", "for", "repeat", "set", "parallel", "wait", "approve", "output", "fail", "stop",
    "yield",
];

/// The words of other languages for steps.
const FOREIGN_STEPS: [(&str, &str); 7] = [
    ("var", "let"),
    ("const", "let"),
    ("val", "let"),
    ("return", "output"),
    ("switch", "match"),
    ("foreach", "for"),
    ("throw", "fail"),
];

impl<'a> Builder<'a> {
    /// Each line of the stretch that starts with a word is a statement of its own.
    pub(super) fn broken_steps(&mut self, span: Span, flow: bool, behind_a_step: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        for span in self.statements(span) {
            if flow && !behind_a_step && steps.is_empty() && self.is_setting(span) {
                self.broken_member(span, &[], "a setting (`name: value`) or a step");
                continue;
            }
            self.report_broken_step(span, flow);
            steps.push(Step { span, doc: self.doc(span), kind: StepKind::Broken });
        }
        steps
    }

    /// Whether the stretch looks like a setting without its colon: a word that is no step's, then nothing or a value.
    fn is_setting(&self, span: Span) -> bool {
        let source = self.source(span);
        let word = super::first_token(source);
        let rest = source.get(word.len()..).unwrap_or_default().trim_start();
        let is_word = word.starts_with(|character: char| character.is_ascii_alphabetic());
        is_word && !rest.starts_with(['(', '.', '=', '{', ':']) && nearest(word, STEP_WORDS).is_none() && !rest.contains(" = ")
    }

    /// Divides an unreadable stretch at the lines that start with a word outside of brackets.
    fn statements(&self, span: Span) -> Vec<Span> {
        let start = span.start as usize - self.base;
        let masked = self.masked.get(start..span.end as usize - self.base).unwrap_or_default();
        let mut starts = vec![0];
        let (mut depth, mut line_start) = (0usize, false);
        for (at, byte) in masked.bytes().enumerate() {
            match byte {
                b'\n' => line_start = true,
                b' ' | b'\t' | b'\r' => {}
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    line_start = false;
                }
                _ => {
                    if line_start && depth == 0 && byte.is_ascii_alphabetic() {
                        starts.push(at);
                    }
                    line_start = false;
                }
            }
        }
        let ends = starts.iter().skip(1).copied().chain([masked.len()]).collect::<Vec<_>>();
        let trimmed = |(from, to): (usize, usize)| from..from + masked.get(from..to).unwrap_or_default().trim_end().len();
        let ranges = starts.into_iter().zip(ends).map(trimmed);
        ranges.map(|range| self.range(start + range.start, start + range.end)).collect()
    }

    pub(super) fn report_broken_step(&mut self, span: Span, flow: bool) {
        let source = self.source(span);
        let word = super::first_token(source);
        let word_span = Span { end: span.start + word.len() as u32, ..span };
        let rest = source.get(word.len()..).unwrap_or_default().trim_start();
        let is_word = word.starts_with(|character: char| character.is_ascii_alphabetic());
        if is_word && rest.starts_with(':') && !flow {
            let message = format!("the setting `{word}` cannot stand here");
            self.report(
                Problem::new("E0016", word_span, message).help("settings stand at the start of the flow, before its steps"),
            );
        } else if is_word && rest.starts_with('(') || rest.starts_with('.') {
            let problem = Problem::new("E0015", word_span, format!("`{word}` does not start a step"));
            let start = Span { end: span.start, ..span };
            let problem = problem.help("a call whose result is used starts with `let NAME =`, an action with `do`");
            self.report(problem.fix("write `do`", start, "do "));
        } else if is_word && rest.starts_with('=') && !rest.starts_with("==") {
            let start = Span { end: span.start, ..span };
            let problem = Problem::new("E0015", word_span, format!("`{word} = …` is not a step"));
            let problem = problem.help("a value gets its name with `let`; inside of `repeat`, `set` gives it a new value");
            self.report(problem.fix("write `let`", start, "let "));
        } else if is_word {
            let problem = Problem::new("E0015", word_span, format!("there is no step `{word}`"));
            let problem = problem.help(format!("a step starts with one of: {}", STEP_WORDS.join(", ")));
            self.report(match nearest(word, STEP_WORDS).or_else(|| meant_by(word, &FOREIGN_STEPS)) {
                Some(meant) => problem.fix(format!("write `{meant}`"), word_span, meant),
                None => problem,
            });
        } else {
            self.unexpected_at(span, "a step");
        }
    }

    /// What stands behind a step: the rest of its line is in its way, and other lines are statements of their own.
    pub(super) fn step_junk(&mut self, pair: &Pair<'a>, wanted: &str) {
        let span = self.span(pair);
        let before = self.masked.get(..span.start as usize - self.base).unwrap_or_default();
        let own_line = before.trim_end_matches([' ', '\t', '\r']).ends_with('\n');
        for (index, statement) in self.statements(span).into_iter().enumerate() {
            if index == 0 && !own_line {
                self.unexpected_at(statement, wanted);
            } else {
                self.report_broken_step(statement, true);
            }
        }
    }
}
