//! One process per run.

use super::Harness;
use super::samples::{accepted, claimed, created, process, run_row, stored, transition, transition_to};
use crate::{Ask, Claim, Claimed, Committed, Conflict, LEASE, Lease, Renewal, Store};
use pmflow_engine::{RunId, RunStatus};
use std::sync::Arc;
use std::time::Duration;

pub async fn a_second_process_is_told_who_executes_the_run<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let answer = store.claim(&lease.run, &process(2), None).await.expect("the answer is who holds it");
    let Claim::Held(holder) = answer else { panic!("two processes hold one run") };
    assert_eq!((&holder.process, holder.epoch), (&process(1), 1));
    assert_eq!(holder.until - holder.since, i64::try_from(LEASE.as_micros()).expect("a lease is short"));
    let text = holder.to_string();
    assert!(text.contains("process 1 on host.example since"), "{text}");
    assert_eq!(store.run(&lease.run).await.expect("the run is there").holder, Some(holder));
    stored(&store, transition(&lease, 2, vec![])).await;
}

pub async fn a_lease_that_ran_out_goes_to_the_next<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let old = created(&store, "r1").await;
    harness.pass_time(&store, LEASE - Duration::from_secs(2)).await;
    assert!(matches!(store.claim(&old.run, &process(2), None).await, Ok(Claim::Held(_))), "it is not over yet");
    harness.pass_time(&store, Duration::from_secs(2)).await;
    assert_eq!(store.run(&old.run).await.expect("the run is there").holder, None);
    let new = claimed(&store, &old.run, &process(2)).await;
    assert_eq!(new.epoch, 2);
}

pub async fn a_holder_that_is_proved_dead_is_replaced_at_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let old = created(&store, "r1").await;
    let wrong = store.claim(&old.run, &process(2), Some(old.epoch + 1)).await;
    assert!(matches!(wrong, Ok(Claim::Held(_))), "the proof is about somebody else: {wrong:?}");
    let granted = store.claim(&old.run, &process(2), Some(old.epoch)).await.expect("a claim can be made");
    assert_eq!(granted, Claim::Granted(Lease { run: old.run.clone(), epoch: 2 }));
    let late = store.claim(&old.run, &process(3), Some(old.epoch)).await;
    assert!(matches!(late, Ok(Claim::Held(_))), "somebody else was faster: {late:?}");
}

pub async fn who_lost_a_run_changes_nothing<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let old = created(&store, "r1").await;
    harness.pass_time(&store, LEASE).await;
    let new = claimed(&store, &old.run, &process(2)).await;
    let batch = vec![transition(&old, 2, vec![])];
    let answer = store.commit(batch).await.expect("a conflict is no error");
    assert_eq!(answer, vec![Committed::Conflict(Conflict::TakenOver { run: old.run.clone(), epoch: 2 })]);
    assert_eq!(store.renew(std::slice::from_ref(&old)).await.expect("the answer is that it is lost"), vec![Renewal::Lost]);
    store.release(&old).await.expect("releasing what is lost is no error");
    assert!(matches!(store.claim(&old.run, &process(3), None).await, Ok(Claim::Held(_))), "the new holder keeps it");
    stored(&store, transition(&new, 2, vec![])).await;
}

pub async fn renewing_keeps_a_run<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let (first, second) = (created(&store, "r1").await, created(&store, "r2").await);
    for _ in 0..3 {
        harness.pass_time(&store, LEASE - Duration::from_secs(5)).await;
        let renewed = store.renew(std::slice::from_ref(&first)).await.expect("a lease can be renewed");
        assert!(matches!(renewed.as_slice(), [Renewal::Held { .. }]), "{renewed:?}");
    }
    assert!(matches!(store.claim(&first.run, &process(2), None).await, Ok(Claim::Held(_))));
    claimed(&store, &second.run, &process(2)).await;
}

pub async fn a_released_run_is_free<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    store.release(&lease).await.expect("a run can be released");
    assert_eq!(store.run(&lease.run).await.expect("the run is there").holder, None);
    assert_eq!(store.renew(std::slice::from_ref(&lease)).await.expect("it is lost"), vec![Renewal::Lost]);
    assert_eq!(claimed(&store, &lease.run, &process(2)).await.epoch, 2);
}

