//! Shared budgets: what runs draw, what stands, what was spent.

use crate::columns::column;
use crate::faults::Place;
use crate::text::stored;
use pmflow_engine::{RunId, Time};
use pmflow_ledger::{Account, Entry, LedgerError};
use pmflow_plan::Money;
use pmflow_store::alert_columns;
use pmflow_store::budget::{Books, BudgetShare, DueAlert, applicable};
use pmflow_store::tables::budgets::{AccountColumns, AccountValues, EntryValues, Mover, ShareColumns, key};
use pmflow_store::tables::decode::{self, money, unsigned};
use pmflow_store::tables::rows::{count, json_text, pico};
use pmflow_store::{
    Breach, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, Draw, Drawn, SpendingRow, StoreError,
};
use sqlx::{PgConnection, PgPool, query_file, query_file_as, query_file_scalar};
use std::collections::BTreeSet;

/// The part that writes, within a transaction.
pub(crate) struct BudgetWriter<'c> {
    pub connection: &'c mut PgConnection,
    pub place: &'c Place,
}

impl BudgetWriter<'_> {
    pub async fn draw(&mut self, draw: &Draw) -> Result<Drawn, StoreError> {
        let run = &draw.lease.run;
        let row = query_file!("queries/budget_run.sql", &*stored(&run.0)).fetch_optional(&mut *self.connection).await;
        let Some(row) = row.map_err(|error| self.place.error(error))? else {
            return Err(self.place.no_such_run(run));
        };
        if unsigned(row.lease_epoch) != draw.lease.epoch {
            return Ok(Drawn::TakenOver);
        }
        let account = Account {
            limit: row.limit_pico.map(money),
            held: money(row.held_pico),
            settled: money(row.settled_pico),
            unknown: money(row.unknown_pico),
            breaches: unsigned(row.breaches),
        };
        let standing = standing(&mut *self.connection, self.place).await?;
        let limits = applicable(&draw.limits, &standing, &draw.spender);
        let mut books = self.books(row.execution_id, &limits).await?;
        let drawn = books.draw(&limits, &account, draw.need, draw.wish).map_err(|error| self.damaged(&error))?;
        self.keep(books, Mover::Run(row.execution_id)).await?;
        Ok(drawn)
    }

    /// Runs that ended, or stand still, give back what they had drawn.
    pub async fn close(&mut self, runs: &[(i64, &Account)]) -> Result<(), StoreError> {
        let ids: Vec<i64> = runs.iter().map(|(execution, _)| *execution).collect();
        let shares = self.shares(&ids).await?;
        if shares.is_empty() {
            return Ok(());
        }
        let budgets: BTreeSet<i64> = shares.iter().map(|(_, share)| share.account).collect();
        let mut accounts = self.locked(&budgets.into_iter().collect::<Vec<i64>>()).await?;
        let now = self.now().await?;
        for (execution, run) in runs {
            let own: Vec<BudgetShare> = shares.iter().filter(|(of, _)| of == execution).map(|(_, share)| share.clone()).collect();
            if own.is_empty() {
                continue;
            }
            let of_run = |account: &&BudgetAccount| own.iter().any(|share| share.account == account.id);
            let of_run = accounts.iter().filter(of_run).cloned().collect();
            let mut books = Books { now, accounts: of_run, shares: own, ..Books::default() };
            books.close(run).map_err(|error| self.damaged(&error))?;
            // The next run of this group goes on from there.
            for account in &mut accounts {
                if let Some(changed) = books.accounts.iter().find(|changed| changed.id == account.id) {
                    account.clone_from(changed);
                }
            }
            self.keep(books, Mover::Run(*execution)).await?;
        }
        Ok(())
    }

    pub async fn alert_breach(&mut self, breach: &Breach) -> Result<(), StoreError> {
        let (key, start) = (&breach.limit.key, &breach.start);
        self.open(&breach.limit, start).await?;
        let Some(account) = self.account(key, start).await? else { return Ok(()) };
        self.alert(&breach.alert(account.id)).await
    }

    async fn alert(&mut self, due: &DueAlert) -> Result<(), StoreError> {
        let (version, threshold) = (i64::from(due.limit_version), i64::from(due.threshold));
        let (spent, limit) = (pico("sum of costs", due.spent)?, pico("limit", due.limit)?);
        let add = query_file!("queries/budget_alert_add.sql", due.account, version, threshold, due.level, spent, limit);
        add.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn set(&mut self, limit: &BudgetLimit, by: &str) -> Result<(), StoreError> {
        pico("limit", limit.limit)?;
        let start = limit.start(self.now().await?);
        if let Some(mut account) = self.account(&limit.key, &start).await? {
            let entry = account.adopt(limit).map_err(|error| self.damaged(&error))?;
            self.keep_limit(account, entry, by).await?;
        }
        let (scope, period, body) = (limit.key.scope.name(), limit.key.period.name(), json_text(limit));
        let put = query_file!("queries/budget_limit_put.sql", limit.key.name, scope, limit.key.subject, period, body, by);
        put.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn raise(
        &mut self,
        key: &BudgetKey,
        start: &str,
        limit: Money,
        by: &str,
    ) -> Result<Option<BudgetAccount>, StoreError> {
        pico("limit", limit)?;
        let Some(mut account) = self.account(key, start).await? else { return Ok(None) };
        let entry = account.raise(limit).map_err(|error| self.damaged(&error))?;
        self.keep_limit(account.clone(), entry, by).await?;
        Ok(Some(account))
    }

    pub async fn delivered(&mut self, alert: i64) -> Result<(), StoreError> {
        let update = query_file!("queries/budget_alert_delivered.sql", alert).execute(&mut *self.connection).await;
        update.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn now(&mut self) -> Result<Time, StoreError> {
        let now = query_file_scalar!("queries/budget_now.sql").fetch_one(&mut *self.connection).await;
        now.map_err(|error| self.place.error(error))
    }

    /// The accounts of these limits, opened where they are missing, and those that the run has a share in; all of them locked.
    async fn books(&mut self, execution: i64, limits: &[BudgetLimit]) -> Result<Books, StoreError> {
        let now = self.now().await?;
        let starts: Vec<String> = limits.iter().map(|limit| limit.start(now)).collect();
        let wanted: Vec<(&BudgetLimit, &String)> = limits.iter().zip(&starts).collect();
        let ids = self.account_ids(execution, &wanted).await?;
        let mut accounts = self.locked(&ids).await?;
        let missing = |(limit, start): &&(&BudgetLimit, &String)| {
            !accounts.iter().any(|account| account.key == limit.key && account.start == **start)
        };
        let missing: Vec<(&BudgetLimit, &String)> = wanted.iter().filter(missing).copied().collect();
        if !missing.is_empty() {
            for (limit, start) in missing {
                self.open(limit, start).await?;
            }
            let ids = self.account_ids(execution, &wanted).await?;
            accounts = self.locked(&ids).await?;
        }
        let shares = self.shares(&[execution]).await?.into_iter().map(|(_, share)| share).collect();
        Ok(Books { now, accounts, shares, ..Books::default() })
    }

    async fn account_ids(&mut self, execution: i64, wanted: &[(&BudgetLimit, &String)]) -> Result<Vec<i64>, StoreError> {
        let ids = query_file_scalar!(
            "queries/budget_account_ids.sql",
            execution,
            column(wanted, |(limit, _)| limit.key.name.as_str()) as _,
            column(wanted, |(limit, _)| limit.key.scope.name()) as _,
            column(wanted, |(limit, _)| limit.key.subject.as_str()) as _,
            column(wanted, |(limit, _)| limit.key.period.name()) as _,
            column(wanted, |(_, start)| start.as_str()) as _,
        );
        ids.fetch_all(&mut *self.connection).await.map_err(|error| self.place.error(error))
    }

    async fn locked(&mut self, ids: &[i64]) -> Result<Vec<BudgetAccount>, StoreError> {
        let rows =
            query_file_as!(AccountColumns, "queries/budget_accounts_locked.sql", ids).fetch_all(&mut *self.connection).await;
        let rows = rows.map_err(|error| self.place.error(error))?;
        rows.into_iter().map(|row| row.account().map_err(|detail| self.place.unreadable(detail))).collect()
    }

    /// With the run that each belongs to.
    async fn shares(&mut self, executions: &[i64]) -> Result<Vec<(i64, BudgetShare)>, StoreError> {
        let rows = query_file!("queries/budget_shares_of_runs.sql", executions).fetch_all(&mut *self.connection).await;
        let share = rows.map_err(|error| self.place.error(error))?.into_iter().map(|row| {
            let columns = ShareColumns {
                held_pico: row.held_pico,
                settled_pico: row.settled_pico,
                unknown_pico: row.unknown_pico,
                before_settled_pico: row.before_settled_pico,
                before_unknown_pico: row.before_unknown_pico,
            };
            (row.execution_id, columns.share(row.budget_id))
        });
        Ok(share.collect())
    }

    /// Locked until the commit.
    async fn account(&mut self, key: &BudgetKey, start: &str) -> Result<Option<BudgetAccount>, StoreError> {
        let (scope, period) = (key.scope.name(), key.period.name());
        let row =
            query_file_as!(AccountColumns, "queries/budget_account_locked.sql", key.name, scope, key.subject, period, start);
        let row = row.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        row.map(|row| row.account().map_err(|detail| self.place.unreadable(detail))).transpose()
    }

    /// Does nothing when somebody was faster.
    async fn open(&mut self, limit: &BudgetLimit, start: &str) -> Result<(), StoreError> {
        let key = &limit.key;
        let (scope, period) = (key.scope.name(), key.period.name());
        let open = query_file!("queries/budget_account_open.sql", key.name, scope, key.subject, period, start, limit.zone);
        open.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn keep(&mut self, books: Books, mover: Mover<'_>) -> Result<(), StoreError> {
        for account in &books.accounts {
            self.update(account).await?;
        }
        if let Mover::Run(execution) = mover {
            for share in &books.shares {
                let values = ShareColumns::of(share)?;
                let put = query_file!(
                    "queries/budget_share_put.sql",
                    execution,
                    share.account,
                    values.held_pico,
                    values.settled_pico,
                    values.unknown_pico,
                    values.before_settled_pico,
                    values.before_unknown_pico
                );
                put.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
            }
        }
        for (account, entry) in &books.entries {
            self.append(*account, entry, mover).await?;
        }
        for due in &books.alerts {
            self.alert(due).await?;
        }
        Ok(())
    }

    async fn keep_limit(&mut self, account: BudgetAccount, entry: Option<Entry>, by: &str) -> Result<(), StoreError> {
        let entries = entry.into_iter().map(|entry| (account.id, entry)).collect();
        self.keep(Books { accounts: vec![account], entries, ..Books::default() }, Mover::Person(by)).await
    }

    async fn update(&mut self, kept: &BudgetAccount) -> Result<(), StoreError> {
        let values = AccountValues::of(kept)?;
        let update = query_file!(
            "queries/budget_account_update.sql",
            values.limit,
            values.limit_version,
            values.held,
            values.settled,
            values.unknown,
            values.breaches,
            values.raised,
            values.alerts,
            kept.id
        );
        update.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn append(&mut self, account: i64, entry: &Entry, mover: Mover<'_>) -> Result<(), StoreError> {
        let EntryValues { kind, held, charged, breach, execution, by } = EntryValues::of(entry, mover)?;
        let add = query_file!("queries/budget_entry_add.sql", account, kind, held, charged, breach, execution, by);
        add.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    fn damaged(&self, error: &LedgerError) -> StoreError {
        self.place.unreadable(format!("the ledger of a budget does not add up: {error}"))
    }
}

/// The answer when no limit applies to the run and it has drawn nothing.
pub(crate) async fn free(pool: &PgPool, place: &Place, draw: &Draw) -> Result<Option<Drawn>, StoreError> {
    if !draw.limits.is_empty() {
        return Ok(None);
    }
    let read = query_file!("queries/budget_any.sql", &*stored(&draw.lease.run.0)).fetch_optional(pool).await;
    let row = read.map_err(|error| place.error(error))?.ok_or_else(|| place.no_such_run(&draw.lease.run))?;
    if unsigned(row.lease_epoch) != draw.lease.epoch {
        return Ok(Some(Drawn::TakenOver));
    }
    Ok((!row.standing && !row.shares).then_some(Drawn::Free))
}

pub(crate) async fn standing(connection: &mut PgConnection, place: &Place) -> Result<Vec<BudgetLimit>, StoreError> {
    let bodies = query_file_scalar!("queries/budget_limits_list.sql").fetch_all(connection).await;
    let bodies = bodies.map_err(|error| place.error(error))?;
    bodies.iter().map(|body| decode::json("a limit", body).map_err(|detail| place.unreadable(detail))).collect()
}

pub(crate) async fn accounts(readers: &PgPool, place: &Place, rows_max: u32) -> Result<Vec<BudgetAccount>, StoreError> {
    let rows = query_file_as!(AccountColumns, "queries/budget_accounts_list.sql", i64::from(rows_max)).fetch_all(readers).await;
    let rows = rows.map_err(|error| place.error(error))?;
    rows.into_iter().map(|row| row.account().map_err(|detail| place.unreadable(detail))).collect()
}

pub(crate) async fn lines(
    readers: &PgPool,
    place: &Place,
    of: Option<(&BudgetKey, &str)>,
    after: u64,
    rows_max: u32,
) -> Result<Vec<BudgetLine>, StoreError> {
    let mut budget = None;
    if let Some((key, start)) = of {
        let (scope, period) = (key.scope.name(), key.period.name());
        let row = query_file_as!(AccountColumns, "queries/budget_account_get.sql", key.name, scope, key.subject, period, start);
        match row.fetch_optional(readers).await.map_err(|error| place.error(error))? {
            Some(row) => budget = Some(row.budget_id),
            None => return Ok(Vec::new()),
        }
    }
    let after = count(after);
    let rows = query_file!("queries/budget_entries_list.sql", after, budget, i64::from(rows_max)).fetch_all(readers).await;
    let mut lines = Vec::new();
    for row in rows.map_err(|error| place.error(error))? {
        let unreadable = |detail| place.unreadable(detail);
        lines.push(BudgetLine {
            line: unsigned(row.line),
            key: key(row.name, &row.scope, row.subject, &row.period).map_err(unreadable)?,
            start: row.period_start,
            entry: Entry {
                kind: decode::entry_kind(&row.kind).map_err(unreadable)?,
                held: money(row.held_pico),
                charged: money(row.charged_pico),
                breach: row.breach,
            },
            run: row.run_id.map(|run| RunId(run.into())),
            by: row.changed_by,
            at: row.at,
        });
    }
    Ok(lines)
}

pub(crate) async fn alerts(
    readers: &PgPool,
    place: &Place,
    open_only: bool,
    rows_max: u32,
) -> Result<Vec<BudgetAlert>, StoreError> {
    let rows = query_file!("queries/budget_alerts_list.sql", open_only, i64::from(rows_max)).fetch_all(readers).await;
    let rows = rows.map_err(|error| place.error(error))?;
    rows.into_iter().map(|row| alert_columns!(row).alert().map_err(|detail| place.unreadable(detail))).collect()
}

pub(crate) async fn spending(
    readers: &PgPool,
    place: &Place,
    from: Time,
    until: Time,
    simulated: bool,
) -> Result<Vec<SpendingRow>, StoreError> {
    let rows = query_file!("queries/spending.sql", from, until, simulated).fetch_all(readers).await;
    let rows = rows.map_err(|error| place.error(error))?.into_iter().map(|row| SpendingRow {
        day: row.day,
        flow: row.flow,
        model: row.model,
        member: crate::text::read(row.started_by),
        calls: unsigned(row.calls),
        breaches: unsigned(row.breaches),
        input_tokens: unsigned(row.input_tokens),
        output_tokens: unsigned(row.output_tokens),
        settled: money(row.settled_pico),
        unknown: money(row.unknown_pico),
    });
    Ok(rows.collect())
}
