//! The steps of a test.

use super::{Builder, Pair, Pairs, Rule, nearest};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{CalledTimes, GivenValue, Path, TestStep, TestStepKind};

impl<'a> Builder<'a> {
    pub(super) fn test_steps(&mut self, pair: Pair<'a>, span: Span) -> Vec<TestStep> {
        let mut steps = Vec::new();
        let mut closed = false;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::close_curly => closed = true,
                Rule::test_step => steps.extend(self.test_step(inner)),
                _ => {
                    let span = self.span(&inner);
                    steps.push(self.broken_test_step(span));
                }
            }
        }
        if !closed {
            self.unclosed(span, "{", "this test");
        }
        steps
    }

    /// What stands behind a step: on a line of its own it is another one.
    fn test_junk(&mut self, pair: &Pair<'a>, wanted: &str) {
        let span = self.span(pair);
        if self.starts_its_line(span) {
            self.broken_test_step(span);
        } else {
            self.unexpected_at(span, wanted);
        }
    }

    fn broken_test_step(&mut self, span: Span) -> TestStep {
        let word = super::first_token(self.source(span));
        let word_span = Span { end: span.start + word.len() as u32, ..span };
        if word.starts_with(|character: char| character.is_ascii_alphabetic()) {
            let problem = Problem::new("E0015", word_span, format!("there is no step `{word}` in a test"))
                .help("a test says `given` what stands in, what to `run`, and what to `expect`");
            self.report(match nearest(word, ["given", "run", "expect"]) {
                Some(meant) => problem.fix(format!("write `{meant}`"), word_span, meant),
                None => problem,
            });
        } else {
            self.unexpected_at(span, "`given`, `run` or `expect`");
        }
        TestStep { span, kind: TestStepKind::Broken }
    }

    fn test_step(&mut self, pair: Pair<'a>) -> Option<TestStep> {
        let span = self.span(&pair);
        let step = pair.into_inner().next()?;
        let rule = step.as_rule();
        let mut inner = step.into_inner();
        let keyword = self.span(&inner.next()?);
        let kind = match rule {
            Rule::given => self.given(inner, keyword),
            Rule::run => TestStepKind::Run { call: self.test_value(inner, keyword, "a call of a flow after `run`") },
            Rule::expect_called => self.expect_called(inner, keyword),
            _ => TestStepKind::Expect { condition: self.test_value(inner, keyword, "a condition after `expect`") },
        };
        Some(TestStep { span, kind })
    }

    fn test_value(&mut self, inner: Pairs<'a>, keyword: Span, what: &str) -> crate::syntax::ast::Expr {
        let (mut value, mut junk) = (None, false);
        for piece in inner {
            if piece.as_rule() == Rule::step_junk {
                self.test_junk(&piece, "an operator, or the next step of the test");
                junk = true;
            } else {
                value = Some(piece);
            }
        }
        match value {
            None if junk => super::expressions::missing(keyword),
            value => self.expression_or_report(value, keyword, what),
        }
    }

    fn given(&mut self, inner: Pairs<'a>, keyword: Span) -> TestStepKind {
        let (mut target, mut assign, mut value, mut junk) = (None, None, None, false);
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::path => target = Some(self.path(piece)),
                Rule::assign => assign = Some(span),
                Rule::given_fail => {
                    let text = piece.into_inner().nth(1);
                    value = Some(GivenValue::Fail(self.expression_or_report(text, span, "a text after `fail`")));
                }
                Rule::step_junk => {
                    self.test_junk(&piece, "the next step of the test");
                    junk = true;
                }
                _ => value = Some(GivenValue::Value(self.expression(piece))),
            }
        }
        let target = target.unwrap_or_else(|| {
            if !junk {
                self.expected(keyword, "what is given: a source, a prompt, an action, an approval, or `now`");
            }
            Path { names: Vec::new(), span: super::behind(keyword) }
        });
        let value = value.unwrap_or_else(|| {
            let after = assign.unwrap_or(target.span);
            if !junk && !target.names.is_empty() {
                self.expected(
                    after,
                    if assign.is_some() { "a value after the `=`" } else { "a `=` and the value that stands in" },
                );
            }
            GivenValue::Value(super::expressions::missing(after))
        });
        TestStepKind::Given { target, value }
    }

    fn expect_called(&mut self, inner: Pairs<'a>, keyword: Span) -> TestStepKind {
        let mut target = Path { names: Vec::new(), span: keyword };
        let mut times = CalledTimes::AtLeastOnce;
        for piece in inner {
            match piece.as_rule() {
                Rule::path => target = self.path(piece),
                Rule::kw_once => times = CalledTimes::Once,
                Rule::kw_never => times = CalledTimes::Never,
                Rule::expression => times = CalledTimes::Times(self.expression(piece)),
                Rule::step_junk => self.test_junk(&piece, "`once`, `never`, `3 times`, or the next step of the test"),
                _ => {}
            }
        }
        TestStepKind::ExpectCalled { target, times }
    }
}
