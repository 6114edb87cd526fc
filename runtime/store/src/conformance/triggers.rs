//! Deployments, what starts runs of them, and alerts on their way.

use super::Harness;
use super::samples::{FLOW, created, plan, process, root, run_row, step, stored, transition_to};
use crate::{
    Batch, BudgetKey, BudgetLimit, Deployed, Deployment, Draw, Drawn, LEASE, Recorded, Recording, Scope, Spender, Store, Trigger,
    TriggerKind, TriggerState,
};
use pmflow_engine::{RunStatus, StepStatus, Write};
use pmflow_ledger::{Account, Period};
use pmflow_plan::{Money, OnExceed};
use std::time::Duration;

fn deployment() -> Deployment {
    let (plan, body) = (plan().id, "{\"input\":{}}".to_owned());
    Deployment { flow: FLOW.to_owned(), plan, body, by: "ada".to_owned() }
}

async fn deployed<S: Store>(store: &S) -> Deployed {
    let all = store.deployments().await.expect("deployments can be read");
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().expect("one is there")
}

async fn in_force<S: Store>(store: &S) -> Deployed {
    store.put_plan(plan()).await.expect("a plan can be stored");
    store.deploy(deployment()).await.expect("a flow can be put in force");
    deployed(store).await
}

fn trigger(kind: TriggerKind, key: &str, state: TriggerState) -> Trigger {
    Trigger {
        flow: FLOW.to_owned(),
        kind,
        key: key.to_owned(),
        at: 1_767_225_600_000_000,
        local: "2026-01-01T01:00:00".to_owned(),
        start_at: 1_767_225_601_000_000,
        batch: (kind == TriggerKind::Backfill)
            .then(|| Batch { name: "march".to_owned(), budget: Money::from_pico(7_000_000_000_000) }),
        state,
        reason: None,
        run: None,
        recorded_at: 0,
    }
}

fn recording(triggers: Vec<Trigger>) -> Recording {
    Recording { flow: FLOW.to_owned(), triggers, ..Recording::default() }
}

async fn recorded<S: Store>(store: &S, recording: Recording) -> Recorded {
    store.record_triggers(recording).await.expect("triggers can be recorded")
}

pub async fn a_deployment_stands_until_it_is_taken_back<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let first = in_force(&store).await;
    assert_eq!((&first.deployment, first.paused, first.running, first.waiting), (&deployment(), false, 0, 0));
    assert_eq!(first.decided_until, first.at);
    assert!(store.pause_schedule(FLOW, true).await.expect("it can be paused"));
    assert!(deployed(&store).await.paused);
    store.deploy(Deployment { by: "bob".to_owned(), ..deployment() }).await.expect("it can be replaced");
    let second = deployed(&store).await;
    assert_eq!((second.deployment.by.as_str(), second.paused), ("bob", true), "a pause outlives a new definition");
    let store = harness.reopened(store).await;
    assert!(store.pause_schedule(FLOW, false).await.expect("it can be resumed"));
    let third = deployed(&store).await;
    assert!(!third.paused && third.decided_until >= second.decided_until);
    assert_eq!(
        recorded(&store, recording(vec![trigger(TriggerKind::Schedule, "k1", TriggerState::Queued)])).await,
        Recorded::Done
    );
    assert!(store.undeploy(FLOW).await.expect("it can be taken back"));
    assert!(!store.undeploy(FLOW).await.expect("it is no error"));
    assert!(!store.pause_schedule(FLOW, true).await.expect("it is no error"));
    assert_eq!(store.deployments().await.expect("they can be read"), vec![]);
    let left = store.triggers(Some(FLOW), false, 10).await.expect("they can be read");
    assert_eq!(left.iter().map(|trigger| trigger.state).collect::<Vec<_>>(), vec![TriggerState::PassedOver]);
    assert!(left.iter().all(|trigger| trigger.reason.is_some()));
    assert_eq!(recorded(&store, recording(vec![])).await, Recorded::NotDeployed);
}

