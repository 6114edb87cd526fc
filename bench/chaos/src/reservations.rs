//! Many runs, in several worker processes, against one budget of their team that does not suffice for all of them, while workers
//! are killed and PostgreSQL crashes: the budget is never overrun, nobody is refused who could have been paid, and hardly
//! anything of it is left over.

use crate::faults::Faults;
use crate::provider::Provider;
use crate::workers::Workers;
use crate::{Arguments, await_end, flow, leave_runs, options};
use pmflow_engine::RunStatus;
use pmflow_host::budgets::TEAM;
use pmflow_ledger::{Account, EntryKind, Period};
use pmflow_plan::{FailureClass, Money, OnExceed};
use pmflow_store::{BudgetAccount, BudgetKey, BudgetLimit, BudgetLine, RunFilter, RunSummary, Scope, Store};
use pmflow_store_postgres::cluster::{Cluster, ClusterOptions};
use pmflow_store_postgres::{PostgresStore, migrate};
use std::sync::Arc;
use std::time::Instant;

const WORKERS: usize = 4;
/// What one run costs as a rule, of three calls.
const RUN: i128 = 21_000_000;

/// So many rounds, each on a database of its own, with `--runs` runs of which six in ten can be paid.
pub async fn measure(rounds: u32, arguments: &Arguments) -> Result<(), String> {
    for round in 1..=rounds {
        let seed = arguments.seed + u64::from(round);
        let arguments = Arguments { workers: WORKERS, seed, rate: 1_000, ..arguments.clone() };
        println!("round {round}: {}", one(&arguments).await?);
    }
    Ok(())
}

async fn one(arguments: &Arguments) -> Result<String, String> {
    let started = Instant::now();
    let cluster = Arc::new(Cluster::start(&ClusterOptions { is_flushed: true, settings: Vec::new() })?);
    let address = cluster.address("postgres");
    migrate(&options(&address, arguments)?).await.map_err(|error| error.to_string())?;
    let provider = Provider::start(arguments.latency.clone()).await?;
    let store = PostgresStore::open(options(&address, arguments)?).await.map_err(|error| error.to_string())?;
    let limit = Money::from_pico(i128::from(arguments.runs) * RUN * 6 / 10);
    store.set_budget(team_budget(limit), "chaos").await.map_err(|error| error.to_string())?;

    let workers = Arc::new(Workers::start(arguments, &address)?);
    let faults = Faults::start(arguments, cluster.clone(), workers.clone());
    leave_runs(store.clone(), arguments, &provider, &faults).await?;
    await_end(&store, &address, arguments, started, &faults).await?;
    let faults = faults.stop().await?;
    workers.stop()?;
    let found = check(&store, limit).await?;
    Ok(format!("{found}; {faults}; {} s", started.elapsed().as_secs()))
}

/// The most that is held for one call.
fn hold() -> Option<Money> {
    let (plan, _) = flow::plan().ok()?;
    let of = |prompt: &pmflow_plan::Prompt| prompt.request_ceiling(plan.models.get(prompt.chain.first()?)?, 0);
    plan.prompts.values().filter_map(of).max()
}

fn team_budget(limit: Money) -> BudgetLimit {
    let key = BudgetKey { name: "team".to_owned(), scope: Scope::Team, subject: TEAM.to_owned(), period: Period::Month };
    BudgetLimit { key, limit, zone: "UTC".to_owned(), alerts: Vec::new(), on_exceed: OnExceed::Stop }
}

async fn check(store: &PostgresStore, limit: Money) -> Result<String, String> {
    let failed = |error: pmflow_store::StoreError| error.to_string();
    let accounts = store.budgets(10).await.map_err(failed)?;
    let [account] = accounts.as_slice() else { return Err(format!("{} accounts instead of one", accounts.len())) };
    let lines = ledger(store, account).await?;
    replays(account, &lines, limit)?;

    let (mut paid, mut refused, mut spent) = (0, 0, Money::ZERO);
    let mut after = None;
    loop {
        let page = store.runs(&RunFilter::default(), after, 500).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        after = Some(last.cursor);
        for run in &page {
            spent = spent.checked_add(run.account.committed()).ok_or("a sum is too large")?;
            if ended_well(run)? { paid += 1 } else { refused += 1 }
        }
    }
    let sum = account.account.settled.checked_add(account.account.unknown).ok_or("a sum is too large")?;
    require(account.account.held == Money::ZERO, || format!("{} is held and nobody is there", account.account.held))?;
    require(sum == spent, || format!("the runs spent {spent}, and the budget says {sum}"))?;
    require(sum <= limit, || format!("{sum} was spent of {limit}: an overshoot"))?;
    require(refused > 0, || "nobody was refused: the budget was never tried".to_owned())?;
    let left = limit.pico() - sum.pico();
    let hold = hold().ok_or("the plan has no ceiling")?;
    require(left < hold.pico(), || format!("runs were refused, and {} is left, enough for a call", Money::from_pico(left)))?;
    let draws = lines.iter().filter(|line| line.entry.kind == EntryKind::Hold).count();
    Ok(format!(
        "{paid} runs paid, {refused} refused; {sum} of {limit} spent ({:.2} %), {} of it unknown; overshoot 0, false refusals 0; {draws} draws",
        sum.pico() as f64 * 100.0 / limit.pico() as f64,
        account.account.unknown
    ))
}

/// A run was paid to its end, or was refused for want of money in the budget.
fn ended_well(run: &RunSummary) -> Result<bool, String> {
    match (run.status, &run.failure) {
        (RunStatus::Succeeded, _) => Ok(true),
        (RunStatus::Failed, Some(failure)) if failure.class == FailureClass::Budget => Ok(false),
        (status, failure) => Err(format!("run {} is {}: {failure:?}", run.id, status.name())),
    }
}

async fn ledger(store: &PostgresStore, account: &BudgetAccount) -> Result<Vec<BudgetLine>, String> {
    let mut lines: Vec<BudgetLine> = Vec::new();
    loop {
        let after = lines.last().map_or(0, |line| line.line);
        let page = store.budget_ledger(Some((&account.key, &account.start)), after, 1_000).await;
        let page = page.map_err(|error| error.to_string())?;
        if page.is_empty() {
            return Ok(lines);
        }
        lines.extend(page);
    }
}

/// The lines give the account, and at none of them was more committed than the limit.
fn replays(account: &BudgetAccount, lines: &[BudgetLine], limit: Money) -> Result<(), String> {
    let mut replayed = Account::new(None);
    for line in lines {
        replayed.enter(line.entry.clone()).map_err(|error| format!("line {} does not replay: {error}", line.line))?;
        require(replayed.committed() <= limit, || format!("at line {}, {} is committed", line.line, replayed.committed()))?;
    }
    require(replayed == account.account, || format!("the ledger gives {replayed:?}, the row says {:?}", account.account))
}

fn require(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}
