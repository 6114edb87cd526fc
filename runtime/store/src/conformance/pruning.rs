//! Retention.

use super::Harness;
use super::samples::{
    FLOW, claimed, created, end, failure, is_no_such_run, item, new_run, output, plan, plan_of, process, root, run_row, step,
    stored, transition, transition_to,
};
use crate::{
    BudgetKey, BudgetLimit, Cutoffs, Draw, Drawn, Kept, LEDGER_KEPT, Lease, OutputFilter, Prune, Pruned, RunFilter, Scope,
    Spender, Store, StoreError, StoredRun,
};
use pmflow_engine::{BindingRow, CallId, InstanceStatus, LedgerRow, RunId, RunStatus, Time, Write};
use pmflow_ledger::{Account, Entry, Period};
use pmflow_plan::{Money, OnExceed, Value};
use std::sync::Arc;
use std::time::Duration;

const DAY: Time = 86_400_000_000;
const PIECES_MAX: usize = 1000;
const TRIES_AT_ONCE: usize = 60;

/// Everything that may go, goes.
fn all() -> Prune {
    Prune { payloads_before: Some(Time::MAX), runs_before: Some(Time::MAX), ..Prune::default() }
}

fn payloads() -> Prune {
    Prune { payloads_before: Some(Time::MAX), ..Prune::default() }
}

/// To the end, in the smallest pieces.
async fn pruned<S: Store>(store: &S, what: &Prune) -> Pruned {
    let mut sum = Pruned::default();
    for _ in 0..PIECES_MAX {
        sum = sum.and(store.prune(what, 1).await.expect("a store can be pruned"));
        if sum.is_done {
            return sum;
        }
    }
    panic!("pruning comes to no end: {sum:?}");
}

fn call(attempt: u32) -> CallId {
    CallId { instance: root(), step: root().step("fit"), attempt }
}

fn settled(amount: i128, at: Time) -> Write {
    let mut account = Account::new(None);
    let held = account.reserve(Money::from_pico(amount));
    assert!(matches!(held, pmflow_ledger::Reservation::Granted(_)), "nothing limits it");
    let entry: Entry = account.settle(Money::from_pico(amount), Money::from_pico(amount)).expect("it was held");
    Write::Ledger(LedgerRow {
        entry,
        call: Some(call(1)),
        prompt: Some("judge".to_owned()),
        model: Some("openai/small".to_owned()),
        usage: None,
        idempotency_key: None,
        at,
    })
}

/// What a run of every kind of row writes.
fn of_every_kind(at: Time) -> Vec<Write> {
    let put_aside = item("b", 1);
    let mut aside = end(&put_aside.path, InstanceStatus::Quarantined, None);
    (aside.input, aside.failure) = (Some(Value::text("secret row")), Some(failure("slow down")));
    let done = item("a", 0);
    let bound = BindingRow { instance: root(), name: "large".to_owned(), value: Value::text("secret value") };
    let cached = Write::CachePut {
        key: "asked".to_owned(),
        value: Value::text("secret answer"),
        at,
        flow: FLOW.to_owned(),
        prompt: "judge".to_owned(),
    };
    let asked = pmflow_engine::ApprovalRow {
        instance: root(),
        step: root().step("approve"),
        text: "secret question".to_owned(),
        by: None,
        until: None,
        at,
    };
    vec![
        Write::InsertInstance(done.clone()),
        Write::InsertInstance(put_aside),
        Write::EndInstance(end(&done.path, InstanceStatus::Done, Some(Value::text("secret yield")))),
        Write::EndInstance(aside),
        Write::Bind(bound),
        Write::RecordStep(step(&root(), "fit", 1)),
        Write::Output(output(&root(), "0001", &["ham"], at)),
        Write::Output(output(&root(), "0002", &["spam"], at)),
        cached,
        Write::ApprovalRequested(asked),
        Write::ApprovalClosed { step: root().step("approve"), approved: Some(true), by: Some("ada".to_owned()), at },
        settled(500, at),
    ]
}

/// Ends a run so long ago, and gives it back.
async fn ended<S: Store>(store: &S, lease: &Lease, sequence: u64, status: RunStatus, at: Time) {
    let mut row = run_row(&lease.run.0, sequence);
    (row.status, row.ended_at, row.account) = (status, Some(at), Account::new(None));
    stored(store, transition_to(lease, row, vec![])).await;
    store.release(lease).await.expect("a run can be given back");
}

