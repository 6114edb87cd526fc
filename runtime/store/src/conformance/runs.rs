//! Creating runs and committing transitions.

use super::Harness;
use super::samples::{
    accepted, created, failure, new_run, output, plan, process, root, run_row, step, stored, transition, transition_to,
};
use crate::{Committed, Conflict, Created, Lease, Store, StoreError};
use pmflow_engine::{BindingRow, RunId, RunStatus, Write};
use pmflow_plan::{Money, PlanId, Value};

pub async fn a_new_run_is_recovered_whole<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    assert_eq!(lease, Lease { run: RunId("r1".into()), epoch: 1 });
    let store = harness.reopened(store).await;
    let read = store.recover(&lease.run).await.expect("the run is there");
    assert_eq!(read.stored.run, run_row("r1", 1));
    assert_eq!(read.stored.instances.len(), 1);
    assert_eq!(read.stored.instances.first().map(|row| row.path.clone()), Some(root()));
    assert_eq!((read.simulated, read.setup.as_str()), (false, "{\"folder\":\"/flows\"}"));
}

pub async fn creating_a_run_twice_changes_nothing<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    stored(&store, transition(&lease, 2, vec![])).await;
    let mut again = new_run("r1");
    again.process = process(2);
    assert_eq!(store.create(again).await.expect("the answer is that it exists"), Created::Exists);
    assert_eq!(store.recover(&lease.run).await.expect("the run is there").stored.run.sequence, 2);
    stored(&store, transition(&lease, 3, vec![])).await;
}

pub async fn a_run_needs_its_plan<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let refused = store.create(new_run("r1")).await;
    assert!(matches!(refused, Err(StoreError::NoSuchPlan { .. })), "{refused:?}");
    assert!(super::samples::is_no_such_run(store.run(&RunId("r1".into())).await));
    let lease = created(&store, "r1").await;
    stored(&store, transition(&lease, 2, vec![])).await;
}

pub async fn a_plan_comes_back_as_it_was<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    store.put_plan(plan()).await.expect("a plan can be stored");
    store.put_plan(plan()).await.expect("storing it again is no error");
    assert_eq!(store.plan(&plan().id).await.expect("the plan is there"), plan());
    let missing = store.plan(&PlanId("plan_other".to_owned())).await;
    assert!(matches!(missing, Err(StoreError::NoSuchPlan { .. })), "{missing:?}");
}

pub async fn a_transition_that_does_not_follow_conflicts_alone<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let (first, second) = (created(&store, "r1").await, created(&store, "r2").await);
    let unknown = Lease { run: RunId("r3".into()), epoch: 1 };
    let misplaced = crate::RunCommit { lease: first.clone(), writes: vec![].into(), answered: vec![] };
    let batch = vec![
        transition(&first, 3, vec![Write::RecordStep(step(&root(), "fit", 1))]),
        transition(&second, 2, vec![]),
        transition(&unknown, 2, vec![]),
        misplaced,
    ];
    let answers = store.commit(batch).await.expect("a conflict is no error");
    let expected = vec![
        Committed::Conflict(Conflict::Sequence { run: first.run.clone(), stored: 1, given: 3 }),
        accepted(),
        Committed::Conflict(Conflict::NoSuchRun { run: unknown.run.clone() }),
        Committed::Conflict(Conflict::Shape { run: first.run.clone() }),
    ];
    assert_eq!(answers, expected);
    assert_eq!(store.run(&first.run).await.expect("the run is there").sequence, 1);
    assert_eq!(store.run(&second.run).await.expect("the run is there").sequence, 2);
    assert_eq!(store.steps(&first.run, false, None, 10).await.expect("steps can be read"), vec![]);
}

pub async fn transitions_of_one_run_follow_each_other_in_a_batch<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let batch =
        (2..=9).map(|sequence| transition(&lease, sequence, vec![Write::RecordStep(step(&root(), "fit", sequence as u32))]));
    let answers = store.commit(batch.collect()).await.expect("a batch can be committed");
    assert_eq!(answers, vec![accepted(); 8]);
    let read = store.recover(&lease.run).await.expect("the run is there").stored.run;
    assert_eq!(read, run_row("r1", 9));
    assert_eq!(store.steps(&lease.run, false, None, 100).await.expect("steps can be read").len(), 8);
}

pub async fn after_a_conflict_the_rest_of_the_run_conflicts<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let batch = vec![transition(&lease, 2, vec![]), transition(&lease, 4, vec![]), transition(&lease, 5, vec![])];
    let answers = store.commit(batch).await.expect("a conflict is no error");
    let conflict = |given| Committed::Conflict(Conflict::Sequence { run: lease.run.clone(), stored: 2, given });
    assert_eq!(answers, vec![accepted(), conflict(4), conflict(5)]);
    assert_eq!(store.run(&lease.run).await.expect("the run is there").sequence, 2);
}

pub async fn what_ended_stays_ended<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    for (run, status) in [("r1", RunStatus::Succeeded), ("r2", RunStatus::Cancelled)] {
        let lease = created(&store, run).await;
        let mut last = run_row(run, 2);
        (last.status, last.ended_at) = (status, Some(last.changed_at));
        stored(&store, transition_to(&lease, last.clone(), vec![])).await;
        let again = store.commit(vec![transition(&lease, 3, vec![])]).await.expect("a conflict is no error");
        assert_eq!(again, vec![Committed::Conflict(Conflict::Final { run: lease.run.clone(), status })]);
        // What a call had really cost may become known later.
        last.sequence = 3;
        last.account.settled = Money::from_pico(7);
        stored(&store, transition_to(&lease, last.clone(), vec![])).await;
        assert_eq!(store.recover(&lease.run).await.expect("the run is there").stored.run, last);
    }
}

