//! Small runs to write.

use crate::{Claim, Committed, Created, Lease, NewRun, Process, RequestId, RunCommit, Store, StoreError, StoredPlan};
use pmflow_engine::{
    Counters, InstanceEnd, InstanceRow, InstanceStatus, OutputRow, Path, RunId, RunRow, RunStatus, StepRow, StepStatus, Time,
    Write,
};
use pmflow_ledger::Account;
use pmflow_plan::{Failure, FailureClass, Money, Place, PlanId, SourceMap, Usage, Value};
use std::collections::BTreeMap;

pub const FLOW: &str = "daily";
/// 2026-01-01T00:00:00Z
pub const START: Time = 1_767_225_600_000_000;

pub fn plan() -> StoredPlan {
    plan_of(FLOW)
}

pub fn plan_of(flow: &str) -> StoredPlan {
    let place = Place { file: "daily.pmflow".to_owned(), line: 3, column: 5 };
    StoredPlan {
        id: PlanId(format!("plan_{flow}")),
        flow: flow.to_owned(),
        bytes: vec![0, 159, 146, 150, 255],
        source_map: SourceMap { places: BTreeMap::from([("daily/fit".to_owned(), place)]) },
        prompts: BTreeMap::from([("judge".to_owned(), "hash-of-judge".to_owned())]),
    }
}

pub fn process(number: u32) -> Process {
    Process { id: format!("process-{number}-started-once"), host: "host.example".to_owned(), number }
}

pub fn root() -> Path {
    Path::root(FLOW)
}

pub fn run_row(run: &str, sequence: u64) -> RunRow {
    RunRow {
        id: RunId(run.into()),
        plan: PlanId(format!("plan_{FLOW}")),
        flow: FLOW.to_owned(),
        status: RunStatus::Running,
        sequence,
        created_at: START,
        changed_at: START + Time::try_from(sequence).expect("a test's sequence is small"),
        ended_at: None,
        failure: None,
        account: Account::new(Some(Money::from_pico(2_000_000_000_000))),
        counters: Counters { items_started: sequence, input_tokens: 10 * sequence, ..Counters::default() },
        input: Value::record([("base", Value::text("leads"))]),
        state: format!("{{\"at\":{sequence}}}"),
    }
}

pub fn new_run(run: &str) -> NewRun {
    NewRun {
        process: process(1),
        writes: vec![Write::PutRun(run_row(run, 1)), Write::PutInstance(instance(&root(), None, 0))].into(),
        simulated: false,
        started_by: "ada".to_owned(),
        setup: "{\"folder\":\"/flows\"}".to_owned(),
        origin: None,
    }
}

pub fn instance(path: &Path, parent: Option<(&Path, &Path)>, index: u64) -> InstanceRow {
    InstanceRow {
        path: path.clone(),
        parent: parent.map(|(parent, _)| parent.clone()),
        parent_step: parent.map(|(_, step)| step.clone()),
        index,
        status: InstanceStatus::Running,
        state: format!("{{\"index\":{index}}}"),
        started_at: START,
    }
}

/// The loop that items of the samples belong to.
pub fn lead_loop() -> Path {
    root().step("lead")
}

pub fn item(key: &str, index: u64) -> InstanceRow {
    instance(&lead_loop().item(key), Some((&root(), &lead_loop())), index)
}

pub fn end(path: &Path, status: InstanceStatus, yielded: Option<Value>) -> InstanceEnd {
    InstanceEnd { path: path.clone(), status, failure: None, yielded, input: None, ended_at: START + 5 }
}

pub fn step(instance: &Path, name: &str, attempt: u32) -> StepRow {
    StepRow {
        instance: instance.clone(),
        step: instance.step(name),
        place: format!("daily/{name}"),
        attempt,
        kind: "prompt",
        target: Some("judge".to_owned()),
        status: StepStatus::Done,
        started_at: START,
        ended_at: START + 1_500,
        result: Some(Value::text("good")),
        failure: None,
        model: Some("openai/small".to_owned()),
        usage: Some(Usage { input_tokens: Some(100), output_tokens: Some(7), ..Usage::default() }),
        cost: Some(Money::from_pico(123_456)),
        from_cache: false,
        input_key: Some("digest-of-the-input".to_owned()),
    }
}

pub fn output(instance: &Path, order: &str, tags: &[&str], at: Time) -> OutputRow {
    OutputRow {
        instance: instance.clone(),
        step: instance.step("output"),
        owner: root(),
        order: order.to_owned(),
        value: Value::record([("order", Value::text(order))]),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        at,
    }
}

pub fn failure(message: &str) -> Failure {
    Failure::not_billed(FailureClass::RateLimit, message).retry_after_ms(Some(250))
}

/// A transition of a run that was created by [`created`].
pub fn transition(lease: &Lease, sequence: u64, writes: Vec<Write>) -> RunCommit {
    transition_to(lease, run_row(&lease.run.0, sequence), writes)
}

pub fn transition_to(lease: &Lease, row: RunRow, mut writes: Vec<Write>) -> RunCommit {
    writes.insert(0, Write::PutRun(row));
    RunCommit { lease: lease.clone(), writes: writes.into(), answered: Vec::new() }
}

pub fn taking_up(mut commit: RunCommit, requests: &[RequestId]) -> RunCommit {
    commit.answered = requests.to_vec();
    commit
}

/// Stores the plan and the run.
pub async fn created<S: Store>(store: &S, run: &str) -> Lease {
    store.put_plan(plan()).await.expect("a plan can be stored");
    match store.create(new_run(run)).await.expect("a run can be created") {
        Created::Run { lease, refused } => {
            assert_eq!(refused, vec![], "nothing is refused in a new run");
            lease
        }
        Created::Exists => panic!("run {run} exists already"),
    }
}

/// Commits one transition that must be stored; returns the refused insertions.
pub async fn stored<S: Store>(store: &S, commit: RunCommit) -> Vec<Path> {
    let answers = store.commit(vec![commit]).await.expect("a transition can be committed");
    match answers.as_slice() {
        [Committed::Stored { refused }] => refused.clone(),
        other => panic!("the transition was not stored: {other:?}"),
    }
}

pub async fn claimed<S: Store>(store: &S, run: &RunId, process: &Process) -> Lease {
    match store.claim(run, process, None).await.expect("a run can be claimed") {
        Claim::Granted(lease) => lease,
        Claim::Held(holder) => panic!("{holder}"),
    }
}

pub fn accepted() -> Committed {
    Committed::Stored { refused: vec![] }
}

pub fn is_no_such_run<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NoSuchRun { .. }))
}
