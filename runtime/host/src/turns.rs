//! Calls that wait for their turn. What calls share, a provider's key or a connector, is an [`Account`]; its gate is kept in
//! the store, for all processes. Where nothing limits an account, nobody asks: a call costs a look at what is known here.

mod account;
mod limits;
mod run;

pub(crate) use account::{Account, Asking, Given};
pub(crate) use limits::declared;
pub(crate) use run::{RunTurns, wait_us};

use account::Known;
use pmflow_ledger::gate::Limit;
use pmflow_store::{Gates, Store};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it is looked at what other processes heard.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// An account is known so long after the last run that had it.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The accounts of a process.
#[derive(Debug)]
pub(crate) struct Turns<S> {
    store: Arc<S>,
    process: String,
    accounts: Mutex<Accounts<S>>,
    /// Told whenever other calls have to wait than before.
    moved: Arc<watch::Sender<u64>>,
}

#[derive(Debug)]
struct Accounts<S> {
    /// With the moment at which somebody last had it.
    by_name: BTreeMap<String, (Arc<Account<S>>, Instant)>,
    is_looked_at: bool,
}

impl<S: Store> Turns<S> {
    pub fn new(store: Arc<S>, process: String) -> Arc<Turns<S>> {
        let accounts = Mutex::new(Accounts { by_name: BTreeMap::new(), is_looked_at: false });
        Arc::new(Turns { store, process, accounts, moved: Arc::new(watch::Sender::new(0)) })
    }

    /// The account of this name. Must be called within a tokio runtime.
    pub fn account(self: &Arc<Self>, name: &str, limits: Vec<(Option<String>, Limit)>) -> Arc<Account<S>> {
        let mut accounts = self.accounts();
        if let Some((account, _)) = accounts.by_name.get(name) {
            return account.clone();
        }
        if !std::mem::replace(&mut accounts.is_looked_at, true) {
            tokio::spawn(look(Arc::downgrade(self)));
        }
        let account = Account::new(self.store.clone(), name.to_owned(), self.process.clone(), limits, self.moved.clone());
        accounts.by_name.insert(name.to_owned(), (account.clone(), Instant::now()));
        account
    }

    /// Learns how the accounts stand that this process has not looked at yet: before the first call, not after it.
    pub async fn meet(&self) {
        let is_new = |(account, _): &(Arc<Account<S>>, Instant)| account.is_new();
        let is_any_new = self.accounts().by_name.values().any(is_new);
        if is_any_new {
            self.look().await;
        }
    }

    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    async fn look(&self) {
        let live: Vec<Arc<Account<S>>> = self.accounts().by_name.values().map(|(account, _)| account.clone()).collect();
        let names: Vec<String> = live.iter().map(|account| account.name().to_owned()).collect();
        let steps: Vec<u64> = live.iter().map(|account| account.steps()).collect();
        if names.is_empty() {
            return;
        }
        match self.store.gates(&names).await {
            Ok(Gates { now, mut gates }) => {
                for (account, steps) in live.iter().zip(steps) {
                    account.learn(gates.remove(account.name()).map(|gate| Known::of(gate, now)), steps);
                }
            }
            Err(error) => tracing::debug!(%error, "rate limits cannot be looked at"),
        }
    }

    /// Lets go of accounts that nobody has had for a while. False: none is left to look at.
    fn let_go(&self) -> bool {
        let mut accounts = self.accounts();
        accounts.by_name.retain(|_, (account, had_at)| {
            if Arc::strong_count(account) > 1 {
                *had_at = Instant::now();
            }
            had_at.elapsed() < KEPT_FOR
        });
        accounts.is_looked_at = !accounts.by_name.is_empty();
        accounts.is_looked_at
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts<S>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For as long as there are accounts.
async fn look<S: Store>(turns: Weak<Turns<S>>) {
    loop {
        let Some(turns) = turns.upgrade() else { return };
        turns.look().await;
        if !turns.let_go() {
            return;
        }
        drop(turns);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
