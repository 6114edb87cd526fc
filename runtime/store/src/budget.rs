//! Budgets that runs share: what is asked of them, what is read of them, and the part of a draw that is the same for every
//! store. A store reads rows, has [`Books`] change them, and writes them back, all in one transaction.

use crate::lease::Lease;
use pmflow_engine::{RunId, Time};
use pmflow_ledger::period::{self, Period};
use pmflow_ledger::shared::{self, Chain, Line, Share};
use pmflow_ledger::{Account, Entry, EntryKind, LedgerError};
use pmflow_plan::{BudgetScope, Money, OnExceed, Usage};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Thresholds of a budget that declares none, in per cent of the limit.
pub const ALERTS: [(u32, &str); 3] = [(75, "info"), (90, "warn"), (100, "block")];

/// What a limit is on. Together with the first day of a period it names an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetKey {
    /// As declared, `budget NAME { … }`; the flow's name for a limit that stands in the flow itself.
    pub name: String,
    pub scope: Scope,
    /// The user, the team or the flow.
    pub subject: String,
    pub period: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    User,
    Team,
    Flow,
}

/// A limit as a plan or a person declared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetLimit {
    pub key: BudgetKey,
    pub limit: Money,
    /// In which days and months begin: a name of the IANA database.
    pub zone: String,
    /// Per cent and level, ascending; empty for [`ALERTS`].
    pub alerts: Vec<(u32, String)>,
    pub on_exceed: OnExceed,
}

/// Who a run belongs to, and so which standing limits apply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spender {
    pub user: String,
    pub team: String,
    pub flow: String,
}

/// A run wants to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    pub lease: Lease,
    pub spender: Spender,
    /// What the plan declares. Limits that stand in the store apply besides; where both have the same key the store's counts.
    pub limits: Vec<BudgetLimit>,
    /// For the next call, on top of what the run has committed.
    pub need: Money,
    /// For several calls, if that much is there.
    pub wish: Money,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// No limit applies.
    Free,
    /// The run's committed sum may reach this.
    Granted { up_to: Money },
    /// What others hold has to come back first: ask again in a moment.
    Waiting { budget: BudgetKey },
    /// It cannot fit in this period.
    Refused(Refusal),
    /// The lease is no longer this one: nothing was changed.
    TakenOver,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub budget: BudgetKey,
    pub limit: Money,
    pub left: Money,
    /// When the next period begins.
    pub until: Time,
    pub on_exceed: OnExceed,
}

/// One budget in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAccount {
    /// The store's own; 0 before it is stored.
    pub id: i64,
    pub key: BudgetKey,
    /// The first day of the period, `2026-11-22`.
    pub start: String,
    pub zone: String,
    pub account: Account,
    /// Counts the limits that it had, from 1: alerts are due once for each.
    pub limit_version: u32,
    /// A limit for this period alone, which goes before the declared one while it is higher.
    pub raised: Option<Money>,
    /// As last declared: per cent and level.
    pub alerts: Vec<(u32, String)>,
}

/// A run's part in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetShare {
    pub account: i64,
    pub share: Share,
    /// What the run had spent before the budget applied to it.
    pub before: Share,
}

/// A line of the ledger of shared budgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetLine {
    pub line: u64,
    pub key: BudgetKey,
    pub start: String,
    pub entry: Entry,
    /// None when a person changed the limit.
    pub run: Option<RunId>,
    pub by: Option<String>,
    pub at: Time,
}

/// A threshold was reached. Unique by account, limit and threshold, and there until it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAlert {
    pub id: i64,
    pub key: BudgetKey,
    pub start: String,
    pub limit_version: u32,
    pub threshold: u32,
    pub level: String,
    pub spent: Money,
    pub limit: Money,
    pub at: Time,
    pub delivered_at: Option<Time>,
}

/// An alert that a destination is to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertDelivery {
    pub alert: BudgetAlert,
    pub destination: String,
    /// This one included.
    pub tries: u32,
}

/// The level of an alert that tells of a breach: a call that was billed more than was held for it.
pub const BREACH: &str = "breach";

/// A breach to tell of. Its alert hangs on an account without a limit, called as the model is, so that there is one alert for
/// each flow, model and day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    pub limit: BudgetLimit,
    /// The day on which it happened.
    pub start: String,
    pub held: Money,
    pub charged: Money,
}

/// What was spent, by day (UTC), flow, model and person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendingRow {
    /// `2026-11-22`
    pub day: String,
    pub flow: String,
    pub model: String,
    pub member: String,
    /// Calls that were answered, or whose outcome nobody knows.
    pub calls: u64,
    /// Calls that were billed more than was held for them.
    pub breaches: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub settled: Money,
    pub unknown: Money,
}

