//! What `runs`, `show`, `outputs` and `cost --history` read.

use super::Harness;
use super::samples::{
    START, created, end, failure, is_no_such_run, item, lead_loop, new_run, output, plan_of, process, root, run_row, step,
    stored, transition, transition_to,
};
use crate::{OutputFilter, RunFilter, StepCursor, Store};
use pmflow_engine::{CallId, InstanceStatus, LedgerRow, Path, RunId, RunStatus, StepStatus, Write};
use pmflow_ledger::{Account, Entry, Reservation};
use pmflow_plan::{Money, PlanId, Usage, Value};

pub async fn runs_are_listed_newest_first_in_pages<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    for number in 0..7 {
        let lease = created(&store, &format!("r{number}")).await;
        let mut row = run_row(&lease.run.0, 2);
        row.status = if number % 2 == 0 { RunStatus::Running } else { RunStatus::Succeeded };
        stored(&store, transition_to(&lease, row, vec![])).await;
    }
    let mut other = new_run("other");
    store.put_plan(plan_of("weekly")).await.expect("a plan can be stored");
    for write in std::sync::Arc::make_mut(&mut other.writes) {
        match write {
            Write::PutRun(row) => {
                (row.flow, row.plan, row.created_at) = ("weekly".to_owned(), PlanId("plan_weekly".to_owned()), START + 1_000);
            }
            Write::PutInstance(row) => row.path = Path::root("weekly"),
            _ => {}
        }
    }
    (other.simulated, other.process) = (true, process(9));
    store.create(other).await.expect("a run can be created");

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = store.runs(&RunFilter::default(), after, 3).await.expect("runs can be listed");
        let Some(last) = page.last() else { break };
        after = Some(last.cursor);
        names.extend(page.iter().map(|run| run.id.to_string()));
    }
    assert_eq!(names, ["other", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]);

    let listed = async |filter: RunFilter| {
        let page = store.runs(&filter, None, 100).await.expect("runs can be listed");
        page.iter().map(|run| run.id.to_string()).collect::<Vec<_>>()
    };
    let weekly = RunFilter { flow: Some("weekly".to_owned()), ..RunFilter::default() };
    assert_eq!(listed(weekly).await, ["other"]);
    assert_eq!(listed(RunFilter { status: Some(RunStatus::Succeeded), ..RunFilter::default() }).await, ["r5", "r3", "r1"]);
    assert_eq!(listed(RunFilter { from: Some(START + 1), ..RunFilter::default() }).await, ["other"]);
    assert_eq!(listed(RunFilter { until: Some(START + 1_000), ..RunFilter::default() }).await.len(), 7);
    let summary = store.run(&RunId("other".into())).await.expect("the run is there");
    assert!(summary.simulated);
    assert_eq!(summary.holder.map(|holder| holder.process), Some(process(9)));
}

pub async fn steps_are_listed_in_pages<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut failed = step(&root(), "b", 1);
    (failed.status, failed.result, failed.usage, failed.cost) = (StepStatus::Retried, None, None, None);
    failed.failure = Some(failure("slow down"));
    let mut partly = step(&root(), "b", 2);
    partly.usage = Some(Usage { reasoning_tokens: Some(u64::MAX >> 1), ..Usage::default() });
    let writes = [failed.clone(), step(&root(), "c", 1), partly.clone(), step(&root(), "a", 1), step(&root(), "b", 10)];
    stored(&store, transition(&lease, 2, writes.into_iter().map(Write::RecordStep).collect())).await;

    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = store.steps(&lease.run, false, after.as_ref(), 2).await.expect("steps can be listed");
        let Some(last) = page.last() else { break };
        after = Some(StepCursor { step: last.step.clone(), attempt: last.attempt });
        names.extend(page.iter().map(|row| format!("{}#{}", row.step, row.attempt)));
    }
    assert_eq!(names, ["daily/a#1", "daily/b#1", "daily/b#2", "daily/b#10", "daily/c#1"]);

    let read = store.steps(&lease.run, false, None, 10).await.expect("steps can be listed");
    let of = |name: &str, attempt| {
        read.iter().find(|row| row.step == root().step(name) && row.attempt == attempt).expect("it is listed")
    };
    let whole = of("a", 1);
    let given = step(&root(), "a", 1);
    assert_eq!((&whole.result, &whole.usage, whole.cost, &whole.model), (&given.result, &given.usage, given.cost, &given.model));
    assert_eq!((whole.kind.as_str(), &whole.target, whole.place.as_str()), (given.kind, &given.target, given.place.as_str()));
    assert_eq!(of("b", 2).usage, partly.usage, "not reported is not zero");
    let only = store.steps(&lease.run, true, None, 10).await.expect("steps can be listed");
    assert_eq!(only.len(), 1);
    let only = only.first().expect("one failed");
    assert_eq!((&only.failure, only.usage, only.cost), (&failed.failure, None, None));
}

