//! Outcomes that nobody knew, and somebody knows now.

use crate::{Host, HostError, clock, is_dead, is_whole, options};
use pmflow_engine::{Event, Run, RunId, RunStatus};
use pmflow_ledger::EntryKind;
use pmflow_plan::Money;
use pmflow_store::{Claim, Committed, Lease, RunCommit, Store, UsageRow};

const PAGE: u32 = 1000;

impl<S: Store> Host<S> {
    /// The calls of a run whose outcome nobody knows: the last line of each in the run's ledger.
    pub async fn unknown_calls(&self, id: &RunId) -> Result<Vec<UsageRow>, HostError> {
        let mut unknown: Vec<UsageRow> = Vec::new();
        let mut after = 0;
        loop {
            let page = self.store.usage(id, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(unknown) };
            after = last.line;
            for line in page {
                match line.entry.kind {
                    EntryKind::Unknown => unknown.push(line),
                    EntryKind::Reconcile => unknown.retain(|before| before.call != line.call),
                    _ => {}
                }
            }
        }
    }

    /// What a call of unknown outcome really cost; zero when it was not billed. Gives back what it was charged before. The
    /// run stands still: nobody executes it meanwhile.
    pub async fn reconcile(&self, id: &RunId, call: &str, actual: Money) -> Result<Money, HostError> {
        let summary = self.store.run(id).await?;
        if summary.status == RunStatus::Running {
            return Err(HostError::NotEnded { run: id.clone(), state: summary.status.name().to_owned() });
        }
        is_whole(&summary)?;
        let gone = summary.holder.as_ref().filter(|holder| is_dead(holder)).map(|holder| holder.epoch);
        let lease = match self.store.claim(id, &self.process, gone).await? {
            Claim::Granted(lease) => lease,
            Claim::Held(holder) => return Err(HostError::Held(holder)),
        };
        let reconciled = self.reconcile_held(&lease, call, actual).await;
        self.store.release(&lease).await?;
        reconciled
    }

    async fn reconcile_held(&self, lease: &Lease, call: &str, actual: Money) -> Result<Money, HostError> {
        let id = &lease.run;
        let not_unknown = || HostError::NotUnknown { run: id.clone(), call: call.to_owned() };
        let unknown = self.unknown_calls(id).await?;
        let found = unknown.into_iter().find(|line| line.call.as_ref().is_some_and(|known| known.to_string() == call));
        let line = found.ok_or_else(not_unknown)?;
        let known = line.call.ok_or_else(not_unknown)?;
        let stored = self.store.recover(id).await?;
        let plan = self.plan_of(&stored.stored.run.plan).await?;
        let setup = serde_json::from_str(&stored.setup).map_err(|error| HostError::Setup(error.to_string()))?;
        let (mut run, _) = Run::recover(plan, stored.stored, options(None, &setup), clock::now())?;
        let held = line.entry.charged;
        let transition = run.apply(clock::now(), Event::Reconciled { call: known, held, actual, usage: None });
        if transition.writes.is_empty() {
            return Err(not_unknown());
        }
        let commit = RunCommit { lease: lease.clone(), writes: transition.writes.into(), answered: Vec::new() };
        match self.store.commit(vec![commit]).await?.pop() {
            Some(Committed::Conflict(conflict)) => Err(HostError::Conflict(conflict)),
            _ => Ok(held),
        }
    }
}
