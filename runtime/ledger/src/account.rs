//! The account of one scope: a run's own today.

use crate::{Entry, EntryKind};
use pmflow_plan::Money;
use serde::{Deserialize, Serialize};

/// What was granted and spent against one limit. All amounts are sums of entries, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// None: no limit; everything is granted and still recorded.
    pub limit: Option<Money>,
    /// Granted for calls whose outcome is awaited.
    pub held: Money,
    /// The price of what was answered.
    pub settled: Money,
    /// The holds of calls whose outcome nobody knows. Time alone never frees them.
    pub unknown: Money,
    /// How many calls cost more than their hold.
    pub breaches: u64,
}

/// What a request for a hold comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// The entry to record; the account holds the amount already.
    Granted(Entry),
    /// It does not fit now, and may fit when calls under way cost less than their holds.
    Waiting,
    /// It can never fit below this limit.
    Refused,
}

/// The amounts do not fit the account: a defect of the caller or a damaged ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger gives back {held:?} of which only {account:?} is held")]
    NotHeld { held: Money, account: Money },
    #[error("an amount in the ledger is negative or beyond what a number can hold")]
    Amount,
}

impl Account {
    pub fn new(limit: Option<Money>) -> Account {
        Account { limit, ..Account::default() }
    }

    /// The sum that counts against the limit. Saturates.
    pub fn committed(&self) -> Money {
        add(add(self.settled, self.held), self.unknown)
    }

    /// What can still be granted at once; none without a limit.
    pub fn available(&self) -> Option<Money> {
        self.limit.map(|limit| limit.checked_sub(self.committed()).unwrap_or(Money::ZERO).max(Money::ZERO))
    }

    /// Asks for a hold of `amount`.
    pub fn reserve(&mut self, amount: Money) -> Reservation {
        if amount < Money::ZERO || self.committed().checked_add(amount).is_none() {
            return Reservation::Refused;
        }
        if let Some(limit) = self.limit {
            if add(add(self.settled, self.unknown), amount) > limit {
                return Reservation::Refused;
            }
            if add(self.committed(), amount) > limit {
                return Reservation::Waiting;
            }
        }
        self.held = add(self.held, amount);
        Reservation::Granted(Entry { kind: EntryKind::Hold, held: amount, charged: Money::ZERO, breach: false })
    }

    /// A call that was granted `held` cost `actual`.
    pub fn settle(&mut self, held: Money, actual: Money) -> Result<Entry, LedgerError> {
        self.enter(Entry { kind: EntryKind::Settle, held, charged: actual, breach: actual > held })
    }

    /// A call that was granted `held` was provably not billed.
    pub fn release(&mut self, held: Money) -> Result<Entry, LedgerError> {
        self.enter(Entry { kind: EntryKind::Release, held, charged: Money::ZERO, breach: false })
    }

    /// Nobody knows whether a call that was granted `held` was billed.
    pub fn unknown(&mut self, held: Money) -> Result<Entry, LedgerError> {
        self.enter(Entry { kind: EntryKind::Unknown, held, charged: held, breach: false })
    }

    /// An outcome that was unknown, and charged as `held`, turned out to have cost `actual`.
    pub fn reconcile(&mut self, held: Money, actual: Money) -> Result<Entry, LedgerError> {
        self.enter(Entry { kind: EntryKind::Reconcile, held, charged: actual, breach: actual > held })
    }

    pub fn raise_limit(&mut self, limit: Money) -> Result<Entry, LedgerError> {
        self.enter(Entry { kind: EntryKind::RaiseLimit, held: Money::ZERO, charged: limit, breach: false })
    }

    /// Rebuilds an account from the limit that it began with and its entries in order.
    pub fn replay<'a>(limit: Option<Money>, entries: impl IntoIterator<Item = &'a Entry>) -> Result<Account, LedgerError> {
        let mut account = Account::new(limit);
        for entry in entries {
            account.enter(entry.clone())?;
        }
        Ok(account)
    }

    /// Applies one entry. The account is unchanged when it does not fit.
    pub fn enter(&mut self, entry: Entry) -> Result<Entry, LedgerError> {
        if entry.held < Money::ZERO || entry.charged < Money::ZERO {
            return Err(LedgerError::Amount);
        }
        let mut next = *self;
        match entry.kind {
            EntryKind::Hold => next.held = exact_add(next.held, entry.held)?,
            EntryKind::Settle => {
                next.held = take(next.held, entry.held)?;
                next.settled = exact_add(next.settled, entry.charged)?;
            }
            EntryKind::Release => next.held = take(next.held, entry.held)?,
            EntryKind::Unknown => {
                next.held = take(next.held, entry.held)?;
                next.unknown = exact_add(next.unknown, entry.charged)?;
            }
            EntryKind::Reconcile => {
                next.unknown = take(next.unknown, entry.held)?;
                next.settled = exact_add(next.settled, entry.charged)?;
            }
            EntryKind::RaiseLimit => next.limit = Some(entry.charged),
        }
        next.breaches = next.breaches.saturating_add(u64::from(entry.breach));
        *self = next;
        Ok(entry)
    }
}

fn add(left: Money, right: Money) -> Money {
    left.checked_add(right).unwrap_or(Money::from_pico(i128::MAX))
}

fn exact_add(left: Money, right: Money) -> Result<Money, LedgerError> {
    left.checked_add(right).ok_or(LedgerError::Amount)
}

fn take(account: Money, held: Money) -> Result<Money, LedgerError> {
    match account.checked_sub(held) {
        Some(rest) if rest >= Money::ZERO => Ok(rest),
        _ => Err(LedgerError::NotHeld { held, account }),
    }
}
