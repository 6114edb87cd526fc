//! Shared budgets as the columns of their tables, the same in every SQL store.

use super::decode::{self, Detail, money, small, unsigned};
use super::rows::{count, entry_kind_name, json_text, pico};
use crate::budget::BudgetShare;
use crate::{BudgetAccount, BudgetAlert, BudgetKey, Scope, StoreError};
use pmflow_engine::Time;
use pmflow_ledger::shared::Share;
use pmflow_ledger::{Account, Entry, EntryKind, Period};
use pmflow_plan::Money;

/// A row of `usage_budgets`, as it is read.
#[derive(Clone, Debug)]
pub struct AccountColumns {
    pub budget_id: i64,
    pub name: String,
    pub scope: String,
    pub subject: String,
    pub period: String,
    pub period_start: String,
    pub time_zone: String,
    pub limit_pico: Option<i64>,
    pub limit_version: i64,
    pub held_pico: i64,
    pub settled_pico: i64,
    pub unknown_pico: i64,
    pub breaches: i64,
    pub raised_pico: Option<i64>,
    pub alerts: String,
}

impl AccountColumns {
    pub fn account(self) -> Result<BudgetAccount, Detail> {
        Ok(BudgetAccount {
            id: self.budget_id,
            key: key(self.name, &self.scope, self.subject, &self.period)?,
            start: self.period_start,
            zone: self.time_zone,
            account: Account {
                limit: self.limit_pico.map(money),
                held: money(self.held_pico),
                settled: money(self.settled_pico),
                unknown: money(self.unknown_pico),
                breaches: unsigned(self.breaches),
            },
            limit_version: small(self.limit_version),
            raised: self.raised_pico.map(money),
            alerts: decode::json("a budget's thresholds", &self.alerts)?,
        })
    }
}

/// The same, as it is written.
#[derive(Clone, Debug)]
pub struct AccountValues {
    pub limit: Option<i64>,
    pub limit_version: i64,
    pub held: i64,
    pub settled: i64,
    pub unknown: i64,
    pub breaches: i64,
    pub raised: Option<i64>,
    pub alerts: String,
}

impl AccountValues {
    pub fn of(kept: &BudgetAccount) -> Result<AccountValues, StoreError> {
        let account = &kept.account;
        Ok(AccountValues {
            limit: account.limit.map(|limit| pico("limit", limit)).transpose()?,
            limit_version: i64::from(kept.limit_version),
            held: pico("sum of holds", account.held)?,
            settled: pico("sum of costs", account.settled)?,
            unknown: pico("sum of unknown costs", account.unknown)?,
            breaches: count(account.breaches),
            raised: kept.raised.map(|limit| pico("limit", limit)).transpose()?,
            alerts: json_text(&kept.alerts),
        })
    }
}

/// What a run has of an account, in a row of `budget_shares`.
#[derive(Clone, Copy, Debug)]
pub struct ShareColumns {
    pub held_pico: i64,
    pub settled_pico: i64,
    pub unknown_pico: i64,
    pub before_settled_pico: i64,
    pub before_unknown_pico: i64,
}

impl ShareColumns {
    pub fn of(share: &BudgetShare) -> Result<ShareColumns, StoreError> {
        let BudgetShare { share, before, .. } = share;
        Ok(ShareColumns {
            held_pico: pico("hold", share.held)?,
            settled_pico: pico("cost", share.settled)?,
            unknown_pico: pico("cost", share.unknown)?,
            before_settled_pico: pico("cost", before.settled)?,
            before_unknown_pico: pico("cost", before.unknown)?,
        })
    }

    pub fn share(self, account: i64) -> BudgetShare {
        let (settled, unknown) = (money(self.before_settled_pico), money(self.before_unknown_pico));
        BudgetShare {
            account,
            share: Share { held: money(self.held_pico), settled: money(self.settled_pico), unknown: money(self.unknown_pico) },
            before: Share { held: Money::ZERO, settled, unknown },
        }
    }
}

/// Who moved the money: a run, or a person by changing a limit.
#[derive(Clone, Copy, Debug)]
pub enum Mover<'a> {
    Run(i64),
    Person(&'a str),
}

/// A line of the ledger, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct EntryValues<'a> {
    pub kind: &'static str,
    pub held: i64,
    pub charged: i64,
    pub breach: bool,
    pub execution: Option<i64>,
    pub by: Option<&'a str>,
}

impl<'a> EntryValues<'a> {
    pub fn of(entry: &Entry, mover: Mover<'a>) -> Result<EntryValues<'a>, StoreError> {
        let (execution, by) = match mover {
            Mover::Run(_) if entry.kind == EntryKind::RaiseLimit => (None, None),
            Mover::Run(execution) => (Some(execution), None),
            Mover::Person(by) => (None, Some(by)),
        };
        let (held, charged) = (pico("hold", entry.held)?, pico("charge", entry.charged)?);
        Ok(EntryValues { kind: entry_kind_name(entry.kind), held, charged, breach: entry.breach, execution, by })
    }
}

/// A row of `usage_alerts` with the account that it is about.
#[derive(Clone, Debug)]
pub struct AlertColumns {
    pub alert_id: i64,
    pub name: String,
    pub scope: String,
    pub subject: String,
    pub period: String,
    pub period_start: String,
    pub limit_version: i64,
    pub threshold: i64,
    pub level: String,
    pub spent_pico: i64,
    pub limit_pico: i64,
    pub at: Time,
    pub delivered_at: Option<Time>,
}

impl AlertColumns {
    pub fn alert(self) -> Result<BudgetAlert, Detail> {
        Ok(BudgetAlert {
            id: self.alert_id,
            key: key(self.name, &self.scope, self.subject, &self.period)?,
            start: self.period_start,
            limit_version: small(self.limit_version),
            threshold: small(self.threshold),
            level: self.level,
            spent: money(self.spent_pico),
            limit: money(self.limit_pico),
            at: self.at,
            delivered_at: self.delivered_at,
        })
    }
}

/// [`AlertColumns`] out of a row that has more columns than these.
#[macro_export]
macro_rules! alert_columns {
    ($row:expr) => {
        $crate::tables::budgets::AlertColumns {
            alert_id: $row.alert_id,
            name: $row.name,
            scope: $row.scope,
            subject: $row.subject,
            period: $row.period,
            period_start: $row.period_start,
            limit_version: $row.limit_version,
            threshold: $row.threshold,
            level: $row.level,
            spent_pico: $row.spent_pico,
            limit_pico: $row.limit_pico,
            at: $row.at,
            delivered_at: $row.delivered_at,
        }
    };
}

pub fn key(name: String, scope: &str, subject: String, period: &str) -> Result<BudgetKey, Detail> {
    let scope = Scope::parse(scope).ok_or_else(|| format!("a budget's scope is `{scope}`"))?;
    let period = Period::parse(period).ok_or_else(|| format!("a budget's period is `{period}`"))?;
    Ok(BudgetKey { name, scope, subject, period })
}
