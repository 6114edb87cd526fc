//! What a store knows of the runs that it last wrote, so that it need not read how they stand before it goes on with them.

use super::fold::Head;
use super::judge::Heads;
use crate::Lease;
use hashlink::LruCache;
use pmflow_engine::{RunId, RunRow, RunStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs that are known at once: some hundred bytes each. Of others it is read how they stand.
const KNOWN_MAX: usize = 16_384;

/// What never changes of a run.
#[derive(Debug)]
pub struct Facts {
    pub root_path: String,
    pub flow: String,
    pub plan: String,
    pub simulated: bool,
}

/// What a run may have stored that goes when it ends. False: surely nothing.
#[derive(Clone, Copy, Debug)]
pub struct Belongings {
    pub bindings: bool,
    /// Of shared budgets.
    pub shares: bool,
}

impl Belongings {
    pub const NONE: Belongings = Belongings { bindings: false, shares: false };
    pub const UNKNOWN: Belongings = Belongings { bindings: true, shares: true };
}

/// How a run stood when it was last written here.
#[derive(Clone, Debug)]
pub struct Known {
    execution: i64,
    epoch: u64,
    sequence: u64,
    status: RunStatus,
    facts: Arc<Facts>,
    has: Belongings,
}

impl Known {
    pub fn head<'w>(self) -> Head<'w> {
        let Known { execution, epoch, sequence, status, facts, has } = self;
        Head::stored(execution, epoch, sequence, status, facts, has)
    }
}

/// Another process may have moved a run on since: whoever relies on this changes a run only where it still stands so, and
/// forgets it where it does not.
#[derive(Debug)]
pub struct KnownRuns(Mutex<LruCache<RunId, Known>>);

impl Default for KnownRuns {
    fn default() -> KnownRuns {
        KnownRuns(Mutex::new(LruCache::new(KNOWN_MAX)))
    }
}

impl KnownRuns {
    /// How the run stands, if this transition follows from it; of all others it has to be read what is wrong with them.
    pub fn before(&self, lease: &Lease, row: &RunRow) -> Option<Known> {
        let mut runs = self.runs();
        let follows = |known: &&mut Known| known.epoch == lease.epoch && known.sequence + 1 == row.sequence;
        runs.get_mut(&lease.run).filter(follows).map(|known| known.clone())
    }

    /// Takes over what a group has committed.
    pub fn learn(&self, outlook: Outlook) {
        let mut runs = self.runs();
        for (run, known) in outlook.0 {
            match known {
                Some(mut known) => {
                    // What was drawn meanwhile counts.
                    let before = runs.get(&run).filter(|before| before.epoch == known.epoch);
                    known.has.shares |= before.is_some_and(|before| before.has.shares);
                    runs.insert(run, known);
                }
                None => drop(runs.remove(&run)),
            }
        }
    }

    pub fn forget<'r>(&self, runs: impl IntoIterator<Item = &'r RunId>) {
        let mut known = self.runs();
        for run in runs {
            known.remove(run);
        }
    }

    /// The run is about to draw on shared budgets.
    pub fn draws(&self, run: &RunId) {
        if let Some(known) = self.runs().get_mut(run) {
            known.has.shares = true;
        }
    }

    fn runs(&self) -> MutexGuard<'_, LruCache<RunId, Known>> {
        // Nothing is done under the lock that could panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the runs of a group will stand once it is committed. None: nothing more is expected of the run.
#[derive(Debug, Default)]
pub struct Outlook(Vec<(RunId, Option<Known>)>);

impl Outlook {
    pub fn of(heads: &Heads<'_>) -> Outlook {
        let known = |head: &Head<'_>| Known {
            execution: head.execution,
            epoch: head.epoch,
            sequence: head.sequence,
            status: head.status,
            facts: head.facts.clone(),
            has: head.has,
        };
        let goes_on = |head: &&Head<'_>| head.status == RunStatus::Running;
        Outlook(heads.iter().map(|(run, head)| ((*run).clone(), Some(head).filter(goes_on).map(known))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::samples::{new_run, run_row};
    use crate::tables::judge::beginning;

    fn lease(epoch: u64) -> Lease {
        Lease { run: RunId("r1".into()), epoch }
    }

    fn learnt(status: RunStatus) -> KnownRuns {
        let (new, row) = (new_run("r1"), RunRow { status, ..run_row("r1", 1) });
        let runs = KnownRuns::default();
        runs.learn(Outlook::of(&Heads::from([(&row.id, beginning(&new, &row, 7))])));
        runs
    }

    #[test]
    fn only_what_follows_is_known() {
        let runs = learnt(RunStatus::Running);
        let head = runs.before(&lease(1), &run_row("r1", 2)).expect("it follows").head();
        assert_eq!((head.execution, head.epoch, head.sequence), (7, 1, 1));
        assert!(!head.had.bindings && !head.had.shares, "it has just begun");
        for (lease, row) in [(lease(2), run_row("r1", 2)), (lease(1), run_row("r1", 1)), (lease(1), run_row("r1", 3))] {
            assert!(runs.before(&lease, &row).is_none(), "{lease:?} {}", row.sequence);
        }
        runs.forget([&lease(1).run]);
        assert!(runs.before(&lease(1), &run_row("r1", 2)).is_none());
    }

    #[test]
    fn a_run_that_draws_may_have_shares_and_one_that_stands_still_is_not_kept() {
        let runs = learnt(RunStatus::Running);
        runs.draws(&lease(1).run);
        assert!(runs.before(&lease(1), &run_row("r1", 2)).expect("it follows").head().had.shares);
        for status in [RunStatus::Suspended, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled] {
            assert!(learnt(status).before(&lease(1), &run_row("r1", 2)).is_none());
        }
    }
}