/// What a store reads for one run and writes back.
#[derive(Clone, Debug, Default)]
pub struct Books {
    pub now: Time,
    /// The accounts of the limits that apply, of their present period, and those that the run has a share in.
    pub accounts: Vec<BudgetAccount>,
    pub shares: Vec<BudgetShare>,
    /// To be appended to the ledger: account and entry.
    pub entries: Vec<(i64, Entry)>,
    /// To be inserted where no row of the same account, limit's version and threshold is.
    pub alerts: Vec<DueAlert>,
}

/// A threshold that an account has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueAlert {
    pub account: i64,
    pub limit_version: u32,
    pub threshold: u32,
    pub level: String,
    pub spent: Money,
    pub limit: Money,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::User => "user",
            Scope::Team => "team",
            Scope::Flow => "flow",
        }
    }

    pub fn parse(text: &str) -> Option<Scope> {
        [Scope::User, Scope::Team, Scope::Flow].into_iter().find(|scope| scope.name() == text)
    }
}

impl From<BudgetScope> for Scope {
    fn from(scope: BudgetScope) -> Scope {
        match scope {
            BudgetScope::User => Scope::User,
            BudgetScope::Team => Scope::Team,
            BudgetScope::Flow => Scope::Flow,
        }
    }
}

impl std::fmt::Display for BudgetKey {
    /// `the team's monthly budget "sales"`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let period = match self.period {
            Period::Day => "daily",
            Period::Month => "monthly",
        };
        write!(f, "the {period} budget `{}` of {} {}", self.name, self.scope.name(), self.subject)
    }
}

impl std::fmt::Display for BudgetAlert {
    /// What happened, in a sentence without its time.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (spent, limit) = (self.spent, self.limit);
        if self.level == BREACH {
            let (model, flow) = (&self.key.name, &self.key.subject);
            return write!(
                f,
                "a call of `{flow}` to {model} was billed {spent}, above the {limit} that were held for it: a fact about the model \
                 does not hold, and with it the proven ceiling"
            );
        }
        write!(f, "{} of {} has reached {}%: {spent} of {limit}", self.key, self.start, self.threshold)
    }
}

impl Breach {
    pub fn of(flow: &str, model: &str, held: Money, charged: Money, at: Time) -> Breach {
        let key = BudgetKey { name: model.to_owned(), scope: Scope::Flow, subject: flow.to_owned(), period: Period::Day };
        let (zone, on_exceed) = ("UTC".to_owned(), OnExceed::Stop);
        let limit = BudgetLimit { key, limit: Money::ZERO, zone, alerts: Vec::new(), on_exceed };
        Breach { start: limit.start(at), limit, held, charged }
    }

    /// Of several that share an alert the first, and in the order in which accounts are locked.
    pub fn told_of(all: impl IntoIterator<Item = Breach>) -> Vec<Breach> {
        let mut first: BTreeMap<(BudgetKey, String), Breach> = BTreeMap::new();
        for breach in all {
            first.entry((breach.limit.key.clone(), breach.start.clone())).or_insert(breach);
        }
        first.into_values().collect()
    }

    pub fn alert(&self, account: i64) -> DueAlert {
        let level = BREACH.to_owned();
        DueAlert { account, limit_version: 0, threshold: 0, level, spent: self.charged, limit: self.held }
    }
}

impl Spender {
    pub fn subject(&self, scope: Scope) -> &str {
        match scope {
            Scope::User => &self.user,
            Scope::Team => &self.team,
            Scope::Flow => &self.flow,
        }
    }
}

impl BudgetLimit {
    /// The first day of the period that runs now. A zone that this build does not know counts as UTC.
    pub fn start(&self, now: Time) -> String {
        self.key.period.start(now, period::zone(&self.zone).unwrap_or_default()).to_string()
    }
}

impl SpendingRow {
    /// Counts a line of a run's ledger.
    pub fn add(&mut self, entry: &Entry, usage: Option<&Usage>) {
        let plus = |sum: Money, amount: Money| sum.checked_add(amount).unwrap_or(sum);
        self.breaches += u64::from(entry.breach);
        match entry.kind {
            EntryKind::Settle => {
                self.calls += 1;
                self.settled = plus(self.settled, entry.charged);
            }
            EntryKind::Unknown => {
                self.calls += 1;
                self.unknown = plus(self.unknown, entry.charged);
            }
            EntryKind::Reconcile => {
                self.unknown = self.unknown.checked_sub(entry.held).unwrap_or(self.unknown);
                self.settled = plus(self.settled, entry.charged);
            }
            EntryKind::Hold | EntryKind::Release | EntryKind::RaiseLimit => {}
        }
        if let Some(usage) = usage {
            let input = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens];
            self.input_tokens += input.iter().flatten().sum::<u64>();
            self.output_tokens += usage.output_tokens.unwrap_or(0);
        }
    }
}

