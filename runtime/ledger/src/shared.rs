//! Limits that many runs share.
//!
//! A run takes money out of every budget that applies to it in one draw, and pays its calls out of what it drew, so that no
//! row is hot. What it drew stays held in the shared account until the run says, with its own sums, what became of it: spent
//! is spent, what nobody knows is unknown, and what is neither goes back. A run that asks for more gives back all that it
//! does not need at this moment first, in the same transaction, so that two runs never wait for each other.

use crate::{Account, Entry, EntryKind, LedgerError};
use pmflow_plan::Money;

/// What one run has of one shared account. `held` is what it drew and has not accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub held: Money,
    pub settled: Money,
    pub unknown: Money,
}

/// One account and the run's share in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub account: Account,
    pub share: Share,
    /// What the run had spent before the budget applied to it: no business of this account.
    pub before: Share,
    /// What was entered, in order; the caller appends it to the ledger.
    pub entries: Vec<Entry>,
}

/// One budget as a run meets it: its accounts by period, oldest first. The last is that of the period that runs now; the
/// others are there as long as the run has something in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// The run may commit up to this sum (settled, unknown and held together) before it has to draw again. When an unknown
    /// outcome turns out to be cheaper than it was charged, the sum falls by the difference: that belongs to its period.
    Granted { up_to: Money },
    /// It does not fit into this chain (by position) now, and may when what other runs hold comes back.
    Waiting { chain: usize },
    /// It can never fit into this chain in this period.
    Refused { chain: usize, left: Money },
}

impl Line {
    pub fn new(account: Account, share: Share) -> Line {
        Line { account, share, before: Share::default(), entries: Vec::new() }
    }

