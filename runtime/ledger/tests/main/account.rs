//! The account against random histories.

use pmflow_ledger::{Account, Entry, EntryKind, Reservation};
use pmflow_plan::Money;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Reserve(i128),
    Settle(usize, i128),
    Release(usize),
    Unknown(usize),
    Reconcile(usize, i128),
    Raise(i128),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0i128..500).prop_map(Act::Reserve),
        2 => (any::<usize>(), 0i128..500).prop_map(|(which, actual)| Act::Settle(which, actual)),
        1 => any::<usize>().prop_map(Act::Release),
        1 => any::<usize>().prop_map(Act::Unknown),
        1 => (any::<usize>(), 0i128..500).prop_map(|(which, actual)| Act::Reconcile(which, actual)),
        1 => (0i128..2000).prop_map(Act::Raise),
    ]
}

fn pico(amount: i128) -> Money {
    Money::from_pico(amount)
}

/// Takes one of the open amounts, if there is one.
fn take(open: &mut Vec<Money>, which: usize) -> Option<Money> {
    (!open.is_empty()).then(|| open.remove(which % open.len()))
}

/// Applies one act as the engine would: what it charges never exceeds its hold, unless `honest` is false.
fn apply(account: &mut Account, act: Act, held: &mut Vec<Money>, unknown: &mut Vec<Money>, honest: bool) -> Option<Entry> {
    let price = |hold: Money, actual: i128| if honest { pico(actual).min(hold) } else { pico(actual) };
    let entry = match act {
        Act::Reserve(amount) => match account.reserve(pico(amount)) {
            Reservation::Granted(entry) => {
                held.push(entry.held);
                entry
            }
            Reservation::Waiting | Reservation::Refused => return None,
        },
        Act::Settle(which, actual) => {
            let hold = take(held, which)?;
            account.settle(hold, price(hold, actual)).expect("the hold is open")
        }
        Act::Release(which) => account.release(take(held, which)?).expect("the hold is open"),
        Act::Unknown(which) => {
            let hold = take(held, which)?;
            unknown.push(hold);
            account.unknown(hold).expect("the hold is open")
        }
        Act::Reconcile(which, actual) => {
            let charged = take(unknown, which)?;
            account.reconcile(charged, price(charged, actual)).expect("the charge is open")
        }
        // A limit is raised, not lowered below what is committed.
        Act::Raise(limit) => account.raise_limit(pico(limit).max(account.committed())).expect("the amount is not negative"),
    };
    Some(entry)
}

proptest! {
    #[test]
    fn the_ledger_replays_to_the_account(acts in prop::collection::vec(act(), 0..200), honest in any::<bool>()) {
        let limit = Some(pico(1000));
        let mut account = Account::new(limit);
        let (mut held, mut unknown, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for act in acts {
            entries.extend(apply(&mut account, act, &mut held, &mut unknown, honest));
            let open: i128 = held.iter().map(|money| money.pico()).sum();
            prop_assert_eq!(account.held, pico(open));
            if honest {
                prop_assert!(account.limit.is_none_or(|limit| account.committed() <= limit));
                prop_assert_eq!(account.breaches, 0);
            }
        }
        prop_assert_eq!(Account::replay(limit, &entries), Ok(account));
    }

    /// Waiting means that it may fit later, refused that it never will below this limit.
    #[test]
    fn nothing_is_refused_that_could_fit(settled in 0i128..1200, held in 0i128..1200, unknown in 0i128..1200, amount in 0i128..1200) {
        let account = Account {
            limit: Some(pico(1000)), held: pico(held), settled: pico(settled), unknown: pico(unknown), breaches: 0,
        };
        let mut after = account;
        let fits_when_all_else_is_free = settled + unknown + amount <= 1000;
        let fits_now = settled + unknown + held + amount <= 1000;
        match after.reserve(pico(amount)) {
            Reservation::Granted(_) => prop_assert!(fits_now),
            Reservation::Waiting => prop_assert!(!fits_now && fits_when_all_else_is_free && held > 0),
            Reservation::Refused => prop_assert!(!fits_when_all_else_is_free),
        }
    }
}

#[test]
fn usage_above_its_hold_is_charged_in_full_and_marked() {
    let mut account = Account::new(Some(pico(100)));
    assert!(matches!(account.reserve(pico(60)), Reservation::Granted(_)));
    let entry = account.settle(pico(60), pico(150)).expect("the hold is open");
    assert!(entry.breach);
    assert_eq!((account.settled, account.held, account.breaches), (pico(150), Money::ZERO, 1));
    assert_eq!(account.reserve(pico(1)), Reservation::Refused);
}

#[test]
fn an_entry_that_does_not_fit_changes_nothing() {
    let mut account = Account::new(None);
    let before = account;
    assert!(account.settle(pico(5), pico(5)).is_err());
    assert!(account.reconcile(pico(5), pico(5)).is_err());
    let negative = Entry { kind: EntryKind::Hold, held: pico(-1), charged: Money::ZERO, breach: false };
    assert!(account.enter(negative).is_err());
    assert_eq!(account, before);
}