async fn ended_with_every_kind<S: Store>(store: &S, run: &str, at: Time) -> Lease {
    let lease = created(store, run).await;
    stored(store, transition(&lease, 2, of_every_kind(at))).await;
    ended(store, &lease, 3, RunStatus::Succeeded, at).await;
    lease
}

async fn days_ago<S: Store>(store: &S, days: Time) -> Time {
    store.clock().await.expect("there is a clock") - days * DAY
}

async fn kept<S: Store>(store: &S, run: &str) -> Option<Kept> {
    match store.run(&RunId(run.into())).await {
        Ok(summary) => Some(summary.kept),
        Err(StoreError::NoSuchRun { .. }) => None,
        Err(other) => panic!("{other}"),
    }
}

fn is_pruned<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Pruned { .. }))
}

pub async fn payloads_of_ended_runs_go_and_the_rest_stays<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let at = days_ago(&store, 40).await;
    let lease = ended_with_every_kind(&store, "r1", at).await;
    let before = store.run(&lease.run).await.expect("the run is there");
    let lines = store.usage(&lease.run, 0, 10).await.expect("usage can be read");
    let steps = store.steps(&lease.run, false, None, 10).await.expect("steps can be listed");
    let recent = Prune { payloads_before: Some(days_ago(&store, 41).await), ..Prune::default() };
    assert_eq!(pruned(&store, &recent).await, Pruned { is_done: true, ..Pruned::default() }, "it ended later");
    assert_eq!(store.prunable(&payloads()).await.expect("it can be counted").emptied, 1);
    let sum = pruned(&store, &payloads()).await;
    assert_eq!((sum.emptied, sum.removed), (1, 0));
    assert!(sum.rows > 0);

    let store = harness.reopened(store).await;
    let after = store.run(&lease.run).await.expect("the run is there");
    assert_eq!(after, crate::RunSummary { kept: Kept::Metadata, ..before });
    assert!(is_pruned(store.recover(&lease.run).await));
    assert_eq!(store.usage(&lease.run, 0, 10).await.expect("usage can be read"), lines);
    let emptied: Vec<_> = steps.into_iter().map(|step| crate::StoredStep { result: None, ..step }).collect();
    assert_eq!(store.steps(&lease.run, false, None, 10).await.expect("steps can be listed"), emptied);
    let ham = OutputFilter { tag: Some("ham".to_owned()), ..OutputFilter::default() };
    let outputs = store.outputs(&ham, None, 10).await.expect("outputs can be listed");
    assert_eq!(outputs.iter().map(|output| output.value.clone()).collect::<Vec<_>>(), [None]);
    let items = store.failed_items(&lease.run, None, 10).await.expect("items can be listed");
    assert_eq!(items.iter().map(|item| (item.input.clone(), item.failure.is_some())).collect::<Vec<_>>(), [(None, true)]);
    assert_eq!(store.cached("asked", u64::MAX).await.expect("the cache can be read"), None);
    assert_eq!(pruned(&store, &payloads()).await, Pruned { is_done: true, ..Pruned::default() }, "there is no more to do");
}

pub async fn only_what_ended_and_nobody_holds_is_pruned<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let at = days_ago(&store, 40).await;
    let running = created(&store, "running").await;
    let suspended = created(&store, "suspended").await;
    let mut row = run_row("suspended", 2);
    row.status = RunStatus::Suspended;
    stored(&store, transition_to(&suspended, row, vec![])).await;
    store.release(&suspended).await.expect("a run can be given back");
    let failed = created(&store, "failed").await;
    ended(&store, &failed, 2, RunStatus::Failed, at).await;
    let resumed = claimed(&store, &failed.run, &process(2)).await;
    let owing = created(&store, "owing").await;
    let mut row = run_row("owing", 2);
    (row.status, row.ended_at) = (RunStatus::Cancelled, Some(at));
    row.account.held = Money::from_pico(7);
    stored(&store, transition_to(&owing, row, vec![])).await;
    store.release(&owing).await.expect("a run can be given back");
    let before = everything(&store).await;
    assert_eq!(pruned(&store, &all()).await, Pruned { is_done: true, ..Pruned::default() });
    assert_eq!(everything(&store).await, before);
    stored(&store, transition(&running, 2, vec![])).await;
    stored(&store, transition(&resumed, 3, vec![])).await;

    ended(&store, &resumed, 4, RunStatus::Failed, at).await;
    let waiting = claimed(&store, &failed.run, &process(3)).await;
    harness.pass_time(&store, Duration::from_secs(60)).await;
    assert_eq!(pruned(&store, &payloads()).await.emptied, 1, "its holder is gone");
    let late = store.commit(vec![transition(&waiting, 5, vec![])]).await.expect("a conflict is no error");
    assert!(matches!(late.as_slice(), [crate::Committed::Conflict(_)]), "who held it changes nothing any more: {late:?}");
}

