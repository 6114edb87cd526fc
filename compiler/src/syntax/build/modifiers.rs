//! What stands behind the value of a step: `retry 2 backoff 1s..60s`, `timeout 30s`, `else none`.

use super::expressions::missing;
use super::{Builder, Pair, Rule};
use crate::Span;
use crate::syntax::ast::{Expr, Modifier, ModifierKind, Name};

impl<'a> Builder<'a> {
    pub(super) fn modifier(&mut self, pair: Pair<'a>) -> Option<Modifier> {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        let rule = first.as_rule();
        if rule == Rule::retry {
            return Some(Modifier { span, kind: self.retry(first) });
        }
        let keyword = self.span(&first);
        let after = format!("a value after `{}`", self.source(keyword));
        if rule == Rule::kw_was {
            let name = inner.next().map(|name| self.name(&name));
            return Some(Modifier {
                span,
                kind: ModifierKind::Was(self.name_or_report(name, keyword, "the old name after `was`")),
            });
        }
        let value = self.expression_or_report(inner.next(), keyword, &after);
        let kind = match rule {
            Rule::kw_timeout => ModifierKind::Timeout(value),
            Rule::kw_else => ModifierKind::Else(value),
            Rule::kw_limit => ModifierKind::Limit(value),
            Rule::kw_expect => ModifierKind::Expect(value),
            Rule::kw_cache => ModifierKind::Cache(value),
            _ => ModifierKind::Key(value),
        };
        Some(Modifier { span, kind })
    }

    fn retry(&mut self, pair: Pair<'a>) -> ModifierKind {
        let span = self.span(&pair);
        let keyword = Span { end: span.start + 5, ..span };
        let (mut times, mut backoff, mut on) = (None, None, Vec::new());
        for piece in pair.into_inner() {
            match piece.as_rule() {
                Rule::kw_retry => {}
                Rule::expression => times = Some(piece),
                Rule::backoff => backoff = Some(Box::new(self.backoff(piece))),
                _ => on.extend(self.retry_on(piece)),
            }
        }
        let times = self.expression_or_report(times, keyword, "a number after `retry`: how often to try again");
        ModifierKind::Retry { times, backoff, on }
    }

    fn backoff(&mut self, pair: Pair<'a>) -> (Expr, Expr) {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let keyword = inner.next().map_or(span, |keyword| self.span(&keyword));
        let from = self.expression_or_report(inner.next(), keyword, "two durations after `backoff`, such as `1s..60s`");
        let Some(dots) = inner.next() else {
            self.expected(from.span, "`..` and the longest pause, such as `1s..60s`");
            let to = missing(from.span);
            return (from, to);
        };
        let dots = self.span(&dots);
        (from, self.expression_or_report(inner.next(), dots, "the longest pause after `..`"))
    }

    fn retry_on(&mut self, pair: Pair<'a>) -> Vec<Name> {
        let span = self.span(&pair);
        let names: Vec<Name> =
            pair.into_inner().filter(|piece| piece.as_rule() == Rule::name).map(|name| self.name(&name)).collect();
        if names.is_empty() {
            self.expected(span, "the kinds of failure after `on`, such as `rate_limit, transport`");
        }
        names
    }
}
