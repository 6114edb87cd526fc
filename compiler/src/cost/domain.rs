//! What a cost is: three amounts over symbols, `floor ≤ expected ≤ ceiling`, in exact pico-dollars with checked
//! arithmetic. What nobody bounded stays visible as its symbol; it is never zero.

use pmflow_plan::Money;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// An amount that may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    Known(Money),
    /// The symbols that nothing bounds.
    Unbounded(BTreeSet<Arc<str>>),
    /// The amount is beyond what can be counted (about 10²⁶ dollars).
    Overflow,
}

/// Of a step, a prompt or a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    pub floor: Money,
    pub expected: Figure,
    pub ceiling: Figure,
}

/// Least, expected and largest number of something. None: nothing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub least: u64,
    /// In thousandths, for half a call is expected of a branch taken every second time.
    pub expected_milli: Option<u64>,
    pub most: Option<u64>,
}

/// A quantity that the program does not fix, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Symbol {
    /// `rows(leads)`
    pub name: Arc<str>,
    pub count: Count,
    pub origin: Origin,
    /// What makes the upper end true while a run goes: `limit 200 of the source leads`. None: nothing does.
    pub enforcer: Option<String>,
}

/// Where the numbers of a symbol come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Written as a number in the flow.
    Literal,
    /// A bound in a type.
    Schema,
    /// `limit`, `expect`, `likely`.
    Declared,
    /// Taken for want of anything better.
    Assumed,
    Sampled,
    History,
}

/// More symbols than this in one message help nobody, and sets of unlimited size would make pricing quadratic.
const SYMBOLS_KEPT: usize = 8;

impl Figure {
    pub const ZERO: Figure = Figure::Known(Money::ZERO);

    pub fn unbounded(symbol: &Arc<str>) -> Figure {
        Figure::Unbounded(BTreeSet::from([symbol.clone()]))
    }

    pub fn known(&self) -> Option<Money> {
        match self {
            Figure::Known(money) => Some(*money),
            Figure::Unbounded(_) | Figure::Overflow => None,
        }
    }

    pub fn add(&self, other: &Figure) -> Figure {
        self.merge(other, |a, b| a.checked_add(b))
    }

    pub fn max(&self, other: &Figure) -> Figure {
        self.merge(other, |a, b| Some(a.max(b)))
    }

    /// Nothing, however often it happens, is nothing; anything without a bound on how often has none itself.
    pub fn times(&self, factor: Option<u64>, symbol: &Arc<str>) -> Figure {
        match (self, factor) {
            (Figure::Known(Money::ZERO), _) | (_, Some(0)) => Figure::ZERO,
            (Figure::Known(money), Some(factor)) => known_or_overflow(money.checked_mul(i128::from(factor))),
            (other, Some(_)) => other.clone(),
            (Figure::Known(_), None) => Figure::unbounded(symbol),
            (other, None) => other.add(&Figure::unbounded(symbol)),
        }
    }

    /// `numerator / denominator` of the amount, rounded down to a pico-dollar.
    pub fn share(&self, numerator: u64, denominator: u64) -> Figure {
        match self {
            _ if numerator == 0 => Figure::ZERO,
            Figure::Known(money) => {
                let product = money.checked_mul(i128::from(numerator));
                known_or_overflow(product.map(|product| Money::from_pico(product.pico() / i128::from(denominator.max(1)))))
            }
            other => other.clone(),
        }
    }

    fn merge(&self, other: &Figure, both: impl Fn(Money, Money) -> Option<Money>) -> Figure {
        match (self, other) {
            (Figure::Known(a), Figure::Known(b)) => known_or_overflow(both(*a, *b)),
            (Figure::Overflow, _) | (_, Figure::Overflow) => Figure::Overflow,
            (Figure::Unbounded(a), Figure::Unbounded(b)) => {
                Figure::Unbounded(a.iter().chain(b).take(SYMBOLS_KEPT).cloned().collect())
            }
            (Figure::Unbounded(symbols), _) | (_, Figure::Unbounded(symbols)) => Figure::Unbounded(symbols.clone()),
        }
    }
}

