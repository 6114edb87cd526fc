//! Shared budgets: what runs draw, what stands, what was spent.

use crate::faults::Place;
use pmflow_engine::{RunId, Time};
use pmflow_ledger::shared::Share;
use pmflow_ledger::{Account, Entry, EntryKind, LedgerError, Period};
use pmflow_plan::Money;
use pmflow_store::budget::{Books, BudgetShare, DueAlert, applicable};
use pmflow_store::tables::decode::{self, Detail, money, small, unsigned};
use pmflow_store::tables::rows::{count, entry_kind_name, json_text, pico};
use pmflow_store::{
    Breach, BudgetAccount, BudgetAlert, BudgetKey, BudgetLimit, BudgetLine, Draw, Drawn, Scope, SpendingRow, StoreError,
};
use sqlx::{SqliteConnection, SqlitePool, query_file, query_file_as, query_file_scalar};

/// The columns of an account.
struct AccountColumns {
    budget_id: i64,
    name: String,
    scope: String,
    subject: String,
    period: String,
    period_start: String,
    time_zone: String,
    limit_pico: Option<i64>,
    limit_version: i64,
    held_pico: i64,
    settled_pico: i64,
    unknown_pico: i64,
    breaches: i64,
    raised_pico: Option<i64>,
    alerts: String,
}

