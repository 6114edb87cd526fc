//! Budgets as a value: reserve before a paid call is sent, settle after, and never guess in between.
//!
//! An [`Account`] is the sum of its [`Entry`]s and nothing else: replaying them in order gives the same account. The
//! invariant that makes a limit true is `settled + held + unknown ≤ limit`; only a [breach](Entry::breach), usage above
//! the hold that was granted for it, can break it, and then it is recorded and nothing more is granted.

mod account;
pub mod gate;
pub mod period;
pub mod shared;

pub use account::{Account, LedgerError, Reservation};
pub use period::Period;

use pmflow_plan::Money;
use serde::{Deserialize, Serialize};

/// One line of the append-only ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub kind: EntryKind,
    /// What the hold was: granted by `hold`, given back by every other kind but `reconcile`.
    pub held: Money,
    /// What the call is charged from now on: the actual price when settled, the hold while unknown, zero when released.
    pub charged: Money,
    /// The actual price was above the hold. It is charged in full all the same.
    pub breach: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Committed with the intent to send.
    Hold,
    /// The call was answered; `charged` is its price.
    Settle,
    /// Proof that nothing was billed.
    Release,
    /// Nobody knows whether it was billed: `charged` is the whole hold, until reconciled.
    Unknown,
    /// An unknown outcome became known: `held` is what was charged for it, `charged` its true price.
    Reconcile,
    /// The limit is `charged` from now on; none of the sums move.
    RaiseLimit,
}
