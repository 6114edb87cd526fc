//! Whose turn it is, as a value: what the calls that share one key of a provider, or one connector, may do at a moment.
//!
//! A gate keeps the limits that are declared for the key, what the provider's answers told of its limits, and a circuit
//! breaker for each model. [`Gate::step`] takes in what became of earlier calls and says who goes now. Time is an argument,
//! in microseconds, of one clock; a store keeps the gate and steps it for all processes that share it.
//!
//! Turns are given round robin over teams, and of each team over its flows, not first come, first served: a flow with a
//! thousand calls waiting does not keep another flow's single call waiting for more than one turn of its own, and a team with
//! fifty flows gets no more than a team with one.

mod breaker;
mod lanes;
mod ration;
mod window;

pub use breaker::{Breaker, FAILURES_MAX, OPEN_US_MAX, OPEN_US_MIN};
pub use lanes::Lane;
pub use ration::{Reading, Unit};
pub use window::Window;

use lanes::Lanes;
use ration::Ration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Microseconds since 1970.
pub type Time = i64;

/// A process that asked for turns is counted as waiting for so long; it asks again more often.
pub const WAITS_US: Time = 3_000_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Of all models together.
    whole: Ration,
    models: BTreeMap<String, ModelGate>,
    lanes: Lanes,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ModelGate {
    ration: Ration,
    breaker: Breaker,
}

/// A limit that somebody declared: at most so much in any stretch of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub unit: Unit,
    pub most: u64,
    pub per_us: Time,
}

/// What a process tells and wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Names the process among those that share the gate.
    pub process: String,
    /// What is declared, for the key as a whole (`None`) or for one of its models. It replaces what was declared before.
    pub limits: Vec<(Option<String>, Limit)>,
    /// In the order in which they came.
    pub wants: Vec<Want>,
    pub reports: Vec<Report>,
}

/// A call that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub lane: Lane,
    pub model: String,
    pub tokens: u64,
    /// It has somewhere else to go, or has waited long enough, when the model is out of service.
    pub may_be_refused: bool,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub model: String,
    pub outcome: Outcome,
    /// The turn that it had, and the tokens that it really used.
    pub used: Option<(Turn, u64)>,
    /// What the answer said about the provider's limits.
    pub readings: Vec<Reading>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider is there: it answered, or refused this one call.
    Answered,
    /// Too many calls; it asked for so much patience, if it said.
    Limited { wait_us: Option<Time> },
    /// It could not be reached, broke off, or failed on its side.
    Failed,
    /// Nothing was learnt of it.
    Unsent,
}

/// When a call got its turn, and for how many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub at: Time,
    pub tokens: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Go(Turn),
    /// Not before then; others may be first even so.
    Wait {
        until: Time,
    },
    /// The model is out of service until then at least.
    Refused {
        until: Time,
    },
}

impl Gate {
    /// Takes in the reports and gives out turns. What is said stands in the order of the wants.
    pub fn step(&mut self, step: &Step, now: Time) -> Vec<Said> {
        self.declare(&step.limits);
        for report in &step.reports {
            self.hear(report, now);
        }
        self.lanes.waiting(&step.process, &step.wants, now);
        let said = self.give(step, now);
        self.lanes.still_waiting(&step.process, waiting(&step.wants, &said), now);
        self.models.retain(|_, model| *model != ModelGate::default());
        said
    }

    /// The models whose calls have to ask. Of a key that has a limit as a whole, all do: `None`.
    pub fn gated(&self, now: Time) -> Option<BTreeSet<String>> {
        if self.whole.rations(now) {
            return None;
        }
        let gated = |model: &ModelGate| model.ration.rations(now) || !model.breaker.is_closed();
        Some(self.models.iter().filter(|(_, model)| gated(model)).map(|(name, _)| name.clone()).collect())
    }

    /// Whether the report of an ordinary answer would change anything.
    pub fn wants_reports(&self, model: &str, now: Time) -> bool {
        self.whole.rations(now) || self.models.get(model).is_some_and(|model| model.ration.rations(now) || model.breaker.failed())
    }

    pub fn breaker(&self, model: &str) -> Option<&Breaker> {
        self.models.get(model).map(|model| &model.breaker)
    }

    fn declare(&mut self, limits: &[(Option<String>, Limit)]) {
        self.whole.declare(limits.iter().filter(|(model, _)| model.is_none()).map(|(_, limit)| *limit));
        let declared: BTreeSet<&String> = limits.iter().filter_map(|(model, _)| model.as_ref()).collect();
        for name in declared {
            self.models.entry(name.clone()).or_default();
        }
        for (name, model) in &mut self.models {
            let own = limits.iter().filter(|(of, _)| of.as_ref() == Some(name)).map(|(_, limit)| *limit);
            model.ration.declare(own);
        }
    }

    fn hear(&mut self, report: &Report, now: Time) {
        let model = self.models.entry(report.model.clone()).or_default();
        match report.outcome {
            Outcome::Failed => model.breaker.failed_at(now),
            Outcome::Answered | Outcome::Limited { .. } => model.breaker.answered(),
            Outcome::Unsent => {}
        }
        model.ration.hear(report, now);
        if let Some((turn, tokens)) = report.used {
            model.ration.give_back(turn, tokens);
            self.whole.give_back(turn, tokens);
        }
    }

    /// Room is kept for what other processes wait for whose turn is before: `planned` has it taken, the gate itself has not.
    fn give(&mut self, step: &Step, now: Time) -> Vec<Said> {
        let mut planned = self.clone();
        let mut said: Vec<Option<Said>> = vec![None; step.wants.len()];
        let mut round = planned.lanes.round(&step.process, &step.wants, now);
        while let Some(next) = round.next(&planned.lanes) {
            let answer = planned.ask(&next.model, next.tokens, now);
            let goes = matches!(answer, Said::Go(_));
            if goes {
                planned.lanes.served(&next.lane);
            }
            let Some(position) = next.own else {
                continue;
            };
            if goes {
                self.ask(&next.model, next.tokens, now);
                self.lanes.served(&next.lane);
            }
            let may_be_refused = step.wants.get(position).is_some_and(|want| want.may_be_refused);
            let answer = match answer {
                Said::Refused { until } if !may_be_refused => Said::Wait { until },
                other => other,
            };
            if let Some(place) = said.get_mut(position) {
                *place = Some(answer);
            }
        }
        said.into_iter().map(|said| said.unwrap_or(Said::Wait { until: now })).collect()
    }

    /// Takes a turn if there is one.
    fn ask(&mut self, model: &str, tokens: u64, now: Time) -> Said {
        let gate = self.models.entry(model.to_owned()).or_default();
        if let Some(until) = gate.breaker.closed_until(now) {
            return Said::Refused { until };
        }
        let free_at = gate.ration.free_at(tokens, now).max(self.whole.free_at(tokens, now));
        if free_at > now {
            return Said::Wait { until: free_at };
        }
        gate.breaker.passed(now);
        gate.ration.take(tokens, now);
        self.whole.take(tokens, now);
        Said::Go(Turn { at: now, tokens })
    }
}

fn waiting<'w>(wants: &'w [Want], said: &'w [Said]) -> impl Iterator<Item = &'w Want> {
    wants.iter().zip(said).filter(|(_, said)| matches!(said, Said::Wait { .. })).map(|(want, _)| want)
}
