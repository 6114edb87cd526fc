//! What people ask of a run from outside the process that executes it.

use pmflow_engine::{Path, RunId, RunStatus, Time};
use pmflow_plan::Money;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    Cancel { by: String },
    Pause { by: String },
    RaiseLimit { limit: Money, by: String },
    Decide { step: Path, approved: bool, by: String },
}

/// A request that waits to be taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    pub run: RunId,
    pub ask: Ask,
    /// Of a decision: the instance whose step waits for it.
    pub instance: Option<Path>,
    pub at: Time,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Recorded(RequestId),
    /// Asked before and not taken up yet; this is the earlier request.
    AlreadyAsked(RequestId),
    /// The run ended, so there is nothing left to cancel, pause or decide. A failed run takes a raised limit.
    Ended(RunStatus),
    /// No approval of this step is open.
    NothingToDecide,
    /// Somebody was faster.
    AlreadyDecided {
        approved: bool,
        by: String,
    },
}

impl Ask {
    pub fn kind(&self) -> &'static str {
        match self {
            Ask::Cancel { .. } => "cancel",
            Ask::Pause { .. } => "pause",
            Ask::RaiseLimit { .. } => "raise_limit",
            Ask::Decide { .. } => "decide",
        }
    }

    /// Whether a run of this status can take the request up, now or after it was resumed.
    pub fn suits(&self, status: RunStatus) -> bool {
        match (self, status) {
            (_, RunStatus::Running | RunStatus::Suspended) | (Ask::RaiseLimit { .. }, RunStatus::Failed) => true,
            (_, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled) => false,
        }
    }
}

impl Ask {
    /// The answer when `earlier`, of the same kind and step, still waits; none when both stand beside each other.
    pub fn after(&self, earlier: &Ask, id: RequestId) -> Option<Answer> {
        match (self, earlier) {
            (Ask::Decide { .. }, Ask::Decide { approved, by, .. }) => {
                Some(Answer::AlreadyDecided { approved: *approved, by: by.clone() })
            }
            (Ask::RaiseLimit { .. }, _) => None,
            _ => Some(Answer::AlreadyAsked(id)),
        }
    }
}