pub async fn a_schedule_is_decided_on_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let from = in_force(&store).await.decided_until;
    let decision = |from, until, key| Recording {
        decided: Some((from, until)),
        ..recording(vec![trigger(TriggerKind::Schedule, key, TriggerState::Due)])
    };
    assert_eq!(recorded(&store, decision(from, from + 10, "k1")).await, Recorded::Done);
    assert_eq!(recorded(&store, decision(from, from + 10, "k2")).await, Recorded::Overtaken);
    assert_eq!(recorded(&store, decision(from + 10, from + 20, "k1")).await, Recorded::Done, "a known key is left out");
    let store = harness.reopened(store).await;
    let open = store.triggers(None, true, 10).await.expect("triggers can be read");
    assert_eq!(open.len(), 1, "{open:?}");
    let expected = trigger(TriggerKind::Schedule, "k1", TriggerState::Due);
    assert_eq!(open.first().map(|found| Trigger { recorded_at: 0, ..found.clone() }), Some(expected));
    let now = deployed(&store).await;
    assert_eq!((now.decided_until, now.waiting), (from + 20, 1));
}

pub async fn a_trigger_goes_its_way_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    in_force(&store).await;
    let first = trigger(TriggerKind::Schedule, "k1", TriggerState::Queued);
    let other = trigger(TriggerKind::Backfill, "k1", TriggerState::Due);
    assert_eq!(recorded(&store, recording(vec![first.clone(), other.clone()])).await, Recorded::Done);
    assert!(store.change_trigger(first.change(TriggerState::Due)).await.expect("it can be changed"));
    assert!(!store.change_trigger(first.change(TriggerState::Due)).await.expect("it is no error"), "it is due already");
    let lease = created(&store, "r1").await;
    let due = Trigger { state: TriggerState::Due, ..first };
    let mut start = due.change(TriggerState::Started);
    start.run = Some(lease.run.clone());
    assert!(store.change_trigger(start).await.expect("it can be changed"));
    assert_eq!((deployed(&store).await.running, deployed(&store).await.waiting), (1, 0));
    let mut ended = run_row("r1", 2);
    (ended.status, ended.ended_at) = (RunStatus::Failed, Some(ended.changed_at));
    stored(&store, transition_to(&lease, ended, vec![])).await;
    assert_eq!(deployed(&store).await.running, 0);
    let all = store.triggers(Some(FLOW), false, 10).await.expect("triggers can be read");
    let found: Vec<_> = all.iter().map(|trigger| (trigger.kind, trigger.state, trigger.run.is_some())).collect();
    let expected = vec![(TriggerKind::Backfill, TriggerState::Due, false), (TriggerKind::Schedule, TriggerState::Ended, true)];
    assert_eq!(found, expected, "newest first");
    assert_eq!(all.first().map(|trigger| &trigger.batch), Some(&other.batch));
    let mut past = other.change(TriggerState::PassedOver);
    past.reason = Some("its budget is used up".to_owned());
    assert!(store.change_trigger(past).await.expect("it can be changed"));
    let all = store.triggers(Some(FLOW), false, 1).await.expect("triggers can be read");
    assert_eq!(all.first().and_then(|trigger| trigger.reason.as_deref()), Some("its budget is used up"));
    assert_eq!(store.triggers(Some("other"), false, 9).await.expect("triggers can be read"), vec![]);
}

pub async fn deliveries_are_known_again_and_counted<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    in_force(&store).await;
    let delivery =
        |key: &str| Recording { per_day_max: Some(2), ..recording(vec![trigger(TriggerKind::Webhook, key, TriggerState::Due)]) };
    assert_eq!(recorded(&store, delivery("m1")).await, Recorded::Done);
    match recorded(&store, delivery("m1")).await {
        Recorded::Known(known) => assert_eq!((known.key.as_str(), known.state), ("m1", TriggerState::Due)),
        other => panic!("{other:?}"),
    }
    assert_eq!(recorded(&store, delivery("m2")).await, Recorded::Done);
    assert_eq!(recorded(&store, delivery("m3")).await, Recorded::Full(2));
    assert!(matches!(recorded(&store, delivery("m2")).await, Recorded::Known(_)), "it was taken before");
}