pub async fn a_failed_run_can_go_on<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut failed = run_row("r1", 2);
    (failed.status, failed.ended_at, failed.failure) = (RunStatus::Failed, Some(failed.changed_at), Some(failure("slow down")));
    stored(&store, transition_to(&lease, failed.clone(), vec![])).await;
    assert_eq!(store.run(&lease.run).await.expect("the run is there").failure, failed.failure);
    stored(&store, transition(&lease, 3, vec![])).await;
    let read = store.run(&lease.run).await.expect("the run is there");
    assert_eq!((read.status, read.ended_at, read.failure), (RunStatus::Running, None, None));
}

pub async fn a_batch_with_an_amount_too_large_stores_nothing<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let (first, second) = (created(&store, "r1").await, created(&store, "r2").await);
    let mut dear = step(&root(), "fit", 1);
    dear.cost = Some(Money::from_pico(i128::from(i64::MAX) + 1));
    let batch = vec![transition(&first, 2, vec![]), transition(&second, 2, vec![Write::RecordStep(dear)])];
    let refused = store.commit(batch).await;
    assert!(matches!(refused, Err(StoreError::OutOfRange { .. })), "{refused:?}");
    assert_eq!(store.run(&first.run).await.expect("the run is there").sequence, 1);
    stored(&store, transition(&first, 2, vec![])).await;
}

pub async fn a_result_is_recorded_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let (first, second) = (created(&store, "r1").await, created(&store, "r2").await);
    let fit = || Write::RecordStep(step(&root(), "fit", 1));
    let out = || Write::Output(output(&root(), "0001", &["ham"], 1));
    stored(&store, transition(&first, 2, vec![fit(), out()])).await;
    let again = vec![
        vec![transition(&first, 3, vec![fit()])],
        vec![transition(&first, 3, vec![out()])],
        vec![transition(&first, 3, vec![]), transition(&second, 2, vec![fit()]), transition(&second, 3, vec![fit()])],
    ];
    for batch in again {
        let refused = store.commit(batch).await;
        assert!(matches!(&refused, Err(StoreError::RecordedBefore { run, .. }) if !run.is_empty()), "{refused:?}");
        assert_eq!(store.run(&first.run).await.expect("the run is there").sequence, 2, "nothing of the batch is stored");
        assert_eq!(store.run(&second.run).await.expect("the run is there").sequence, 1);
    }
    // What does not follow is not looked at: a transition that is sent twice is a conflict.
    let twice = store.commit(vec![transition(&first, 2, vec![fit()])]).await.expect("a conflict is no error");
    assert!(matches!(twice.as_slice(), [Committed::Conflict(Conflict::Sequence { .. })]), "{twice:?}");
    stored(&store, transition(&second, 2, vec![fit(), out()])).await;
}

pub async fn values_come_back_exactly<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let values = [
        Value::None,
        Value::Float(0.1 + 0.2),
        Value::Float(-0.0),
        Value::Float(1.0),
        Value::Int(i64::MIN),
        Value::Money(Money::from_pico(18_750)),
        Value::Date(-1),
        Value::Datetime(START_OF_NOTHING),
        Value::Duration(1),
        Value::text("a\u{0}b \" \\ \u{7} \u{1F600} \r\n"),
        Value::record([("$date", Value::text("no date")), ("", Value::list(vec![Value::Bool(true), Value::None]))]),
    ];
    let bind = |(position, value): (usize, &Value)| {
        Write::Bind(BindingRow { instance: root(), name: format!("{position:02}\u{0}"), value: value.clone() })
    };
    stored(&store, transition(&lease, 2, values.iter().enumerate().map(bind).collect())).await;
    let store = harness.reopened(store).await;
    let read = store.recover(&lease.run).await.expect("the run is there");
    let names: Vec<String> = read.stored.bindings.iter().map(|binding| binding.name.clone()).collect();
    assert_eq!(names, (0..values.len()).map(|position| format!("{position:02}\u{0}")).collect::<Vec<_>>());
    for (binding, value) in read.stored.bindings.iter().zip(&values) {
        assert_eq!(format!("{:?}", binding.value), format!("{value:?}"));
    }
}

const START_OF_NOTHING: i64 = -62_135_596_800_000_001;

pub async fn many_runs_side_by_side_lose_nothing<H: Harness>(harness: &H) {
    let store = std::sync::Arc::new(harness.fresh().await);
    store.put_plan(plan()).await.expect("a plan can be stored");
    let mut tasks = Vec::new();
    for number in 0..64 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let run = format!("r{number:03}");
            let Ok(Created::Run { lease, .. }) = store.create(new_run(&run)).await else { panic!("{run} was not created") };
            for sequence in 2..=6 {
                let fit = Write::RecordStep(step(&root(), "fit", sequence as u32));
                assert_eq!(stored(&*store, transition(&lease, sequence, vec![fit])).await, vec![]);
            }
            lease.run
        }));
    }
    for task in tasks {
        let run = task.await.expect("no task fails");
        assert_eq!(store.recover(&run).await.expect("the run is there").stored.run.sequence, 6);
        assert_eq!(store.steps(&run, false, None, 100).await.expect("steps can be read").len(), 5);
    }
}