pub async fn failed_items_are_listed_with_their_input<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut writes: Vec<Write> =
        ["a", "b", "c"].iter().zip(0..).map(|(key, index)| Write::InsertInstance(item(key, index))).collect();
    let path = |key: &str| lead_loop().item(key);
    let mut aside = end(&path("c"), InstanceStatus::Quarantined, None);
    (aside.input, aside.failure) = (Some(Value::text("row 3")), Some(failure("no")));
    writes.push(Write::EndInstance(aside.clone()));
    writes.push(Write::EndInstance(end(&path("a"), InstanceStatus::Failed, None)));
    writes.push(Write::EndInstance(end(&path("b"), InstanceStatus::Done, None)));
    stored(&store, transition(&lease, 2, writes)).await;
    let items = store.failed_items(&lease.run, None, 10).await.expect("items can be listed");
    assert_eq!(items.iter().map(|item| item.path.clone()).collect::<Vec<_>>(), vec![path("a"), path("c")]);
    let rest = store.failed_items(&lease.run, Some(path("a").as_str()), 10).await.expect("items can be listed");
    let rest = rest.first().expect("one is behind the first");
    assert_eq!(
        (rest.index, rest.status, &rest.input, &rest.failure),
        (2, InstanceStatus::Quarantined, &aside.input, &aside.failure)
    );
}

async fn order_of_outputs<S: Store>(store: &S, filter: &OutputFilter, page: u32) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let rows = store.outputs(filter, after.as_ref(), page).await.expect("outputs can be listed");
        let Some(last) = rows.last() else { break names };
        after = Some(last.cursor.clone());
        names.extend(rows.iter().map(|row| format!("{}:{}", row.run, row.cursor.order)));
    }
}

/// Two runs with three outputs each, stored out of order.
async fn with_outputs<H: Harness>(harness: &H) -> H::Store {
    let store = harness.fresh().await;
    for (run, late) in [("r1", 0), ("r2", 100)] {
        let lease = created(&store, run).await;
        let rows =
            [("0003", &["spam", "spam"][..], 3), ("0001", &["ham"][..], 1), ("0002", &["ham", "odd \u{0} \"tag\""][..], 2)];
        let write = |(order, tags, at): (&str, &[&str], i64)| Write::Output(output(&root(), order, tags, START + late + at));
        stored(&store, transition(&lease, 2, rows.into_iter().map(write).collect())).await;
    }
    store
}

pub async fn outputs_are_listed_in_order_over_runs<H: Harness>(harness: &H) {
    let store = with_outputs(harness).await;
    let expected = ["r1:0001", "r1:0002", "r1:0003", "r2:0001", "r2:0002", "r2:0003"];
    for page in [1, 2, 3, 4, 100] {
        assert_eq!(order_of_outputs(&store, &OutputFilter::default(), page).await, expected, "{page} at a time");
    }
    let all = store.outputs(&OutputFilter::default(), None, 2).await.expect("outputs can be listed");
    let second = all.get(1).expect("two were asked for");
    assert_eq!(second.tags, ["ham", "odd \u{0} \"tag\""]);
    assert_eq!(second.value, Some(Value::record([("order", Value::text("0002"))])));
}

