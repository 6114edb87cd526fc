//! Settings: `name: value`, where the value is a row of phrases.

use super::{Builder, Pair, Rule};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{Expr, ExprKind, Phrase, Setting, Term};

impl<'a> Builder<'a> {
    /// `{ name: value … }`
    pub(super) fn setting_block(&mut self, pair: Pair<'a>, of: &str) -> Vec<Setting> {
        let span = self.span(&pair);
        let mut settings = Vec::new();
        let mut closed = false;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::setting | Rule::later_setting => {
                    let (setting, behind) = self.setting(inner);
                    settings.push(setting);
                    behind.into_iter().for_each(|span| self.broken_member(span, &[], "a setting: `name: value`"));
                }
                Rule::comma => {}
                Rule::close_curly => closed = true,
                _ => self.broken_member(self.span(&inner), &[], "a setting: `name: value`"),
            }
        }
        if !closed {
            self.unclosed(span, "{", of);
        }
        settings
    }

    /// What is neither a setting nor one of the block's other members, which start with `words`.
    pub(super) fn broken_member(&mut self, span: Span, words: &[&str], wanted: &str) {
        let source = self.source(span);
        let word = super::first_token(source);
        let word_span = Span { end: span.start + word.len() as u32, ..span };
        let rest = source.get(word.len()..).unwrap_or_default();
        let is_word = word.starts_with(|character: char| character.is_ascii_alphabetic());
        if words.contains(&word) {
            let name = super::first_token(rest.trim_start());
            let name_end = word_span.end + (rest.len() - rest.trim_start().len() + name.len()) as u32;
            match name.starts_with(|character: char| character.is_ascii_alphabetic()) {
                true => self.expected(Span { end: name_end, ..word_span }, &format!("a `{{` and the body of `{word} {name}`")),
                false if word == "example" => self.expected(word_span, "a `{` after `example`"),
                false => self.expected(word_span, "a name after this word"),
            }
        } else if let Some(meant) = super::nearest(word, words.iter().copied()).filter(|_| is_word) {
            let problem = Problem::new("E0015", word_span, format!("`{word}` means nothing here"));
            self.report(problem.help(format!("expected {wanted}")).fix(format!("write `{meant}`"), word_span, meant));
        } else if is_word && !rest.trim_start().starts_with(['(', '{', '.']) {
            self.expected_with_fix(word_span, &format!("a `:` after the setting's name `{word}`"), ":");
        } else {
            self.unexpected_at(span, wanted);
        }
    }

    /// And what stands on the lines behind it and is no part of it.
    pub(super) fn setting(&mut self, pair: Pair<'a>) -> (Setting, Option<Span>) {
        let span = self.span(&pair);
        let doc = self.doc(span);
        let mut name = self.no_name(Span { end: span.start, ..span });
        let mut colon = span;
        let mut phrases = Vec::new();
        let (mut junk, mut next) = (None, None);
        for inner in pair.into_inner() {
            let inner_span = self.span(&inner);
            match inner.as_rule() {
                Rule::name => name = self.name(&inner),
                Rule::colon => colon = inner_span,
                Rule::phrase if next.is_none() && !self.is_other_line(inner_span, colon) => {
                    let (phrase, behind) = self.own_phrase(inner);
                    phrases.push(phrase);
                    next = behind.map(|behind| Span { end: span.end, ..behind });
                }
                Rule::webhook => return (self.webhook(inner, span, doc), None),
                _ if next.is_some() => {}
                Rule::phrase => next = Some(Span { end: span.end, ..inner_span }),
                _ if self.starts_its_line(inner_span) => next = Some(Span { end: span.end, ..inner_span }),
                _ => junk = Some(inner_span),
            }
        }
        match junk {
            Some(junk) => {
                let wanted = format!("the value of `{}`, or the next setting", name.text);
                self.unexpected_at(junk, &wanted);
            }
            None if phrases.is_empty() => self.expected(colon, &format!("a value for the setting `{}`", name.text)),
            None => {}
        }
        (Setting { span, doc, name, phrases }, next)
    }

    fn webhook(&mut self, pair: Pair<'a>, span: Span, doc: Option<ecow::EcoString>) -> Setting {
        let mut name = self.no_name(Span { end: span.start, ..span });
        let mut terms: Vec<Term> = Vec::new();
        let mut phrase_span: Option<Span> = None;
        for inner in pair.into_inner() {
            let inner_span = self.span(&inner);
            match inner.as_rule() {
                Rule::webhook_name => {
                    name = self.name(&inner);
                    continue;
                }
                Rule::colon => continue,
                Rule::setting_junk => {
                    self.unexpected(&inner, "`verify`, `limit`, or the next setting");
                    continue;
                }
                Rule::name => {
                    terms.push(Term::Expr(Expr { span: inner_span, kind: ExprKind::Name(self.name(&inner).text) }));
                }
                Rule::r#type => terms.push(Term::Type(self.type_expression(inner))),
                _ => terms.extend(self.term(inner)),
            }
            phrase_span = Some(phrase_span.map_or(inner_span, |whole| whole.to(inner_span)));
        }
        let phrases = vec![Phrase { span: phrase_span.unwrap_or(span), terms }];
        Setting { span, doc, name, phrases }
    }

    fn phrase(&mut self, pair: Pair<'a>) -> Phrase {
        let span = self.span(&pair);
        let terms = pair.into_inner().filter_map(|inner| self.term(inner)).collect();
        Phrase { span, terms }
    }

    /// The phrase, and what stands behind it on lines of its own and goes on with no word that a value goes on with: it is
    /// something else of which the `:` or more is missing.
    fn own_phrase(&mut self, pair: Pair<'a>) -> (Phrase, Option<Span>) {
        let whole = self.span(&pair);
        let (mut span, mut terms, mut next) = (whole, Vec::new(), None);
        for inner in pair.into_inner() {
            let inner_span = self.span(&inner);
            if next.is_none() && !terms.is_empty() && self.starts_its_line(inner_span) && !goes_on(self.source(inner_span)) {
                next = Some(Span { start: inner_span.start, ..whole });
            }
            if next.is_none() {
                span.end = inner_span.end;
                terms.extend(self.term(inner));
            }
        }
        (Phrase { span, terms }, next)
    }

    /// Whether the value of a setting is the beginning of something else, as in `model:` before a line `max_input 900`.
    fn is_other_line(&self, value: Span, colon: Span) -> bool {
        let source = self.source(value);
        let word = super::first_token(source);
        let rest = source.get(word.len()..).unwrap_or_default();
        value.start > colon.end && self.starts_its_line(value) && rest.starts_with([' ', '\t']) && !goes_on(source)
    }

    pub(super) fn starts_its_line(&self, span: Span) -> bool {
        let before = self.masked.get(..span.start as usize - self.base).unwrap_or_default();
        before.trim_end_matches([' ', '\t', '\r']).ends_with('\n')
    }

    fn term(&mut self, pair: Pair<'a>) -> Option<Term> {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::lone_word => Some(Term::Expr(Expr { span, kind: ExprKind::Name(self.source(span).into()) })),
            Rule::later_settings => {
                let settings = self.setting_block(pair, "these settings");
                Some(Term::Settings { settings, span })
            }
            _ => self.plain_term(pair, span),
        }
    }

    fn plain_term(&mut self, pair: Pair<'a>, span: Span) -> Option<Term> {
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        if first.as_rule() == Rule::arrow {
            return Some(Term::Arrow(span));
        }
        let Some(dots) = inner.next() else { return Some(self.term_expression(first)) };
        let from = self.expression(first);
        let dots = self.span(&dots);
        let to = self.expression_or_report(inner.next(), dots, "the upper bound after `..`");
        Some(Term::Range { from, to, span })
    }

    /// A list is one of phrases where an element is more than an expression: `[75% info, 90% warn]`, `[500..599]`.
    fn term_expression(&mut self, pair: Pair<'a>) -> Term {
        match lone_phrase_list(&pair) {
            Some(list) => {
                let span = self.span(&list);
                let phrases = self.phrase_list(list);
                match plain_elements(phrases) {
                    Ok(elements) => Term::Expr(Expr { span, kind: ExprKind::List(elements) }),
                    Err(phrases) => Term::Phrases { phrases, span },
                }
            }
            None => Term::Expr(self.expression(pair)),
        }
    }

    fn phrase_list(&mut self, pair: Pair<'a>) -> Vec<Phrase> {
        let span = self.span(&pair);
        let mut phrases = Vec::new();
        self.depth += 1;
        self.bracket(pair, span, "[", "this list", |builder, inner| phrases.push(builder.phrase(inner)));
        self.depth -= 1;
        phrases
    }

    /// A list in the middle of an expression: its elements are expressions.
    pub(super) fn plain_phrase_list(&mut self, pair: Pair<'a>) -> Expr {
        let span = self.span(&pair);
        let phrases = self.phrase_list(pair);
        let mut elements = Vec::new();
        for phrase in phrases {
            let phrase_span = phrase.span;
            match plain_elements(vec![phrase]) {
                Ok(element) => elements.extend(element),
                Err(_) => self.unexpected_at(phrase_span, "one value"),
            }
        }
        Expr { span, kind: ExprKind::List(elements) }
    }
}

