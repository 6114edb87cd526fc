//! Reading settings: which there are, and the form that each takes.

use super::Checker;
use super::names::suggest;
use crate::syntax::ast::{Expr, ExprKind, Name, Phrase, Setting, Term, TypeExpr};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan::Money;
use std::collections::BTreeMap;

/// The terms of a phrase, read from left to right.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    terms: &'a [Term],
}

/// The settings of one thing, by name; the first of each.
pub(super) type Settings<'a> = BTreeMap<&'a str, &'a Setting>;

impl<'a> Terms<'a> {
    pub fn of(phrase: &'a Phrase) -> Terms<'a> {
        Terms { terms: &phrase.terms }
    }

    fn take<T>(&mut self, read: impl FnOnce(&'a Term) -> Option<T>) -> Option<T> {
        let (first, rest) = self.terms.split_first()?;
        let value = read(first)?;
        self.terms = rest;
        Some(value)
    }

    pub fn is_done(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn expr(&mut self) -> Option<&'a Expr> {
        self.take(|term| match term {
            Term::Expr(expr) => Some(expr),
            _ => None,
        })
    }

    /// The term is put back when it has another form.
    pub fn expr_if<T>(&mut self, read: impl FnOnce(&'a Expr) -> Option<T>) -> Option<T> {
        self.take(|term| match term {
            Term::Expr(expr) => read(expr),
            _ => None,
        })
    }

    pub fn any_word(&mut self) -> Option<(EcoString, Span)> {
        self.expr_if(|expr| word_of(expr).map(|word| (word, expr.span)))
    }

    pub fn word(&mut self, wanted: &str) -> bool {
        self.expr_if(|expr| word_of(expr).filter(|word| word == wanted)).is_some()
    }

    pub fn int(&mut self) -> Option<i64> {
        self.expr_if(super::resolve::constant_int)
    }

    pub fn count(&mut self) -> Option<u64> {
        self.int().and_then(|number| u64::try_from(number).ok())
    }

    pub fn milliseconds(&mut self) -> Option<u64> {
        self.expr_if(milliseconds)
    }

    pub fn money(&mut self) -> Option<Money> {
        self.expr_if(money)
    }

    /// A text without holes.
    pub fn text(&mut self) -> Option<(EcoString, Span)> {
        self.expr_if(|expr| constant_text(expr).map(|text| (text, expr.span)))
    }

    pub fn arrow(&mut self) -> bool {
        self.take(|term| matches!(term, Term::Arrow(_)).then_some(())).is_some()
    }

    pub fn range(&mut self) -> Option<(&'a Expr, &'a Expr)> {
        self.take(|term| match term {
            Term::Range { from, to, .. } => Some((from, to)),
            _ => None,
        })
    }

    pub fn ty(&mut self) -> Option<&'a TypeExpr> {
        self.take(|term| match term {
            Term::Type(ty) => Some(ty),
            _ => None,
        })
    }

    /// `{ name: value, … }` in either of its forms.
    pub fn entries(&mut self) -> Option<Vec<(&'a Name, &'a Expr)>> {
        self.take(entries)
    }

    /// The phrases of `[a, b c, d..e]`.
    pub fn list(&mut self) -> Option<Vec<Phrase>> {
        self.take(|term| match term {
            Term::Phrases { phrases, .. } => Some(phrases.clone()),
            Term::Expr(Expr { kind: ExprKind::List(items), .. }) => {
                Some(items.iter().map(|item| Phrase { span: item.span, terms: vec![Term::Expr(item.clone())] }).collect())
            }
            _ => None,
        })
    }

    /// `secret("NAME")`
    pub fn secret(&mut self) -> Option<EcoString> {
        self.expr_if(|expr| called_with_text(expr, "secret"))
    }
}

fn entries(term: &Term) -> Option<Vec<(&Name, &Expr)>> {
    match term {
        Term::Expr(Expr { kind: ExprKind::Record(fields), .. }) => {
            Some(fields.iter().map(|field| (&field.name, &field.value)).collect())
        }
        Term::Settings { settings, .. } => settings
            .iter()
            .map(|setting| match setting.phrases.as_slice() {
                [phrase] => match phrase.terms.as_slice() {
                    [Term::Expr(value)] => Some((&setting.name, value)),
                    _ => None,
                },
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn word_of(expr: &Expr) -> Option<EcoString> {
    match &expr.kind {
        ExprKind::Name(word) => Some(word.clone()),
        ExprKind::None => Some("none".into()),
        _ => None,
    }
}

pub(super) fn milliseconds(expr: &Expr) -> Option<u64> {
    match expr.kind {
        ExprKind::Duration(Some(micros)) => u64::try_from(micros).ok().map(|micros| micros / 1000),
        _ => None,
    }
}

pub(super) fn money(expr: &Expr) -> Option<Money> {
    match expr.kind {
        ExprKind::Money(Some(pico)) => Some(Money::from_pico(pico)),
        _ => None,
    }
}

pub(super) fn constant_text(expr: &Expr) -> Option<EcoString> {
    match &expr.kind {
        ExprKind::Text(template) => template.as_constant(),
        _ => None,
    }
}

/// The text in `name("text")`.
pub(super) fn called_with_text(expr: &Expr, name: &str) -> Option<EcoString> {
    let ExprKind::Call { callee, arguments } = &expr.kind else { return None };
    let called = matches!(&callee.kind, ExprKind::Name(callee) if callee == name);
    match arguments.as_slice() {
        [argument] if called && argument.name.is_none() => constant_text(&argument.value),
        _ => None,
    }
}

pub(super) fn value_span(setting: &Setting) -> Span {
    match (setting.phrases.first(), setting.phrases.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => setting.name.span,
    }
}

impl Checker<'_> {
    /// `owner`: "a prompt". Unknown and repeated settings are reported.
    pub(super) fn settings<'a>(
        &mut self,
        owner: &str,
        settings: &'a [Setting],
        known: &[&'static str],
        repeatable: &[&str],
    ) -> Settings<'a> {
        let mut read: Settings<'a> = BTreeMap::new();
        for setting in settings {
            let name = setting.name.text.as_str();
            if name.is_empty() {
                continue;
            }
            let mut name = name;
            if !known.contains(&name) {
                let problem = Problem::new("E0110", setting.name.span, format!("{owner} has no setting `{name}`"));
                self.report(suggest(problem, setting.name.span, name, known.iter().copied()));
                // A misspelt setting is read as the one that was meant, so that it is not missing as well.
                match crate::problems::nearest(name, known.iter().copied())
                    .and_then(|near| known.iter().find(|name| **name == near))
                {
                    Some(near) if !settings.iter().any(|setting| setting.name.text == *near) => name = near,
                    _ => continue,
                }
            }
            if let Some(before) = read.get(name) {
                if !repeatable.contains(&name) {
                    let problem = Problem::new("E0111", setting.name.span, format!("`{name}` is set twice"));
                    self.report(problem.related(before.name.span, "first set here").help("delete one of the two"));
                }
                continue;
            }
            read.insert(name, setting);
        }
        read
    }

    /// The setting's value as one phrase with one form; `form` says which: "a number of tokens, as in `1500 tokens`".
    pub(super) fn read_setting<'a, T>(
        &mut self,
        settings: &Settings<'a>,
        name: &str,
        form: &str,
        read: impl FnOnce(&mut Terms<'a>) -> Option<T>,
    ) -> Option<T> {
        let setting = settings.get(name).copied()?;
        let value = match setting.phrases.as_slice() {
            [phrase] => {
                let mut terms = Terms::of(phrase);
                let value = read(&mut terms);
                value.filter(|_| terms.is_done())
            }
            _ => None,
        };
        if value.is_none() {
            self.report_form(setting, form);
        }
        value
    }

    pub(super) fn report_form(&mut self, setting: &Setting, form: &str) {
        // What is missing altogether was reported by the parser.
        let unwritten = setting.phrases.is_empty()
            || setting
                .phrases
                .iter()
                .any(|phrase| phrase.terms.iter().any(|term| matches!(term, Term::Expr(Expr { kind: ExprKind::Missing, .. }))));
        if !unwritten {
            self.report(Problem::new("E0302", value_span(setting), format!("`{}` takes {form}", setting.name.text)));
        }
    }

    pub(super) fn report_missing_setting(&mut self, owner: Span, message: &str, help: &str) {
        self.report(Problem::new("E0301", owner, message).help(help));
    }

    /// One of a closed set of words.
    pub(super) fn word_setting(&mut self, settings: &Settings, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let setting = settings.get(name).copied()?;
        let word = match setting.phrases.as_slice() {
            [phrase] => {
                let mut terms = Terms::of(phrase);
                terms.any_word().filter(|_| terms.is_done())
            }
            _ => None,
        };
        let known = word.as_ref().and_then(|(word, _)| words.iter().find(|known| *known == word));
        if known.is_none() {
            let form = format!("one of {}", super::project::listed(words.iter().copied()));
            match word {
                Some((word, span)) => {
                    let problem = Problem::new("E0302", span, format!("`{name}` takes {form}"));
                    self.report(suggest(problem, span, &word, words.iter().copied()));
                }
                None => self.report_form(setting, &form),
            }
        }
        known.copied()
    }
}
