//! Who is next: round robin over the teams that wait, and within each over its flows, in this process or in another.

use super::{Time, WAITS_US, Want};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A lane in which nobody waited for so long is forgotten.
const FORGOTTEN_AFTER_US: Time = 60_000_000;
/// Room is kept for no more calls than these of another process's lane: it asks again before they could all have gone.
const KEPT_FOR_MAX: u32 = 200;

/// Whose calls wait behind each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Lane {
    pub team: String,
    pub flow: String,
}

impl From<Lane> for String {
    fn from(lane: Lane) -> String {
        format!("{}/{}", lane.team, lane.flow)
    }
}

impl From<String> for Lane {
    /// A flow's name has no slash.
    fn from(name: String) -> Lane {
        let (team, flow) = name.rsplit_once('/').unwrap_or(("", &name));
        Lane { team: team.to_owned(), flow: flow.to_owned() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lanes {
    lanes: BTreeMap<Lane, Waiting>,
    /// Turns that all lanes of a team had, counted on from where the other teams stood when it came.
    #[serde(default)]
    teams: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Waiting {
    /// Turns that it had, counted on from where the team's others stood when it came.
    served: u64,
    waited_at: Time,
    /// By process, the calls that wait there.
    heads: BTreeMap<String, Head>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// Of the first call.
    model: String,
    tokens: u64,
    until: Time,
    /// How many there are, this one included; room is kept as if the others were like it.
    #[serde(default = "one")]
    calls: u32,
}

fn one() -> u32 {
    1
}

/// The one whose turn it is, if there is room.
#[derive(Debug)]
pub(super) struct Next {
    pub lane: Lane,
    pub model: String,
    pub tokens: u64,
    /// Among the process's own wants; none: another process waits for it.
    pub own: Option<usize>,
}

/// What is still to be asked in one step, by lane.
#[derive(Debug)]
pub(super) struct Round {
    open: BTreeMap<Lane, VecDeque<Next>>,
}

impl Lanes {
    /// The process waits for these. A lane that nobody waited in begins where the team's others stand, and so does a team
    /// among the teams: it has saved nothing up.
    pub fn waiting(&mut self, process: &str, wants: &[Want], now: Time) {
        self.forget(now);
        let heads = heads(wants, now);
        for (name, head) in &heads {
            let (team, flow) = (self.beginning_of_team(&name.team), self.beginning_of_flow(name));
            self.teams.insert(name.team.clone(), team);
            let lane = self.lanes.entry((*name).clone()).or_default();
            (lane.served, lane.waited_at) = (flow, now);
            lane.heads.insert(process.to_owned(), head.clone());
        }
        for (_, lane) in self.lanes.iter_mut().filter(|(name, _)| !heads.contains_key(name)) {
            lane.heads.remove(process);
        }
    }

    fn forget(&mut self, now: Time) {
        for lane in self.lanes.values_mut() {
            lane.heads.retain(|_, head| head.until > now);
        }
        self.lanes.retain(|_, lane| now.saturating_sub(lane.waited_at) < FORGOTTEN_AFTER_US);
        let known: BTreeSet<&String> = self.lanes.keys().map(|lane| &lane.team).collect();
        self.teams.retain(|team, _| known.contains(team));
    }

    fn beginning_of_flow(&self, lane: &Lane) -> u64 {
        let of_team = || self.lanes.iter().filter(|(other, _)| other.team == lane.team).map(|(_, waiting)| waiting);
        let standing = of_team().filter(|waiting| !waiting.heads.is_empty()).map(|waiting| waiting.served).min();
        let others = standing.or_else(|| of_team().map(|waiting| waiting.served).max()).unwrap_or(0);
        match self.lanes.get(lane) {
            Some(waiting) if !waiting.heads.is_empty() => waiting.served,
            known => known.map_or(0, |waiting| waiting.served).max(others),
        }
    }

    fn beginning_of_team(&self, team: &str) -> u64 {
        let standing: BTreeSet<&str> =
            self.lanes.iter().filter(|(_, waiting)| !waiting.heads.is_empty()).map(|(lane, _)| lane.team.as_str()).collect();
        let least = standing.iter().map(|team| self.served_to_team(team)).min();
        let others = least.or_else(|| self.teams.values().copied().max()).unwrap_or(0);
        let own = self.served_to_team(team);
        if standing.contains(team) { own } else { own.max(others) }
    }

    fn served_to_team(&self, team: &str) -> u64 {
        self.teams.get(team).copied().unwrap_or(0)
    }

    /// Of what the process waited for, this is left.
    pub fn still_waiting<'w>(&mut self, process: &str, left: impl IntoIterator<Item = &'w Want>, now: Time) {
        let mut left = heads(left, now);
        for (name, lane) in &mut self.lanes {
            match (lane.heads.get_mut(process), left.remove(name)) {
                (Some(head), Some(still)) => *head = still,
                (Some(_), None) => drop(lane.heads.remove(process)),
                (None, _) => {}
            }
        }
    }

    pub fn served(&mut self, lane: &Lane) {
        if let Some(waiting) = self.lanes.get_mut(lane) {
            waiting.served = waiting.served.saturating_add(1);
        }
        if let Some(served) = self.teams.get_mut(&lane.team) {
            *served = served.saturating_add(1);
        }
    }

    pub fn round(&self, process: &str, wants: &[Want], now: Time) -> Round {
        let mut open: BTreeMap<Lane, VecDeque<Next>> = BTreeMap::new();
        for (position, want) in wants.iter().enumerate() {
            let Want { lane, model, tokens, .. } = want.clone();
            open.entry(lane.clone()).or_default().push_back(Next { lane, model, tokens, own: Some(position) });
        }
        for (name, lane) in self.lanes.iter().filter(|(name, _)| !open.contains_key(*name)).collect::<Vec<_>>() {
            let others = lane.heads.iter().filter(|(of, head)| *of != process && head.until > now).map(|(_, head)| head);
            let next = |head: &Head| Next { lane: name.clone(), model: head.model.clone(), tokens: head.tokens, own: None };
            let kept: VecDeque<Next> =
                others.flat_map(|head| (0..head.calls.min(KEPT_FOR_MAX)).map(move |_| next(head))).collect();
            if !kept.is_empty() {
                open.insert(name.clone(), kept);
            }
        }
        Round { open }
    }
}

/// What waits in each lane.
fn heads<'w>(wants: impl IntoIterator<Item = &'w Want>, now: Time) -> BTreeMap<&'w Lane, Head> {
    let until = now.saturating_add(WAITS_US);
    let mut heads: BTreeMap<&Lane, Head> = BTreeMap::new();
    for want in wants {
        let first = || Head { model: want.model.clone(), tokens: want.tokens, until, calls: 0 };
        let head = heads.entry(&want.lane).or_insert_with(first);
        head.calls = head.calls.saturating_add(1);
    }
    heads
}

impl Round {
    /// Of the team that had the fewest turns, the first call of its lane that had the fewest.
    pub fn next(&mut self, lanes: &Lanes) -> Option<Next> {
        let served = |lane: &Lane| lanes.lanes.get(lane).map_or(0, |waiting| waiting.served);
        let lane = self.open.keys().min_by_key(|lane| (lanes.served_to_team(&lane.team), &lane.team, served(lane)))?.clone();
        let queue = self.open.get_mut(&lane)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.open.remove(&lane);
        }
        next
    }
}