/// Whether a line that begins like this goes on with the value of the line before.
fn goes_on(source: &str) -> bool {
    let word = super::first_token(source);
    let is_word = word.starts_with(|character: char| character.is_ascii_alphabetic());
    !is_word || matches!(word, "in" | "per" | "up" | "to" | "tokens" | "secret")
}

/// The list, when the expression is nothing but a list.
fn lone_phrase_list<'a>(pair: &Pair<'a>) -> Option<Pair<'a>> {
    let mut parts = pair.clone().into_inner();
    let chain = parts.next().filter(|part| part.as_rule() == Rule::term_chain && parts.next().is_none())?;
    let mut links = chain.into_inner();
    links.next().filter(|link| link.as_rule() == Rule::phrase_list && links.next().is_none())
}

/// The elements, when each phrase is one expression.
fn plain_elements(phrases: Vec<Phrase>) -> Result<Vec<Expr>, Vec<Phrase>> {
    let plain = phrases.iter().all(|phrase| matches!(phrase.terms.as_slice(), [Term::Expr(_)]));
    if !plain {
        return Err(phrases);
    }
    Ok(phrases
        .into_iter()
        .flat_map(|phrase| phrase.terms)
        .filter_map(|term| if let Term::Expr(expr) = term { Some(expr) } else { None })
        .collect())
}
