//! In what order retention works; the stores have the statements.

use crate::{Cutoffs, Prunable, Pruned, StoreError};
use std::future::Future;

/// Runs that are marked together, before their rows are touched.
pub const RUNS_MAX: i64 = 100;

/// What begins for some runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    Emptying,
    Removing,
}

/// One statement; the names are those of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    EmptyInstances,
    EmptySteps,
    EmptyOutputs,
    EmptyApprovals,
    EndEmptying,
    DropBindings,
    DropTags,
    DropOutputs,
    DropSteps,
    DropInstances,
    DropApprovals,
    DropRequests,
    /// The ledger of simulated runs: no money.
    DropPlayUsage,
    EndTriggers,
    /// Those just removed that moved no money.
    DropRuns,
    KeepSums,
    DropCache,
    DropUsage,
    DropEntries,
    DropAccounts,
    DropTriggers,
    /// Those whose ledger is gone.
    DropOldRuns,
    DropPlans,
}

/// The tables within one transaction.
pub trait Tables: Send {
    /// How many runs were marked, at most [`RUNS_MAX`].
    fn begin(&mut self, beginning: Beginning, before: i64) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// How many rows were touched, at most so many.
    fn part(&mut self, part: Part, rows_max: i64) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// Runs that are marked: payloads first.
const EMPTYING: [Part; 5] =
    [Part::DropBindings, Part::EmptyInstances, Part::EmptySteps, Part::EmptyOutputs, Part::EmptyApprovals];
const REMOVING: [Part; 7] = [
    Part::DropTags,
    Part::DropOutputs,
    Part::DropSteps,
    Part::DropInstances,
    Part::DropApprovals,
    Part::DropRequests,
    Part::DropPlayUsage,
];

/// One piece: what was begun is finished before anything else begins.
pub async fn piece<T: Tables>(tables: &mut T, cutoffs: Cutoffs, rows_max: u32) -> Result<Pruned, StoreError> {
    let mut left = i64::from(rows_max.max(1));
    let mut pruned = Pruned::default();
    for (parts, ends) in [
        (EMPTYING.as_slice(), [Part::EndEmptying].as_slice()),
        (REMOVING.as_slice(), [Part::EndTriggers, Part::DropRuns, Part::KeepSums].as_slice()),
    ] {
        if !through(tables, parts, &mut left, &mut pruned).await? {
            return Ok(pruned);
        }
        for end in ends {
            tables.part(*end, i64::MAX).await?;
        }
    }
    if let Some(before) = cutoffs.payloads {
        pruned.emptied = tables.begin(Beginning::Emptying, before).await?;
    }
    if let (Some(before), 0) = (cutoffs.runs, pruned.emptied) {
        pruned.removed = tables.begin(Beginning::Removing, before).await?;
    }
    if pruned.emptied + pruned.removed > 0 {
        return Ok(pruned);
    }
    let of_payloads = cutoffs.payloads.map(|_| [Part::DropCache].as_slice()).unwrap_or_default();
    let of_runs =
        [Part::DropUsage, Part::DropEntries, Part::DropAccounts, Part::DropTriggers, Part::DropOldRuns, Part::DropPlans];
    let of_runs = cutoffs.runs.map(|_| of_runs.as_slice()).unwrap_or_default();
    through(tables, of_payloads, &mut left, &mut pruned).await?;
    through(tables, of_runs, &mut left, &mut pruned).await?;
    pruned.is_done = pruned.rows == 0;
    Ok(pruned)
}

/// False: the piece is full.
async fn through<T: Tables>(tables: &mut T, parts: &[Part], left: &mut i64, pruned: &mut Pruned) -> Result<bool, StoreError> {
    for part in parts {
        if *left <= 0 {
            return Ok(false);
        }
        let rows = tables.part(*part, *left).await?;
        *left = left.saturating_sub(i64::try_from(rows).unwrap_or(i64::MAX));
        pruned.rows += rows;
    }
    Ok(*left > 0)
}

/// Counts that a query gave: runs, rows, bytes.
pub fn prunable(payloads: (i64, i64, i64), runs: (i64, i64, i64)) -> Prunable {
    let count = super::decode::unsigned;
    Prunable {
        emptied: count(payloads.0),
        removed: count(runs.0),
        rows: count(payloads.1.saturating_add(runs.1)),
        bytes: count(payloads.2.saturating_add(runs.2)),
    }
}
