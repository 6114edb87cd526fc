//! What every run of a process needs now and then, done for all of them at once: leases are renewed, and what other
//! processes ask is passed on. A store is asked as often for a thousand runs as for one.

use pmflow_engine::RunId;
use pmflow_store::{Lease, RENEW_EVERY, Remedy, Renewal, Request, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often requests of other processes (cancel, decide, raise) are looked for.
pub(crate) const LISTEN_EVERY: Duration = Duration::from_millis(250);

/// What the driver of a run is told.
#[derive(Debug)]
pub(crate) enum Notice {
    Asked(Vec<Request>),
    LeaseLost,
    /// The store cannot be used any more.
    Failed(StoreError),
}

#[derive(Debug)]
pub(crate) struct Caretaker<S> {
    store: Arc<S>,
    runs: Mutex<Tended>,
}

#[derive(Debug, Default)]
struct Tended {
    runs: BTreeMap<RunId, Run>,
    is_at_work: bool,
}

#[derive(Debug)]
struct Run {
    lease: Lease,
    tell: mpsc::UnboundedSender<Notice>,
}

/// A run is tended until this is dropped.
#[derive(Debug)]
pub(crate) struct Tending<S> {
    caretaker: Arc<Caretaker<S>>,
    lease: Lease,
    pub notices: mpsc::UnboundedReceiver<Notice>,
}

impl<S: Store> Caretaker<S> {
    pub fn new(store: Arc<S>) -> Arc<Caretaker<S>> {
        Arc::new(Caretaker { store, runs: Mutex::default() })
    }

    pub fn tend(self: &Arc<Self>, lease: Lease) -> Tending<S> {
        let (tell, notices) = mpsc::unbounded_channel();
        let mut tended = self.tended();
        tended.runs.insert(lease.run.clone(), Run { lease: lease.clone(), tell });
        if !std::mem::replace(&mut tended.is_at_work, true) {
            tokio::spawn(work(Arc::downgrade(self)));
        }
        Tending { caretaker: self.clone(), lease, notices }
    }

    async fn listen(&self) {
        let runs: Vec<RunId> = self.tended().runs.keys().cloned().collect();
        if runs.is_empty() {
            return;
        }
        let requests = match self.store.requests(&runs).await {
            Ok(requests) => requests,
            Err(error) => return self.failed(&error),
        };
        let mut asked: BTreeMap<RunId, Vec<Request>> = BTreeMap::new();
        for request in requests {
            asked.entry(request.run.clone()).or_default().push(request);
        }
        for (run, requests) in asked {
            self.tell(&run, Notice::Asked(requests));
        }
    }

    async fn renew(&self) {
        let leases: Vec<Lease> = self.tended().runs.values().map(|run| run.lease.clone()).collect();
        if leases.is_empty() {
            return;
        }
        match self.store.renew(&leases).await {
            Ok(renewals) => {
                let lost = leases.iter().zip(renewals).filter(|(_, renewal)| *renewal == Renewal::Lost);
                lost.for_each(|(lease, _)| self.tell(&lease.run, Notice::LeaseLost));
            }
            Err(error) => self.failed(&error),
        }
    }

    /// After an error that passes, the next round, or the next commit, says whether the leases still hold.
    fn failed(&self, error: &StoreError) {
        if error.remedy() == Remedy::Retry {
            return;
        }
        let runs: Vec<RunId> = self.tended().runs.keys().cloned().collect();
        runs.iter().for_each(|run| self.tell(run, Notice::Failed(error.clone())));
    }
}

impl<S> Caretaker<S> {
    fn tell(&self, run: &RunId, notice: Notice) {
        if let Some(run) = self.tended().runs.get(run) {
            // Its driver may be gone by now.
            let _ = run.tell.send(notice);
        }
    }

    fn tended(&self) -> MutexGuard<'_, Tended> {
        // Nothing is done under the lock that could panic half way.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Drop for Tending<S> {
    fn drop(&mut self) {
        let mut tended = self.caretaker.tended();
        if tended.runs.get(&self.lease.run).is_some_and(|run| run.lease == self.lease) {
            tended.runs.remove(&self.lease.run);
        }
    }
}

/// For as long as somebody has the caretaker.
async fn work<S: Store>(caretaker: Weak<Caretaker<S>>) {
    let mut listen = tokio::time::interval(LISTEN_EVERY);
    let mut renew = tokio::time::interval(RENEW_EVERY);
    for timer in [&mut listen, &mut renew] {
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        let is_renewal = tokio::select! {
            biased;
            _ = renew.tick() => true,
            _ = listen.tick() => false,
        };
        let Some(caretaker) = caretaker.upgrade() else { return };
        if is_renewal { caretaker.renew().await } else { caretaker.listen().await }
    }
}
