//! What must be true at the end, read from the tables and from the provider's own journal.

use crate::provider::Provider;
use crate::{Arguments, flow};
use pmflow_engine::{RunStatus, StepStatus};
use pmflow_ledger::{Entry, EntryKind};
use pmflow_plan::{Money, Value};
use pmflow_store::{Ask, OutputFilter, RunFilter, RunSummary, Store, UsageRow};
use pmflow_store_postgres::PostgresStore;
use sqlx::Connection;
use std::collections::BTreeMap;

/// Runs that have not ended; none when the server is away.
pub async fn open_runs(address: &str) -> Option<i64> {
    let mut connection = sqlx::PgConnection::connect(address).await.ok()?;
    let open = "SELECT count(*) FROM workflow_executions WHERE status IN ('running', 'suspended')";
    sqlx::query_scalar(open).fetch_one(&mut connection).await.ok()
}

/// What a person does while runs stand still because calls that were lost used up their proven ceiling: gives them more.
pub async fn raise_limits(store: &PostgresStore) -> Result<(), String> {
    let limit = Money::parse("1").ok_or("an amount")?;
    let filter = RunFilter { status: Some(RunStatus::Suspended), ..RunFilter::default() };
    for run in store.runs(&filter, None, 1000).await.map_err(|error| error.to_string())? {
        if run.account.limit != Some(limit) {
            store.ask(&run.id, Ask::RaiseLimit { limit, by: "chaos".to_owned() }).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// A trial of so many runs meets runs in every state.
const FULL_SIZE: u32 = 1000;

/// Sums over everything, for the report.
#[derive(Default)]
struct Sums {
    runs: u64,
    claims: u64,
    calls: u64,
    repeated: u64,
    settled: Money,
    unknown: Money,
}

pub async fn all(store: &PostgresStore, address: &str, arguments: &Arguments, provider: &Provider) -> Result<String, String> {
    let mut sums = Sums::default();
    let claims = claims(address).await?;
    let mut epochs = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.runs(&RunFilter::default(), after, 500).await.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else { break };
        after = Some(last.cursor);
        for run in &page {
            let number = one(store, run, &mut sums).await.map_err(|wrong| format!("run {}: {wrong}", run.id))?;
            let epoch = claims.get(&*run.id.0).copied().unwrap_or(0);
            sums.claims += epoch;
            if epochs.insert(number, epoch).is_some() {
                return Err(format!("number {number} was run twice"));
            }
        }
    }
    if sums.runs != u64::from(arguments.runs) {
        return Err(format!("{} runs were left to the workers, and {} are there", arguments.runs, sums.runs));
    }
    asked(provider, &epochs, &mut sums)?;
    // Making a run is the first claim, taking it up the second. A small trial may be over before a fault meets any.
    let is_small = arguments.runs < FULL_SIZE;
    require(is_small || sums.claims > 2 * sums.runs, || "no run was under way during a fault: nothing was tried".to_owned())?;
    nothing_left(address).await?;
    Ok(format!(
        "{} runs, claimed {} times; {} calls, {} of them sent again after a crash; {} settled, {} unknown",
        sums.runs, sums.claims, sums.calls, sums.repeated, sums.settled, sums.unknown
    ))
}

/// The number that the run was about.
async fn one(store: &PostgresStore, run: &RunSummary, sums: &mut Sums) -> Result<u32, String> {
    let failed = |error: pmflow_store::StoreError| error.to_string();
    require(run.status == RunStatus::Succeeded, || format!("it {}: {:?}", run.status.name(), run.failure))?;
    require(run.holder.is_none(), || "it is still held".to_owned())?;
    let stored = store.recover(&run.id).await.map_err(failed)?;
    let number = match stored.stored.run.input.get("number") {
        Some(Value::Text(text)) => text.parse::<u32>().map_err(|error| error.to_string())?,
        other => return Err(format!("its input is {other:?}")),
    };
    require(stored.stored.instances.is_empty(), || "an instance is still alive".to_owned())?;

    let filter = OutputFilter { run: Some(run.id.clone()), ..OutputFilter::default() };
    let outputs: Vec<Value> =
        store.outputs(&filter, None, 10).await.map_err(failed)?.into_iter().filter_map(|row| row.value).collect();
    require(outputs == [Value::text(flow::output(number))], || format!("its outputs are {outputs:?}"))?;

    let steps = store.steps(&run.id, false, None, 1000).await.map_err(failed)?;
    let mut done: BTreeMap<&str, u32> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.kind == "prompt" && step.status == StepStatus::Done) {
        *done.entry(step.step.as_str()).or_default() += 1;
    }
    require(done.len() == 3 && done.values().all(|times| *times == 1), || format!("results were recorded so often: {done:?}"))?;
    ledger(&store.usage(&run.id, 0, 10_000).await.map_err(failed)?, run, sums)?;

    sums.runs += 1;
    Ok(number)
}

/// The lines replay to the run's sums, and nothing is held at the end.
fn ledger(lines: &[UsageRow], run: &RunSummary, sums: &mut Sums) -> Result<(), String> {
    let (mut held, mut settled, mut unknown) = (Money::ZERO, Money::ZERO, Money::ZERO);
    let add = |sum: Money, more: Money| sum.checked_add(more).ok_or("a sum is too large");
    let take = |sum: Money, less: Money| sum.checked_sub(less).ok_or("a sum is too small");
    for Entry { kind, held: hold, charged, breach } in lines.iter().map(|line| &line.entry) {
        require(!breach, || "a price was above its hold".to_owned())?;
        match kind {
            EntryKind::Hold => held = add(held, *hold)?,
            EntryKind::Settle => (held, settled) = (take(held, *hold)?, add(settled, *charged)?),
            EntryKind::Release => held = take(held, *hold)?,
            EntryKind::Unknown => (held, unknown) = (take(held, *hold)?, add(unknown, *charged)?),
            EntryKind::RaiseLimit => {}
            EntryKind::Reconcile => return Err("nobody reconciled anything".to_owned()),
        }
        require(held >= Money::ZERO, || "less than nothing is held".to_owned())?;
    }
    let account = &run.account;
    let same = (account.held, account.settled, account.unknown) == (held, settled, unknown);
    require(same && held == Money::ZERO, || {
        format!("its ledger comes to {held} held, {settled} settled, {unknown} unknown; its row says {account:?}")
    })?;
    let of = |wanted: EntryKind| lines.iter().filter(|line| line.entry.kind == wanted).count();
    require(of(EntryKind::Settle) == 3, || format!("{} calls were settled", of(EntryKind::Settle)))?;
    sums.settled = add(sums.settled, settled)?;
    sums.unknown = add(sums.unknown, unknown)?;
    Ok(())
}

/// A question is sent again only after its run was taken over, and always under the key that it had.
fn asked(provider: &Provider, epochs: &BTreeMap<u32, u64>, sums: &mut Sums) -> Result<(), String> {
    let questions = provider.questions()?;
    for (number, claims) in epochs {
        for question in [format!("one {number}"), format!("two one-{number}"), format!("three two-one-{number}")] {
            let asked = questions.get(&question).ok_or_else(|| format!("`{question}` was never asked"))?;
            require(asked.keys.len() == 1, || format!("`{question}` was asked under the keys {:?}", asked.keys))?;
            require(asked.times <= *claims, || format!("`{question}` was asked {} times in {claims} claims", asked.times))?;
            sums.calls += asked.times;
            sums.repeated += asked.times - 1;
        }
    }
    Ok(())
}

/// How often each run was claimed, its making included.
async fn claims(address: &str) -> Result<BTreeMap<String, u64>, String> {
    let mut connection = sqlx::PgConnection::connect(address).await.map_err(|error| error.to_string())?;
    let epochs = sqlx::query_as::<_, (String, i64)>("SELECT run_id, lease_epoch FROM workflow_executions");
    let epochs = epochs.fetch_all(&mut connection).await.map_err(|error| error.to_string())?;
    Ok(epochs.into_iter().map(|(run, epoch)| (run, epoch.unsigned_abs())).collect())
}

async fn nothing_left(address: &str) -> Result<(), String> {
    let mut connection = sqlx::PgConnection::connect(address).await.map_err(|error| error.to_string())?;
    for (what, count) in [
        ("runs are leased", "SELECT count(*) FROM workflow_executions WHERE lease_process IS NOT NULL"),
        ("bindings are left", "SELECT count(*) FROM bindings"),
        ("instances are alive", "SELECT count(*) FROM instances WHERE ended_at IS NULL"),
        ("roots are alive", "SELECT count(*) FROM workflow_executions WHERE root_state <> ''"),
        (
            "rows belong to no run",
            "SELECT count(*) FROM node_executions WHERE execution_id NOT IN (SELECT execution_id FROM workflow_executions)",
        ),
    ] {
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.map_err(|error| error.to_string())?;
        require(count == 0, || format!("{count} {what}"))?;
    }
    Ok(())
}

fn require(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}