pub async fn a_run_that_is_suspended_is_given_back_by_its_commit<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut suspended = run_row("r1", 2);
    suspended.status = RunStatus::Suspended;
    stored(&store, transition_to(&lease, suspended, vec![])).await;
    assert_eq!(store.run(&lease.run).await.expect("the run is there").holder, None);
    assert_eq!(claimed(&store, &lease.run, &process(2)).await.epoch, 2);
}

pub async fn a_run_that_only_stood_still_within_a_batch_is_kept<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut suspended = run_row("r1", 2);
    suspended.status = RunStatus::Suspended;
    let batch = vec![transition_to(&lease, suspended, vec![]), transition(&lease, 3, vec![])];
    assert_eq!(store.commit(batch).await.expect("both follow"), vec![accepted(), accepted()]);
    assert!(matches!(store.claim(&lease.run, &process(2), None).await, Ok(Claim::Held(_))));
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| &*claimed.lease.run.0).collect()
}

pub async fn free_runs_are_claimed_oldest_first<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    assert_eq!(store.claim_free(&process(2), 9).await.expect("nothing is free"), vec![]);
    let mut held = Vec::new();
    for run in ["r1", "r2", "r3", "r4", "r5"] {
        held.push(created(&store, run).await);
    }
    let mut ended = run_row("r3", 2);
    (ended.status, ended.ended_at) = (RunStatus::Succeeded, Some(ended.changed_at));
    stored(&store, transition_to(held.get(2).expect("three are held"), ended, vec![])).await;
    for lease in held.iter().skip(1) {
        store.release(lease).await.expect("a run can be released");
    }
    let first = store.claim_free(&process(2), 2).await.expect("runs can be claimed");
    assert_eq!(ids(&first), vec!["r2", "r4"], "r1 is held, and r3 has ended");
    assert_eq!(first.first().map(|claimed| claimed.lease.epoch), Some(2));
    assert_eq!(ids(&store.claim_free(&process(3), 9).await.expect("runs can be claimed")), vec!["r5"]);
    harness.pass_time(&store, LEASE).await;
    let late = store.claim_free(&process(4), 9).await.expect("runs can be claimed");
    assert_eq!(ids(&late), vec!["r1", "r2", "r4", "r5"], "leases that ran out are free as well");
    stored(&store, transition(&late.first().expect("one was late").lease, 2, vec![])).await;
}

pub async fn many_processes_share_what_is_free<H: Harness>(harness: &H) {
    let store = Arc::new(harness.fresh().await);
    for number in 0..40 {
        let lease = created(&*store, &format!("r{number:02}")).await;
        store.release(&lease).await.expect("a run can be released");
    }
    let claim = |number| {
        let store = store.clone();
        tokio::spawn(async move { store.claim_free(&process(number), 15).await.expect("runs can be claimed") })
    };
    let mut claimed: Vec<RunId> = Vec::new();
    for task in (1..9).map(claim).collect::<Vec<_>>() {
        claimed.extend(task.await.expect("no task fails").into_iter().map(|claimed| claimed.lease.run));
    }
    // A row that another claim looks at is passed over, so that a claim may get less than there is.
    claimed.extend(
        store.claim_free(&process(9), 40).await.expect("runs can be claimed").into_iter().map(|claimed| claimed.lease.run),
    );
    claimed.sort();
    let each_once: Vec<RunId> = (0..40).map(|number| RunId(format!("r{number:02}").into())).collect();
    assert_eq!(claimed, each_once);
}

pub async fn a_suspended_run_is_claimed_once_something_is_asked<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut suspended = run_row("r1", 2);
    suspended.status = RunStatus::Suspended;
    stored(&store, transition_to(&lease, suspended, vec![])).await;
    store.ask(&lease.run, Ask::Pause { by: "ada".to_owned() }).await.expect("a request can be made");
    assert_eq!(store.claim_free(&process(2), 9).await.expect("nothing is to be done"), vec![]);
    store.ask(&lease.run, Ask::Cancel { by: "ada".to_owned() }).await.expect("a request can be made");
    assert_eq!(ids(&store.claim_free(&process(2), 9).await.expect("runs can be claimed")), vec!["r1"]);
}
