//! Facts that did not hold: a provider billed more than a ceiling was proven with. What a run saw counts from then on against
//! what the catalog says.

use super::{Catalog, Day};
use pmflow_plan::{CapFidelity, Model};
use serde::{Deserialize, Serialize};

/// A request used more tokens than the fact allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenFact {
    /// As the plan names it.
    pub model: String,
    pub fact: Fact,
    /// Tokens: the bound that held for the request, and what the provider reported. The bound of an output is the cap that was
    /// sent, without any slack.
    pub bound: u64,
    pub seen: u64,
    /// In which run, and when.
    pub run: String,
    pub date: Day,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    OutputCap,
    InputCount,
}

impl BrokenFact {
    pub fn excess(&self) -> u64 {
        self.seen.saturating_sub(self.bound)
    }
}

impl std::fmt::Display for BrokenFact {
    /// `openai/gpt-5.4-mini: answered with 900 tokens where the cap was 300 (run …, 2026-11-23)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let BrokenFact { model, bound, seen, run, date, .. } = self;
        match self.fact {
            Fact::OutputCap => write!(f, "{model}: answered with {seen} tokens where the cap was {bound} (run {run}, {date})"),
            Fact::InputCount => {
                write!(f, "{model}: billed {seen} tokens of input where {bound} were the bound (run {run}, {date})")
            }
        }
    }
}

impl Catalog {
    /// The same catalog, corrected by what runs saw. A cap that was passed counts as soft, with as many tokens as it was
    /// passed by; a soft one that was passed further counts for nothing. A count that was passed falls back from the calibration to
    /// bytes, and where there is nothing to fall back to, what was passed is added to each request.
    pub fn corrected(self, broken: Vec<BrokenFact>) -> Catalog {
        Catalog { broken, hash: Default::default(), ..self }
    }

    /// What runs saw of a model, in the order in which they saw it.
    pub fn broken(&self, id: &str) -> impl Iterator<Item = &BrokenFact> {
        let id = self.full_name(id);
        self.broken.iter().filter(move |broken| self.full_name(&broken.model) == id)
    }

    pub(super) fn correct(&self, model: &mut Model) {
        for broken in self.broken(&model.id) {
            match broken.fact {
                Fact::OutputCap => model.output_cap = worse(model.output_cap, broken.excess()),
                Fact::InputCount => model.calibration_milli = None,
            }
        }
    }

    /// Tokens that each request to the model may have besides what is counted and known of its framing.
    pub(in crate::cost) fn uncounted_tokens(&self, id: &str) -> u64 {
        let calibrated = self.entry(id).is_some_and(|(facts, entry)| facts.calibration.is_some() && entry.encoding.is_none());
        let counts = self.broken(id).filter(|broken| broken.fact == Fact::InputCount);
        counts.skip(usize::from(calibrated)).map(BrokenFact::excess).max().unwrap_or(0)
    }

    /// An alias is the same model.
    fn full_name(&self, id: &str) -> String {
        self.entry(id).map_or_else(|| id.to_owned(), |(facts, entry)| format!("{}/{}", facts.provider, entry.id))
    }
}

fn worse(cap: CapFidelity, excess: u64) -> CapFidelity {
    match cap {
        CapFidelity::Hard => CapFidelity::Soft { slack_tokens: excess },
        CapFidelity::Soft { slack_tokens } if excess <= slack_tokens => cap,
        CapFidelity::Soft { .. } | CapFidelity::None => CapFidelity::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures::{ask, flow, plan, prompt, step};
    use crate::cost::{Figure, price_with};

    const EXACT: &str = "openai/gpt-5.4-mini";
    const CALIBRATED: &str = "anthropic/claude-sonnet-5-5";

    fn broken(model: &str, fact: Fact, bound: u64, seen: u64) -> BrokenFact {
        BrokenFact { model: model.to_owned(), fact, bound, seen, run: "r1".to_owned(), date: Day(20_000) }
    }

    fn corrected(all: &[BrokenFact]) -> Catalog {
        Catalog::unread().corrected(all.to_vec())
    }

    fn ceiling(model: &str, all: &[BrokenFact]) -> Figure {
        let catalog = corrected(all);
        let mut plan = plan(vec![flow("main", vec![step("a", ask("ask"))])], vec![prompt("ask", &[model])]);
        plan.models = [(model.to_owned(), catalog.resolve(model).expect("it is in the catalog"))].into();
        price_with(&mut plan, &catalog).run.ceiling
    }

    #[test]
    fn a_cap_that_was_passed_counts_for_less_each_time() {
        let cap = |all: &[BrokenFact]| corrected(all).resolve(EXACT).expect("it is in the catalog").output_cap;
        let passed = |seen| broken(EXACT, Fact::OutputCap, 300, seen);
        assert_eq!(cap(&[]), CapFidelity::Hard);
        assert_eq!(cap(&[passed(900)]), CapFidelity::Soft { slack_tokens: 600 });
        assert_eq!(cap(&[passed(900), passed(800)]), CapFidelity::Soft { slack_tokens: 600 });
        assert_eq!(cap(&[passed(900), passed(901)]), CapFidelity::None);
        assert_eq!(cap(&[broken(CALIBRATED, Fact::OutputCap, 300, 900)]), CapFidelity::Hard, "another model's");
        let alias = broken("openai/gpt-5.4-mini-2026-03-17", Fact::OutputCap, 300, 900);
        assert_eq!(cap(&[alias]), CapFidelity::Soft { slack_tokens: 600 });
        // 600 more tokens of output, at $4.50 per million.
        let dearer =
            ceiling(EXACT, &[]).known().and_then(|before| before.checked_add(pmflow_plan::Money::from_pico(600 * 4_500_000)));
        assert_eq!(ceiling(EXACT, &[passed(900)]).known(), dearer);
        assert_eq!(ceiling(EXACT, &[passed(900), passed(901)]), Figure::unbounded(&format!("cap({EXACT})").into()));
    }

    #[test]
    fn a_count_that_was_passed_falls_back_to_bytes_and_then_to_what_was_seen() {
        let passed = |model, seen| broken(model, Fact::InputCount, 1500, seen);
        let extra = |model, all: &[BrokenFact]| corrected(all).uncounted_tokens(model);
        assert_eq!(corrected(&[passed(CALIBRATED, 1600)]).resolve(CALIBRATED).map(|model| model.calibration_milli), Ok(None));
        assert_eq!(extra(CALIBRATED, &[passed(CALIBRATED, 1600)]), 0);
        assert_eq!(extra(CALIBRATED, &[passed(CALIBRATED, 1600), passed(CALIBRATED, 1700)]), 200);
        assert_eq!(extra(EXACT, &[passed(EXACT, 1530), passed(EXACT, 1510)]), 30);
        let input = |tokens: i128| ceiling(EXACT, &[]).known()?.checked_add(pmflow_plan::Money::from_pico(tokens * 750_000));
        assert_eq!(ceiling(EXACT, &[passed(EXACT, 1530)]).known(), input(30));
    }

    #[test]
    fn a_corrected_catalog_is_another_one() {
        let passed = broken(EXACT, Fact::OutputCap, 300, 900);
        assert_ne!(corrected(&[passed]).hash(), Catalog::builtin().hash());
        assert_eq!(corrected(&[]).hash(), Catalog::builtin().hash());
    }
}
