//! Flows in force, and what starts runs of them besides people: times of a schedule, backfills, deliveries of a webhook.
//!
//! Whatever starts a run is recorded first, under a key that it has only once; the run's id is made from that key. So a run is
//! started once, whoever is interrupted between the two.

use pmflow_engine::{RunId, Time};
use pmflow_plan::{Money, PlanId};

/// A flow put in force: its schedule fires and its webhook takes deliveries from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub flow: String,
    pub plan: PlanId,
    /// The host's own, JSON.
    pub body: String,
    pub by: String,
}

/// A deployment as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    pub deployment: Deployment,
    pub at: Time,
    pub paused: bool,
    /// Times of the schedule up to this one are decided on.
    pub decided_until: Time,
    /// Runs that its schedule started and that have not ended.
    pub running: u64,
    /// Times of its schedule at which a run is still to be started.
    pub waiting: u64,
    /// On the database's clock, when this was read.
    pub now: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TriggerKind {
    Schedule,
    Backfill,
    Webhook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TriggerState {
    /// Becomes due when the run before it has ended.
    Queued,
    /// A run is to be started from `start_at` on.
    Due,
    Started,
    /// Its run has ended.
    Ended,
    /// No run is started; the reason says why.
    PassedOver,
}

/// One reason to start one run. Flow, kind and key name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub flow: String,
    pub kind: TriggerKind,
    pub key: String,
    /// The nominal time, which the run takes for now.
    pub at: Time,
    /// The same in the schedule's zone, `2026-11-22T07:00:00`.
    pub local: String,
    pub start_at: Time,
    /// Of a backfill.
    pub batch: Option<Batch>,
    pub state: TriggerState,
    pub reason: Option<String>,
    pub run: Option<RunId>,
    /// Set by the store.
    pub recorded_at: Time,
}

/// Triggers that share a budget of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub name: String,
    pub budget: Money,
}

/// Triggers of one flow, stored together or not at all. Those whose key is known are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    pub flow: String,
    /// The decision of a schedule: nothing is stored unless the deployment is decided until the first of these; then it is until the
    /// second.
    pub decided: Option<(Time, Time)>,
    pub triggers: Vec<Trigger>,
    /// Deliveries of a webhook per day (UTC), at most.
    pub per_day_max: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    Done,
    /// Somebody else decided.
    Overtaken,
    /// The only trigger is known, as it stands.
    Known(Box<Trigger>),
    /// So many were taken today.
    Full(u64),
    /// The flow is not in force.
    NotDeployed,
}

/// A step in the life of a trigger; nothing is done when it stands elsewhere by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerChange {
    pub flow: String,
    pub kind: TriggerKind,
    pub key: String,
    pub from: TriggerState,
    pub to: TriggerState,
    pub reason: Option<String>,
    pub run: Option<RunId>,
}

impl TriggerKind {
    pub const ALL: [TriggerKind; 3] = [TriggerKind::Schedule, TriggerKind::Backfill, TriggerKind::Webhook];

    pub fn name(self) -> &'static str {
        match self {
            TriggerKind::Schedule => "schedule",
            TriggerKind::Backfill => "backfill",
            TriggerKind::Webhook => "webhook",
        }
    }
}

impl TriggerState {
    pub const ALL: [TriggerState; 5] =
        [TriggerState::Queued, TriggerState::Due, TriggerState::Started, TriggerState::Ended, TriggerState::PassedOver];

    pub fn name(self) -> &'static str {
        match self {
            TriggerState::Queued => "queued",
            TriggerState::Due => "due",
            TriggerState::Started => "started",
            TriggerState::Ended => "ended",
            TriggerState::PassedOver => "passed_over",
        }
    }

    /// Whether something is still to be done about it.
    pub fn is_open(self) -> bool {
        matches!(self, TriggerState::Queued | TriggerState::Due | TriggerState::Started)
    }
}

impl Trigger {
    /// Whether both are the same one.
    pub fn is(&self, flow: &str, kind: TriggerKind, key: &str) -> bool {
        (self.flow.as_str(), self.kind, self.key.as_str()) == (flow, kind, key)
    }

    pub fn change(&self, to: TriggerState) -> TriggerChange {
        let (flow, kind, key) = (self.flow.clone(), self.kind, self.key.clone());
        TriggerChange { flow, kind, key, from: self.state, to, reason: None, run: None }
    }
}
