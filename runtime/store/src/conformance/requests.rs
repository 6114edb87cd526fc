//! What people ask of a run.

use super::Harness;
use super::samples::{created, root, run_row, stored, taking_up, transition, transition_to};
use crate::{Answer, Ask, Lease, Store};
use pmflow_engine::{ApprovalRow, Path, RunStatus, Write};
use pmflow_plan::Money;

fn cancel() -> Ask {
    Ask::Cancel { by: "ada".to_owned() }
}

async fn asked<S: Store>(store: &S, lease: &Lease, ask: Ask) -> Answer {
    store.ask(&lease.run, ask).await.expect("a request can be made")
}

async fn waiting<S: Store>(store: &S, lease: &Lease) -> Vec<crate::Request> {
    store.requests(std::slice::from_ref(&lease.run)).await.expect("requests can be read")
}

pub async fn a_cancel_waits_until_it_is_taken_up<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let (lease, other) = (created(&store, "r1").await, created(&store, "r2").await);
    let Answer::Recorded(id) = asked(&store, &lease, cancel()).await else { panic!("the cancel was not recorded") };
    assert_eq!(asked(&store, &lease, Ask::Cancel { by: "bob".to_owned() }).await, Answer::AlreadyAsked(id));
    let store = harness.reopened(store).await;
    let requests = waiting(&store, &lease).await;
    assert_eq!(requests.iter().map(|request| (request.id, request.ask.clone())).collect::<Vec<_>>(), vec![(id, cancel())]);
    assert_eq!(waiting(&store, &other).await, vec![]);
    assert!(store.run(&lease.run).await.expect("the run is there").cancel_requested);
    stored(&store, taking_up(transition(&lease, 2, vec![]), &[id])).await;
    assert_eq!(waiting(&store, &lease).await, vec![]);
    assert!(!store.run(&lease.run).await.expect("the run is there").cancel_requested);
}

pub async fn a_run_that_ended_cannot_be_cancelled<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    for (run, status) in [("r1", RunStatus::Succeeded), ("r2", RunStatus::Failed), ("r3", RunStatus::Cancelled)] {
        let lease = created(&store, run).await;
        let mut last = run_row(run, 2);
        last.status = status;
        stored(&store, transition_to(&lease, last, vec![])).await;
        assert_eq!(asked(&store, &lease, cancel()).await, Answer::Ended(status));
        assert_eq!(waiting(&store, &lease).await, vec![]);
    }
}

fn approval(step: &Path) -> ApprovalRow {
    ApprovalRow {
        instance: root(),
        step: step.clone(),
        text: "Send it?".to_owned(),
        by: Some("editor".to_owned()),
        until: Some(9),
        at: 5,
    }
}

fn decide(step: &Path, approved: bool, by: &str) -> Ask {
    Ask::Decide { step: step.clone(), approved, by: by.to_owned() }
}

pub async fn an_approval_is_decided_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let (step, other) = (root().step("ask"), root().step("other"));
    assert_eq!(asked(&store, &lease, decide(&step, true, "ada")).await, Answer::NothingToDecide);
    let requested = vec![Write::ApprovalRequested(approval(&step)), Write::ApprovalRequested(approval(&other))];
    stored(&store, transition(&lease, 2, requested)).await;
    let open = store.approvals(None).await.expect("approvals can be read");
    assert_eq!(open.iter().map(|approval| approval.step.clone()).collect::<Vec<_>>(), vec![step.clone(), other.clone()]);
    let Answer::Recorded(id) = asked(&store, &lease, decide(&step, false, "ada")).await else { panic!("not recorded") };
    let decided = Answer::AlreadyDecided { approved: false, by: "ada".to_owned() };
    assert_eq!(asked(&store, &lease, decide(&step, true, "bob")).await, decided);
    assert_eq!(store.approvals(Some(&lease.run)).await.expect("approvals can be read").len(), 1, "a decided one is not open");
    let requests = waiting(&store, &lease).await;
    assert_eq!(requests.first().and_then(|request| request.instance.clone()), Some(root()));
    let closed = Write::ApprovalClosed { step: step.clone(), approved: Some(false), by: Some("ada".to_owned()), at: 7 };
    stored(&store, taking_up(transition(&lease, 3, vec![closed]), &[id])).await;
    assert_eq!(asked(&store, &lease, decide(&step, true, "bob")).await, decided);
    assert!(matches!(asked(&store, &lease, decide(&other, true, "bob")).await, Answer::Recorded(_)));
}

pub async fn an_approval_that_timed_out_cannot_be_decided<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let step = root().step("ask");
    let closed = Write::ApprovalClosed { step: step.clone(), approved: None, by: None, at: 9 };
    stored(&store, transition(&lease, 2, vec![Write::ApprovalRequested(approval(&step)), closed])).await;
    assert_eq!(store.approvals(None).await.expect("approvals can be read"), vec![]);
    assert_eq!(asked(&store, &lease, decide(&step, true, "ada")).await, Answer::NothingToDecide);
    stored(&store, transition(&lease, 3, vec![Write::ApprovalRequested(approval(&step))])).await;
    assert_eq!(store.approvals(None).await.expect("approvals can be read").len(), 1, "asked again, it is open again");
}

pub async fn limits_are_raised_one_after_the_other<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut failed = run_row("r1", 2);
    failed.status = RunStatus::Failed;
    stored(&store, transition_to(&lease, failed, vec![])).await;
    let raise = |dollars: &str| Ask::RaiseLimit { limit: Money::parse(dollars).expect("an amount"), by: "ada".to_owned() };
    assert!(matches!(asked(&store, &lease, raise("3")).await, Answer::Recorded(_)));
    assert!(matches!(asked(&store, &lease, raise("4.5")).await, Answer::Recorded(_)));
    let asks: Vec<Ask> = waiting(&store, &lease).await.into_iter().map(|request| request.ask).collect();
    assert_eq!(asks, vec![raise("3"), raise("4.5")]);
}

pub async fn a_request_survives_a_conflict<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let Answer::Recorded(id) = asked(&store, &lease, cancel()).await else { panic!("the cancel was not recorded") };
    let stale = taking_up(transition(&lease, 5, vec![]), &[id]);
    store.commit(vec![stale]).await.expect("a conflict is no error");
    assert_eq!(waiting(&store, &lease).await.len(), 1);
}
