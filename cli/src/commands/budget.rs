use crate::exit::{Code, Failed, Result};
use crate::format::{clip, moment, table};
use crate::project::Project;
use crate::store::{block_on, failed, open, open_existing};
use crate::terminal::{Style, Terminal};
use pmflow_ledger::{Period, period};
use pmflow_plan::{Money, OnExceed};
use pmflow_store::{BudgetAccount, BudgetKey, BudgetLimit, BudgetLine, Scope, Store as _};
use serde_json::json;

/// Limits that runs share: by user, team and flow, per day and month
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow budget set team --monthly 500 --zone Europe/Berlin
  pmflow budget set flow:moderate --daily 20 --on-exceed suspend
  pmflow budget set user:ada --daily 5 --alert 50=info --alert 90=warn
  pmflow budget show
  pmflow budget raise team --monthly 650        for this month alone
  pmflow budget ledger team

Money is held in a budget before a call is sent and settled after it, so a budget is never
overrun. Limits that flows declare are budgets as well; one that is set here for the same name
and scope goes before it. Simulated runs spend nothing.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set a standing limit
    Set(Set),
    /// What is left of each budget, and what it will come to at this pace
    Show(Show),
    /// Every movement of money, in order
    Ledger(Ledger),
    /// Raise the limit of the present period alone
    Raise(Raise),
}

#[derive(Debug, clap::Args)]
struct Set {
    #[command(flatten)]
    which: Which,

    /// Dollars per day.
    #[arg(long, value_name = "DOLLARS", value_parser = super::run::dollars, allow_hyphen_values = true)]
    daily: Option<Money>,

    /// Dollars per month.
    #[arg(long, value_name = "DOLLARS", value_parser = super::run::dollars, allow_hyphen_values = true)]
    monthly: Option<Money>,

    /// Where days and months begin.
    #[arg(long, default_value = "UTC", value_parser = known_zone)]
    zone: String,

    /// Say when so much is spent: `75=info`. Repeatable; 75=info, 90=warn and 100=block when not given.
    #[arg(long = "alert", value_name = "PERCENT=LEVEL", value_parser = threshold)]
    alerts: Vec<(u32, String)>,

    /// What a run does when it is used up: fail, or wait for a person.
    #[arg(long, value_enum, default_value = "stop")]
    on_exceed: Exceed,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// `team`, `user:NAME` or `flow:NAME`
    #[arg(value_name = "SCOPE", value_parser = scope)]
    scope: (Scope, String),

    /// An amount without its period.
    #[arg(hide = true, allow_negative_numbers = true)]
    bare: Option<String>,