pub async fn what_is_taken_over_from_stays_whole<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let at = days_ago(&store, 40).await;
    ended_with_every_kind(&store, "r1", at).await;
    let lease = takes_over(&store, "r2", "r1").await.expect("the first run is whole");
    let before = store.recover(&RunId("r1".into())).await.expect("it is whole");
    assert_eq!(pruned(&store, &all()).await.emptied, 0);
    assert_eq!(store.recover(&RunId("r1".into())).await.expect("it is whole"), before);
    // Ended, but later than what is asked for: somebody may take over from it, and so from the first.
    ended(&store, &lease, 2, RunStatus::Failed, days_ago(&store, 10).await).await;
    let older = Prune { payloads_before: Some(days_ago(&store, 20).await), ..Prune::default() };
    assert_eq!(pruned(&store, &older).await.emptied, 0);
    assert_eq!(store.steps(&RunId("r1".into()), false, None, 10).await.expect("steps can be listed").len(), 1);
    assert_eq!(pruned(&store, &payloads()).await.emptied, 2);
    assert!(is_pruned(takes_over(&store, "r3", "r2").await));
    assert_eq!(kept(&store, "r3").await, None);
    assert!(is_pruned(takes_over(&store, "r3", "nobody").await));
}

pub async fn money_stays_longer_than_the_run_that_spent_it<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let ledger_days = Time::try_from(LEDGER_KEPT.as_secs() / 86_400).expect("a year or so");
    let at = days_ago(&store, ledger_days - 2).await;
    let lease = ended_with_every_kind(&store, "recent", at).await;
    ended_with_every_kind(&store, "old", days_ago(&store, ledger_days + 1).await).await;
    let free = created(&store, "free").await;
    ended(&store, &free, 2, RunStatus::Succeeded, at).await;
    let spending = async || store.spending(at, Time::MAX, false).await.expect("spending can be read");
    let (spent, lines) = (spending().await, store.usage(&lease.run, 0, 10).await.expect("usage can be read"));
    assert_eq!(spent.len(), 1);
    let what = Prune { ledger_before: Some(Time::MAX), ..all() };
    assert_eq!(pruned(&store, &what).await.removed, 3);
    assert_eq!(
        (kept(&store, "recent").await, kept(&store, "old").await, kept(&store, "free").await),
        (Some(Kept::Sums), None, None)
    );
    assert_eq!(spending().await, spent);
    assert_eq!(store.usage(&lease.run, 0, 10).await.expect("usage can be read"), lines);
    assert_eq!(store.steps(&lease.run, false, None, 10).await.expect("steps can be listed"), vec![]);
    assert_eq!(store.outputs(&OutputFilter::default(), None, 10).await.expect("outputs can be listed"), vec![]);
    assert_eq!(store.runs(&RunFilter::default(), None, 10).await.expect("runs can be listed").len(), 1);
    assert!(is_pruned(store.recover(&lease.run).await));
    created(&store, "new").await;
    assert_eq!(kept(&store, "new").await, Some(Kept::Whole));
}