impl Cost {
    pub const ZERO: Cost = Cost { floor: Money::ZERO, expected: Figure::ZERO, ceiling: Figure::ZERO };

    pub fn add(&self, other: &Cost) -> Cost {
        Cost {
            floor: self.floor.checked_add(other.floor).unwrap_or(self.floor),
            expected: self.expected.add(&other.expected),
            ceiling: self.ceiling.add(&other.ceiling),
        }
    }

    pub fn times(&self, symbol: &Symbol) -> Cost {
        let expected = match symbol.count.expected_milli {
            Some(milli) => self.expected.share(milli, 1000),
            None => self.expected.times(None, &symbol.name),
        };
        Cost {
            floor: self.floor.checked_mul(i128::from(symbol.count.least)).unwrap_or(self.floor),
            expected,
            ceiling: self.ceiling.times(symbol.count.most, &symbol.name),
        }
    }

    /// Restores `floor ≤ expected ≤ ceiling` where estimates of different origin met.
    pub fn ordered(mut self) -> Cost {
        if let (Figure::Known(expected), Figure::Known(ceiling)) = (&self.expected, &self.ceiling) {
            self.expected = Figure::Known(*expected.min(ceiling));
        }
        match (&self.expected, &self.ceiling) {
            (Figure::Known(expected), _) => self.floor = self.floor.min(*expected),
            (_, Figure::Known(ceiling)) => self.floor = self.floor.min(*ceiling),
            _ => {}
        }
        self
    }
}

impl Count {
    pub const ONE: Count = Count::exactly(1);

    pub const fn exactly(count: u64) -> Count {
        Count { least: count, expected_milli: Some(count.saturating_mul(1000)), most: Some(count) }
    }

    pub fn times(self, other: Count) -> Count {
        // In 128 bits, for the thousandths of large counts.
        let milli = |a: u64, b: u64| u64::try_from(u128::from(a) * u128::from(b) / 1000).unwrap_or(u64::MAX);
        let nothing = self.most == Some(0) || other.most == Some(0);
        Count {
            least: self.least.saturating_mul(other.least),
            expected_milli: if nothing {
                Some(0)
            } else {
                self.expected_milli.zip(other.expected_milli).map(|(a, b)| milli(a, b))
            },
            most: if nothing { Some(0) } else { self.most.zip(other.most).and_then(|(a, b)| a.checked_mul(b)) },
        }
    }

    pub fn plus(self, other: Count) -> Count {
        Count {
            least: self.least.saturating_add(other.least),
            expected_milli: self.expected_milli.zip(other.expected_milli).map(|(a, b)| a.saturating_add(b)),
            most: self.most.zip(other.most).and_then(|(a, b)| a.checked_add(b)),
        }
    }
}

fn known_or_overflow(money: Option<Money>) -> Figure {
    money.map_or(Figure::Overflow, Figure::Known)
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Known(money) => money.fmt(f),
            Figure::Unbounded(symbols) => {
                let names: Vec<&str> = symbols.iter().map(|symbol| &**symbol).collect();
                write!(f, "unbounded: {}", names.join(", "))
            }
            Figure::Overflow => f.write_str("beyond counting"),
        }
    }
}

impl Serialize for Figure {
    /// `{"usd": "12.5"}`, `{"unbounded": ["rows(leads)"]}` or `{"overflow": true}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Figure::Known(money) => map.serialize_entry("usd", money)?,
            Figure::Unbounded(symbols) => map.serialize_entry("unbounded", &symbols.iter().map(|s| &**s).collect::<Vec<_>>())?,
            Figure::Overflow => map.serialize_entry("overflow", &true)?,
        }
        map.end()
    }
}

impl Serialize for Cost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut cost = serializer.serialize_struct("Cost", 3)?;
        cost.serialize_field("floor", &Figure::Known(self.floor))?;
        cost.serialize_field("expected", &self.expected)?;
        cost.serialize_field("ceiling", &self.ceiling)?;
        cost.end()
    }
}
