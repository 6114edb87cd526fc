//! The estimate as a comment for a pull request.

use super::{cell, expected, most, percent, place_text, symbol, verdict};
use crate::cost::estimate::Estimate;
use crate::cost::recommend::Recommendation;
use pmflow_plan::SourceMap;
use std::fmt::Write;

pub fn markdown(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap) -> String {
    let mut text = format!("### Cost of `{}`\n\n", estimate.flow);
    let run = &estimate.run;
    let _ = writeln!(text, "One run: **{}** expected, **{}** ceiling.\n", cell(&run.expected), cell(&run.ceiling));
    if let Some(interval) = super::interval(estimate) {
        let _ = writeln!(text, "{interval}.\n");
    }
    if let (Some(day), Some(month)) = (&estimate.day, &estimate.month) {
        let _ = writeln!(text, "| | expected | ceiling |\n| --- | ---: | ---: |");
        for (name, cost) in [("per day", day), ("per month", month)] {
            let _ = writeln!(text, "| {name} | {} | {} |", cell(&cost.expected), cell(&cost.ceiling));
        }
        text.push('\n');
    }
    prompts(estimate, map, &mut text);
    for line in estimate.seen.iter().flat_map(super::seen) {
        let _ = writeln!(text, "- Seen: {}", escaped(&line));
    }
    for one in &estimate.verdicts {
        let (word, meaning) = verdict(one);
        let _ = writeln!(text, "- Budget {} per {}: **{word}**; {meaning}.", one.limit, one.scope);
    }
    for one in &estimate.symbols {
        let _ = writeln!(text, "- {}", escaped(&symbol(one)));
    }
    for finding in &estimate.findings {
        let place = place_text(map, &finding.path).map(|place| format!("{place}: ")).unwrap_or_default();
        let _ = writeln!(text, "- {} {place}{}", finding.code, escaped(&finding.message));
    }
    if !recommendations.is_empty() {
        text.push_str("\nWhat would save money:\n\n");
        for one in recommendations {
            let _ = writeln!(text, "1. {}: {}. {}", escaped(&one.what), one.saving(), escaped(&one.changes));
        }
    }
    text
}

fn prompts(estimate: &Estimate, map: &SourceMap, text: &mut String) {
    if estimate.prompts.is_empty() {
        return;
    }
    text.push_str("| prompt | calls | tokens in | tokens out | per call | per run | share |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for prompt in &estimate.prompts {
        let place = place_text(map, &format!("prompt:{}", prompt.prompt)).map(|place| format!(" ({place})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{}`{place} | {} / {} | {} / {} | {} / {} | {} / {} | {} / {} | {} |",
            prompt.prompt,
            expected(prompt.calls),
            most(prompt.calls.most),
            expected(prompt.input_tokens),
            most(prompt.input_tokens.most),
            expected(prompt.output_tokens),
            most(prompt.output_tokens.most),
            cell(&prompt.call.expected),
            cell(&prompt.call.ceiling),
            cell(&prompt.run.expected),
            cell(&prompt.run.ceiling),
            percent(prompt.share_milli),
        );
    }
    text.push_str("\nEach pair is expected / ceiling.\n\n");
}

/// Names of an author's may hold what Markdown would read as its own.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
