//! Whether a transition follows what is stored.

use super::fold::{Accepted, Head, Root};
use super::known::{Belongings, Facts, KnownRuns};
use super::rows::Beginning;
use crate::{Committed, Conflict, Created, Lease, NewRun, RunCommit};
use pmflow_engine::{Path, RunId, RunRow, RunStatus, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run that begins, or a transition of one.
#[derive(Clone, Copy, Debug)]
pub enum Step<'w> {
    New(&'w NewRun),
    Next(&'w RunCommit),
}

#[derive(Debug)]
pub enum Verdict {
    Created(Created),
    Committed(Committed),
}

/// The runs of a group as they stand.
pub type Heads<'w> = BTreeMap<&'w RunId, Head<'w>>;

/// What a step came to before its insertions were tried.
#[derive(Debug)]
pub enum Judged {
    Accepted,
    Exists,
    Conflict(Conflict),
}

impl<'w> Step<'w> {
    pub fn run(&self) -> Option<&'w RunId> {
        match self {
            Step::New(new) => first_row(&new.writes).map(|row| &row.id),
            Step::Next(next) => Some(&next.lease.run),
        }
    }

    /// What of it is to be stored; none when it was refused.
    pub fn accepted(&self, judged: &Judged, heads: &'w Heads<'w>) -> Option<Accepted<'w>> {
        if !matches!(judged, Judged::Accepted) {
            return None;
        }
        let head = heads.get(self.run()?)?;
        match self {
            Step::New(new) => Some(Accepted { head, writes: &new.writes, answered: &[] }),
            Step::Next(next) => Some(Accepted { head, writes: &next.writes, answered: &next.answered }),
        }
    }

    pub fn verdict(&self, judged: Judged, refused: Vec<Path>) -> Verdict {
        match (self, judged) {
            (Step::New(new), Judged::Accepted) => {
                let run = first_row(&new.writes).map_or_else(|| RunId("".into()), |row| row.id.clone());
                Verdict::Created(Created::Run { lease: Lease { run, epoch: 1 }, refused })
            }
            (Step::New(_), Judged::Exists | Judged::Conflict(_)) => Verdict::Created(Created::Exists),
            (Step::Next(_), Judged::Conflict(conflict)) => Verdict::Committed(Committed::Conflict(conflict)),
            (Step::Next(_), Judged::Accepted | Judged::Exists) => Verdict::Committed(Committed::Stored { refused }),
        }
    }
}

/// The runs of the steps that have to be read; heads of those that go on from where they are known to stand are added.
pub fn to_be_read<'w, 's>(
    steps: impl IntoIterator<Item = &'s Step<'w>>,
    known: &KnownRuns,
    heads: &mut Heads<'w>,
) -> BTreeSet<&'w RunId>
where
    'w: 's,
{
    let mut unread = BTreeSet::new();
    for step in steps {
        let Some(run) = step.run().filter(|run| !heads.contains_key(run) && !unread.contains(run)) else { continue };
        let before = match step {
            Step::Next(next) => first_row(&next.writes).and_then(|row| known.before(&next.lease, row)),
            Step::New(_) => None,
        };
        match before {
            Some(known) => drop(heads.insert(run, known.head())),
            None => drop(unread.insert(run)),
        }
    }
    unread
}

/// The head of a run that begins with this group.
pub fn beginning<'w>(new: &'w NewRun, row: &'w RunRow, execution: i64) -> Head<'w> {
    let root_path = Path::root(&row.flow).as_str().to_owned();
    Head {
        execution,
        epoch: 1,
        base: row.sequence,
        sequence: row.sequence,
        status: row.status,
        root: Root::of(&new.writes, &root_path),
        facts: Arc::new(Facts { root_path, flow: row.flow.clone(), plan: row.plan.0.clone(), simulated: new.simulated }),
        had: Belongings::NONE,
        has: Belongings { bindings: binds(&new.writes), ..Belongings::NONE },
        beginning: Some(Beginning {
            process: &new.process,
            simulated: new.simulated,
            started_by: &new.started_by,
            setup: &new.setup,
            origin: new.origin.as_ref().map(|origin| &*origin.0),
        }),
        first: Some(row),
        last: Some(row),
    }
}

/// Moves the run's head when the transition follows.
pub fn judge_next<'w>(next: &'w RunCommit, heads: &mut Heads<'w>) -> Result<(), Conflict> {
    let run = &next.lease.run;
    let Some(head) = heads.get_mut(run) else { return Err(Conflict::NoSuchRun { run: run.clone() }) };
    if head.epoch != next.lease.epoch {
        return Err(Conflict::TakenOver { run: run.clone(), epoch: head.epoch });
    }
    let Some(row) = first_row(&next.writes).filter(|row| row.id == *run) else {
        return Err(Conflict::Shape { run: run.clone() });
    };
    if row.sequence != head.sequence + 1 {
        return Err(Conflict::Sequence { run: run.clone(), stored: head.sequence, given: row.sequence });
    }
    let is_final = matches!(head.status, RunStatus::Succeeded | RunStatus::Cancelled);
    if is_final && row.status != head.status {
        return Err(Conflict::Final { run: run.clone(), status: head.status });
    }
    head.sequence = row.sequence;
    head.status = row.status;
    head.last = Some(row);
    head.root = Root::of(&next.writes, &head.facts.root_path).or(head.root);
    head.has.bindings |= binds(&next.writes);
    Ok(())
}

fn binds(writes: &[Write]) -> bool {
    writes.iter().any(|write| matches!(write, Write::Bind(_)))
}

pub fn first_row(writes: &[Write]) -> Option<&RunRow> {
    match writes.first() {
        Some(Write::PutRun(row)) => Some(row),
        _ => None,
    }
}
