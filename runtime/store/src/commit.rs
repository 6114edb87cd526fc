//! What is written.

use crate::error::StoreError;
use crate::lease::{Lease, Process};
use crate::request::RequestId;
use pmflow_engine::{Path, RunId, RunStatus, Write};
use pmflow_plan::{PlanId, SourceMap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A plan as it is kept: its canonical bytes and what belongs to it without being part of its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPlan {
    pub id: PlanId,
    pub flow: String,
    pub bytes: Vec<u8>,
    pub source_map: SourceMap,
    /// Each prompt's name and the hash of its canonical bytes, under which its history is kept over many plans.
    pub prompts: BTreeMap<String, String>,
}

/// A run with its first transition: the first write is a `PutRun` of sequence 1.
#[derive(Clone, Debug)]
pub struct NewRun {
    pub process: Process,
    pub writes: Arc<Vec<Write>>,
    /// The models' answers are made up; every place that shows the run's results says so.
    pub simulated: bool,
    /// Whose run it is.
    pub started_by: String,
    /// The host's own, JSON: what it needs to go on with the run, such as the folder that files are named relative to.
    pub setup: String,
    /// The run that it takes over from, which is kept whole as long as this one is.
    pub origin: Option<RunId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    Run {
        lease: Lease,
        refused: Vec<Path>,
    },
    /// A run of this id is stored already.
    Exists,
}

/// One transition of one run.
#[derive(Clone, Debug)]
pub struct RunCommit {
    pub lease: Lease,
    /// The first is a `PutRun` whose sequence is one above the stored one.
    pub writes: Arc<Vec<Write>>,
    /// Requests that this transition takes up.
    pub answered: Vec<RequestId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// `refused`: the inserted instances that existed already, one for each refused insertion, in order. Bindings that the
    /// transition made for a refused instance were left out with it.
    Stored { refused: Vec<Path> },
    /// Nothing of this transition was stored.
    Conflict(Conflict),
}

/// Why a transition does not follow what is stored. The run has to be loaded again, or left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("there is no run `{run}`")]
    NoSuchRun { run: RunId },
    #[error("another process took over run `{run}` (epoch {epoch}): this one stops working on it")]
    TakenOver { run: RunId, epoch: u64 },
    #[error("run `{run}` stands at transition {stored}, so transition {given} does not follow")]
    Sequence { run: RunId, stored: u64, given: u64 },
    #[error("run `{run}` ended as {}, which is final", status.name())]
    Final { run: RunId, status: RunStatus },
    #[error("a transition of run `{run}` does not begin with that run's row")]
    Shape { run: RunId },
}

impl NewRun {
    /// Refuses what cannot be the beginning of a run: a defect of the caller.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.writes.first() {
            Some(Write::PutRun(row)) if row.sequence == 1 => Ok(()),
            _ => Err(StoreError::Other {
                place: String::new(),
                detail: "a new run has to begin with its own row, as transition 1".to_owned(),
            }),
        }
    }
}
