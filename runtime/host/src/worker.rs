//! A process that executes whatever run is free, until it is told to stop.

use crate::schedules::Schedules;
use crate::{Approvals, Host, HostError, Live, Taking, Wish, is_dead};
use pmflow_engine::{RunEnd, RunId, RunStatus};
use pmflow_store::{Claimed, LEASE, Lease, RunFilter, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often free runs are looked for when nothing tells of one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Runs that are claimed in one go, at most: others are to get some as well.
const CLAIM_MAX: usize = 64;
/// Runs that are looked at in one go.
const PAGE: u32 = 500;

#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Runs that are executed at once, at most; those that wait for a person or a time count.
    pub runs_max: usize,
    /// How long calls under way may take once the worker is told to stop.
    pub drain: Duration,
}

/// Claims free runs and executes them. Any number of workers, on any machines, may share one store.
#[derive(Debug)]
pub struct Worker<S> {
    host: Arc<Host<S>>,
    options: WorkerOptions,
    live: Arc<AtomicUsize>,
}

struct Crew {
    tasks: JoinSet<RunId>,
    wishes: BTreeMap<RunId, watch::Sender<Wish>>,
}

impl<S: Store> Worker<S> {
    pub fn new(host: Arc<Host<S>>, options: WorkerOptions) -> Worker<S> {
        Worker { host, options, live: Arc::new(AtomicUsize::new(0)) }
    }

    /// Runs under way, as it changes.
    pub fn live(&self) -> Arc<AtomicUsize> {
        self.live.clone()
    }

    /// Works until `stop` is true. Then nothing new starts, calls under way are awaited and recorded as long as the options
    /// allow, and every run is given back for another worker to take up.
    pub async fn work(&self, mut stop: watch::Receiver<bool>) {
        let mut crew = Crew { tasks: JoinSet::new(), wishes: BTreeMap::new() };
        self.bury_the_dead().await;
        let schedules = tokio::spawn(Schedules::new(self.host.clone()).keep(stop.clone()));
        while !*stop.borrow_and_update() {
            let more = self.claim(&mut crew).await;
            self.live.store(crew.tasks.len(), Ordering::Relaxed);
            tokio::select! {
                biased;
                // An error says that nobody can tell it to stop any more.
                changed = stop.changed() => if changed.is_err() { break },
                Some(ended) = crew.tasks.join_next() => crew.forget(ended.ok()),
                () = self.host.store.news(LOOK_EVERY), if !more => {}
                () = tokio::task::yield_now(), if more => {}
            }
            while let Some(ended) = crew.tasks.try_join_next() {
                crew.forget(ended.ok());
            }
        }
        self.drain(crew).await;
        // It has heard the same word, and starts nothing more.
        schedules.abort();
        self.live.store(0, Ordering::Relaxed);
    }

    /// The leases of processes that died on this machine are not waited for.
    async fn bury_the_dead(&self) {
        if let Err(error) = self.bury_all().await {
            tracing::warn!(%error, "runs of dead processes cannot be looked for");
        }
    }

    async fn bury_all(&self) -> Result<(), StoreError> {
        let store = &self.host.store;
        let filter = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
        let mut after = None;
        loop {
            let page = store.runs(&filter, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.cursor);
            for run in &page {
                if let Some(holder) = run.holder.as_ref().filter(|holder| is_dead(holder)) {
                    store.bury(&Lease { run: run.id.clone(), epoch: holder.epoch }).await?;
                }
            }
        }
    }

    fn take(&self, crew: &mut Crew, lease: Lease, deaths: u32) {
        let (wish, wished) = watch::channel(Wish::GoOn);
        crew.wishes.insert(lease.run.clone(), wish);
        crew.tasks.spawn(execute(self.host.clone(), lease, deaths, wished));
    }

    /// Claims what there is room for. True: there may be more.
    async fn claim(&self, crew: &mut Crew) -> bool {
        let room = self.options.runs_max.saturating_sub(crew.tasks.len()).min(CLAIM_MAX);
        if room == 0 {
            return false;
        }
        let claimed = match self.host.store.claim_free(&self.host.process, u32::try_from(room).unwrap_or(u32::MAX)).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "no runs can be claimed");
                return false;
            }
        };
        let more = claimed.len() == room;
        for Claimed { lease, deaths } in claimed {
            self.take(crew, lease, deaths);
        }
        more
    }

    async fn drain(&self, mut crew: Crew) {
        for wish in crew.wishes.values() {
            wish.send_replace(Wish::HandOver);
        }
        let everybody = async { while crew.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.drain, everybody).await.is_err() {
            // Their leases run out; what was under way counts as unknown, as if this process had died.
            tracing::warn!(runs = crew.tasks.len(), "calls under way took longer than the drain time");
            crew.tasks.shutdown().await;
        }
    }
}

