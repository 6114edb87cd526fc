//! Many runs, two budgets, days that pass: nothing is ever overrun, nothing refused that fits, everything adds up.

#![allow(clippy::indexing_slicing, reason = "positions that the test itself has made")]

use pmflow_ledger::shared::{Chain, Drawn, Line, Share, close, draw, reached};
use pmflow_ledger::{Account, Entry, Reservation};
use pmflow_plan::Money;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAY_LIMIT: i128 = 1_000;
const MONTH_LIMIT: i128 = 2_500;
const RUNS: usize = 4;

#[derive(Clone, Debug)]
enum Act {
    Call(usize, i128),
    Settle(usize, i128),
    Release(usize),
    Lose(usize),
    Reconcile(usize, i128),
    NextDay,
    Close(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let run = 0..RUNS;
    prop_oneof![
        8 => (run.clone(), 1i128..200).prop_map(|(run, hold)| Act::Call(run, hold)),
        6 => (run.clone(), 0i128..200).prop_map(|(run, actual)| Act::Settle(run, actual)),
        1 => run.clone().prop_map(Act::Release),
        1 => run.clone().prop_map(Act::Lose),
        1 => (run.clone(), 0i128..200).prop_map(|(run, actual)| Act::Reconcile(run, actual)),
        1 => Just(Act::NextDay),
        1 => run.prop_map(Act::Close),
    ]
}

fn pico(amount: i128) -> Money {
    Money::from_pico(amount)
}

#[derive(Default)]
struct Runner {
    account: Account,
    up_to: Money,
    held: Vec<Money>,
    unknown: Vec<Money>,
}

/// What a store keeps.
#[derive(Default)]
struct Books {
    day: u32,
    /// By budget and period.
    accounts: BTreeMap<(usize, u32), (Account, Vec<Entry>)>,
    shares: BTreeMap<(usize, usize, u32), Share>,
}

impl Books {
    fn chains(&mut self, run: usize) -> Vec<Chain> {
        let limits = [DAY_LIMIT, MONTH_LIMIT];
        let chain = |budget: usize| {
            let now = if budget == 0 { self.day } else { 0 };
            let limit = Some(pico(limits[budget]));
            self.accounts.entry((budget, now)).or_insert_with(|| (Account::new(limit), Vec::new()));
            let known = |period: &u32| *period == now || self.shares.contains_key(&(run, budget, *period));
            let periods: Vec<u32> = (0..=self.day).filter(known).collect();
            let line = |period: &u32| {
                let share = self.shares.get(&(run, budget, *period)).copied().unwrap_or_default();
                Line::new(self.accounts[&(budget, *period)].0, share)
            };
            Chain { lines: periods.iter().map(line).collect() }
        };
        (0..2).map(chain).collect()
    }

