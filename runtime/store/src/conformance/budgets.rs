//! Budgets that runs share.

use super::Harness;
use super::samples::{FLOW, claimed, created, process, run_row, stored, transition_to};
use crate::{BudgetAccount, BudgetKey, BudgetLimit, Draw, Drawn, Lease, Scope, Spender, Store};
use pmflow_engine::{CallId, LedgerRow, RunStatus, Time, Write};
use pmflow_ledger::{Account, Entry, EntryKind, Period};
use pmflow_plan::{Money, OnExceed, Usage};
use std::time::Duration;

fn pico(amount: i128) -> Money {
    Money::from_pico(amount)
}

fn monthly(limit: i128) -> BudgetLimit {
    let key = BudgetKey { name: "sales".to_owned(), scope: Scope::Team, subject: "default".to_owned(), period: Period::Month };
    let alerts = vec![(50, "info".to_owned())];
    BudgetLimit { key, limit: pico(limit), zone: "Europe/Berlin".to_owned(), alerts, on_exceed: OnExceed::Suspend }
}

fn draw(lease: &Lease, limits: &[BudgetLimit], need: i128, wish: i128) -> Draw {
    let spender = Spender { user: "ada".to_owned(), team: "default".to_owned(), flow: FLOW.to_owned() };
    Draw { lease: lease.clone(), spender, limits: limits.to_vec(), need: pico(need), wish: pico(wish) }
}

async fn drawn<S: Store>(store: &S, lease: &Lease, limits: &[BudgetLimit], need: i128, wish: i128) -> Drawn {
    store.draw(draw(lease, limits, need, wish)).await.expect("a run can draw")
}

/// Brings a run to these sums.
async fn spend<S: Store>(store: &S, lease: &Lease, sequence: u64, status: RunStatus, settled: i128, unknown: i128) {
    let mut row = run_row(&lease.run.0, sequence);
    row.status = status;
    row.account = Account { settled: pico(settled), unknown: pico(unknown), ..Account::new(None) };
    stored(store, transition_to(lease, row, vec![])).await;
}

async fn only_account<S: Store>(store: &S) -> BudgetAccount {
    let accounts = store.budgets(10).await.expect("budgets can be read");
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    accounts.into_iter().next().expect("one is there")
}

fn sums(account: &BudgetAccount) -> (i128, i128, i128) {
    (account.account.held.pico(), account.account.settled.pico(), account.account.unknown.pico())
}

pub async fn what_a_run_does_not_use_goes_back<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let limits = [monthly(1_000)];
    let lease = created(&store, "r1").await;
    assert_eq!(drawn(&store, &lease, &limits, 100, 400).await, Drawn::Granted { up_to: pico(400) });
    assert_eq!(sums(&only_account(&store).await), (400, 0, 0));
    spend(&store, &lease, 2, RunStatus::Running, 150, 30).await;
    assert_eq!(sums(&only_account(&store).await), (400, 0, 0), "a running run reports when it draws again");
    assert_eq!(drawn(&store, &lease, &limits, 100, 400).await, Drawn::Granted { up_to: pico(580) });
    assert_eq!(sums(&only_account(&store).await), (400, 150, 30));
    spend(&store, &lease, 3, RunStatus::Succeeded, 200, 30).await;
    let store = harness.reopened(store).await;
    assert_eq!(sums(&only_account(&store).await), (0, 200, 30));
}

pub async fn a_draw_that_does_not_fit_waits_or_is_refused<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let limits = [monthly(1_000)];
    let (first, second) = (created(&store, "r1").await, created(&store, "r2").await);
    assert_eq!(drawn(&store, &first, &limits, 900, 900).await, Drawn::Granted { up_to: pico(900) });
    let key = limits[0].key.clone();
    assert_eq!(drawn(&store, &second, &limits, 200, 200).await, Drawn::Waiting { budget: key.clone() });
    assert_eq!(drawn(&store, &second, &limits, 100, 200).await, Drawn::Granted { up_to: pico(100) }, "less than was wished");
    match drawn(&store, &second, &limits, 1_001, 1_001).await {
        Drawn::Refused(refusal) => {
            assert_eq!((&refusal.budget, refusal.limit, refusal.left), (&key, pico(1_000), pico(1_000)));
            assert_eq!(refusal.on_exceed, OnExceed::Suspend);
            let account = only_account(&store).await;
            assert_eq!(refusal.until, account.span().1);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(drawn(&store, &second, &[], 100, 200).await, Drawn::Free);
    spend(&store, &first, 2, RunStatus::Failed, 900, 0).await;
    assert!(matches!(drawn(&store, &second, &limits, 101, 101).await, Drawn::Refused(_)));
}

pub async fn many_runs_never_overrun_a_budget<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let limits = [monthly(1_000)];
    let mut leases = Vec::new();
    for number in 0..20 {
        leases.push(created(&store, &format!("r{number}")).await);
    }
    let mut granted = 0;
    for (number, lease) in leases.iter().enumerate() {
        if let Drawn::Granted { up_to } = drawn(&store, lease, &limits, 60, 60).await {
            granted += up_to.pico();
            spend(&store, lease, 2, if number % 2 == 0 { RunStatus::Suspended } else { RunStatus::Running }, 60, 0).await;
        }
        let account = only_account(&store).await;
        assert!(account.account.committed() <= pico(1_000), "{account:?}");
    }
    assert_eq!(granted, 960, "16 runs of 60 fit into 1,000");
}