pub async fn deaths_in_a_row_are_counted<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let mut lease = created(&store, "r1").await;
    for death in 1..=3 {
        harness.pass_time(&store, LEASE).await;
        let claimed = store.claim_free(&process(2), 9).await.expect("runs can be claimed");
        assert_eq!(claimed.iter().map(|claimed| claimed.deaths).collect::<Vec<_>>(), vec![death]);
        store.survived(&lease).await.expect("it can be said");
        harness.pass_time(&store, LEASE).await;
        let claimed = store.claim_free(&process(3), 9).await.expect("runs can be claimed");
        assert_eq!(claimed.iter().map(|claimed| claimed.deaths).collect::<Vec<_>>(), vec![death], "one was none");
        lease = claimed.into_iter().next().expect("one is claimed").lease;
    }
    let mut lost = step(&root(), "fit", 1);
    lost.status = StepStatus::Retried;
    stored(&store, transition_to(&lease, run_row("r1", 2), vec![Write::RecordStep(lost)])).await;
    harness.pass_time(&store, LEASE).await;
    let claimed = store.claim_free(&process(4), 9).await.expect("runs can be claimed");
    assert_eq!(
        claimed.iter().map(|claimed| claimed.deaths).collect::<Vec<_>>(),
        vec![4],
        "a call that was lost is no step forward"
    );
    lease = claimed.into_iter().next().expect("one is claimed").lease;
    stored(&store, transition_to(&lease, run_row("r1", 3), vec![Write::RecordStep(step(&root(), "fit", 2))])).await;
    harness.pass_time(&store, LEASE).await;
    let claimed = store.claim_free(&process(2), 9).await.expect("runs can be claimed");
    assert_eq!(claimed.iter().map(|claimed| claimed.deaths).collect::<Vec<_>>(), vec![1], "it got somewhere");
    store.bury(&lease).await.expect("it is another's by now");
    assert_eq!(store.claim_free(&process(4), 9).await.expect("nothing is free"), vec![]);
    store.bury(&claimed.first().expect("one is claimed").lease).await.expect("its holder is dead");
    let claimed = store.claim_free(&process(4), 9).await.expect("runs can be claimed");
    assert_eq!(claimed.iter().map(|claimed| claimed.deaths).collect::<Vec<_>>(), vec![2], "it is not waited for");
    store.release(&claimed.first().expect("one is claimed").lease).await.expect("it can be released");
    let claimed = store.claim_free(&process(2), 9).await.expect("runs can be claimed");
    assert_eq!(claimed.iter().map(|claimed| claimed.deaths).collect::<Vec<_>>(), vec![0], "it was given back");
}

pub async fn an_alert_reaches_each_destination<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let pico = Money::from_pico;
    let key = BudgetKey { name: "sales".to_owned(), scope: Scope::Team, subject: "default".to_owned(), period: Period::Month };
    let (alerts, on_exceed) = (vec![(50, "info".to_owned())], OnExceed::Stop);
    let limits = vec![BudgetLimit { key, limit: pico(100), zone: "UTC".to_owned(), alerts, on_exceed }];
    let spender = Spender { user: "ada".to_owned(), team: "default".to_owned(), flow: FLOW.to_owned() };
    let mut row = run_row("r1", 2);
    row.account = Account { settled: pico(60), ..Account::new(None) };
    let draw = Draw { lease: lease.clone(), spender, limits, need: pico(10), wish: pico(10) };
    assert!(matches!(store.draw(draw.clone()).await, Ok(Drawn::Granted { .. })));
    stored(&store, transition_to(&lease, row, vec![])).await;
    assert!(matches!(store.draw(draw).await, Ok(Drawn::Granted { .. })));

    let (chat, mail, hold) = ("chat".to_owned(), "mail".to_owned(), Duration::from_secs(60));
    let both = [chat.clone(), mail.clone()];
    let taken = store.take_alerts(&both, hold).await.expect("alerts can be taken");
    let found: Vec<_> = taken.iter().map(|taken| (taken.alert.threshold, taken.destination.as_str(), taken.tries)).collect();
    assert_eq!(found, vec![(50, "chat", 1), (50, "mail", 1)]);
    let alert = taken.first().expect("two were taken").alert.id;
    assert_eq!(store.take_alerts(&both, hold).await.expect("alerts can be taken"), vec![], "they are held");
    store.settle_alert(alert, &chat, None).await.expect("it can be settled");
    let refused = Some(("refused".to_owned(), Duration::ZERO));
    store.settle_alert(alert, &mail, refused).await.expect("it can be settled");
    let store = harness.reopened(store).await;
    let taken = store.take_alerts(&both, hold).await.expect("alerts can be taken");
    let found: Vec<_> = taken.iter().map(|taken| (taken.destination.as_str(), taken.tries)).collect();
    assert_eq!(found, vec![("mail", 2)]);
    store.settle_alert(alert, &mail, None).await.expect("it can be settled");
    assert_eq!(store.take_alerts(&both, hold).await.expect("alerts can be taken"), vec![]);
    assert_eq!(store.budget_alerts(true, 10).await.expect("alerts can be read"), vec![]);
}