impl BudgetAccount {
    /// A limit for this period alone.
    pub fn raise(&mut self, limit: Money) -> Result<Option<Entry>, LedgerError> {
        self.raised = Some(limit);
        self.bring_to(limit)
    }

    fn bring_to(&mut self, limit: Money) -> Result<Option<Entry>, LedgerError> {
        let mut line = Line::new(self.account, Share::default());
        let changed = line.limit(limit)?;
        self.account = line.account;
        self.limit_version += u32::from(changed);
        Ok(line.entries.pop())
    }

    pub fn new(limit: &BudgetLimit, start: String) -> BudgetAccount {
        let (key, zone) = (limit.key.clone(), limit.zone.clone());
        BudgetAccount { id: 0, key, start, zone, account: Account::new(None), limit_version: 0, raised: None, alerts: Vec::new() }
    }

    /// When the period begins and ends.
    pub fn span(&self) -> (Time, Time) {
        let zone = period::zone(&self.zone).unwrap_or_default();
        self.start.parse().map_or((0, 0), |start| self.key.period.span(start, zone))
    }

    /// What the whole period will have cost at the pace so far.
    pub fn forecast(&self, now: Time) -> Option<Money> {
        let spent = self.account.settled.checked_add(self.account.unknown)?;
        period::forecast(spent.pico(), now, self.span()).map(Money::from_pico)
    }

    /// Takes over a declared limit; the entry to append, when it is another than before.
    pub fn adopt(&mut self, declared: &BudgetLimit) -> Result<Option<Entry>, LedgerError> {
        self.alerts.clone_from(&declared.alerts);
        let limit = self.raised.map_or(declared.limit, |raised| raised.max(declared.limit));
        self.bring_to(limit)
    }
}

/// The limits that apply to a run: the plan's, and those that stand in the store for its user, team and flow.
pub fn applicable(declared: &[BudgetLimit], standing: &[BudgetLimit], spender: &Spender) -> Vec<BudgetLimit> {
    let mut limits: BTreeMap<BudgetKey, BudgetLimit> = BTreeMap::new();
    let own = standing.iter().filter(|limit| spender.subject(limit.key.scope) == limit.key.subject);
    for limit in declared.iter().chain(own) {
        limits.insert(limit.key.clone(), limit.clone());
    }
    limits.into_values().collect()
}

impl Books {
    /// The draw of a run that stands at `run`. Every account of `limits` is there in its present period.
    pub fn draw(&mut self, limits: &[BudgetLimit], run: &Account, need: Money, wish: Money) -> Result<Drawn, LedgerError> {
        for limit in limits {
            let start = limit.start(self.now);
            let found = self.accounts.iter_mut().find(|account| account.key == limit.key && account.start == start);
            if let Some(account) = found
                && let Some(entry) = account.adopt(limit)?
            {
                self.entries.push((account.id, entry));
            }
        }
        let wanted: BTreeSet<&BudgetKey> = limits.iter().map(|limit| &limit.key).collect();
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for key in self.keys() {
            let of = if wanted.contains(&key) { &mut kept } else { &mut left };
            of.push((key.clone(), self.chain(&key, run)));
        }
        let mut chains: Vec<Chain> = kept.iter().map(|(_, (chain, _))| chain.clone()).collect();
        let drawn = shared::draw(&mut chains, run, need, wish)?;
        let mut gone: Vec<Chain> = left.iter().map(|(_, (chain, _))| chain.clone()).collect();
        shared::close(&mut gone, run)?;
        let ids = kept.iter().chain(&left).map(|(_, (_, ids))| ids.clone());
        self.take_back(ids.zip(chains.into_iter().chain(gone)).collect());
        Ok(match drawn {
            _ if kept.is_empty() => Drawn::Free,
            shared::Drawn::Granted { up_to } => Drawn::Granted { up_to },
            shared::Drawn::Waiting { chain } => match kept.get(chain) {
                Some((key, _)) => Drawn::Waiting { budget: key.clone() },
                None => Drawn::Free,
            },
            shared::Drawn::Refused { chain, left } => match kept.get(chain) {
                Some((key, _)) => self.refusal(key, left, limits),
                None => Drawn::Free,
            },
        })
    }

