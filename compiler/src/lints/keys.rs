//! Literals that look like the key of a service. A key in a flow is read by everyone who reads the flow.

use super::Report;
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::Item;
use crate::syntax::walk::{self, Visitor};
use regex::Regex;
use std::sync::OnceLock;

pub(super) fn check(item: &Item, report: &mut Report<'_>) {
    let mut texts = Texts::default();
    walk::item(&mut texts, item);
    for span in texts.spans {
        let written = report.written(span);
        report.problems.extend(found(written).into_iter().map(|(whose, range)| problem(whose, part_of(span, &range))));
    }
}

#[derive(Default)]
struct Texts {
    spans: Vec<Span>,
}

impl Visitor<'_> for Texts {
    fn text(&mut self, _text: &str, span: Span) {
        self.spans.push(span);
    }
}

fn part_of(span: Span, range: &std::ops::Range<usize>) -> Span {
    Span { start: span.start + range.start as u32, end: span.start + range.end as u32, ..span }
}

/// The message never repeats the key.
fn problem(whose: &str, span: Span) -> Problem {
    Problem::new("W0109", span, format!("this looks like {whose}, written into the flow"))
        .label("everyone who reads this file can use it")
        .help("put it into the environment and write `secret(\"NAME\")`; a key that was saved or shared should be replaced by a new one")
}

/// Everything in a text that has the form of a key, and whose it would be.
fn found(text: &str) -> Vec<(&'static str, std::ops::Range<usize>)> {
    static FORMS: OnceLock<Vec<(&str, Regex)>> = OnceLock::new();
    // Nearly every text ends here: nine searches, and making them ready, would cost more than the rest of a check.
    if !may_hold_a_key(text) {
        return Vec::new();
    }
    let forms = FORMS.get_or_init(|| {
        let form = |(whose, pattern): (&'static str, &str)| {
            (whose, Regex::new(&format!("(?-u){pattern}")).expect("the patterns of this table are regular expressions"))
        };
        KEY_FORMS.into_iter().map(form).collect()
    });
    forms.iter().flat_map(|(whose, form)| form.find_iter(text).map(|found| (*whose, found.range()))).collect()
}

/// False only for a text in which no form below is found: each has an unbroken stretch of so many characters.
fn may_hold_a_key(text: &str) -> bool {
    let of_a_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let longest = text.as_bytes().split(|byte| !of_a_key(byte)).map(<[u8]>::len).max();
    longest.is_some_and(|longest| longest >= STRETCH_MIN) || text.contains("-----BEGIN ")
}

/// `sk-` and twelve characters, the shortest of them all.
const STRETCH_MIN: usize = 15;

const KEY_FORMS: [(&str, &str); 9] = [
    ("an API key", r"\b(?:sk|rk|pk)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{11,}"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Google API key", r"\bAIza[0-9A-Za-z_-]{30,}"),
    ("an Airtable token", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{32,}"),
    ("a signed token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}"),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_words() {
        let digits = "0123456789abcdefghij0123456789abcdefghij";
        let keys = [
            format!("sk-{digits}"),
            format!("sk-proj-{digits}"),
            format!("sk-ant-api03-{digits}"),
            format!("sk_live_{digits}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            format!("Bearer ghp_{digits}"),
            format!("xoxb-{}", &digits[..12]),
            format!("AIza{digits}"),
            "-----BEGIN RSA PRIVATE KEY-----".to_owned(),
            "sk-012345678901".to_owned(),
            "xoxb-0123456789".to_owned(),
        ];
        for key in keys {
            assert_eq!(found(&key).len(), 1, "{key}");
        }
        for word in [
            "sk-learn is a library",
            "task-2024-01-01-and-more-words",
            "risk-12345678901234567890",
            "ghp_",
            "AKIA",
            "pk",
            "the sk-ill of writing",
        ] {
            assert_eq!(found(word), [], "{word}");
        }
    }
}