    /// The budget's name, where a flow declares one: `budget NAME { … }`.
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Show {
    #[arg(long, value_enum, default_value = "table")]
    format: Format,

    /// Past periods as well, at most so many rows.
    #[arg(long, value_name = "ROWS")]
    past: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct Ledger {
    /// Only of this one: `team`, `user:NAME` or `flow:NAME`
    #[arg(value_name = "SCOPE", value_parser = scope)]
    scope: Option<(Scope, String)>,

    /// The last so many lines.
    #[arg(long, default_value_t = 50)]
    limit: usize,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Raise {
    #[command(flatten)]
    which: Which,

    /// Dollars for today.
    #[arg(long, value_name = "DOLLARS", value_parser = super::run::dollars, allow_hyphen_values = true)]
    daily: Option<Money>,

    /// Dollars for this month.
    #[arg(long, value_name = "DOLLARS", value_parser = super::run::dollars, allow_hyphen_values = true)]
    monthly: Option<Money>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Exceed {
    Stop,
    Suspend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        match &arguments.action {
            Action::Set(set) => set.run(&project, terminal).await?,
            Action::Show(show) => show.run(&project, terminal).await?,
            Action::Ledger(ledger) => ledger.run(&project, terminal).await?,
            Action::Raise(raise) => raise.run(&project, terminal).await?,
        }
        Ok(Code::Fine)
    })
}

impl Which {
    fn key(&self, period: Period) -> BudgetKey {
        let (scope, subject) = self.scope.clone();
        let usual = if scope == Scope::Flow { subject.clone() } else { scope.name().to_owned() };
        BudgetKey { name: self.name.clone().unwrap_or(usual), scope, subject, period }
    }

    /// At least one amount, each of its period.
    fn amounts(&self, daily: Option<Money>, monthly: Option<Money>) -> Result<Vec<(Period, Money)>> {
        let both = [(Period::Day, daily), (Period::Month, monthly)];
        let amounts: Vec<(Period, Money)> = both.into_iter().filter_map(|(period, amount)| Some((period, amount?))).collect();
        let missing = match &self.bare {
            Some(bare) => format!("`{bare}`: is that per day or per month?"),
            None if amounts.is_empty() => "which limit?".to_owned(),
            None => return Ok(amounts),
        };
        Err(Failed::new(missing).help("--daily DOLLARS, --monthly DOLLARS, or both"))
    }
}

impl Set {
    async fn run(&self, project: &Project, terminal: &Terminal) -> Result<()> {
        let amounts = self.which.amounts(self.daily, self.monthly)?;
        let store = open(project).await?;
        let by = super::decide::this_user();
        for (period, limit) in amounts {
            let on_exceed = if self.on_exceed == Exceed::Stop { OnExceed::Stop } else { OnExceed::Suspend };
            let (key, zone) = (self.which.key(period), self.zone.clone());
            let mut alerts = self.alerts.clone();
            alerts.sort();
            let limit = BudgetLimit { key, limit, zone, alerts, on_exceed };
            store.set_budget(limit.clone(), &by).await.map_err(failed)?;
            terminal.line(&format!("{} is {} from now on", limit.key, limit.limit));
            if limit.limit == Money::ZERO {
                terminal.note("  nothing can be spent under it: every call that costs something is refused");
            }
        }
        Ok(())
    }
}

impl Show {
    async fn run(&self, project: &Project, terminal: &Terminal) -> Result<()> {
        let store = open_existing(project).await?;
        let now = pmflow_host::now();
        let mut accounts = store.budgets(self.past.unwrap_or(1000)).await.map_err(failed)?;
        // What is there without a limit only carries alerts of breaches.
        accounts.retain(|account| account.account.limit.is_some());
        if self.past.is_none() {
            accounts.retain(|account| account.span().1 > now);
        }
        let standing = store.standing_budgets().await.map_err(failed)?;
        let unused = standing.iter().filter(|limit| !accounts.iter().any(|account| account.key == limit.key));
        // A limit that nothing was spent under has no account yet.
        let unused: Vec<BudgetAccount> = unused.map(|limit| fresh(limit, now)).collect();
        accounts.extend(unused);
        if self.format == Format::Json {
            let budgets: Vec<_> = accounts.iter().map(|account| as_json(account, now)).collect();
            terminal.line(&format!("{:#}", json!({ "version": 1, "budgets": budgets })));
            return Ok(());
        }
        if accounts.is_empty() {
            terminal.line("no budget is set or used; `pmflow budget set team --monthly 500` sets one");
        } else {
            let rows: Vec<Vec<String>> = accounts.iter().map(|account| row(account, now)).collect();
            let heads =
                ["budget", "scope", "period", ">limit", ">spent", ">unknown", ">held", ">used", ">at this pace", "until (UTC)"];
            terminal.print(&table(&heads, &rows));
        }
        for alert in store.budget_alerts(true, 20).await.map_err(failed)? {
            let level = terminal.paint(Style::Warn, &format!("{}:", alert.level));
            terminal.line(&format!("{level} {alert} ({} UTC)", moment(alert.at)));
        }
        Ok(())
    }
}

impl Ledger {
    async fn run(&self, project: &Project, terminal: &Terminal) -> Result<()> {
        let store = open_existing(project).await?;
        let mut lines: Vec<BudgetLine> = Vec::new();
        let mut after = 0;
        loop {
            let page = store.budget_ledger(None, after, 1000).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = last.line;
            let is_wanted = |line: &BudgetLine| {
                self.scope.as_ref().is_none_or(|(scope, subject)| line.key.scope == *scope && line.key.subject == *subject)
            };
            lines.extend(page.into_iter().filter(is_wanted));
            let surplus = lines.len().saturating_sub(self.limit);
            lines.drain(..surplus);
        }
        if self.format == Format::Json {
            let lines: Vec<_> = lines.iter().map(line_json).collect();
            terminal.line(&format!("{:#}", json!({ "version": 1, "lines": lines })));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = lines.iter().map(line_row).collect();
        terminal.print(&table(&[">line", "at (UTC)", "budget", "period", "what", ">held", ">charged", "by"], &rows));
        Ok(())
    }
}

impl Raise {
    async fn run(&self, project: &Project, terminal: &Terminal) -> Result<()> {
        let amounts = self.which.amounts(self.daily, self.monthly)?;
        let store = open_existing(project).await?;
        let by = super::decide::this_user();
        let now = pmflow_host::now();
        for (period, limit) in amounts {
            let key = self.which.key(period);
            let accounts = store.budgets(1000).await.map_err(failed)?;
            let present = accounts.into_iter().find(|account| account.key == key && account.span().1 > now);
            let Some(account) = present else {
                return Err(Failed::new(format!("nothing was spent yet under {key}"))
                    .help("`pmflow budget show` lists the budgets; `pmflow budget set` sets a limit"));
            };
            if account.account.limit.is_some_and(|present| present >= limit) {
                let present = account.account.limit.unwrap_or(limit);
                return Err(Failed::new(format!("{key} is {present} already")).help("`pmflow budget set` lowers a limit"));
            }
            store.raise_budget(&key, &account.start, limit, &by).await.map_err(failed)?;
            terminal.line(&format!("{key} is {limit} for the period that began on {}", account.start));
            terminal.line("  runs that it stopped go on with: pmflow run --resume RUN");
        }
        Ok(())
    }
}

fn fresh(limit: &BudgetLimit, now: i64) -> BudgetAccount {
    let mut account = BudgetAccount::new(limit, limit.start(now));
    account.account.limit = Some(limit.limit);
    account
}

fn row(account: &BudgetAccount, now: i64) -> Vec<String> {
    let sums = &account.account;
    let spent = sums.settled.checked_add(sums.unknown).unwrap_or(sums.settled);
    let used = sums.limit.filter(|limit| *limit > Money::ZERO).map(|limit| format!("{} %", spent.pico() * 100 / limit.pico()));
    vec![
        account.key.name.clone(),
        format!("{} {}", account.key.scope.name(), account.key.subject),
        format!("{} {}", account.key.period.name(), account.start),
        sums.limit.map(|limit| limit.to_string()).unwrap_or_default(),
        sums.settled.to_string(),
        sums.unknown.to_string(),
        sums.held.to_string(),
        used.unwrap_or_default(),
        account.forecast(now).map(|forecast| forecast.to_string()).unwrap_or_default(),
        moment(account.span().1),
    ]
}

fn as_json(account: &BudgetAccount, now: i64) -> serde_json::Value {
    json!({
        "name": account.key.name,
        "scope": account.key.scope.name(),
        "subject": account.key.subject,
        "period": account.key.period.name(),
        "start": account.start,
        "until": moment(account.span().1),
        "time_zone": account.zone,
        "limit": account.account.limit,
        "settled": account.account.settled,
        "unknown": account.account.unknown,
        "held": account.account.held,
        "breaches": account.account.breaches,
        "forecast": account.forecast(now),
    })
}

fn line_row(line: &BudgetLine) -> Vec<String> {
    let by = line.run.as_ref().map(|run| format!("run {run}")).or_else(|| line.by.clone());
    vec![
        line.line.to_string(),
        moment(line.at),
        format!("{} {}", line.key.scope.name(), line.key.name),
        format!("{} {}", line.key.period.name(), line.start),
        format!("{}{}", what(line), if line.entry.breach { " (above its hold)" } else { "" }),
        line.entry.held.to_string(),
        line.entry.charged.to_string(),
        clip(&by.unwrap_or_else(|| "the flow".to_owned()), 40),
    ]
}

fn what(line: &BudgetLine) -> &'static str {
    use pmflow_ledger::EntryKind;
    match line.entry.kind {
        EntryKind::Hold => "held",
        EntryKind::Settle => "spent",
        EntryKind::Release => "given back",
        EntryKind::Unknown => "unknown",
        EntryKind::Reconcile => "reconciled",
        EntryKind::RaiseLimit => "limit",
    }
}

fn line_json(line: &BudgetLine) -> serde_json::Value {
    json!({
        "line": line.line,
        "at": moment(line.at),
        "name": line.key.name,
        "scope": line.key.scope.name(),
        "subject": line.key.subject,
        "period": line.key.period.name(),
        "start": line.start,
        "kind": line.entry.kind,
        "held": line.entry.held,
        "charged": line.entry.charged,
        "breach": line.entry.breach,
        "run": line.run.as_ref().map(ToString::to_string),
        "by": line.by,
    })
}

fn scope(text: &str) -> std::result::Result<(Scope, String), String> {
    let (scope, subject) = text.split_once(':').unwrap_or((text, ""));
    let usual = "`team`, `user:NAME` or `flow:NAME`";
    match (Scope::parse(scope), subject) {
        (Some(Scope::Team), "") => Ok((Scope::Team, pmflow_host::budgets::TEAM.to_owned())),
        (Some(Scope::User | Scope::Flow), "") => Err(format!("`{text}` does not say whose: {usual}")),
        (Some(scope), subject) => Ok((scope, subject.to_owned())),
        (None, _) => Err(format!("`{text}` is no scope of a budget: {usual}")),
    }
}

fn known_zone(text: &str) -> std::result::Result<String, String> {
    match period::zone(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("there is no time zone `{text}`; they are named like Europe/Berlin")),
    }
}

fn threshold(text: &str) -> std::result::Result<(u32, String), String> {
    let parts = text.split_once('=').and_then(|(percent, level)| Some((percent.trim_end_matches('%').parse().ok()?, level)));
    match parts {
        Some((percent @ 1..=1000, level)) if !level.is_empty() => Ok((percent, level.to_owned())),
        _ => Err(format!("`{text}` is no threshold, such as 75=info")),
    }
}
