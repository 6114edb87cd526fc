//! An estimate for people and programs: a table for the terminal, Markdown for a pull request, JSON.

mod html;
mod json;
mod markdown;
mod table;
mod unfold;

pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use table::table;
pub use unfold::unfold;

use super::domain::{Count, Figure, Origin, Symbol};
use super::estimate::Estimate;
use super::history::Seen;
use super::verdict::{Standing, Verdict};
use pmflow_plan::{Money, Place, SourceMap};

/// Where a path stands in the source: its own place, else that of the nearest step around it.
pub(super) fn place<'a>(map: &'a SourceMap, path: &str) -> Option<&'a Place> {
    let mut path = path;
    loop {
        if let Some(place) = map.places.get(path) {
            return Some(place);
        }
        path = path.rsplit_once('/')?.0;
    }
}

fn place_text(map: &SourceMap, path: &str) -> Option<String> {
    place(map, path).map(|place| format!("{}:{}", place.file, place.line))
}

/// `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Thousandths as a number of calls: `120`, `0.5`, `<0.001`.
fn expected(count: Count) -> String {
    match count.expected_milli {
        None => "?".to_owned(),
        Some(milli) if milli % 1000 == 0 || milli >= 100_000 => grouped(milli / 1000),
        Some(milli) => format!("{}.{:03}", milli / 1000, milli % 1000).trim_end_matches('0').to_owned(),
    }
}

fn most(count: Option<u64>) -> String {
    count.map_or_else(|| "unbounded".to_owned(), grouped)
}

/// One word for a cell; the symbols are named below the table.
fn cell(figure: &Figure) -> String {
    match figure {
        Figure::Known(money) => money.to_string(),
        Figure::Unbounded(_) => "unbounded".to_owned(),
        Figure::Overflow => "overflow".to_owned(),
    }
}

/// Tenths of a per cent from thousandths: `34%`, `0.4%`.
fn percent(milli: Option<u64>) -> String {
    match milli {
        None => String::new(),
        Some(milli) if milli >= 10 || milli == 0 => format!("{}%", (milli + 5) / 10),
        Some(milli) => format!("0.{milli}%"),
    }
}

fn verdict(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict.finding {
        Standing::Proven => ("proven", "it cannot be passed"),
        Standing::CappedAtRunTime => {
            ("capped at run time", "the ceiling is not within it, and the runtime stops what would pass it")
        }
        Standing::Over => ("over", "more than that is expected"),
        Standing::Unknown => ("not known", "nothing says how often the flow runs"),
    }
}

/// How far a run may lie from what is expected, and what it is taken from.
fn interval(estimate: &Estimate) -> Option<String> {
    let interval = estimate.interval.as_ref().filter(|interval| interval.high.pico() > 0)?;
    let from = match interval.calls_seen {
        0 => "from declared sizes".to_owned(),
        calls => format!("from {} past calls", grouped(calls)),
    };
    Some(format!("8 in 10 runs between {} and {}, {from}", interval.low, interval.high))
}

/// What past runs came to, one line each.
fn seen(seen: &Seen) -> Vec<String> {
    if seen.runs == 0 {
        return vec!["no paid run of this flow has succeeded yet; what is declared counts".to_owned()];
    }
    let money = |money: Option<Money>| money.map_or_else(|| "?".to_owned(), |money| money.to_string());
    let runs = if seen.runs == 1 { "1 run".to_owned() } else { format!("{} runs", grouped(seen.runs)) };
    let mut lines = vec![format!(
        "{runs}: half cost at most {}, 95 of 100 at most {}, the last {}",
        money(seen.median),
        money(seen.p95),
        money(seen.last)
    )];
    lines.extend(seen.drift.iter().cloned());
    lines
}

fn symbol(symbol: &Symbol) -> String {
    let enforced = symbol.enforcer.as_deref().unwrap_or("nothing bounds it");
    let seen = if symbol.origin == Origin::History { " as seen" } else { "" };
    format!("{}: {} expected{seen}, {} at most ({enforced})", symbol.name, expected(symbol.count), most(symbol.count.most))
}

#[cfg(test)]
mod tests;
