//! All problem codes and their explanations. `build.rs` lists the files of this folder: a file is registered by
//! standing there, and a code is explained by nothing else. `README.md` beside this file gives their form.

use super::{Code, nearest};
use std::sync::OnceLock;

/// The long story of a code, from its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub code: Code,
    /// The first line of the file, without the `#`.
    pub title: &'static str,
    /// Everything below the title, as Markdown, with the examples.
    pub text: &'static str,
    /// The fenced blocks of `text` that are marked `bad` or `good`, in order.
    pub examples: Vec<Example>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    pub verdict: Verdict,
    /// The block's language: `pmflow` examples are compiled by the tests, others (`toml`, `json`, `text`) are only shown.
    pub language: &'static str,
    pub text: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Raises the code.
    Bad,
    /// Raises nothing.
    Good,
}

/// The explanation of a code as written in a message; upper and lower case are one.
pub fn explain(code: &str) -> Option<&'static Explanation> {
    let explanations = all();
    let wanted = code.trim().to_ascii_uppercase();
    let index = explanations.binary_search_by(|explanation| explanation.code.cmp(wanted.as_str())).ok()?;
    explanations.get(index)
}

/// Every code, sorted.
pub fn all() -> &'static [Explanation] {
    static EXPLANATIONS: OnceLock<Vec<Explanation>> = OnceLock::new();
    EXPLANATIONS.get_or_init(|| FILES.iter().map(|(code, text)| parse(code, text)).collect())
}

/// The code that was probably meant: `E031` means `E0301`.
pub fn nearest_code(wanted: &str) -> Option<Code> {
    let wanted = wanted.trim().to_ascii_uppercase();
    nearest(&wanted, all().iter().map(|explanation| explanation.code))
}

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/problem_files.rs"));

fn parse(code: &'static str, file: &'static str) -> Explanation {
    let (first, rest) = file.split_once('\n').unwrap_or((file, ""));
    let title = first.trim_start_matches('#').trim();
    Explanation { code, title, text: rest.trim(), examples: examples(rest) }
}

/// The fenced blocks whose info string ends in `bad` or `good`.
fn examples(text: &'static str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut rest = text;
    while let Some((_, opened)) = rest.split_once("```") {
        let Some((info, body)) = opened.split_once('\n') else { break };
        let end = body.find("```").unwrap_or(body.len());
        let (block, after) = body.split_at(end);
        examples.extend(example(info, block));
        rest = after.strip_prefix("```").unwrap_or(after);
    }
    examples
}

fn example(info: &'static str, text: &'static str) -> Option<Example> {
    let (language, verdict) = info.trim().split_once(' ')?;
    let verdict = match verdict.trim() {
        "bad" => Verdict::Bad,
        "good" => Verdict::Good,
        _ => return None,
    };
    Some(Example { verdict, language, text })
}
