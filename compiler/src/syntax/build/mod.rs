//! From the grammar's pairs to the syntax tree. What the grammar let pass (something missing, something in the way) is
//! reported here, in the author's words.

mod broken_steps;
mod expressions;
mod items;
mod literals;
mod modifiers;
mod settings;
mod steps;
mod template;
mod tests;
mod types;

use super::again::DocBefore;
use super::ast::{Comment, Item, Name};
use super::shorten::Short;
use super::{FileId, Span};
pub(super) use crate::problems::nearest;
use crate::problems::{Problem, Problems};
use ecow::EcoString;
use std::cell::Cell;

/// The grammar. Its rules are known in this folder only.
#[derive(pest_derive::Parser)]
#[grammar = "syntax/pmflow.pest"]
#[allow(missing_debug_implementations, reason = "the derived parser is a name without a value")]
struct Grammar;

type Pair<'a> = pest::iterators::Pair<'a, Rule>;
type Pairs<'a> = pest::iterators::Pairs<'a, Rule>;

/// How deep a syntax tree may be; an operator, a call and a bracket are one level each.
const TREE_DEPTH_MAX: usize = 256;

/// The documentation of a file, by the token it stands above.
pub(super) struct Docs {
    docs: Vec<super::scan::Doc>,
    taken: Vec<bool>,
}

impl Docs {
    pub(super) fn new(docs: Vec<super::scan::Doc>) -> Docs {
        let taken = vec![false; docs.len()];
        Docs { docs, taken }
    }

    /// The documentation above the token that starts at `target`.
    pub(super) fn take(&mut self, target: u32) -> Option<EcoString> {
        let index = self.docs.binary_search_by_key(&target, |doc| doc.target).ok()?;
        *self.taken.get_mut(index)? = true;
        self.docs.get(index).map(|doc| doc.text.clone())
    }

    /// What stands above the tokens of a part.
    pub(super) fn within(&self, part: &std::ops::Range<usize>) -> Vec<DocBefore> {
        let first = self.docs.partition_point(|doc| (doc.target as usize) < part.start);
        let docs = self.docs.iter().zip(&self.taken).skip(first).take_while(|(doc, _)| (doc.target as usize) < part.end);
        let before = |(doc, taken): (&super::scan::Doc, &bool)| DocBefore {
            at: doc.target as usize - part.start,
            text: doc.text.clone(),
            taken: *taken,
        };
        docs.map(before).collect()
    }

    /// The lines that document nothing: they are comments.
    pub(super) fn unattached(self) -> Vec<Comment> {
        self.docs.into_iter().zip(self.taken).filter(|(_, taken)| !taken).flat_map(|(doc, _)| doc.lines).collect()
    }
}

/// Reads one part of a file.
pub(super) struct Builder<'a> {
    file: FileId,
    /// The whole file.
    text: &'a str,
    /// The part, masked.
    masked: &'a str,
    /// The same for the grammar.
    short: &'a Short,
    /// Where the part starts in the file.
    base: usize,
    docs: &'a mut Docs,
    pub(super) problems: Problems,
    depth: usize,
    /// Counts [`Builder::range`], which every node and every token goes through.
    pub(super) stretches_read: Cell<u64>,
}

