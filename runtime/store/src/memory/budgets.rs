//! Shared budgets.

use super::Tables;
use crate::budget::{Books, BudgetShare, applicable};
use crate::{
    Breach, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, Draw, Drawn, SpendingRow, StoreError, UsageRow,
};
use pmflow_engine::{RunStatus, Time};
use pmflow_ledger::{Entry, EntryKind, LedgerError};
use pmflow_plan::Money;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Budgets {
    pub standing: BTreeMap<BudgetKey, BudgetLimit>,
    pub accounts: Vec<BudgetAccount>,
    /// By run and account.
    pub shares: BTreeMap<(i64, i64), BudgetShare>,
    pub lines: Vec<BudgetLine>,
    pub alerts: Vec<BudgetAlert>,
}

/// Who moved the money: a run, or a person by changing a limit.
#[derive(Clone, Copy)]
enum Mover<'a> {
    Run(i64),
    Person(&'a str),
}

impl Tables {
    pub(super) fn draw(&mut self, draw: &Draw) -> Result<Drawn, StoreError> {
        let (number, execution) = self.execution(&draw.lease.run)?;
        if execution.epoch != draw.lease.epoch {
            return Ok(Drawn::TakenOver);
        }
        let account = execution.row.account;
        let standing: Vec<BudgetLimit> = self.budgets.standing.values().cloned().collect();
        let limits = applicable(&draw.limits, &standing, &draw.spender);
        for limit in &limits {
            self.budgets.open(limit, self.now);
        }
        let mut books = self.books(number);
        let present =
            |kept: &BudgetAccount| limits.iter().any(|limit| limit.key == kept.key && limit.start(self.now) == kept.start);
        let more: Vec<BudgetAccount> = self.budgets.accounts.iter().filter(|account| present(account)).cloned().collect();
        for account in more {
            if !books.accounts.iter().any(|kept| kept.id == account.id) {
                books.accounts.push(account);
            }
        }
        let drawn = books.draw(&limits, &account, draw.need, draw.wish).map_err(|error| damaged(&error))?;
        self.keep(books, Mover::Run(number));
        Ok(drawn)
    }

    /// Gives back what a run that ended or stands still had drawn.
    pub(super) fn close_shares(&mut self, number: i64) {
        let Some(execution) = self.runs.get(&number) else { return };
        if execution.row.status == RunStatus::Running {
            return;
        }
        let account = execution.row.account;
        let mut books = self.books(number);
        if books.close(&account).is_ok() {
            self.keep(books, Mover::Run(number));
        }
    }

    /// A call that was billed above its hold is told of, unless it is none but in play.
    pub(super) fn alert_breach(&mut self, number: i64, line: &UsageRow) {
        let Some(execution) = self.runs.get(&number).filter(|execution| line.entry.breach && !execution.simulated) else {
            return;
        };
        let Some(model) = &line.model else { return };
        let breach = Breach::of(&execution.row.flow, model, line.entry.held, line.entry.charged, line.at);
        self.budgets.open_at(&breach.limit, breach.start.clone());
        let is_its = |account: &&BudgetAccount| account.key == breach.limit.key && account.start == breach.start;
        let alert = self.budgets.accounts.iter().find(is_its).map(|account| breach.alert(account.id));
        self.keep(Books { alerts: alert.into_iter().collect(), ..Books::default() }, Mover::Run(number));
    }

    /// The accounts that a run has a share in.
    fn books(&self, number: i64) -> Books {
        let shares: Vec<BudgetShare> =
            self.budgets.shares.range((number, i64::MIN)..=(number, i64::MAX)).map(|(_, share)| share.clone()).collect();
        let has_share = |account: &&BudgetAccount| shares.iter().any(|share| share.account == account.id);
        let accounts = self.budgets.accounts.iter().filter(has_share).cloned().collect();
        Books { now: self.now, accounts, shares, ..Books::default() }
    }

    fn keep(&mut self, books: Books, mover: Mover<'_>) {
        for account in books.accounts {
            if let Some(kept) = self.budgets.accounts.iter_mut().find(|kept| kept.id == account.id) {
                *kept = account;
            }
        }
        if let Mover::Run(number) = mover {
            for share in books.shares {
                self.budgets.shares.insert((number, share.account), share);
            }
        }
        for (account, entry) in books.entries {
            self.append(account, entry, mover);
        }
        for due in books.alerts {
            let Some(account) = self.budgets.accounts.iter().find(|account| account.id == due.account) else { continue };
            let (key, start) = (account.key.clone(), account.start.clone());
            let alert = BudgetAlert {
                id: self.budgets.alerts.last().map_or(0, |alert| alert.id) + 1,
                key,
                start,
                limit_version: due.limit_version,
                threshold: due.threshold,
                level: due.level,
                spent: due.spent,
                limit: due.limit,
                at: self.now,
                delivered_at: None,
            };
            let same = |kept: &BudgetAlert| {
                (&kept.key, &kept.start, kept.limit_version, kept.threshold)
                    == (&alert.key, &alert.start, alert.limit_version, alert.threshold)
            };
            if !self.budgets.alerts.iter().any(same) {
                self.budgets.alerts.push(alert);
            }
        }
    }

