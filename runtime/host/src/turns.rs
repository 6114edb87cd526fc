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
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked at what other processes heard.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The accounts of a process.
#[derive(Debug)]
pub(crate) struct Turns<S> {
    store: Arc<S>,
    process: String,
    accounts: Mutex<BTreeMap<String, Weak<Account<S>>>>,
    /// Told whenever other calls have to wait than before.
    moved: Arc<watch::Sender<u64>>,
}

impl<S: Store> Turns<S> {
    pub fn new(store: Arc<S>, process: String) -> Arc<Turns<S>> {
        Arc::new(Turns { store, process, accounts: Mutex::default(), moved: Arc::new(watch::Sender::new(0)) })
    }

    /// The account of this name, for as long as somebody has it. Must be called within a tokio runtime.
    pub fn account(self: &Arc<Self>, name: &str, limits: Vec<(Option<String>, Limit)>) -> Arc<Account<S>> {
        let mut accounts = self.accounts();
        accounts.retain(|_, account| account.strong_count() > 0);
        if let Some(account) = accounts.get(name).and_then(Weak::upgrade) {
            return account;
        }
        if accounts.is_empty() {
            tokio::spawn(look(Arc::downgrade(self)));
        }
        let account = Account::new(self.store.clone(), name.to_owned(), self.process.clone(), limits, self.moved.clone());
        accounts.insert(name.to_owned(), Arc::downgrade(&account));
        account
    }

    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// False: nobody has an account any more.
    async fn look(&self) -> bool {
        let live: Vec<Arc<Account<S>>> = self.accounts().values().filter_map(Weak::upgrade).collect();
        let names: Vec<String> = live.iter().map(|account| account.name().to_owned()).collect();
        match self.store.gates(&names).await {
            Ok(Gates { now, mut gates }) => {
                for account in &live {
                    account.learn(gates.remove(account.name()).map(|gate| Known::of(gate, now)));
                }
            }
            Err(error) => tracing::debug!(%error, "rate limits cannot be looked at"),
        }
        drop(live);
        let mut accounts = self.accounts();
        accounts.retain(|_, account| account.strong_count() > 0);
        !accounts.is_empty()
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<String, Weak<Account<S>>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For as long as somebody has an account.
async fn look<S: Store>(turns: Weak<Turns<S>>) {
    loop {
        let Some(turns) = turns.upgrade() else { return };
        if !turns.look().await {
            return;
        }
        drop(turns);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