impl<'a> Builder<'a> {
    /// `short` is made from `masked`, which starts at the byte `base` of the file.
    pub(super) fn new(
        file: FileId,
        text: &'a str,
        masked: &'a str,
        short: &'a Short,
        base: usize,
        docs: &'a mut Docs,
    ) -> Builder<'a> {
        Builder { file, text, masked, short, base, docs, problems: Problems::default(), depth: 0, stretches_read: Cell::new(0) }
    }

    /// Reads the part as items: usually one; what follows it and is no item is a broken one.
    pub(super) fn items(&mut self, items: &mut Vec<Item>) {
        self.read_items(items);
    }

    fn parse(&mut self, rule: Rule) -> Option<Pairs<'a>> {
        match <Grammar as pest::Parser<Rule>>::parse(rule, &self.short.text) {
            Ok(mut pairs) => pairs.next().map(Pair::into_inner),
            Err(_) => {
                let span = self.range(0, self.masked.len());
                self.report(
                    Problem::new("E0001", span, "this part of the file is too long to be read")
                        .help("divide it into smaller items"),
                );
                None
            }
        }
    }

    fn range(&self, start: usize, end: usize) -> Span {
        self.stretches_read.set(self.stretches_read.get() + 1);
        Span { file: self.file, start: (self.base + start) as u32, end: (self.base + end) as u32 }
    }

    /// Without the blanks behind it, which a rule takes along when an optional part after them is missing.
    fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        let (start, end) = self.short.range(span.start(), span.start() + span.as_str().trim_end().len());
        self.range(start, end)
    }

    /// The stretch as the author wrote it.
    fn source(&self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn name(&self, pair: &Pair<'_>) -> Name {
        Name { text: self.source(self.span(pair)).into(), span: self.span(pair) }
    }

    /// A name that is not there; already reported.
    fn no_name(&self, at: Span) -> Name {
        Name { text: EcoString::new(), span: behind(at) }
    }

    fn name_or_report(&mut self, found: Option<Name>, after: Span, what: &str) -> Name {
        found.unwrap_or_else(|| {
            self.expected(after, what);
            self.no_name(after)
        })
    }

    fn doc(&mut self, span: Span) -> Option<EcoString> {
        self.docs.take(span.start)
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Something is missing behind `after`.
    fn expected(&mut self, after: Span, what: &str) {
        let at = behind(after);
        self.report(Problem::new("E0011", at, format!("expected {what}")).label("here"));
    }

    /// The same, with the text to write.
    fn expected_with_fix(&mut self, after: Span, what: &str, insert: &str) {
        let at = behind(after);
        let problem = Problem::new("E0011", at, format!("expected {what}")).label("here");
        self.report(problem.fix(format!("write `{}`", insert.trim()), at, insert));
    }

    /// Something stands where `wanted` was expected.
    fn unexpected(&mut self, pair: &Pair<'_>, wanted: &str) {
        let span = self.span(pair);
        self.unexpected_at(span, wanted);
    }

    fn unexpected_at(&mut self, span: Span, wanted: &str) {
        let source = self.source(span);
        let token = first_token(source);
        let smallest = Span { end: span.start + token.len() as u32, ..span };
        let problem = Problem::new("E0012", smallest, format!("`{token}` is not expected here"));
        let problem = match foreign_operator(source) {
            Some((theirs, ours)) => {
                let operator = Span { end: span.start + theirs.len() as u32, ..span };
                let problem = Problem::new("E0012", operator, format!("`{theirs}` is not an operator of this language"));
                problem.fix(format!("write `{}`", ours.trim()), operator, ours)
            }
            None if token == ";" => {
                problem.help("steps and settings need no sign between them").fix("take it away", smallest, "")
            }
            None if matches!(token, "'" | "`") => problem.help("texts stand in double quotes"),
            None if token == "$" => problem.help("money is written `$5.00`, with its digits right behind the sign"),
            None if token == "#" => problem.help("a comment begins with `//`").fix("write `//`", smallest, "//"),
            None if token == "?" && wanted.contains("step") => {
                problem.help("a choice between two values is written `if … then … else …`")
            }
            None if matches!(token, ")" | "]" | "}") => problem.help("no bracket is open that this one would close"),
            None if token == "=" && wanted.starts_with("an operator") => {
                problem.help("two values are compared with `==`").fix("write `==`", smallest, "==")
            }
            None => problem.help(format!("expected {wanted}")),
        };
        self.report(problem);
    }

    /// A bracket that nothing closes.
    fn unclosed(&mut self, whole: Span, bracket: &str, of: &str) {
        let opening = Span { end: whole.start + 1, ..whole };
        let at = behind(whole);
        let close = match bracket {
            "(" => ")",
            "[" => "]",
            _ => "}",
        };
        self.report(
            Problem::new("E0013", opening, format!("the `{bracket}` of {of} is never closed"))
                .label("opened here")
                .related(at, format!("`{close}` is missing here"))
                .fix(format!("write `{close}`"), at, close),
        );
    }

    /// Between the elements of a bracket stands one comma.
    fn check_commas(&mut self, comma_before: &mut CommaState, next: &Pair<'_>) {
        let span = self.span(next);
        if next.as_rule() == Rule::comma {
            if !matches!(comma_before, CommaState::Element(_)) {
                let problem = Problem::new("E0012", span, "`,` is not expected here").help("something is missing before it");
                self.report(problem.fix("take it away", span, ""));
            }
            *comma_before = CommaState::Comma;
            return;
        }
        if let CommaState::Element(before) = *comma_before {
            self.expected_with_fix(before, "a `,` here", ",");
        }
        *comma_before = CommaState::Element(span);
    }
}

/// What stood before, inside a bracket.
enum CommaState {
    Start,
    Comma,
    Element(Span),
}

/// The word for another language's.
fn meant_by(word: &str, table: &[(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
}

/// The empty stretch behind a span.
fn behind(span: Span) -> Span {
    Span { start: span.end, ..span }
}

/// The first word, number or sign.
fn first_token(source: &str) -> &str {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let Some(first) = source.chars().next() else { return source };
    if first == '"' {
        return if source.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    }
    let length =
        if is_word(first) { source.find(|character| !is_word(character)).unwrap_or(source.len()) } else { first.len_utf8() };
    source.get(..length).unwrap_or(source)
}

/// The operators that authors bring from other languages.
fn foreign_operator(source: &str) -> Option<(&'static str, &'static str)> {
    let table = [("->", "=>"), ("===", "=="), ("!==", "!="), ("&&", "and"), ("||", "or"), ("!", "not "), ("<>", "!=")];
    table.into_iter().find(|(theirs, _)| source.starts_with(theirs))
}