pub async fn outputs_are_filtered<H: Harness>(harness: &H) {
    let store = with_outputs(harness).await;
    let any = OutputFilter::default;
    let run = |run: &str| Some(RunId(run.into()));
    let tag = |tag: &str| Some(tag.to_owned());
    let cases: Vec<(OutputFilter, &[&str])> = vec![
        (OutputFilter { run: run("r2"), ..any() }, &["r2:0001", "r2:0002", "r2:0003"]),
        (OutputFilter { tag: tag("ham"), ..any() }, &["r1:0001", "r1:0002", "r2:0001", "r2:0002"]),
        (OutputFilter { tag: tag("spam"), run: run("r1"), ..any() }, &["r1:0003"]),
        (OutputFilter { tag: tag("odd \u{0} \"tag\""), ..any() }, &["r1:0002", "r2:0002"]),
        (OutputFilter { tag: tag("none"), ..any() }, &[]),
        (OutputFilter { flow: Some("daily".to_owned()), tag: tag("spam"), ..any() }, &["r1:0003", "r2:0003"]),
        (OutputFilter { flow: Some("weekly".to_owned()), ..any() }, &[]),
        (OutputFilter { flow: Some("weekly".to_owned()), run: run("r1"), ..any() }, &[]),
        (OutputFilter { from: Some(START + 3), until: Some(START + 102), ..any() }, &["r1:0003", "r2:0001"]),
        (OutputFilter { from: Some(START + 2), tag: tag("ham"), run: run("r1"), ..any() }, &["r1:0002"]),
    ];
    for (filter, expected) in cases {
        for page in [1, 100] {
            assert_eq!(order_of_outputs(&store, &filter, page).await, expected, "{filter:?}, {page} at a time");
        }
    }
}

pub async fn outputs_of_called_flows_are_not_listed<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut inner = output(&root().step("call"), "0001", &["ham"], START);
    inner.owner = root().step("call");
    let writes = vec![Write::Output(inner), Write::Output(output(&root(), "0001", &["ham"], START))];
    stored(&store, transition(&lease, 2, writes)).await;
    for filter in [OutputFilter::default(), OutputFilter { tag: Some("ham".to_owned()), ..OutputFilter::default() }] {
        let rows = store.outputs(&filter, None, 10).await.expect("outputs can be listed");
        assert_eq!(rows.iter().map(|row| row.instance.clone()).collect::<Vec<Path>>(), vec![root()]);
    }
}

pub async fn the_ledger_replays_to_the_account<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let (lease, other) = (created(&store, "r1").await, created(&store, "r2").await);
    let limit = Some(Money::from_pico(1_000));
    let mut account = Account::new(limit);
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..3 {
        let Reservation::Granted(entry) = account.reserve(Money::from_pico(200)) else { panic!("it fits") };
        entries.push(entry);
    }
    entries.push(account.settle(Money::from_pico(200), Money::from_pico(150)).expect("it was held"));
    entries.push(account.release(Money::from_pico(200)).expect("it was held"));
    entries.push(account.unknown(Money::from_pico(200)).expect("it was held"));
    entries.push(account.reconcile(Money::from_pico(200), Money::from_pico(260)).expect("it was unknown"));
    entries.push(account.raise_limit(Money::from_pico(5_000)).expect("a limit can be raised"));
    let lines: Vec<LedgerRow> = entries.iter().zip(1..).map(|(entry, attempt)| ledger_row(entry, attempt)).collect();
    let mut row = run_row("r1", 2);
    row.account = account;
    let of_another_run = lines.first().cloned().map(Write::Ledger).into_iter().collect();
    stored(&store, transition(&other, 2, of_another_run)).await;
    stored(&store, transition_to(&lease, row, lines.iter().cloned().map(Write::Ledger).collect())).await;

    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let page = store.usage(&lease.run, after, 3).await.expect("usage can be read");
        let Some(last) = page.last() else { break };
        after = last.line;
        read.extend(page);
    }
    assert_eq!(read.len(), lines.len());
    for (line, given) in read.iter().zip(&lines) {
        assert_eq!((&line.entry, &line.call, &line.usage), (&given.entry, &given.call, &given.usage));
        assert_eq!((&line.prompt, &line.model, &line.idempotency_key), (&given.prompt, &given.model, &given.idempotency_key));
    }
    let replayed = Account::replay(limit, read.iter().map(|line| &line.entry)).expect("the ledger is consistent");
    assert_eq!(replayed, store.run(&lease.run).await.expect("the run is there").account);
}

