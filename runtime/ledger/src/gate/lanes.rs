//! Who is next: round robin over the lanes that wait, in this process or in another.

use super::{Time, WAITS_US, Want};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A lane in which nobody waited for so long is forgotten.
const FORGOTTEN_AFTER_US: Time = 60_000_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lanes {
    lanes: BTreeMap<String, Lane>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lane {
    /// Turns that it had, counted on from where the others stood when it came.
    served: u64,
    waited_at: Time,
    /// By process, the first call that waits there.
    heads: BTreeMap<String, Head>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    model: String,
    tokens: u64,
    until: Time,
}

/// The one whose turn it is, if there is room.
#[derive(Debug)]
pub(super) struct Next {
    pub lane: String,
    pub model: String,
    pub tokens: u64,
    /// Among the process's own wants; none: another process waits for it.
    pub own: Option<usize>,
}

/// What is still to be asked in one step, by lane.
#[derive(Debug)]
pub(super) struct Round {
    open: BTreeMap<String, VecDeque<Next>>,
}

impl Lanes {
    /// The process waits for these. A lane that nobody waited in begins where the others stand: it has saved nothing up.
    pub fn waiting(&mut self, process: &str, wants: &[Want], now: Time) {
        for lane in self.lanes.values_mut() {
            lane.heads.retain(|_, head| head.until > now);
        }
        self.lanes.retain(|_, lane| now.saturating_sub(lane.waited_at) < FORGOTTEN_AFTER_US);
        let least = |lanes: &BTreeMap<String, Lane>| {
            let standing = lanes.values().filter(|lane| !lane.heads.is_empty()).map(|lane| lane.served).min();
            standing.or_else(|| lanes.values().map(|lane| lane.served).max()).unwrap_or(0)
        };
        let mut named = BTreeSet::new();
        for want in wants {
            let least = least(&self.lanes);
            let lane = self.lanes.entry(want.lane.clone()).or_default();
            if lane.heads.is_empty() {
                lane.served = lane.served.max(least);
            }
            lane.waited_at = now;
            let is_first = named.insert(want.lane.clone());
            let head = Head { model: want.model.clone(), tokens: want.tokens, until: now.saturating_add(WAITS_US) };
            if is_first {
                lane.heads.insert(process.to_owned(), head);
            }
        }
        for (_, lane) in self.lanes.iter_mut().filter(|(name, _)| !named.contains(*name)) {
            lane.heads.remove(process);
        }
    }

    /// Of these the process still waits for the first of each lane.
    pub fn still_waiting(&mut self, process: &str, left: &[&Want]) {
        for (name, lane) in &mut self.lanes {
            let first = left.iter().find(|want| want.lane == *name);
            match (lane.heads.get_mut(process), first) {
                (Some(head), Some(want)) => (head.model, head.tokens) = (want.model.clone(), want.tokens),
                (Some(_), None) => drop(lane.heads.remove(process)),
                (None, _) => {}
            }
        }
    }

    pub fn served(&mut self, lane: &str) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.served = lane.served.saturating_add(1);
        }
    }

    pub fn round(&self, process: &str, wants: &[Want], now: Time) -> Round {
        let mut open: BTreeMap<String, VecDeque<Next>> = BTreeMap::new();
        for (position, want) in wants.iter().enumerate() {
            let Want { lane, model, tokens, .. } = want.clone();
            open.entry(lane.clone()).or_default().push_back(Next { lane, model, tokens, own: Some(position) });
        }
        for (name, lane) in self.lanes.iter().filter(|(name, _)| !open.contains_key(*name)).collect::<Vec<_>>() {
            let others = lane.heads.iter().filter(|(of, head)| *of != process && head.until > now);
            if let Some((_, head)) = others.into_iter().next() {
                let next = Next { lane: name.clone(), model: head.model.clone(), tokens: head.tokens, own: None };
                open.insert(name.clone(), VecDeque::from([next]));
            }
        }
        Round { open }
    }
}

impl Round {
    /// The first call of the lane that had the fewest turns.
    pub fn next(&mut self, lanes: &Lanes) -> Option<Next> {
        let served = |lane: &String| lanes.lanes.get(lane).map_or(0, |lane| lane.served);
        let lane = self.open.keys().min_by_key(|lane| served(lane))?.clone();
        let queue = self.open.get_mut(&lane)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.open.remove(&lane);
        }
        next
    }
}