impl AccountColumns {
    fn account(self) -> Result<BudgetAccount, Detail> {
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

pub(crate) fn key(name: String, scope: &str, subject: String, period: &str) -> Result<BudgetKey, Detail> {
    let scope = Scope::parse(scope).ok_or_else(|| format!("a budget's scope is `{scope}`"))?;
    let period = Period::parse(period).ok_or_else(|| format!("a budget's period is `{period}`"))?;
    Ok(BudgetKey { name, scope, subject, period })
}

/// Who moved the money: a run, or a person by changing a limit.
#[derive(Clone, Copy)]
enum Mover<'a> {
    Run(i64),
    Person(&'a str),
}

/// The part that writes, within the writer's transaction.
pub(crate) struct BudgetWriter<'c> {
    pub connection: &'c mut SqliteConnection,
    pub place: &'c Place,
}

impl BudgetWriter<'_> {
    pub async fn draw(&mut self, draw: &Draw) -> Result<Drawn, StoreError> {
        let run = &*draw.lease.run.0;
        let row = query_file!("queries/budget_run.sql", run).fetch_optional(&mut *self.connection).await;
        let Some(row) = row.map_err(|error| self.place.error(error))? else {
            return Err(StoreError::NoSuchRun { run: run.to_owned(), place: self.place.path.clone() });
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
        let mut books = self.books(row.execution_id).await?;
        for limit in &limits {
            let start = limit.start(books.now);
            if !books.accounts.iter().any(|account| account.key == limit.key && account.start == start) {
                let account = self.open(limit, &start).await?;
                books.accounts.push(account);
            }
        }
        let drawn = books.draw(&limits, &account, draw.need, draw.wish).map_err(|error| self.damaged(&error))?;
        self.keep(books, Mover::Run(row.execution_id)).await?;
        Ok(drawn)
    }

    /// A run that ended, or stands still, gives back what it had drawn.
    pub async fn close(&mut self, execution: i64, run: &Account) -> Result<(), StoreError> {
        let mut books = self.books(execution).await?;
        if books.shares.is_empty() {
            return Ok(());
        }
        books.close(run).map_err(|error| self.damaged(&error))?;
        self.keep(books, Mover::Run(execution)).await
    }

    pub async fn alert_breach(&mut self, breach: &Breach) -> Result<(), StoreError> {
        let account = self.open(&breach.limit, &breach.start).await?;
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

    async fn now(&mut self) -> Result<Time, StoreError> {
        let now = query_file_scalar!("queries/budget_now.sql").fetch_one(&mut *self.connection).await;
        now.map_err(|error| self.place.error(error))
    }

    /// The accounts that a run has a share in.
    async fn books(&mut self, execution: i64) -> Result<Books, StoreError> {
        let rows = query_file_as!(AccountColumns, "queries/budget_accounts_of_run.sql", execution);
        let rows = rows.fetch_all(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        let accounts: Result<Vec<BudgetAccount>, Detail> = rows.into_iter().map(AccountColumns::account).collect();
        let shares = query_file!("queries/budget_shares_of_run.sql", execution).fetch_all(&mut *self.connection).await;
        let shares = shares.map_err(|error| self.place.error(error))?.into_iter().map(|row| BudgetShare {
            account: row.budget_id,
            share: Share { held: money(row.held_pico), settled: money(row.settled_pico), unknown: money(row.unknown_pico) },
            before: Share { held: Money::ZERO, settled: money(row.before_settled_pico), unknown: money(row.before_unknown_pico) },
        });
        let shares = shares.collect();
        let accounts = accounts.map_err(|detail| self.place.unreadable(detail))?;
        Ok(Books { now: self.now().await?, accounts, shares, ..Books::default() })
    }

    async fn account(&mut self, key: &BudgetKey, start: &str) -> Result<Option<BudgetAccount>, StoreError> {
        let (scope, period) = (key.scope.name(), key.period.name());
        let row = query_file_as!(AccountColumns, "queries/budget_account_get.sql", key.name, scope, key.subject, period, start);
        let row = row.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        row.map(|row| row.account().map_err(|detail| self.place.unreadable(detail))).transpose()
    }

    async fn open(&mut self, limit: &BudgetLimit, start: &str) -> Result<BudgetAccount, StoreError> {
        let key = &limit.key;
        let (scope, period) = (key.scope.name(), key.period.name());
        let open = query_file!("queries/budget_account_open.sql", key.name, scope, key.subject, period, start, limit.zone);
        open.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        self.account(key, start).await?.ok_or_else(|| self.place.unreadable("a budget is gone that was just opened".to_owned()))
    }

    async fn keep(&mut self, books: Books, mover: Mover<'_>) -> Result<(), StoreError> {
        for account in &books.accounts {
            self.update(account).await?;
        }
        if let Mover::Run(execution) = mover {
            for BudgetShare { account, share, before } in &books.shares {
                let (held, settled, unknown) =
                    (pico("hold", share.held)?, pico("cost", share.settled)?, pico("cost", share.unknown)?);
                let (before_settled, before_unknown) = (pico("cost", before.settled)?, pico("cost", before.unknown)?);
                let put = query_file!(
                    "queries/budget_share_put.sql",
                    execution,
                    account,
                    held,
                    settled,
                    unknown,
                    before_settled,
                    before_unknown
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
        let account = &kept.account;
        let limit = account.limit.map(|limit| pico("limit", limit)).transpose()?;
        let raised = kept.raised.map(|limit| pico("limit", limit)).transpose()?;
        let (held, settled) = (pico("sum of holds", account.held)?, pico("sum of costs", account.settled)?);
        let (unknown, breaches) = (pico("sum of unknown costs", account.unknown)?, count(account.breaches));
        let (version, alerts) = (i64::from(kept.limit_version), json_text(&kept.alerts));
        let update = query_file!(
            "queries/budget_account_update.sql",
            limit,
            version,
            held,
            settled,
            unknown,
            breaches,
            raised,
            alerts,
            kept.id
        );
        update.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn append(&mut self, account: i64, entry: &Entry, mover: Mover<'_>) -> Result<(), StoreError> {
        let (kind, held) = (entry_kind_name(entry.kind), pico("hold", entry.held)?);
        let charged = pico("charge", entry.charged)?;
        let (execution, by) = match mover {
            Mover::Run(_) if entry.kind == EntryKind::RaiseLimit => (None, None),
            Mover::Run(execution) => (Some(execution), None),
            Mover::Person(by) => (None, Some(by)),
        };
        let add = query_file!("queries/budget_entry_add.sql", account, kind, held, charged, entry.breach, execution, by);
        add.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    fn damaged(&self, error: &LedgerError) -> StoreError {
        self.place.unreadable(format!("the ledger of a budget does not add up: {error}"))
    }
}

pub(crate) async fn standing(connection: &mut SqliteConnection, place: &Place) -> Result<Vec<BudgetLimit>, StoreError> {
    let bodies = query_file_scalar!("queries/budget_limits_list.sql").fetch_all(connection).await;
    let bodies = bodies.map_err(|error| place.error(error))?;
    bodies.iter().map(|body| decode::json("a limit", body).map_err(|detail| place.unreadable(detail))).collect()
}

pub(crate) async fn accounts(readers: &SqlitePool, place: &Place, rows_max: u32) -> Result<Vec<BudgetAccount>, StoreError> {
    let rows = query_file_as!(AccountColumns, "queries/budget_accounts_list.sql", rows_max).fetch_all(readers).await;
    let rows = rows.map_err(|error| place.error(error))?;
    rows.into_iter().map(|row| row.account().map_err(|detail| place.unreadable(detail))).collect()
}

pub(crate) async fn lines(
    readers: &SqlitePool,
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
    let rows = query_file!("queries/budget_entries_list.sql", after, budget, rows_max).fetch_all(readers).await;
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
    readers: &SqlitePool,
    place: &Place,
    open_only: bool,
    rows_max: u32,
) -> Result<Vec<BudgetAlert>, StoreError> {
    let rows = query_file!("queries/budget_alerts_list.sql", open_only, rows_max).fetch_all(readers).await;
    let mut alerts = Vec::new();
    for row in rows.map_err(|error| place.error(error))? {
        alerts.push(BudgetAlert {
            id: row.alert_id,
            key: key(row.name, &row.scope, row.subject, &row.period).map_err(|detail| place.unreadable(detail))?,
            start: row.period_start,
            limit_version: small(row.limit_version),
            threshold: small(row.threshold),
            level: row.level,
            spent: money(row.spent_pico),
            limit: money(row.limit_pico),
            at: row.at,
            delivered_at: row.delivered_at,
        });
    }
    Ok(alerts)
}

pub(crate) async fn spending(
    readers: &SqlitePool,
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
        member: row.started_by,
        calls: unsigned(row.calls),
        breaches: unsigned(row.breaches),
        input_tokens: unsigned(row.input_tokens),
        output_tokens: unsigned(row.output_tokens),
        settled: money(row.settled_pico),
        unknown: money(row.unknown_pico),
    });
    Ok(rows.collect())
}