pub async fn a_budgets_ledger_replays_to_its_account<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let limits = [monthly(1_000)];
    let lease = created(&store, "r1").await;
    drawn(&store, &lease, &limits, 100, 400).await;
    spend(&store, &lease, 2, RunStatus::Running, 150, 30).await;
    drawn(&store, &lease, &limits, 100, 400).await;
    let account = only_account(&store).await;
    store.raise_budget(&account.key, &account.start, pico(5_000), "ada").await.expect("a limit can be raised");
    spend(&store, &lease, 3, RunStatus::Succeeded, 200, 10).await;
    let account = only_account(&store).await;
    let lines = store.budget_ledger(Some((&account.key, &account.start)), 0, 100).await.expect("it can be read");
    let entries: Vec<Entry> = lines.iter().map(|line| line.entry.clone()).collect();
    assert_eq!(Account::replay(None, &entries), Ok(account.account));
    assert_eq!(account.account.limit, Some(pico(5_000)));
    let raised = lines.iter().find(|line| line.by.is_some()).expect("the raise is a line of its own");
    assert_eq!((raised.by.as_deref(), raised.entry.kind, &raised.run), (Some("ada"), EntryKind::RaiseLimit, &None));
    assert!(lines.iter().filter(|line| line.entry.kind == EntryKind::Hold).all(|line| line.run == Some(lease.run.clone())));
    let last = lines.last().expect("lines").line;
    assert_eq!(store.budget_ledger(None, last, 100).await.expect("it can be read"), vec![]);
}

pub async fn a_standing_limit_goes_before_the_plans<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let declared = [monthly(1_000)];
    drawn(&store, &lease, &declared, 10, 10).await;
    store.set_budget(BudgetLimit { limit: pico(50), ..monthly(0) }, "ada").await.expect("a limit can be set");
    assert_eq!(only_account(&store).await.account.limit, Some(pico(50)), "it holds at once");
    assert!(matches!(drawn(&store, &lease, &declared, 51, 51).await, Drawn::Refused(_)));
    let of_bob = BudgetKey { scope: Scope::User, subject: "bob".to_owned(), ..declared[0].key.clone() };
    store.set_budget(BudgetLimit { key: of_bob.clone(), limit: pico(1), ..monthly(0) }, "ada").await.expect("it can be set");
    assert_eq!(drawn(&store, &lease, &declared, 50, 50).await, Drawn::Granted { up_to: pico(50) }, "bob's limit is bob's");
    let of_ada = BudgetKey { subject: "ada".to_owned(), ..of_bob };
    store.set_budget(BudgetLimit { key: of_ada.clone(), limit: pico(20), ..monthly(0) }, "ada").await.expect("it can be set");
    match drawn(&store, &lease, &declared, 30, 30).await {
        Drawn::Refused(refusal) => assert_eq!(refusal.budget, of_ada),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.standing_budgets().await.expect("they can be read").len(), 3);
}

pub async fn a_raised_limit_is_for_its_period<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let limits = [monthly(100)];
    assert!(matches!(drawn(&store, &lease, &limits, 101, 101).await, Drawn::Refused(_)));
    let account = only_account(&store).await;
    let raised = store.raise_budget(&account.key, &account.start, pico(300), "ada").await.expect("it can be raised");
    assert_eq!(raised.map(|account| account.account.limit), Some(Some(pico(300))));
    assert_eq!(drawn(&store, &lease, &limits, 101, 101).await, Drawn::Granted { up_to: pico(101) }, "the plan's is lower");
    assert_eq!(store.raise_budget(&account.key, "1999-01-01", pico(1), "ada").await.expect("it is no error"), None);
}

