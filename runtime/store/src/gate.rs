//! Whose turn it is, kept for all processes that share a store.

use pmflow_ledger::gate::{Gate, Said, Step, Time};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A gate after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// In the order of the step's wants.
    pub said: Vec<Said>,
    pub gate: Gate,
    /// On the store's clock, as all times of gates.
    pub now: Time,
}

/// Gates as they stand; one that nobody has stepped yet is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gates {
    pub now: Time,
    pub gates: BTreeMap<String, Gate>,
}

/// Gates of a store that one process has for itself. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LocalGates {
    gates: Arc<Mutex<BTreeMap<String, Gate>>>,
}

impl LocalGates {
    pub fn step(&self, name: &str, step: &Step, now: Time) -> Stepped {
        let mut gates = self.gates();
        let gate = gates.entry(name.to_owned()).or_default();
        let said = gate.step(step, now);
        Stepped { said, gate: gate.clone(), now }
    }

    pub fn read(&self, names: &[String], now: Time) -> Gates {
        let gates = self.gates();
        let gates = names.iter().filter_map(|name| Some((name.clone(), gates.get(name)?.clone()))).collect();
        Gates { now, gates }
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<String, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
