//! Problems: what is wrong with an author's program, said so that it can be mended.
//!
//! One file per code in this folder, `E0301.md`: its title, the long story, a bad and a good example that are run as
//! tests; standing here registers it. One place raises it.

mod nearest;
pub mod position;
mod registry;
pub mod render;

pub use nearest::nearest;
pub use registry::{Example, Explanation, Verdict, all, explain, nearest_code};

use crate::Span;

/// `E0301`; the letter is the severity: `E` error, `W` warning, `H` hint.
pub type Code = &'static str;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Error,
    Warning,
    Hint,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub code: Code,
    /// What is wrong, naming the thing: a sentence without a full stop.
    pub message: String,
    /// The smallest stretch that is wrong.
    pub span: Span,
    /// What stands under the stretch; empty: the message says it all.
    pub label: String,
    /// Other places that explain why.
    pub related: Vec<Related>,
    /// How to mend it.
    pub help: Option<String>,
    pub fix: Option<Fix>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    pub span: Span,
    pub message: String,
}

/// Edits that mend the problem; an editor applies them as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// What it does: "write `company`".
    pub title: String,
    pub edits: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

/// Problems in the order in which they were found; [`Problems::sorted`] gives the order of the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems {
    pub all: Vec<Problem>,
}

impl Problem {
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), span, label: String::new(), related: Vec::new(), help: None, fix: None }
    }

    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    pub fn related(mut self, span: Span, message: impl Into<String>) -> Problem {
        self.related.push(Related { span, message: message.into() });
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// A fix of one edit.
    pub fn fix(mut self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Problem {
        self.fix = Some(Fix { title: title.into(), edits: vec![Edit { span, text: text.into() }] });
        self
    }

    pub fn severity(&self) -> Severity {
        match self.code.as_bytes().first() {
            Some(b'W') => Severity::Warning,
            Some(b'H') => Severity::Hint,
            _ => Severity::Error,
        }
    }
}

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        self.all.push(problem);
    }

    pub fn extend(&mut self, problems: Problems) {
        self.all.extend(problems.all);
    }

    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|problem| problem.severity() == Severity::Error)
    }

    /// By file, then by place, then by code; the same problem at the same place once.
    pub fn sorted(mut self) -> Problems {
        self.all.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        self.all.dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
        self
    }
}