pub async fn a_budget_is_right_after_its_runs_are_pruned<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let key = BudgetKey { name: "sales".to_owned(), scope: Scope::Team, subject: "default".to_owned(), period: Period::Month };
    let limit = BudgetLimit {
        key: key.clone(),
        limit: Money::from_pico(1_000),
        zone: "UTC".to_owned(),
        alerts: vec![],
        on_exceed: OnExceed::Suspend,
    };
    let lease = created(&store, "r1").await;
    let spender = Spender { user: "ada".to_owned(), team: "default".to_owned(), flow: FLOW.to_owned() };
    let (need, wish) = (Money::from_pico(100), Money::from_pico(300));
    let drawn =
        store.draw(Draw { lease: lease.clone(), spender, limits: vec![limit], need, wish }).await.expect("a run can draw");
    assert!(matches!(drawn, Drawn::Granted { .. }), "{drawn:?}");
    let mut row = run_row("r1", 2);
    (row.status, row.ended_at) = (RunStatus::Succeeded, Some(days_ago(&store, 40).await));
    row.account = Account { settled: Money::from_pico(70), ..Account::new(None) };
    stored(&store, transition_to(&lease, row, vec![])).await;
    store.release(&lease).await.expect("a run can be given back");
    let read = async || {
        let accounts = store.budgets(10).await.expect("budgets can be read");
        let lines = store.budget_ledger(None, 0, 10).await.expect("the ledger can be read");
        (accounts, lines)
    };
    let before = read().await;
    assert_eq!(pruned(&store, &all()).await.removed, 1);
    assert_eq!(read().await, before);
    assert_eq!(kept(&store, "r1").await, Some(Kept::Sums), "its budget's ledger names it");
}

pub async fn plans_go_once_nothing_needs_them<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let mut older = plan_of("daily");
    older.id = pmflow_plan::PlanId("plan_of_last_year".to_owned());
    store.put_plan(older.clone()).await.expect("a plan can be stored");
    ended_with_every_kind(&store, "r1", days_ago(&store, 500).await).await;
    store.put_plan(plan_of("weekly")).await.expect("a plan can be stored");
    harness.pass_time(&store, Duration::from_millis(2)).await;
    // The clock of a database stands still within one of its smallest units.
    tokio::task::yield_now().await;
    let of_weekly = Prune { flow: Some("weekly".to_owned()), ..all() };
    pruned(&store, &of_weekly).await;
    assert!(store.plan(&older.id).await.is_ok(), "another flow was named");
    pruned(&store, &all()).await;
    assert!(matches!(store.plan(&older.id).await, Err(StoreError::NoSuchPlan { .. })));
    assert!(store.plan(&plan().id).await.is_ok(), "it is the flow's present one");
    assert!(is_no_such_run(store.run(&RunId("r1".into())).await));
    created(&store, "r2").await;
}

pub async fn only_the_flow_that_is_named_is_pruned<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    ended_with_every_kind(&store, "r1", days_ago(&store, 40).await).await;
    let other = Prune { flow: Some("weekly".to_owned()), ..all() };
    assert_eq!(pruned(&store, &other).await, Pruned { is_done: true, ..Pruned::default() });
    assert_eq!(kept(&store, "r1").await, Some(Kept::Whole));
    assert!(store.cached("asked", u64::MAX).await.expect("the cache can be read").is_some());
    let this = Prune { flow: Some(FLOW.to_owned()), ..payloads() };
    assert_eq!(pruned(&store, &this).await.emptied, 1);
    assert_eq!(store.cached("asked", u64::MAX).await.expect("the cache can be read"), None);
}

/// Whatever piece comes between two transitions of a live run, it reads as if there had been none.
pub async fn pruning_at_any_moment_changes_nothing_for_live_runs<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let at = days_ago(&store, 40).await;
    for run in ["a1", "a2", "a3"] {
        ended_with_every_kind(&store, run, at).await;
    }
    ended_with_every_kind(&store, "first", at).await;
    let live = takes_over(&store, "live", "first").await.expect("the first run is whole");
    let writes = of_every_kind(at);
    let mut sequence = 1;
    let mut expected = everything_of(&store, &["live", "first"]).await;
    for write in writes.into_iter().filter(|write| !matches!(write, Write::CachePut { .. })) {
        store.prune(&all(), 1).await.expect("a store can be pruned");
        assert_eq!(everything_of(&store, &["live", "first"]).await, expected, "before transition {sequence}");
        sequence += 1;
        stored(&store, transition(&live, sequence, vec![write])).await;
        expected = everything_of(&store, &["live", "first"]).await;
    }
    pruned(&store, &all()).await;
    assert_eq!(everything_of(&store, &["live", "first"]).await, expected);
    for run in ["a1", "a2", "a3"] {
        assert_eq!(kept(&store, run).await, Some(Kept::Sums), "the others are pruned meanwhile");
    }
    ended(&store, &live, sequence + 1, RunStatus::Succeeded, at).await;
    assert_eq!(pruned(&store, &all()).await.emptied, 2);
}