    fn append(&mut self, account: i64, entry: Entry, mover: Mover<'_>) {
        let Some(account) = self.budgets.accounts.iter().find(|kept| kept.id == account) else { return };
        let (key, start) = (account.key.clone(), account.start.clone());
        let run = match mover {
            Mover::Run(number) if entry.kind != EntryKind::RaiseLimit => {
                self.runs.get(&number).map(|execution| execution.row.id.clone())
            }
            _ => None,
        };
        let by = match mover {
            Mover::Person(by) => Some(by.to_owned()),
            Mover::Run(_) => None,
        };
        let line = self.budgets.lines.last().map_or(0, |line| line.line) + 1;
        self.budgets.lines.push(BudgetLine { line, key, start, entry, run, by, at: self.now });
    }

    pub(super) fn set_budget(&mut self, limit: BudgetLimit, by: &str) -> Result<(), StoreError> {
        let start = limit.start(self.now);
        let found = self.budgets.accounts.iter().position(|account| account.key == limit.key && account.start == start);
        if let Some(account) = found.and_then(|position| self.budgets.accounts.get_mut(position)) {
            let entry = account.adopt(&limit).map_err(|error| damaged(&error))?;
            let id = account.id;
            entry.into_iter().for_each(|entry| self.append(id, entry, Mover::Person(by)));
        }
        self.budgets.standing.insert(limit.key.clone(), limit);
        Ok(())
    }

    pub(super) fn raise_budget(
        &mut self,
        key: &BudgetKey,
        start: &str,
        limit: Money,
        by: &str,
    ) -> Result<Option<BudgetAccount>, StoreError> {
        let found = self.budgets.accounts.iter_mut().find(|account| account.key == *key && account.start == start);
        let Some(account) = found else { return Ok(None) };
        let entry = account.raise(limit).map_err(|error| damaged(&error))?;
        let raised = account.clone();
        entry.into_iter().for_each(|entry| self.append(raised.id, entry, Mover::Person(by)));
        Ok(Some(raised))
    }

    pub(super) fn list_budgets(&self, rows_max: u32) -> Vec<BudgetAccount> {
        let mut accounts = self.budgets.accounts.clone();
        accounts.sort_by(|left, right| (&right.start, right.id).cmp(&(&left.start, left.id)));
        accounts.truncate(rows_max as usize);
        accounts
    }

    pub(super) fn list_budget_lines(&self, of: Option<(&BudgetKey, &str)>, after: u64, rows_max: u32) -> Vec<BudgetLine> {
        let wanted =
            |line: &&BudgetLine| line.line > after && of.is_none_or(|(key, start)| line.key == *key && line.start == start);
        self.budgets.lines.iter().filter(wanted).take(rows_max as usize).cloned().collect()
    }

    pub(super) fn list_alerts(&self, open_only: bool, rows_max: u32) -> Vec<BudgetAlert> {
        let wanted = |alert: &&BudgetAlert| !open_only || alert.delivered_at.is_none();
        self.budgets.alerts.iter().filter(wanted).take(rows_max as usize).cloned().collect()
    }

    pub(super) fn list_spending(&self, from: Time, until: Time, simulated: bool) -> Vec<SpendingRow> {
        let mut sums: BTreeMap<(String, String, String, String), SpendingRow> = BTreeMap::new();
        let executions = self.runs.values().filter(|execution| simulated || !execution.simulated);
        for execution in executions {
            for line in execution.usage.iter().filter(|line| line.at >= from && line.at < until) {
                let Some(model) = &line.model else { continue };
                let day = chrono::DateTime::from_timestamp_micros(line.at).unwrap_or_default().format("%Y-%m-%d").to_string();
                let (flow, member) = (execution.row.flow.clone(), execution.started_by.clone());
                let key = (day.clone(), flow.clone(), model.clone(), member.clone());
                let row = sums.entry(key).or_insert_with(|| SpendingRow {
                    day,
                    flow,
                    model: model.clone(),
                    member,
                    ..SpendingRow::default()
                });
                row.add(&line.entry, line.usage.as_ref());
            }
        }
        sums.into_values().filter(|row| row.calls > 0).collect()
    }
}

impl Budgets {
    /// The account of the present period is there from here on.
    fn open(&mut self, limit: &BudgetLimit, now: Time) {
        self.open_at(limit, limit.start(now));
    }

    fn open_at(&mut self, limit: &BudgetLimit, start: String) {
        if !self.accounts.iter().any(|account| account.key == limit.key && account.start == start) {
            let id = self.accounts.last().map_or(0, |account| account.id) + 1;
            self.accounts.push(BudgetAccount { id, ..BudgetAccount::new(limit, start) });
        }
    }
}

fn damaged(error: &LedgerError) -> StoreError {
    StoreError::Other { place: String::new(), detail: format!("the ledger of a budget does not add up: {error}") }
}
