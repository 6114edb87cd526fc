//! Turns under limits that the processes of a store share.

use super::Harness;
use crate::Store;
use pmflow_ledger::gate::{Lane, Limit, Outcome, Report, Said, Step, Unit, Want};
use std::sync::Arc;

fn step(process: &str, wants: usize) -> Step {
    let limits = vec![(None, Limit { unit: Unit::Requests, most: 25, per_us: 3_600_000_000 })];
    let lane = Lane { team: "t".to_owned(), flow: process.to_owned() };
    let want = Want { lane, model: "m".to_owned(), tokens: 1, may_be_refused: false };
    Step { process: process.to_owned(), limits, wants: vec![want; wants], reports: Vec::new() }
}

pub async fn turns_are_given_once_however_many_ask<H: Harness>(harness: &H) {
    let store = Arc::new(harness.fresh().await);
    let ask = |number: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut given = 0;
            for _ in 0..5 {
                let stepped = store.step_gate("openai", step(&format!("p{number}"), 4)).await.expect("a gate can be stepped");
                given += stepped.said.iter().filter(|said| matches!(said, Said::Go(_))).count();
            }
            // It does not wait any more, and nothing is kept for it.
            store.step_gate("openai", step(&format!("p{number}"), 0)).await.expect("a gate can be stepped");
            given
        })
    };
    let asking: Vec<_> = (0..8).map(ask).collect();
    let mut given = 0;
    for asked in asking {
        given += asked.await.expect("nothing panics");
    }
    let stepped = store.step_gate("openai", step("last", 40)).await.expect("a gate can be stepped");
    given += stepped.said.iter().filter(|said| matches!(said, Said::Go(_))).count();
    assert_eq!(given, 25);
    let stepped = store.step_gate("another", step("p", 4)).await.expect("a gate can be stepped");
    assert!(stepped.said.iter().all(|said| matches!(said, Said::Go(_))), "{stepped:?}");
}

pub async fn what_one_process_hears_all_know<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let names = ["openai".to_owned(), "nobody asked".to_owned()];
    assert_eq!(store.gates(&names).await.expect("gates can be read").gates.len(), 0);
    let outcome = Outcome::Limited { wait_us: Some(3_600_000_000) };
    let report = Report { model: "m".to_owned(), outcome, used: None, readings: Vec::new() };
    let told = Step { process: "p".to_owned(), reports: vec![report], ..Step::default() };
    let stepped = store.step_gate("openai", told).await.expect("a gate can be stepped");
    let gates = store.gates(&names).await.expect("gates can be read");
    assert!(gates.now >= stepped.now, "on one clock");
    assert_eq!(gates.gates.get("openai"), Some(&stepped.gate));
    assert_eq!(stepped.gate.gated(gates.now), Some(["m".to_owned()].into()));
}