impl Crew {
    fn forget(&mut self, run: Option<RunId>) {
        // Lost and taken up again in the meantime, it has another task by now, which still listens.
        if let Some(run) = run.filter(|run| self.wishes.get(run).is_some_and(watch::Sender::is_closed)) {
            self.wishes.remove(&run);
        }
    }
}

async fn execute<S: Store>(host: Arc<Host<S>>, lease: Lease, deaths: u32, mut wished: watch::Receiver<Wish>) -> RunId {
    let run = lease.run.clone();
    let mut has_stored = false;
    let ended = async {
        let live: Live = host.take_up(lease.clone(), Approvals::Wait, Taking { cost_max: None, deaths }).await?;
        tracing::info!(%run, "run taken up");
        let abort = live.end.abort_handle();
        // Dropped with this task, the run's own task ends too.
        let _guard = AbortOnDrop(abort);
        let mut end = live.end;
        loop {
            tokio::select! {
                ended = &mut end => {
                    // It is told of with each commit.
                    has_stored = live.progress.borrow().has_changed();
                    break ended.unwrap_or(Err(HostError::Stranded));
                }
                Ok(()) = wished.changed() => { live.wish.send_replace(*wished.borrow()); }
            }
        }
    };
    let ended = ended.await;
    if let Err(HostError::LeaseLost { .. } | HostError::Conflict(_)) = &ended
        && let Err(error) = host.store.survived(&lease).await
    {
        tracing::debug!(%run, %error, "what took the run over counts this process as dead");
    }
    let is_given_back = match &ended {
        // Another build wrote the run's plan, and can execute it.
        Err(HostError::Plan(_)) => true,
        // Nothing of it was stored, so nothing was sent. A run whose paid answers find no room would be paid for up to its ceiling,
        // if that were no death.
        Err(HostError::Store(error)) => error.is_of_all_runs() && !has_stored,
        _ => false,
    };
    tell(&run, ended);
    if is_given_back {
        give_back(&host, &lease, &mut wished).await;
    }
    run
}

/// This worker has not died of the run, so it gives it back, but only after a while: or it would take it up again at once.
async fn give_back<S: Store>(host: &Host<S>, lease: &Lease, wished: &mut watch::Receiver<Wish>) {
    let goes_on = matches!(*wished.borrow(), Wish::GoOn);
    if goes_on {
        let _ = tokio::time::timeout(LEASE / 2, wished.changed()).await;
    }
    let given_back = async {
        host.store.release(lease).await?;
        // The lease may have run out before.
        host.store.survived(lease).await
    };
    if let Err(error) = given_back.await {
        tracing::debug!(run = %lease.run, %error, "the run's lease is left to run out");
    }
}

/// After an error the lease is left to run out: whoever takes the run up next does so a while later, and not at once again.
fn tell(run: &RunId, ended: Result<RunEnd, HostError>) {
    match ended {
        Ok(end) if end.status == RunStatus::Running => tracing::info!(%run, "run handed over"),
        Ok(end) => tracing::info!(%run, status = end.status.name(), "run ended"),
        Err(error) => tracing::error!(%run, %error, "run left"),
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_lost_and_taken_up_again_is_still_wished_for() {
        let mut crew = Crew { tasks: JoinSet::new(), wishes: BTreeMap::new() };
        let run = RunId("r1".into());
        let (wish, first) = watch::channel(Wish::GoOn);
        crew.wishes.insert(run.clone(), wish);
        let (wish, second) = watch::channel(Wish::GoOn);
        crew.wishes.insert(run.clone(), wish);
        drop(first);
        crew.forget(Some(run.clone()));
        assert!(crew.wishes.contains_key(&run), "its second task listens");
        drop(second);
        crew.forget(Some(run));
        assert!(crew.wishes.is_empty());
    }
}
