//! The estimate as a page of its own: no script, no font, no address of anybody else's, so it can be kept and mailed.

use super::{cell, expected, most, percent, place_text, symbol, verdict};
use crate::cost::domain::{Count, Figure, Origin, Symbol};
use crate::cost::estimate::{Estimate, Node, Rule};
use crate::cost::recommend::Recommendation;
use pmflow_plan::SourceMap;
use std::fmt::Write;

/// A picture of more boxes helps nobody.
const BOXES_MAX: usize = 60;
const WIDTH: usize = 800;
const ROW_HEIGHT: usize = 48;
const INDENT: usize = 26;
/// Where every box ends, so that their numbers stand below each other.
const BOX_RIGHT: usize = 500;
/// The longest bars leave room for the words behind them.
const SHARE_WIDTH: usize = 230;
const BAR_WIDTH: usize = 430;
const BAR_ROW_HEIGHT: usize = 38;
const EXPECTED_FILL: &str = "#2f6aa8";
const CEILING_FILL: &str = "#a9c4e0";

pub fn html(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap) -> String {
    let title = escaped(&estimate.flow);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>Cost of {title}</title>\n<style>{STYLE}</style>\n\
         <h1>Cost of <code>{title}</code></h1>\n<p>One run: <b>{}</b> expected, <b>{}</b> ceiling.</p>\n",
        escaped(&cell(&estimate.run.expected)),
        escaped(&estimate.run.ceiling.to_string()),
    );
    if let (Some(day), Some(month)) = (&estimate.day, &estimate.month) {
        for (name, cost) in [("day", day), ("month", month)] {
            let _ = writeln!(page, "<p>Per {name}: {} expected, {} ceiling.</p>", cell(&cost.expected), cell(&cost.ceiling));
        }
    }
    if let Some(interval) = super::interval(estimate) {
        let _ = writeln!(page, "<p>{}.</p>", escaped(&interval));
    }
    prompts(estimate, map, &mut page);
    page.push_str("<h2>Where the money goes</h2>\n");
    bars(estimate, &mut page);
    page.push_str("<h2>The flow</h2>\n");
    page.push_str("<p>A box says what it costs once; the bars beside it are its part of the whole run.</p>\n");
    graph(estimate, map, &mut page);
    lists(estimate, recommendations, map, &mut page);
    page.push_str("</html>\n");
    page
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1b1b1b;background:#fff}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc;white-space:nowrap}\
td:first-child,th:first-child{text-align:left}.wide{overflow-x:auto}svg{max-width:100%;min-width:40em;height:auto}\
@media(prefers-color-scheme:dark){body{color:#e4e4e4;background:#17191c}td,th{border-color:#44484d}\
svg{background:#fff;border-radius:6px;padding:10px;box-sizing:border-box}}";

fn prompts(estimate: &Estimate, map: &SourceMap, page: &mut String) {
    page.push_str(
        "<div class=\"wide\"><table>\n<tr><th>prompt<th>calls<th>tokens in<th>tokens out<th>per call<th>per run<th>share</tr>\n",
    );
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
    page.push_str("</table></div>\n<p>Each pair is expected / ceiling.</p>\n");
}

/// Two bars for each prompt: its part of what a run is expected to cost, and its part of the ceiling.
fn bars(estimate: &Estimate, page: &mut String) {
    let rows = estimate.prompts.len().min(BOXES_MAX);
    open_picture(rows * BAR_ROW_HEIGHT + 30, "The part of each prompt", page);
    let (expected, ceiling) = (&estimate.run.expected, &estimate.run.ceiling);
    legend(page);
    for (position, prompt) in estimate.prompts.iter().take(BOXES_MAX).enumerate() {
        let y = position * BAR_ROW_HEIGHT + 30;
        text(0, y + 20, Look::Name, &shortened(&prompt.prompt, 26), page);
        bar(220, y, part(&prompt.run.expected, expected), EXPECTED_FILL, &cell(&prompt.run.expected), page);
        bar(220, y + 15, part(&prompt.run.ceiling, ceiling), CEILING_FILL, &cell(&prompt.run.ceiling), page);
    }
    page.push_str("</svg></div>\n");
}

fn legend(page: &mut String) {
    for (x, fill, what) in [(220, EXPECTED_FILL, "expected"), (310, CEILING_FILL, "ceiling")] {
        let _ = write!(page, "<rect x=\"{x}\" y=\"4\" width=\"12\" height=\"12\" fill=\"{fill}\"/>");
        text(x + 18, 14, Look::Small, what, page);
    }
}

/// What it comes to stands behind the bar, with its part of the whole.
fn bar(x: usize, y: usize, part_milli: Option<u64>, fill: &str, amount: &str, page: &mut String) {
    let width = usize::try_from(part_milli.unwrap_or(0).min(1000)).unwrap_or(0) * BAR_WIDTH / 1000;
    let _ = write!(page, "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"12\" fill=\"{fill}\"/>", width.max(1));
    text(x + width + 6, y + 10, Look::Small, &format!("{amount}, {}", percent(part_milli)), page);
}

fn part(of: &Figure, whole: &Figure) -> Option<u64> {
    let (of, whole) = (of.known()?.pico(), whole.known()?.pico());
    u64::try_from(of.checked_mul(1000)?.checked_div(whole)?).ok()
}

/// The steps from the run down, a box for each that may cost something, its parent above and to the left.
fn graph(estimate: &Estimate, map: &SourceMap, page: &mut String) {
    let mut boxes = String::new();
    let visits = visits(estimate);
    let mut open = vec![Open { node: estimate.nodes.len().wrapping_sub(1), depth: 0, parent: None }];
    let mut row = 0;
    while let Some(next) = open.pop() {
        let Some(node) = estimate.nodes.get(next.node) else { continue };
        if row == BOXES_MAX {
            text(0, row * ROW_HEIGHT + 20, Look::Small, "… and more", &mut boxes);
            row += 1;
            break;
        }
        let above = next.parent.map(|(_, above)| above).and_then(|above: usize| estimate.nodes.get(above));
        // The steps of a block stand below what the block belongs to, not below a box of its own.
        let plain = above.is_some_and(|above| above.path == node.path && !matches!(above.rule, Rule::Choice));
        let (depth, parent) = if plain && matches!(node.rule, Rule::Sequence) {
            (next.depth, next.parent)
        } else {
            let share = visits.get(next.node).map(|visits| share(node, *visits, estimate));
            draw(node, next.depth.min(10), row, next.parent.map(|(row, _)| row), share, map, &mut boxes);
            row += 1;
            (next.depth + 1, Some((row - 1, next.node)))
        };
        open.extend(node.children.iter().rev().map(|(child, _)| Open { node: *child, depth, parent }));
    }
    open_picture(row * ROW_HEIGHT + 8, "The steps of the flow", page);
    page.push_str(&boxes);
    page.push_str("</svg></div>\n");
}

struct Open {
    node: usize,
    depth: usize,
    /// Its row and its position among the nodes.
    parent: Option<(usize, usize)>,
}

/// How often each node happens in a run: parents stand behind their children.
fn visits(estimate: &Estimate) -> Vec<Count> {
    let mut visits = vec![Count::exactly(0); estimate.nodes.len()];
    if let Some(root) = visits.last_mut() {
        *root = Count::ONE;
    }
    for (position, node) in estimate.nodes.iter().enumerate().rev() {
        let visit = visits.get(position).copied().unwrap_or(Count::ONE);
        for (child, count) in &node.children {
            if let Some(below) = visits.get_mut(*child) {
                *below = below.plus(visit.times(*count));
            }
        }
    }
    visits
}

/// Of the run, in thousandths: what is expected, and the ceiling.
fn share(node: &Node, visits: Count, estimate: &Estimate) -> (Option<u64>, Option<u64>) {
    let symbol = Symbol { name: "visits".into(), count: visits, origin: Origin::Assumed, enforcer: None };
    let cost = node.cost.times(&symbol);
    (part(&cost.expected, &estimate.run.expected), part(&cost.ceiling, &estimate.run.ceiling))
}

fn draw(
    node: &Node,
    depth: usize,
    row: usize,
    parent: Option<usize>,
    share: Option<(Option<u64>, Option<u64>)>,
    map: &SourceMap,
    boxes: &mut String,
) {
    let (x, y) = (depth * INDENT + 1, row * ROW_HEIGHT + 4);
    if let Some(parent) = parent {
        let (from, left) = (parent * ROW_HEIGHT + ROW_HEIGHT - 6, x.saturating_sub(INDENT / 2));
        let _ = write!(boxes, "<path stroke=\"#8a97a5\" fill=\"none\" d=\"M{left} {from}V{}H{x}\"/>", y + 19);
    }
    let place = place_text(map, &node.path).unwrap_or_default();
    let _ = write!(
        boxes,
        "<g><title>{} {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"38\" rx=\"5\" fill=\"{}\" stroke=\"#8a97a5\"/>",
        escaped(&node.path),
        escaped(&place),
        BOX_RIGHT - x,
        fill(&node.rule),
    );
    let name = node.path.rsplit('/').next().unwrap_or(&node.path);
    let room = BOX_RIGHT - x;
    text(x + 10, y + 16, Look::Name, &shortened(name, room.saturating_sub(90) / 9), boxes);
    text(x + 10, y + 31, Look::Small, &shortened(&rule(&node.rule), room.saturating_sub(130) / 6), boxes);
    text(BOX_RIGHT - 10, y + 16, Look::NumberRight, &cell(&node.cost.expected), boxes);
    text(BOX_RIGHT - 10, y + 31, Look::SmallRight, &format!("ceiling {}", cell(&node.cost.ceiling)), boxes);
    if let (Rule::Call { .. }, Some((expected, ceiling))) = (&node.rule, share) {
        thin_bar(y + 6, expected, EXPECTED_FILL, boxes);
        thin_bar(y + 21, ceiling, CEILING_FILL, boxes);
    }
    boxes.push_str("</g>\n");
}

fn thin_bar(y: usize, part_milli: Option<u64>, fill: &str, boxes: &mut String) {
    let width = usize::try_from(part_milli.unwrap_or(0).min(1000)).unwrap_or(0) * SHARE_WIDTH / 1000;
    let x = BOX_RIGHT + 14;
    let _ = write!(boxes, "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"11\" fill=\"{fill}\"/>", width.max(1));
    text(x + width + 6, y + 10, Look::Small, &percent(part_milli), boxes);
}

fn fill(rule: &Rule) -> &'static str {
    match rule {
        Rule::Call { .. } => "#e8f1fa",
        Rule::Times(_) => "#fdf3df",
        Rule::Choice => "#f1ebfa",
        Rule::Flow { .. } => "#e9f5ea",
        Rule::Sequence => "#f6f7f8",
        Rule::Endless { .. } => "#fbe4e2",
    }
}

/// A line of text in a picture. Everything is an attribute, so that a picture that is taken out of the page still looks so.
#[derive(Clone, Copy)]
enum Look {
    Name,
    Small,
    NumberRight,
    SmallRight,
}

fn text(x: usize, y: usize, look: Look, line: &str, page: &mut String) {
    let look = match look {
        Look::Name => "font-size=\"13\" font-weight=\"600\" fill=\"#1b1b1b\"",
        Look::Small => "font-size=\"11\" fill=\"#4a5560\"",
        Look::NumberRight => "font-size=\"13\" fill=\"#1b1b1b\" text-anchor=\"end\"",
        Look::SmallRight => "font-size=\"11\" fill=\"#4a5560\" text-anchor=\"end\"",
    };
    let _ = write!(page, "<text x=\"{x}\" y=\"{y}\" {look}>{}</text>", escaped(line));
}

fn open_picture(height: usize, label: &str, page: &mut String) {
    let _ = writeln!(
        page,
        "<div class=\"wide\"><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" aria-label=\"{label}\">"
    );
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Call { prompt, tries_max, requests_per_try_max } => match tries_max.saturating_mul(*requests_per_try_max) {
            1 => format!("asks {prompt}, one request"),
            requests => format!("asks {prompt}, at most {requests} requests"),
        },
        Rule::Sequence => "one after the other".to_owned(),
        Rule::Choice => "one of these".to_owned(),
        Rule::Times(symbol) => format!("{}: {}, at most {}", symbol.name, expected(symbol.count), most(symbol.count.most)),
        Rule::Flow { flow } => format!("flow {flow}"),
        Rule::Endless { symbol } => format!("nothing bounds {symbol}"),
    }
}

fn lists(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap, page: &mut String) {
    let budget = estimate.verdicts.iter().map(|one| {
        let (word, meaning) = verdict(one);
        format!("{} per {}: {word}; {meaning}", one.limit, one.scope)
    });
    list("Seen", estimate.seen.iter().flat_map(super::seen), page);
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
    let items: Vec<String> = items.map(|item| format!("<li>{}</li>", with_code(&item))).collect();
    if !items.is_empty() {
        let _ = writeln!(page, "<h2>{title}</h2>\n<ul>{}</ul>", items.join("\n"));
    }
}

/// What stands between backquotes is code.
fn with_code(text: &str) -> String {
    let pieces: Vec<String> = escaped(text).split('`').map(str::to_owned).collect();
    let pairs = pieces.len() % 2 == 1;
    let piece = |(position, piece): (usize, &String)| match position % 2 {
        1 if pairs => format!("<code>{piece}</code>"),
        1 => format!("`{piece}"),
        _ => piece.clone(),
    };
    pieces.iter().enumerate().map(piece).collect()
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