fn ledger_row(entry: &Entry, attempt: u32) -> LedgerRow {
    let call = CallId { instance: root(), step: root().step("fit"), attempt };
    LedgerRow {
        entry: entry.clone(),
        call: (attempt != 8).then_some(call),
        prompt: Some("judge".to_owned()),
        model: Some("openai/small".to_owned()),
        usage: (attempt == 4).then_some(Usage { input_tokens: Some(12), cache_read_tokens: Some(0), ..Usage::default() }),
        idempotency_key: Some(format!("key-{attempt}")),
        at: START + i64::from(attempt),
    }
}

pub async fn the_cache_forgets_by_age<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let put = |key: &str, value: &str, at| Write::CachePut {
        key: key.to_owned(),
        value: Value::text(value),
        at,
        flow: "daily".to_owned(),
        prompt: "judge".to_owned(),
    };
    // Half a million years ahead of any clock, and at its beginning.
    let ahead = i64::MAX / 2;
    stored(&store, transition(&lease, 2, vec![put("a", "old", 0), put("b", "first", ahead), put("b", "second", ahead)])).await;
    let found = async |key: &str, age| store.cached(key, age).await.expect("the cache can be read").map(|answer| answer.value);
    assert_eq!(found("b", 0).await, Some(Value::text("second")));
    assert_eq!(found("c", u64::MAX).await, None);
    assert_eq!(found("a", u64::MAX).await, Some(Value::text("old")));
    harness.pass_time(&store, std::time::Duration::from_secs(10)).await;
    assert_eq!(found("a", 1).await, None);
}

pub async fn history_sums_what_prompts_came_to<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut cached = step(&root(), "fit", 2);
    (cached.from_cache, cached.usage, cached.cost) = (true, None, None);
    let mut failed = step(&root(), "fit", 3);
    (failed.status, failed.result) = (StepStatus::Retried, None);
    let mut action = step(&root(), "send", 1);
    (action.kind, action.model) = ("operation", None);
    let first = [step(&root(), "fit", 1), cached, action];
    stored(&store, transition(&lease, 2, first.into_iter().map(Write::RecordStep).collect())).await;
    let second = [failed, step(&root(), "fit", 4)];
    stored(&store, transition(&lease, 3, second.into_iter().map(Write::RecordStep).collect())).await;
    let mut pretended = new_run("r2");
    pretended.simulated = true;
    std::sync::Arc::make_mut(&mut pretended.writes).push(Write::RecordStep(step(&root(), "fit", 1)));
    store.create(pretended).await.expect("a run can be created");

    let rows = store.history("daily").await.expect("history can be read");
    let [row] = rows.as_slice() else { panic!("one prompt was called at one place: {rows:?}") };
    assert_eq!(
        (row.place.as_str(), row.prompt.as_str(), row.prompt_hash.as_deref()),
        ("daily/fit", "judge", Some("hash-of-judge"))
    );
    assert_eq!((row.calls, row.cache_hits, row.failures), (2, 1, 1));
    assert_eq!((row.input_tokens, row.output_tokens, row.latency_us), (200, 14, 3_000));
    assert_eq!(row.cost, Money::from_pico(246_912));
    assert_eq!(store.history("weekly").await.expect("history can be read"), vec![]);

    let calls = store.calls("daily", 10).await.expect("calls can be read");
    assert_eq!(calls.len(), 2, "{calls:?}");
    let first = calls.first().expect("two are there");
    assert_eq!(
        (first.place.as_str(), first.prompt_hash.as_deref(), first.model.as_str()),
        ("daily/fit", Some("hash-of-judge"), "openai/small")
    );
    assert_eq!((first.latency_us, first.cost, first.at), (1_500, Money::from_pico(123_456), START + 1_500));
    assert_eq!(first.usage.and_then(|usage| usage.input_tokens), Some(100));
    assert_eq!(store.calls("daily", 1).await.expect("calls can be read").len(), 1);
    assert_eq!(store.calls("weekly", 10).await.expect("calls can be read"), vec![]);
}

pub async fn unknown_runs_are_named<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let run = RunId("nobody".into());
    assert!(is_no_such_run(store.run(&run).await));
    assert!(is_no_such_run(store.recover(&run).await));
    assert!(is_no_such_run(store.claim(&run, &process(1), None).await));
    assert!(is_no_such_run(store.ask(&run, crate::Ask::Pause { by: "ada".to_owned() }).await));
    assert!(is_no_such_run(store.outputs(&OutputFilter { run: Some(run), ..OutputFilter::default() }, None, 1).await));
}