    fn keep(&mut self, run: usize, chains: Vec<Chain>) {
        for (budget, chain) in chains.into_iter().enumerate() {
            let now = if budget == 0 { self.day } else { 0 };
            let known = |period: &u32| *period == now || self.shares.contains_key(&(run, budget, *period));
            let periods: Vec<u32> = (0..=self.day).filter(known).collect();
            for (period, line) in periods.into_iter().zip(chain.lines) {
                let kept = self.accounts.get_mut(&(budget, period)).expect("it was read");
                kept.0 = line.account;
                kept.1.extend(line.entries);
                self.shares.insert((run, budget, period), line.share);
            }
        }
    }
}

fn call(books: &mut Books, run: usize, runner: &mut Runner, hold: Money) -> Result<(), TestCaseError> {
    let after = runner.account.committed().checked_add(hold).expect("small");
    if after > runner.up_to {
        let mut chains = books.chains(run);
        let drawn = draw(&mut chains, &runner.account, hold, hold.checked_mul(4).expect("small")).expect("it adds up");
        match drawn {
            Drawn::Granted { up_to } => runner.up_to = up_to,
            Drawn::Waiting { chain } => {
                let account = chains[chain].lines.last().expect("the present").account;
                prop_assert!(account.held > Money::ZERO, "nothing to wait for");
                runner.up_to = runner.account.committed();
            }
            Drawn::Refused { chain, .. } => {
                let account = chains[chain].lines.last().expect("the present").account;
                let limit = account.limit.expect("a limit");
                prop_assert!(account.settled.pico() + account.unknown.pico() + hold.pico() > limit.pico());
                runner.up_to = runner.account.committed();
            }
        }
        books.keep(run, chains);
        if after > runner.up_to {
            return Ok(());
        }
    }
    prop_assert!(matches!(runner.account.reserve(hold), Reservation::Granted(_)));
    runner.held.push(hold);
    Ok(())
}

fn step(books: &mut Books, runners: &mut [Runner], act: Act) -> Result<(), TestCaseError> {
    match act {
        Act::Call(run, hold) => call(books, run, &mut runners[run], pico(hold))?,
        Act::NextDay => books.day += 1,
        Act::Settle(run, actual) => {
            if let Some(hold) = runners[run].held.pop() {
                runners[run].account.settle(hold, pico(actual).min(hold)).expect("it is held");
            }
        }
        Act::Release(run) => {
            if let Some(hold) = runners[run].held.pop() {
                runners[run].account.release(hold).expect("it is held");
            }
        }
        Act::Lose(run) => {
            if let Some(hold) = runners[run].held.pop() {
                runners[run].account.unknown(hold).expect("it is held");
                runners[run].unknown.push(hold);
            }
        }
        Act::Reconcile(run, actual) => {
            if let Some(charged) = runners[run].unknown.pop() {
                let paid = pico(actual).min(charged);
                runners[run].account.reconcile(charged, paid).expect("it is unknown");
                let freed = charged.checked_sub(paid).expect("small");
                runners[run].up_to = runners[run].up_to.checked_sub(freed).expect("small");
            }
        }
        Act::Close(run) => {
            let mut chains = books.chains(run);
            close(&mut chains, &runners[run].account).expect("it adds up");
            books.keep(run, chains);
            runners[run].up_to = runners[run].account.committed();
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_budget_is_overrun_and_all_adds_up(acts in prop::collection::vec(act(), 0..120)) {
        let (mut books, mut runners) = (Books::default(), Vec::new());
        runners.resize_with(RUNS, Runner::default);
        for act in acts {
            step(&mut books, &mut runners, act)?;
            for (account, _) in books.accounts.values() {
                prop_assert!(account.committed() <= account.limit.expect("a limit"));
                prop_assert_eq!(account.breaches, 0);
            }
        }
        for (run, runner) in runners.iter_mut().enumerate() {
            while let Some(hold) = runner.held.pop() {
                runner.account.release(hold).expect("it is held");
            }
            let mut chains = books.chains(run);
            close(&mut chains, &runner.account).expect("it adds up");
            books.keep(run, chains);
        }
        for budget in 0..2 {
            let of_budget = books.accounts.iter().filter(|((of, _), _)| *of == budget);
            let (mut settled, mut unknown) = (0, 0);
            for ((_, _), (account, entries)) in of_budget {
                prop_assert_eq!(account.held, Money::ZERO, "something was not given back");
                prop_assert_eq!(Account::replay(account.limit, entries), Ok(*account));
                settled += account.settled.pico();
                unknown += account.unknown.pico();
            }
            prop_assert_eq!(settled, runners.iter().map(|runner| runner.account.settled.pico()).sum::<i128>());
            prop_assert_eq!(unknown, runners.iter().map(|runner| runner.account.unknown.pico()).sum::<i128>());
        }
    }
}

fn one(limit: i128) -> Vec<Chain> {
    vec![Chain { lines: vec![Line::new(Account::new(Some(pico(limit))), Share::default())] }]
}

#[test]
fn a_wish_leaves_as_much_to_others_and_a_need_does_not() {
    let run = Account::new(None);
    assert_eq!(draw(&mut one(100), &run, pico(30), pico(400)), Ok(Drawn::Granted { up_to: pico(50) }));
    assert_eq!(draw(&mut one(100), &run, pico(101), pico(400)), Ok(Drawn::Refused { chain: 0, left: pico(100) }));
    assert_eq!(draw(&mut one(0), &run, pico(1), pico(1)), Ok(Drawn::Refused { chain: 0, left: Money::ZERO }));
}

#[test]
fn a_breach_is_charged_in_full_beyond_the_limit() {
    let mut run = Account::new(None);
    let mut chains = one(100);
    assert_eq!(draw(&mut chains, &run, pico(100), pico(100)), Ok(Drawn::Granted { up_to: pico(100) }));
    run.reserve(pico(100));
    run.settle(pico(100), pico(150)).expect("it is held");
    close(&mut chains, &run).expect("it adds up");
    let account = chains[0].lines[0].account;
    assert_eq!((account.settled, account.held, account.breaches), (pico(150), Money::ZERO, 1));
    assert_eq!(reached(&account, &[75, 90, 100, 200]), vec![75, 90, 100]);
}
