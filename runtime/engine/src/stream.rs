//! The stages of a streamed loop, applied by whoever reads the rows.

use crate::expressions::clock;
use crate::{Time, failures};
use pmflow_plan::eval::{self, Context, Scope};
use pmflow_plan::{Failure, Stage, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A loop's stages with the variables that they read and how far they have counted. Plain data: the engine stores the
/// counts, and the host makes a [`Sieve`] of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stages {
    pub stages: Arc<Vec<Stage>>,
    pub variables: Arc<BTreeMap<String, Value>>,
    /// What `now()` gives.
    pub now: Time,
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

/// Stages at work. Rows go in one by one; [`Sieve::stages`] says at any time how far it has counted.
#[derive(Debug)]
pub struct Sieve<'a> {
    stages: Stages,
    context: &'a Context<'a>,
    scope: Scope,
}

impl Stages {
    pub fn sieve<'a>(&self, context: &'a Context<'a>) -> Sieve<'a> {
        let variables = self.variables.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let scope = clock(self.now).with_all(variables);
        let mut stages = self.clone();
        stages.entered.resize(stages.stages.len(), 0);
        Sieve { stages, context, scope }
    }

    /// True when no further row can pass: the limit on rows read is reached, or a `take` is full.
    pub fn ended(&self) -> bool {
        let read_enough = self.read_limit.is_some_and(|limit| self.read >= limit);
        let taken_enough = |(stage, entered): (&Stage, &u64)| matches!(stage, Stage::Take(count) if entered >= count);
        let no_take = |stage: &Stage| matches!(stage, Stage::Take(0));
        read_enough || self.stages.iter().zip(&self.entered).any(taken_enough) || self.stages.iter().any(no_take)
    }
}

impl Sieve<'_> {
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// No further row can pass: the host stops reading.
    pub fn ended(&self) -> bool {
        self.stages.ended()
    }

    /// Counts a row that could not be read, which passes no stage.
    pub fn skip(&mut self) {
        self.stages.read += 1;
    }

    /// Counts a row and sends it through the stages.
    pub fn pass(&mut self, row: Value) -> Passage {
        self.stages.read += 1;
        let mut row = row;
        let stages = Arc::clone(&self.stages.stages);
        for (stage, entered) in stages.iter().zip(&mut self.stages.entered) {
            *entered += 1;
            match stage {
                Stage::Filter(lambda) => match eval::apply(lambda, &[row.clone()], &self.scope, self.context) {
                    Ok(Value::Bool(true)) => {}
                    Ok(Value::Bool(false)) => return Passage::Dropped,
                    Ok(other) => {
                        let reason = format!("it gave {}, not a bool", other.kind());
                        return Passage::Failed(failures::expression("a filter", reason));
                    }
                    Err(error) => return Passage::Failed(failures::expression("a filter", error)),
                },
                Stage::Map(lambda) => match eval::apply(lambda, &[row], &self.scope, self.context) {
                    Ok(value) => row = value,
                    Err(error) => return Passage::Failed(failures::expression("a map", error)),
                },
                Stage::Skip(count) if *entered <= *count => return Passage::Dropped,
                Stage::Take(count) if *entered > *count => return Passage::Dropped,
                Stage::Skip(_) | Stage::Take(_) => {}
            }
        }
        Passage::Kept(row)
    }
}
