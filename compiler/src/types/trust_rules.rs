//! Where only trusted text may go, and where secrets may.

use super::Checker;
use super::coerce::Typed;
use super::trust::{Demand, Mark, Origin};
use crate::{Problem, Span};
use std::sync::Arc;

impl Checker<'_> {
    /// `what`: "the recipient `to`". `demand`: where it is said that the text must be trusted.
    pub(super) fn require_trusted(&mut self, value: &Typed, what: &str, demand: &Demand) {
        if let Some(mark) = value.trust.untrusted.clone() {
            let message = format!("{what} takes only text that the author vouches for, {}", came_from(&mark));
            let problem = match demand.system {
                true => Problem::new("E0502", value.span, message),
                false => Problem::new("E0501", value.span, message),
            };
            self.report(with_way(problem, &mark, demand));
        }
        for mark in &value.trust.parameters {
            if let Origin::Parameter(index) = mark.entrance().origin {
                self.items.demands.push((index, demand.clone()));
            }
        }
    }

    pub(super) fn report_secret(&mut self, span: Span, place: &str) {
        self.report(
            Problem::new("E0503", span, format!("a secret cannot be put into {place}")).label("this is a secret").help(
                "secrets go to a connector's `auth` and nowhere else, so that none can end in a prompt, an output or a log",
            ),
        );
    }
}

fn came_from(mark: &Arc<Mark>) -> &'static str {
    match mark.entrance().origin {
        Origin::Model => "but a model wrote this",
        _ => "but this came from outside",
    }
}

fn with_way(mut problem: Problem, mark: &Mark, demand: &Demand) -> Problem {
    for (span, what) in mark.way() {
        problem = problem.related(span, what);
    }
    problem
        .related(demand.span, demand.why.clone())
        .help("fix its form (`x as text(matches /…/)`, `x as SomeEnum`), or let a person decide: `approve \"… {{ x }} …\"`")
}
