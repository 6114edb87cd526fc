//! Loop items and called flows.

use super::Harness;
use super::samples::{created, end, item, lead_loop, output, root, stored, transition};
use crate::{Lease, Store};
use pmflow_engine::{BindingRow, Gather, GatherOf, InstanceStatus, Path, Write};
use pmflow_plan::Value;

async fn live_paths<S: Store>(store: &S, lease: &Lease) -> Vec<String> {
    let mut read = store.recover(&lease.run).await.expect("the run is there").stored.instances;
    read.sort_by(|left, right| left.path.cmp(&right.path));
    read.into_iter().map(|row| row.path.as_str().to_owned()).collect()
}

fn path(key: &str) -> Path {
    lead_loop().item(key)
}

fn bind(key: &str, text: &str) -> Write {
    Write::Bind(BindingRow { instance: path(key), name: "row".to_owned(), value: Value::text(text) })
}

pub async fn a_child_is_inserted_once<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let other = created(&store, "r2").await;
    let insert = |key: &str, index| Write::InsertInstance(item(key, index));
    let refused = stored(&store, transition(&lease, 2, vec![insert("a", 0), insert("b", 1), insert("a", 2)])).await;
    assert_eq!(refused, vec![path("a")], "twice in one transition");
    let ended = Write::EndInstance(end(&path("a"), InstanceStatus::Done, None));
    stored(&store, transition(&lease, 3, vec![ended])).await;
    let refused = stored(&store, transition(&lease, 4, vec![insert("c", 3), insert("b", 4), insert("a", 5)])).await;
    assert_eq!(refused, vec![path("b"), path("a")], "alive, and ended");
    assert_eq!(stored(&store, transition(&other, 2, vec![insert("a", 0)])).await, vec![], "another run's keys are its own");
    assert_eq!(live_paths(&store, &lease).await, vec!["daily", "daily/lead[b]", "daily/lead[c]"]);
    let kept = store.recover(&lease.run).await.expect("the run is there").stored.instances;
    let kept = kept.iter().find(|row| row.path == path("b")).expect("b is alive");
    assert_eq!(*kept, item("b", 1), "a refused insertion changes nothing");
}

pub async fn a_refused_child_keeps_its_bindings<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let first = vec![Write::InsertInstance(item("a", 0)), bind("a", "first")];
    stored(&store, transition(&lease, 2, first)).await;
    let second = vec![
        Write::InsertInstance(item("a", 1)),
        bind("a", "second"),
        Write::InsertInstance(item("b", 2)),
        bind("b", "third"),
        Write::InsertInstance(item("b", 3)),
        bind("b", "fourth"),
    ];
    assert_eq!(stored(&store, transition(&lease, 3, second)).await, vec![path("a"), path("b")]);
    let read = store.recover(&lease.run).await.expect("the run is there").stored.bindings;
    let values: Vec<Value> = read.into_iter().map(|binding| binding.value).collect();
    assert_eq!(values, vec![Value::text("first"), Value::text("third")]);
    stored(&store, transition(&lease, 4, vec![bind("a", "changed")])).await;
    let read = store.recover(&lease.run).await.expect("the run is there").stored.bindings;
    assert_eq!(read.first().map(|binding| binding.value.clone()), Some(Value::text("changed")));
}

pub async fn ended_instances_leave_the_recovery<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let begin =
        vec![Write::InsertInstance(item("a", 0)), Write::InsertInstance(item("b", 1)), bind("a", "large"), bind("b", "large")];
    stored(&store, transition(&lease, 2, begin)).await;
    let over = vec![Write::EndInstance(end(&path("a"), InstanceStatus::Done, Some(Value::Int(1))))];
    stored(&store, transition(&lease, 3, over)).await;
    assert_eq!(live_paths(&store, &lease).await, vec!["daily", "daily/lead[b]"]);
    let bindings = store.recover(&lease.run).await.expect("the run is there").stored.bindings;
    assert_eq!(bindings.iter().map(|binding| &binding.instance).collect::<Vec<_>>(), vec![&path("b")]);
}