pub async fn an_alert_is_raised_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let limits = [monthly(100)];
    drawn(&store, &lease, &limits, 40, 40).await;
    spend(&store, &lease, 2, RunStatus::Running, 40, 0).await;
    drawn(&store, &lease, &limits, 20, 20).await;
    assert_eq!(store.budget_alerts(false, 10).await.expect("alerts can be read"), vec![], "40 of 100");
    spend(&store, &lease, 3, RunStatus::Running, 55, 5).await;
    for _ in 0..3 {
        drawn(&store, &lease, &limits, 10, 10).await;
    }
    let alerts = store.budget_alerts(true, 10).await.expect("alerts can be read");
    let found: Vec<_> = alerts.iter().map(|alert| (alert.threshold, alert.level.as_str(), alert.spent, alert.limit)).collect();
    assert_eq!(found, vec![(50, "info", pico(60), pico(100))]);
    for _ in 0..2 {
        assert!(matches!(drawn(&store, &lease, &limits, 41, 41).await, Drawn::Refused(_)));
    }
    let alerts = store.budget_alerts(true, 10).await.expect("alerts can be read");
    assert_eq!(alerts.iter().map(|alert| alert.threshold).collect::<Vec<_>>(), vec![50, 100], "a refusal is as good as 100 %");
    let first = alerts.first().expect("two are there").id;
    store.alert_delivered(first).await.expect("it can be marked");
    let store = harness.reopened(store).await;
    assert_eq!(store.budget_alerts(true, 10).await.expect("alerts can be read").len(), 1);
    let all = store.budget_alerts(false, 10).await.expect("alerts can be read");
    assert_eq!(all.iter().map(|alert| alert.delivered_at.is_some()).collect::<Vec<_>>(), vec![true, false]);
}

pub async fn a_breach_is_told_of_once_for_each_flow_model_and_day<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let at: Time = super::samples::START;
    let line = |model: &str, charged, at| {
        let entry = Entry { kind: EntryKind::Settle, held: pico(10), charged: pico(charged), breach: charged > 10 };
        Write::Ledger(LedgerRow {
            entry,
            call: None,
            prompt: Some("judge".to_owned()),
            model: Some(model.to_owned()),
            usage: None,
            idempotency_key: None,
            at,
        })
    };
    let next_day = at + 86_400_000_000;
    let first = vec![line("openai/small", 11, at), line("openai/small", 30, at), line("openai/large", 10, at)];
    stored(&store, transition_to(&lease, run_row("r1", 2), first)).await;
    let second = vec![line("openai/small", 40, at), line("openai/small", 12, next_day)];
    stored(&store, transition_to(&lease, run_row("r1", 3), second)).await;
    let store = harness.reopened(store).await;
    let alerts = store.budget_alerts(true, 10).await.expect("alerts can be read");
    let found: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.key.name.as_str(), alert.key.subject.as_str(), alert.start.as_str(), alert.spent, alert.limit))
        .collect();
    let small = |start, spent| ("openai/small", FLOW, start, pico(spent), pico(10));
    assert_eq!(found, vec![small("2026-01-01", 11), small("2026-01-02", 12)]);
    assert!(alerts.iter().all(|alert| alert.level == crate::BREACH));
    let rows = store.spending(0, Time::MAX, false).await.expect("it can be read");
    assert_eq!(rows.iter().map(|row| row.breaches).collect::<Vec<_>>(), vec![0, 3, 1]);
}

pub async fn who_lost_a_run_draws_nothing<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let limits = [monthly(100)];
    let lease = created(&store, "r1").await;
    harness.pass_time(&store, Duration::from_secs(60)).await;
    let taken = claimed(&store, &lease.run, &process(2)).await;
    assert_eq!(drawn(&store, &lease, &limits, 10, 10).await, Drawn::TakenOver);
    assert_eq!(drawn(&store, &taken, &limits, 10, 10).await, Drawn::Granted { up_to: pico(10) });
}

pub async fn spending_is_summed_by_day_flow_model_and_person<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let call = CallId { instance: super::samples::root(), step: super::samples::root().step("fit"), attempt: 1 };
    let line = |kind, held, charged, usage, at| {
        Write::Ledger(LedgerRow {
            entry: Entry { kind, held: pico(held), charged: pico(charged), breach: false },
            call: Some(call.clone()),
            prompt: Some("judge".to_owned()),
            model: Some("openai/small".to_owned()),
            usage,
            idempotency_key: None,
            at,
        })
    };
    let at: Time = super::samples::START;
    let usage = Some(Usage { input_tokens: Some(100), cache_read_tokens: Some(20), output_tokens: Some(7), ..Usage::default() });
    let writes = vec![
        line(EntryKind::Hold, 9, 0, None, at),
        line(EntryKind::Settle, 9, 5, usage, at),
        line(EntryKind::Unknown, 9, 9, None, at),
        line(EntryKind::Settle, 9, 6, usage, at + 86_400_000_000),
    ];
    stored(&store, transition_to(&lease, run_row("r1", 2), writes)).await;
    let rows = store.spending(at, Time::MAX, false).await.expect("it can be read");
    let found: Vec<_> =
        rows.iter().map(|row| (row.day.as_str(), row.calls, row.input_tokens, row.settled, row.unknown)).collect();
    assert_eq!(found, vec![("2026-01-01", 2, 120, pico(5), pico(9)), ("2026-01-02", 1, 120, pico(6), pico(0))]);
    assert!(rows.iter().all(|row| (row.flow.as_str(), row.model.as_str(), row.member.as_str()) == (FLOW, "openai/small", "ada")));
    assert_eq!(store.spending(0, at, true).await.expect("it can be read"), vec![]);
}
