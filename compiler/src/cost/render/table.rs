//! The table of `pmflow cost`: plain text, aligned, at most eighty columns unless a name is longer, readable without colour.

use super::{cell, expected, most, percent, place_text, symbol, verdict};
use crate::cost::domain::{Cost, Count};
use crate::cost::estimate::{Estimate, PromptCost};
use crate::cost::recommend::Recommendation;
use pmflow_plan::SourceMap;

const WIDTH: usize = 80;
const NAME_WIDTH: usize = 17;

/// `place` tells lines of the source; an empty map leaves them out.
pub fn table(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap) -> String {
    let mut lines = vec![format!("Cost of {}", estimate.flow), String::new()];
    prompts(estimate, &mut lines);
    lines.push(String::new());
    totals(estimate, &mut lines);
    seen(estimate, &mut lines);
    budget(estimate, &mut lines);
    sizes(estimate, &mut lines);
    rests_on(estimate, &mut lines);
    findings(estimate, map, &mut lines);
    recommended(recommendations, &mut lines);
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn prompts(estimate: &Estimate, lines: &mut Vec<String>) {
    if estimate.prompts.is_empty() {
        lines.push("No prompt is called, so a run costs nothing.".to_owned());
        return;
    }
    lines.push(row("prompt", "", ["calls", "tokens in", "out", "per call", "per run", "share"].map(str::to_owned)));
    for prompt in &estimate.prompts {
        let name = if prompt.prompt.chars().count() > NAME_WIDTH {
            lines.push(prompt.prompt.clone());
            ""
        } else {
            &prompt.prompt
        };
        lines.push(row(name, "expected", expected_cells(prompt)));
        lines.push(row("", "ceiling", ceiling_cells(prompt)));
    }
}

fn expected_cells(prompt: &PromptCost) -> [String; 6] {
    let (call, run) = (cell(&prompt.call.expected), cell(&prompt.run.expected));
    [
        expected(prompt.calls),
        expected(prompt.input_tokens),
        expected(prompt.output_tokens),
        call,
        run,
        percent(prompt.share_milli),
    ]
}

fn ceiling_cells(prompt: &PromptCost) -> [String; 6] {
    let (call, run) = (cell(&prompt.call.ceiling), cell(&prompt.run.ceiling));
    [most(prompt.calls.most), most(prompt.input_tokens.most), most(prompt.output_tokens.most), call, run, String::new()]
}

fn row(name: &str, kind: &str, cells: [String; 6]) -> String {
    let [calls, input, output, call, run, share] = cells;
    format!("{name:<NAME_WIDTH$} {kind:<8} {calls:>9} {input:>9} {output:>7} {call:>9} {run:>9} {share:>5}")
}

fn totals(estimate: &Estimate, lines: &mut Vec<String>) {
    let runs = |count: Count| {
        let runs = if count.expected_milli == Some(1000) { "run" } else { "runs" };
        format!("{} {runs}, {} at most", expected(count), most(count.most))
    };
    total("one run", &estimate.run, "", lines);
    lines.extend(super::interval(estimate).map(|interval| format!("            {interval}")));
    if let (Some(rate), Some(day), Some(month)) = (&estimate.rate, &estimate.day, &estimate.month) {
        total("per day", day, &runs(rate.per_day), lines);
        total("per month", month, &runs(rate.per_month), lines);
    }
}

fn total(name: &str, cost: &Cost, runs: &str, lines: &mut Vec<String>) {
    let floor = if cost.floor.pico() > 0 { format!("floor {}  ", cost.floor) } else { String::new() };
    let note = if runs.is_empty() { floor } else { format!("({runs})") };
    let (expected, ceiling) = (cell(&cost.expected), cell(&cost.ceiling));
    lines.push(format!("{name:<10}  expected {expected:>10}  ceiling {ceiling:>10}  {note}"));
}

fn seen(estimate: &Estimate, lines: &mut Vec<String>) {
    let Some(seen) = &estimate.seen else { return };
    heading("Seen", lines);
    super::seen(seen).iter().for_each(|line| wrapped("", line, lines));
}

fn budget(estimate: &Estimate, lines: &mut Vec<String>) {
    if estimate.verdicts.is_empty() {
        return;
    }
    heading("Budget", lines);
    for one in &estimate.verdicts {
        let (word, meaning) = verdict(one);
        wrapped(&format!("{} per {}: ", one.limit, one.scope), &format!("{word}; {meaning}"), lines);
    }
}

fn sizes(estimate: &Estimate, lines: &mut Vec<String>) {
    if estimate.symbols.is_empty() {
        return;
    }
    heading("Sizes", lines);
    for one in &estimate.symbols {
        wrapped("", &symbol(one), lines);
    }
}

fn rests_on(estimate: &Estimate, lines: &mut Vec<String>) {
    if estimate.prompts.is_empty() {
        return;
    }
    heading(if estimate.run.ceiling.known().is_some() { "The ceiling rests on" } else { "A ceiling would rest on" }, lines);
    for assumption in &estimate.assumptions {
        let mark = if assumption.holds { "" } else { " (does not hold)" };
        lines.push(format!("  {}{mark}", assumption.name));
        for reason in &assumption.rests_on {
            wrapped("  ", reason, lines);
        }
    }
}

fn findings(estimate: &Estimate, map: &SourceMap, lines: &mut Vec<String>) {
    if estimate.findings.is_empty() {
        return;
    }
    heading("Problems", lines);
    for finding in &estimate.findings {
        let place = place_text(map, &finding.path).map(|place| format!("{place}: ")).unwrap_or_default();
        wrapped("", &format!("{place}{} [{}]", finding.message, finding.code), lines);
        wrapped("  ", &finding.help, lines);
    }
}

fn recommended(recommendations: &[Recommendation], lines: &mut Vec<String>) {
    if recommendations.is_empty() {
        return;
    }
    heading("What would save money", lines);
    for (position, one) in recommendations.iter().enumerate() {
        wrapped(&format!("{}. ", position + 1), &format!("{}: {}", one.what, one.saving()), lines);
        wrapped("   ", &one.changes, lines);
    }
}

fn heading(text: &str, lines: &mut Vec<String>) {
    lines.push(String::new());
    lines.push(text.to_owned());
}

/// Two blanks, the lead, and the text broken between words, its further lines under its first.
fn wrapped(lead: &str, text: &str, lines: &mut Vec<String>) {
    let indent = 2 + lead.chars().count().min(24);
    let mut line = format!("  {lead}");
    let mut empty = true;
    for word in text.split(' ') {
        let fits = line.chars().count() + word.chars().count() < WIDTH;
        if !fits && !empty {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
}