/// Together they remove what one would have, each thing once, and nothing else.
pub async fn several_processes_may_prune_at_once<H: Harness>(harness: &H) {
    const RUNS: [&str; 6] = ["a1", "a2", "a3", "a4", "a5", "a6"];
    let alone = harness.fresh().await;
    let store = Arc::new(harness.fresh().await);
    for store in [&alone, &*store] {
        let at = days_ago(store, 40).await;
        for run in RUNS {
            ended_with_every_kind(store, run, at).await;
        }
        stored(store, transition(&created(store, "live").await, 2, of_every_kind(at))).await;
    }
    let expected = pruned(&alone, &all()).await;
    let live = everything_of(&*store, &["live"]).await;
    let pruning = |_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut sum = Pruned::default();
            for _ in 0..TRIES_AT_ONCE {
                // Done: nothing is left, or another one is at it.
                sum = sum.and(store.prune(&all(), 1).await.expect("a store can be pruned by several"));
                tokio::task::yield_now().await;
            }
            sum
        })
    };
    let mut sum = Pruned::default();
    for pruned in (0..4).map(pruning).collect::<Vec<_>>() {
        sum = sum.and(pruned.await.expect("nothing panics"));
    }
    sum = sum.and(pruned(&*store, &all()).await);
    assert_eq!((sum.emptied, sum.removed, sum.rows), (expected.emptied, expected.removed, expected.rows));
    assert!(sum.rows > 0 && sum.removed == RUNS.len() as u64, "{sum:?}");
    assert_eq!(everything_of(&*store, &["live"]).await, live);
    for run in RUNS {
        assert_eq!(kept(&*store, run).await, Some(Kept::Sums));
    }
}

/// What people and processes read of runs.
async fn everything_of<S: Store>(store: &S, runs: &[&str]) -> Vec<(StoredRun, String)> {
    let mut read = Vec::new();
    for run in runs {
        let id = RunId((*run).into());
        let recovered = store.recover(&id).await.expect("it is whole");
        let summary = store.run(&id).await.expect("it is there");
        let steps = store.steps(&id, false, None, 100).await.expect("steps can be listed");
        let items = store.failed_items(&id, None, 100).await.expect("items can be listed");
        let filter = OutputFilter { run: Some(id.clone()), ..OutputFilter::default() };
        let outputs = store.outputs(&filter, None, 100).await.expect("outputs can be listed");
        let usage = store.usage(&id, 0, 100).await.expect("usage can be read");
        let summary = crate::RunSummary { holder: None, ..summary };
        read.push((recovered, format!("{summary:?} {steps:?} {items:?} {outputs:?} {usage:?}")));
    }
    read
}

async fn everything<S: Store>(store: &S) -> Vec<(StoredRun, String)> {
    everything_of(store, &["running", "suspended", "failed", "owing"]).await
}

async fn takes_over<S: Store>(store: &S, run: &str, from: &str) -> Result<Lease, StoreError> {
    store.put_plan(plan()).await.expect("a plan can be stored");
    let new = crate::NewRun { origin: Some(RunId(from.into())), ..new_run(run) };
    match store.create(new).await? {
        crate::Created::Run { lease, .. } => Ok(lease),
        crate::Created::Exists => panic!("run {run} exists already"),
    }
}

/// The moments that are asked for are clamped: nothing in the future, and the ledger never before its time.
pub async fn the_ledger_is_kept_thirteen_months_whatever_is_asked<H: Harness>(_harness: &H) {
    let now = 1_800_000_000_000_000;
    let thirteen_months = now - 397 * DAY;
    let what = Prune { ledger_before: Some(now), ..all() };
    assert_eq!(what.cutoffs(now), Cutoffs { payloads: Some(now), runs: Some(now), ledger: thirteen_months });
    assert_eq!(Prune { ledger_before: None, ..what.clone() }.cutoffs(now).ledger, thirteen_months);
    let longer = Prune { ledger_before: Some(now - 500 * DAY), ..what };
    assert_eq!(longer.cutoffs(now).ledger, now - 500 * DAY);
}