pub async fn an_ended_instance_can_be_put_back<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    stored(&store, transition(&lease, 2, vec![Write::InsertInstance(item("a", 0)), bind("a", "old")])).await;
    let failed = Write::EndInstance(end(&path("a"), InstanceStatus::Failed, None));
    stored(&store, transition(&lease, 3, vec![failed.clone()])).await;
    assert_eq!(store.failed_items(&lease.run, None, 10).await.expect("items can be read").len(), 1);
    let back = vec![failed, Write::PutInstance(item("a", 0)), bind("a", "new")];
    stored(&store, transition(&lease, 4, back)).await;
    assert_eq!(live_paths(&store, &lease).await, vec!["daily", "daily/lead[a]"]);
    let read = store.recover(&lease.run).await.expect("the run is there").stored;
    assert!(read.instances.contains(&item("a", 0)));
    assert_eq!(read.bindings.first().map(|binding| binding.value.clone()), Some(Value::text("new")));
    assert_eq!(store.failed_items(&lease.run, None, 10).await.expect("items can be read"), vec![]);
}

pub async fn an_instance_may_live_and_end_in_one_batch<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let batch = vec![
        transition(&lease, 2, vec![Write::InsertInstance(item("a", 0)), bind("a", "large")]),
        transition(&lease, 3, vec![Write::EndInstance(end(&path("a"), InstanceStatus::Done, Some(Value::Int(7))))]),
        transition(&lease, 4, vec![Write::InsertInstance(item("a", 1))]),
    ];
    let answers = store.commit(batch).await.expect("a batch can be committed");
    let refused = crate::Committed::Stored { refused: vec![path("a")] };
    assert_eq!(answers, vec![super::samples::accepted(), super::samples::accepted(), refused]);
    let read = store.recover(&lease.run).await.expect("the run is there").stored;
    assert_eq!((read.instances.len(), read.bindings.len()), (1, 0));
    let gather = Gather { instance: root(), step: lead_loop(), of: GatherOf::Yields };
    assert_eq!(store.gather(&lease.run, &gather).await.expect("yields can be read"), vec![Value::Int(7)]);
}

pub async fn yields_are_gathered_by_position<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let mut writes: Vec<Write> = (0..12).map(|index| Write::InsertInstance(item(&format!("k{index}"), index))).collect();
    for index in [11, 2, 10, 0, 1, 9] {
        let yielded = if index == 9 { Value::None } else { Value::Int(index) };
        writes.push(Write::EndInstance(end(&path(&format!("k{index}")), InstanceStatus::Done, Some(yielded))));
    }
    writes.push(Write::EndInstance(end(&path("k3"), InstanceStatus::Failed, Some(Value::Int(3)))));
    writes.push(Write::EndInstance(end(&path("k4"), InstanceStatus::Done, None)));
    stored(&store, transition(&lease, 2, writes)).await;
    let gather = Gather { instance: root(), step: lead_loop(), of: GatherOf::Yields };
    let values = store.gather(&lease.run, &gather).await.expect("yields can be read");
    let expected = [Value::Int(0), Value::Int(1), Value::Int(2), Value::None, Value::Int(10), Value::Int(11)];
    assert_eq!(values, expected);
    let elsewhere = Gather { instance: path("k1"), ..gather };
    assert_eq!(store.gather(&lease.run, &elsewhere).await.expect("yields can be read"), vec![]);
}

pub async fn outputs_of_a_called_flow_are_gathered_in_order<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let lease = created(&store, "r1").await;
    let called = root().step("enrich");
    let owned = |order: &str| {
        let mut row = output(&called, order, &["inner"], 1);
        row.owner = called.clone();
        Write::Output(row)
    };
    let writes = vec![owned("0002"), owned("0000"), Write::Output(output(&root(), "0001", &[], 1)), owned("0001")];
    stored(&store, transition(&lease, 2, writes)).await;
    let gather = Gather { instance: root(), step: called.clone(), of: GatherOf::Outputs { owner: called } };
    let values = store.gather(&lease.run, &gather).await.expect("outputs can be read");
    let expected: Vec<Value> = ["0000", "0001", "0002"].map(|order| Value::record([("order", Value::text(order))])).into();
    assert_eq!(values, expected);
}
