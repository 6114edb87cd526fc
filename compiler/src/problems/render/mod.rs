//! Problems as text: for people, for programs, for code scanners, for annotations in a pull request.
//!
//! Every renderer takes the problems and a way to read the files that they speak of, and gives the same bytes for the
//! same input. Problems come out sorted by file, place and code.

mod excerpt;
mod github;
mod human;
mod json;
mod sarif;
#[cfg(test)]
mod tests;
mod visible;

pub use github::github;
pub use human::{Human, human};
pub use json::{JSON_VERSION, json};
pub use sarif::sarif;
pub use visible::visible;

use super::{Problem, Problems, Severity};
use std::collections::BTreeSet;

/// How many problems of each severity, and in how many files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    pub errors: usize,
    pub warnings: usize,
    pub hints: usize,
    pub files: usize,
}

impl Summary {
    pub fn of(problems: &Problems) -> Summary {
        let count = |severity| problems.all.iter().filter(|problem| problem.severity() == severity).count();
        Summary {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            hints: count(Severity::Hint),
            files: problems.all.iter().map(|problem| problem.span.file).collect::<BTreeSet<_>>().len(),
        }
    }
}

/// "3 errors, 1 warning in 2 files"
impl std::fmt::Display for Summary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [(self.errors, "error"), (self.warnings, "warning"), (self.hints, "hint")];
        let said: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
        match said.is_empty() {
            true => write!(formatter, "no problems"),
            false => write!(formatter, "{} in {}", said.join(", "), counted(self.files, "file")),
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn in_order(problems: &Problems) -> Vec<Problem> {
    problems.clone().sorted().all
}

impl Severity {
    /// `error`, `warning`, `hint`
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Hint => "hint",
        }
    }
}
