//! How far a run's cost may lie from what is expected of it: variances along the tree, and a log-normal shape over them.
//!
//! Only ratios are floating-point numbers here; money stays whole. A sum of calls of log-normal lengths is again nearly
//! log-normal with the sum's mean and variance (Fenton and Wilkinson), which holds for one call and for thousands.

use super::domain::{Cost, Count, Origin, Symbol};
use super::estimate::{Node, Rule};
use super::expectations::{Expectations, SeenCalls};
use pmflow_plan::Money;
use serde::Serialize;

/// Eight runs in ten are expected to cost between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    pub low: Money,
    pub high: Money,
    /// Calls that it was learned from; zero: it rests on rules of thumb.
    pub calls_seen: u64,
}

/// Squared coefficients of variation.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    /// Independent from call to call: it averages out.
    own: f64,
    /// Of not knowing the mean: it does not.
    shared: f64,
}

/// From call to call, where nothing was seen.
pub(super) const CALL_SPREAD: f64 = 0.3;
/// A mean that was only declared may well be half or twice of it.
pub(super) const PRIOR_SPREAD: f64 = 0.5;
/// Of a number of rows that somebody wrote down, and of one that nobody did.
const DECLARED_SPREAD: f64 = 0.05;
const ASSUMED_SPREAD: f64 = 0.3;
/// Of the normal distribution: one in ten lies above.
const TENTH: f64 = 1.281_551_565_545;

pub(super) fn interval(nodes: &[Node], expectations: &Expectations, run: &Cost) -> Option<Interval> {
    let expected = run.expected.known()?;
    let mut spreads: Vec<Spread> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let spread = of_node(node, nodes, &spreads, expectations);
        spreads.push(spread);
    }
    let root = spreads.last()?;
    let shape = (1.0 + root.own + root.shared).ln().sqrt();
    let at = |z: f64| {
        let amount = scaled(expected, (z * shape - shape * shape / 2.0).exp())?;
        Some(run.ceiling.known().map_or(amount, |ceiling| amount.min(ceiling)).max(run.floor))
    };
    let calls_seen = expectations.calls.values().map(|seen| seen.calls).sum();
    Some(Interval { low: at(-TENTH)?, high: at(TENTH)?, calls_seen })
}

fn of_node(node: &Node, nodes: &[Node], below: &[Spread], expectations: &Expectations) -> Spread {
    let parts: Vec<(f64, Spread, Count)> = node
        .children
        .iter()
        .filter_map(|(child, count)| {
            let share = ratio(nodes.get(*child)?.cost.expected.known()?, node.cost.expected.known()?);
            Some((share, *below.get(*child)?, *count))
        })
        .collect();
    match &node.rule {
        Rule::Call { .. } => of_call(expectations.calls.get(&node.path)),
        Rule::Sequence | Rule::Flow { .. } => parts.iter().fold(Spread::default(), |sum, (share, part, _)| Spread {
            own: sum.own + share * share * part.own,
            shared: sum.shared + share * share * part.shared,
        }),
        Rule::Times(symbol) => {
            parts.first().map_or_else(Spread::default, |(_, part, _)| repeated(symbol, *part, node, expectations))
        }
        Rule::Choice => choice(&parts),
        Rule::Endless { .. } => Spread::default(),
    }
}

fn of_call(seen: Option<&SeenCalls>) -> Spread {
    match seen {
        None => Spread { own: CALL_SPREAD, shared: PRIOR_SPREAD },
        Some(seen) => Spread { own: seen.spread, shared: PRIOR_SPREAD * (1.0 - seen.weight()) },
    }
}

impl SeenCalls {
    /// How much of the mean that is seen counts against the one that is declared: between none and all.
    pub(super) fn weight(&self) -> f64 {
        let error = self.spread.max(1e-4) / (self.calls.max(1) as f64);
        PRIOR_SPREAD / (PRIOR_SPREAD + error)
    }
}

fn repeated(symbol: &Symbol, part: Spread, node: &Node, expectations: &Expectations) -> Spread {
    let times = symbol.count.expected_milli.unwrap_or(0).max(1) as f64 / 1000.0;
    let known = expectations.counts.get(&node.path).and_then(|count| count.spread);
    let of_times = known.unwrap_or_else(|| match symbol.origin {
        _ if symbol.count.most.map(|most| most.saturating_mul(1000)) == symbol.count.expected_milli => 0.0,
        Origin::Assumed => ASSUMED_SPREAD,
        _ => DECLARED_SPREAD,
    });
    Spread { own: part.own / times.max(0.001) + of_times, shared: part.shared }
}

/// One of the arms, each with its probability: what is not taken costs nothing.
fn choice(parts: &[(f64, Spread, Count)]) -> Spread {
    let mut own = -1.0;
    let mut shared = 0.0;
    for (ratio, part, count) in parts {
        let likely = count.expected_milli.unwrap_or(0) as f64 / 1000.0;
        // `ratio` is the arm's cost by the whole's; its share of the whole is that times how likely it is.
        own += likely * ratio * ratio * (1.0 + part.own);
        shared += (likely * ratio) * (likely * ratio) * part.shared;
    }
    Spread { own: own.max(0.0), shared }
}

fn ratio(part: Money, whole: Money) -> f64 {
    if whole.pico() <= 0 { 0.0 } else { part.pico() as f64 / whole.pico() as f64 }
}

/// The factor in millionths, so that money is only ever multiplied by whole numbers.
fn scaled(money: Money, factor: f64) -> Option<Money> {
    let millionths = (factor * 1e6).round();
    if !(0.0..1e15).contains(&millionths) {
        return None;
    }
    money.checked_mul(millionths as i128).map(|product| Money::from_pico(product.pico() / 1_000_000))
}
