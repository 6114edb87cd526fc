//! The reason of a number: the tree of steps that it is made of, down to lines of the source.

use super::{cell, expected, most, place_text};
use crate::cost::estimate::{Estimate, Node, Rule};
use pmflow_plan::SourceMap;

/// Beyond this a tree is read in its file form (`--format json`).
const LINES_MAX: usize = 400;

pub fn unfold(estimate: &Estimate, map: &SourceMap) -> String {
    let mut lines = Vec::new();
    let mut open = vec![(estimate.nodes.len().wrapping_sub(1), 0usize)];
    while let Some((position, depth)) = open.pop() {
        let Some(node) = estimate.nodes.get(position) else { continue };
        if lines.len() == LINES_MAX {
            lines.push(format!("… and more: {} parts in all", estimate.nodes.len()));
            break;
        }
        let indent = "  ".repeat(depth.min(20));
        let place = place_text(map, &node.path).map(|place| format!("  {place}")).unwrap_or_default();
        let cost = format!("{} / {}", cell(&node.cost.expected), cell(&node.cost.ceiling));
        lines.push(format!("{indent}{}  {}  {cost}{place}", node.path, reason(node)));
        open.extend(node.children.iter().rev().map(|(child, _)| (*child, depth + 1)));
    }
    lines.join("\n") + "\n"
}

fn reason(node: &Node) -> String {
    match &node.rule {
        Rule::Call { prompt, tries_max, requests_per_try_max } => {
            format!("calls {prompt}: tries × requests ≤ {tries_max} × {requests_per_try_max}")
        }
        Rule::Sequence => "sum of".to_owned(),
        Rule::Choice => "dearest of".to_owned(),
        Rule::Times(symbol) => {
            let count = symbol.count;
            format!("{}: {} / {} times", symbol.name, expected(count), most(count.most))
        }
        Rule::Flow { flow } => format!("flow {flow}"),
        Rule::Endless { symbol } => format!("nothing bounds {symbol}"),
    }
}