    fn enter(&mut self, kind: EntryKind, held: Money, charged: Money, breach: bool) -> Result<(), LedgerError> {
        if held == Money::ZERO && charged == Money::ZERO {
            return Ok(());
        }
        let entry = self.account.enter(Entry { kind, held, charged, breach })?;
        match kind {
            EntryKind::Hold => self.share.held = plus(self.share.held, held)?,
            EntryKind::Settle => {
                self.share.held = minus(self.share.held, held)?;
                self.share.settled = plus(self.share.settled, charged)?;
            }
            EntryKind::Release => self.share.held = minus(self.share.held, held)?,
            EntryKind::Unknown => {
                self.share.held = minus(self.share.held, held)?;
                self.share.unknown = plus(self.share.unknown, charged)?;
            }
            EntryKind::Reconcile => {
                self.share.unknown = minus(self.share.unknown, held)?;
                self.share.settled = plus(self.share.settled, charged)?;
            }
            EntryKind::RaiseLimit => {}
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Brings the account to a limit; true when it was another.
    pub fn limit(&mut self, limit: Money) -> Result<bool, LedgerError> {
        if self.account.limit == Some(limit) {
            return Ok(false);
        }
        let entry = self.account.raise_limit(limit)?;
        self.entries.push(entry);
        Ok(true)
    }
}

impl Chain {
    /// Takes over what the run says it has spent, oldest period first, for the holds of an earlier period settle there.
    pub fn report(&mut self, run: &Account) -> Result<(), LedgerError> {
        let reported = self.total()?;
        let mut unknown = minus_signed(run.unknown, reported.unknown)?;
        let mut settled = minus_signed(run.settled, reported.settled)?;
        for line in &mut self.lines {
            let known = unknown.min_zero().min(line.share.unknown);
            let paid = settled.max(Money::ZERO).min(known);
            line.enter(EntryKind::Reconcile, known, paid, false)?;
            unknown = plus(unknown, known)?;
            settled = minus_signed(settled, paid)?;
        }
        for line in &mut self.lines {
            let charge = unknown.max(Money::ZERO).min(line.share.held);
            line.enter(EntryKind::Unknown, charge, charge, false)?;
            unknown = minus_signed(unknown, charge)?;
            let paid = settled.max(Money::ZERO).min(line.share.held);
            line.enter(EntryKind::Settle, paid, paid, false)?;
            settled = minus_signed(settled, paid)?;
        }
        // More than was ever drawn: a provider billed above its bound. It is charged all the same, and seen.
        let above = plus(unknown.max(Money::ZERO), settled.max(Money::ZERO))?;
        if let Some(line) = self.lines.last_mut() {
            line.enter(EntryKind::Settle, Money::ZERO, above, true)?;
        }
        Ok(())
    }

    /// Gives back all but what the run's calls under way need; older periods keep theirs first.
    fn keep_only(&mut self, needed: Money) -> Result<(), LedgerError> {
        let mut needed = needed;
        for line in &mut self.lines {
            let kept = line.share.held.min(needed);
            let returned = minus(line.share.held, kept)?;
            line.enter(EntryKind::Release, returned, Money::ZERO, false)?;
            needed = minus(needed, kept)?;
        }
        Ok(())
    }

    fn total(&self) -> Result<Share, LedgerError> {
        self.lines.iter().try_fold(Share::default(), |sum, line| {
            Ok(Share {
                held: plus(sum.held, line.share.held)?,
                settled: plus(sum.settled, plus(line.share.settled, line.before.settled)?)?,
                unknown: plus(sum.unknown, plus(line.share.unknown, line.before.unknown)?)?,
            })
        })
    }
}

/// A run's draw on all its budgets at once: `need` more than what its calls under way hold, or up to `wish` while that leaves
/// as much to the others. Everything that it does not need goes back first, whatever the answer.
pub fn draw(chains: &mut [Chain], run: &Account, need: Money, wish: Money) -> Result<Drawn, LedgerError> {
    for chain in &mut *chains {
        chain.report(run)?;
        chain.keep_only(run.held)?;
    }
    let room = |chain: &Chain| chain.lines.last().and_then(|line| line.account.available());
    let least = chains.iter().filter_map(room).min();
    let half = |least: Money| Money::from_pico(least.pico() / 2);
    let amount = least.map_or(wish, |least| half(least).min(wish)).max(need);
    for (position, chain) in chains.iter().enumerate() {
        let Some(line) = chain.lines.last() else { continue };
        let Some(limit) = line.account.limit else { continue };
        if plus(line.account.committed(), need)? <= limit {
            continue;
        }
        let spent = plus(line.account.settled, line.account.unknown)?;
        if plus(spent, need)? > limit {
            return Ok(Drawn::Refused { chain: position, left: minus_signed(limit, spent)?.max(Money::ZERO) });
        }
        return Ok(Drawn::Waiting { chain: position });
    }
    for chain in &mut *chains {
        if let Some(line) = chain.lines.last_mut() {
            line.enter(EntryKind::Hold, amount, Money::ZERO, false)?;
        }
    }
    Ok(Drawn::Granted { up_to: plus(run.committed(), amount)? })
}

/// The run has ended, or stands still: what it spent is taken over and all that it does not hold goes back.
pub fn close(chains: &mut [Chain], run: &Account) -> Result<(), LedgerError> {
    for chain in chains {
        chain.report(run)?;
        chain.keep_only(run.held)?;
    }
    Ok(())
}

/// The thresholds (per cent of the limit) that what was spent has reached.
pub fn reached(account: &Account, thresholds: &[u32]) -> Vec<u32> {
    let Some(limit) = account.limit.filter(|limit| *limit > Money::ZERO) else { return Vec::new() };
    let spent = account.settled.checked_add(account.unknown).unwrap_or(Money::from_pico(i128::MAX));
    let is_reached = |threshold: &u32| {
        let (spent, mark) = (spent.pico().checked_mul(100), limit.pico().checked_mul(i128::from(*threshold)));
        spent.unwrap_or(i128::MAX) >= mark.unwrap_or(i128::MAX)
    };
    thresholds.iter().copied().filter(is_reached).collect()
}

trait Negated {
    /// How far below zero.
    fn min_zero(self) -> Money;
}

impl Negated for Money {
    fn min_zero(self) -> Money {
        Money::from_pico(self.pico().min(0).saturating_neg())
    }
}

fn plus(left: Money, right: Money) -> Result<Money, LedgerError> {
    left.checked_add(right).ok_or(LedgerError::Amount)
}

fn minus_signed(left: Money, right: Money) -> Result<Money, LedgerError> {
    left.checked_sub(right).ok_or(LedgerError::Amount)
}

fn minus(left: Money, right: Money) -> Result<Money, LedgerError> {
    match left.checked_sub(right) {
        Some(rest) if rest >= Money::ZERO => Ok(rest),
        _ => Err(LedgerError::NotHeld { held: right, account: left }),
    }
}