    /// The run has ended or stands still.
    pub fn close(&mut self, run: &Account) -> Result<(), LedgerError> {
        let chains: Vec<(Chain, Vec<i64>)> = self.keys().iter().map(|key| self.chain(key, run)).collect();
        let (mut closed, ids): (Vec<Chain>, Vec<Vec<i64>>) = chains.into_iter().unzip();
        shared::close(&mut closed, run)?;
        self.take_back(ids.into_iter().zip(closed).collect());
        Ok(())
    }

    fn keys(&self) -> Vec<BudgetKey> {
        let keys: BTreeSet<BudgetKey> = self.accounts.iter().map(|account| account.key.clone()).collect();
        keys.into_iter().collect()
    }

    /// The accounts of one budget by period, and their ids. A run's first share begins where the run stands.
    fn chain(&mut self, key: &BudgetKey, run: &Account) -> (Chain, Vec<i64>) {
        let mut accounts: Vec<&BudgetAccount> = self.accounts.iter().filter(|account| account.key == *key).collect();
        accounts.sort_by(|left, right| left.start.cmp(&right.start));
        let ids: Vec<i64> = accounts.iter().map(|account| account.id).collect();
        let is_first = !self.shares.iter().any(|share| ids.contains(&share.account));
        let mut lines = Vec::new();
        for account in accounts {
            let position = self.shares.iter().position(|share| share.account == account.id).unwrap_or_else(|| {
                let before = Share { held: Money::ZERO, settled: run.settled, unknown: run.unknown };
                let before = if is_first { before } else { Share::default() };
                self.shares.push(BudgetShare { account: account.id, share: Share::default(), before });
                self.shares.len() - 1
            });
            let known = self.shares.get(position);
            let mut line = Line::new(account.account, known.map(|known| known.share).unwrap_or_default());
            line.before = known.map(|known| known.before).unwrap_or_default();
            lines.push(line);
        }
        (Chain { lines }, ids)
    }

    fn take_back(&mut self, chains: Vec<(Vec<i64>, Chain)>) {
        for (ids, chain) in chains {
            for (id, line) in ids.into_iter().zip(chain.lines) {
                if let Some(share) = self.shares.iter_mut().find(|share| share.account == id) {
                    share.share = line.share;
                }
                let Some(account) = self.accounts.iter_mut().find(|account| account.id == id) else { continue };
                account.account = line.account;
                self.entries.extend(line.entries.into_iter().map(|entry| (id, entry)));
                self.alerts.extend(due(account, false));
            }
        }
    }

    fn refusal(&mut self, key: &BudgetKey, left: Money, limits: &[BudgetLimit]) -> Drawn {
        let limit = limits.iter().find(|limit| limit.key == *key);
        let start = limit.map(|limit| limit.start(self.now)).unwrap_or_default();
        let account = self.accounts.iter().find(|account| account.key == *key && account.start == start);
        let Some((limit, account)) = limit.zip(account) else { return Drawn::Free };
        self.alerts.extend(due(account, true));
        Drawn::Refused(Refusal {
            budget: key.clone(),
            limit: account.account.limit.unwrap_or(limit.limit),
            left,
            until: account.span().1,
            on_exceed: limit.on_exceed,
        })
    }
}

/// Alerts that the account has reached. `blocked`: something was refused, which is as good as 100 %.
fn due(account: &BudgetAccount, blocked: bool) -> Vec<DueAlert> {
    let standard = || ALERTS.iter().map(|(threshold, level)| (*threshold, (*level).to_owned())).collect();
    let mut alerts: Vec<(u32, String)> = if account.alerts.is_empty() { standard() } else { account.alerts.clone() };
    if !alerts.iter().any(|(threshold, _)| *threshold == 100) {
        alerts.push((100, "block".to_owned()));
    }
    let Some(limit) = account.account.limit else { return Vec::new() };
    let spent = account.account.settled.checked_add(account.account.unknown).unwrap_or(limit);
    let marks: Vec<u32> = alerts.iter().map(|(threshold, _)| *threshold).collect();
    let reached = shared::reached(&account.account, &marks);
    let is_due = |threshold: u32| reached.contains(&threshold) || (blocked && threshold == 100);
    let row = |(threshold, level): (u32, String)| DueAlert {
        account: account.id,
        limit_version: account.limit_version,
        threshold,
        level,
        spent,
        limit,
    };
    alerts.into_iter().filter(|(threshold, _)| is_due(*threshold)).map(row).collect()
}
