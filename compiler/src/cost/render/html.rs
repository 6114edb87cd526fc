//! The estimate as a page of its own: no script, no font, no address of anybody else's, so it can be kept and mailed.

use super::{cell, expected, most, percent, place_text, symbol, verdict};
use crate::cost::domain::Figure;
use crate::cost::estimate::{Estimate, Node, Rule};
use crate::cost::recommend::Recommendation;
use pmflow_plan::SourceMap;
use std::fmt::Write;

/// A picture of more boxes helps nobody.
const BOXES_MAX: usize = 60;
const ROW_HEIGHT: usize = 46;
const INDENT: usize = 28;
const BOX_WIDTH: usize = 440;
const BAR_WIDTH: u64 = 460;

pub fn html(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap) -> String {
    let title = escaped(&estimate.flow);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Cost of {title}</title>\n<style>{STYLE}</style>\n\
         <h1>Cost of <code>{title}</code></h1>\n<p>One run: <b>{}</b> expected, <b>{}</b> ceiling.</p>\n",
        escaped(&cell(&estimate.run.expected)),
        escaped(&estimate.run.ceiling.to_string()),
    );
    if let (Some(day), Some(month)) = (&estimate.day, &estimate.month) {
        for (name, cost) in [("day", day), ("month", month)] {
            let _ = writeln!(page, "<p>Per {name}: {} expected, {} ceiling.</p>", cell(&cost.expected), cell(&cost.ceiling));
        }
    }
    prompts(estimate, map, &mut page);
    page.push_str("<h2>Where the money goes</h2>\n");
    bars(estimate, &mut page);
    page.push_str("<h2>The flow</h2>\n");
    graph(estimate, map, &mut page);
    lists(estimate, recommendations, map, &mut page);
    page.push_str("</html>\n");
    page
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1b1b1b;background:#fff}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc}\
td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}text{font:13px system-ui,sans-serif;fill:#1b1b1b}\
.box{fill:#f4f6f8;stroke:#607080}.line{stroke:#607080;fill:none}.bar{fill:#3b6ea5}.small{font-size:11px;fill:#555}";

fn prompts(estimate: &Estimate, map: &SourceMap, page: &mut String) {
    page.push_str("<table>\n<tr><th>prompt<th>calls<th>tokens in<th>tokens out<th>per call<th>per run<th>share</tr>\n");
    for prompt in &estimate.prompts {
        let place = place_text(map, &format!("prompt:{}", prompt.prompt)).unwrap_or_default();
        let _ = writeln!(
            page,
            "<tr><td title=\"{}\">{}<td>{} / {}<td>{} / {}<td>{} / {}<td>{} / {}<td>{} / {}<td>{}</tr>",
            escaped(&place),
            escaped(&prompt.prompt),
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
    page.push_str("</table>\n<p>Each pair is expected / ceiling.</p>\n");
}

fn bars(estimate: &Estimate, page: &mut String) {
    let rows = estimate.prompts.len().min(BOXES_MAX);
    let _ = writeln!(
        page,
        "<svg viewBox=\"0 0 800 {}\" width=\"800\" role=\"img\" aria-label=\"Share of each prompt\">",
        rows * 26 + 8
    );
    for (position, prompt) in estimate.prompts.iter().take(BOXES_MAX).enumerate() {
        let y = position * 26 + 4;
        let width = prompt.share_milli.unwrap_or(0).min(1000) * BAR_WIDTH / 1000;
        let name = escaped(&shortened(&prompt.prompt, 26));
        let _ = writeln!(
            page,
            "<text x=\"0\" y=\"{}\">{name}</text><rect class=\"bar\" x=\"200\" y=\"{y}\" width=\"{width}\" height=\"18\"/>\
             <text x=\"{}\" y=\"{}\">{} {}</text>",
            y + 14,
            208 + width,
            y + 14,
            cell(&prompt.run.expected),
            percent(prompt.share_milli),
        );
    }
    page.push_str("</svg>\n");
}

/// The tree of steps from the run down: a box per step, its parent above and to the left.
fn graph(estimate: &Estimate, map: &SourceMap, page: &mut String) {
    let mut boxes = String::new();
    let mut open = vec![(estimate.nodes.len().wrapping_sub(1), 0usize, None)];
    let mut row = 0;
    while let Some((position, depth, parent)) = open.pop() {
        let Some(node) = estimate.nodes.get(position) else { continue };
        if row == BOXES_MAX {
            let _ = writeln!(boxes, "<text x=\"0\" y=\"{}\">… and more</text>", row * ROW_HEIGHT + 20);
            row += 1;
            break;
        }
        draw(node, depth.min(10), row, parent, map, &mut boxes);
        open.extend(node.children.iter().rev().map(|(child, _)| (*child, depth + 1, Some(row))));
        row += 1;
    }
    let _ = writeln!(
        page,
        "<svg viewBox=\"0 0 800 {}\" width=\"800\" role=\"img\" aria-label=\"Steps of the flow\">",
        row * ROW_HEIGHT + 8
    );
    page.push_str(&boxes);
    page.push_str("</svg>\n");
}

fn draw(node: &Node, depth: usize, row: usize, parent: Option<usize>, map: &SourceMap, boxes: &mut String) {
    let (x, y) = (depth * INDENT + 1, row * ROW_HEIGHT + 4);
    if let Some(parent) = parent {
        let from = (parent * ROW_HEIGHT + ROW_HEIGHT - 4, x.saturating_sub(INDENT / 2));
        let _ = writeln!(boxes, "<path class=\"line\" d=\"M{} {}V{}H{x}\"/>", from.1, from.0, y + 18);
    }
    let name = node.path.rsplit('/').next().unwrap_or(&node.path);
    let label = escaped(&shortened(&format!("{name}: {}", rule(&node.rule)), 56));
    let place = escaped(&place_text(map, &node.path).unwrap_or_default());
    let cost = escaped(&format!("{} expected, {} ceiling", cell(&node.cost.expected), cell(&node.cost.ceiling)));
    let _ = writeln!(
        boxes,
        "<g><title>{} {place}</title><rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"36\" rx=\"4\"/>\
         <text x=\"{}\" y=\"{}\">{label}</text><text class=\"small\" x=\"{}\" y=\"{}\">{cost}</text></g>",
        escaped(&node.path),
        x + 8,
        y + 15,
        x + 8,
        y + 30,
    );
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Call { prompt, .. } => format!("asks {prompt}"),
        Rule::Sequence => "all of".to_owned(),
        Rule::Choice => "one of".to_owned(),
        Rule::Times(symbol) => format!("{} times {}", most(symbol.count.most), symbol.name),
        Rule::Flow { flow } => format!("flow {flow}"),
        Rule::Endless { symbol } => format!("nothing bounds {symbol}"),
    }
}

fn lists(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap, page: &mut String) {
    let budget = estimate.verdicts.iter().map(|one| {
        let (word, meaning) = verdict(one);
        format!("{} per {}: {word}; {meaning}", one.limit, one.scope)
    });
    list("Budget", budget, page);
    list("Sizes", estimate.symbols.iter().map(symbol), page);
    let rests_on =
        estimate.assumptions.iter().flat_map(|one| one.rests_on.iter().map(move |line| format!("{}: {line}", one.name)));
    let title = if matches!(estimate.run.ceiling, Figure::Known(_)) { "The ceiling rests on" } else { "A ceiling would rest on" };
    list(title, rests_on, page);
    let problems = estimate.findings.iter().map(|finding| {
        let place = place_text(map, &finding.path).map(|place| format!("{place}: ")).unwrap_or_default();
        format!("{} {place}{}", finding.code, finding.message)
    });
    list("Problems", problems, page);
    let advice = recommendations.iter().map(|one| format!("{}: {}. {}", one.what, one.saving(), one.changes));
    list("What would save money", advice, page);
}

fn list(title: &str, items: impl Iterator<Item = String>, page: &mut String) {
    let items: Vec<String> = items.map(|item| format!("<li>{}</li>", escaped(&item))).collect();
    if !items.is_empty() {
        let _ = writeln!(page, "<h2>{title}</h2>\n<ul>{}</ul>", items.join("\n"));
    }
}

fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Names are an author's and may be hostile.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
