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

/// Whoever asks first when there is room: a team with fifty flows in one process gets as much as one with one flow in another.
pub async fn teams_share_turns_between_processes<H: Harness>(harness: &H) {
    let store = harness.fresh().await;
    let step = |process: &str, team: &str, flows: usize, most: u64| {
        let limits = vec![(None, Limit { unit: Unit::Requests, most, per_us: 3_600_000_000 })];
        let lane = |number: usize| Lane { team: team.to_owned(), flow: format!("f{}", number % flows) };
        let want = |number| Want { lane: lane(number), model: "m".to_owned(), tokens: 1, may_be_refused: false };
        Step { process: process.to_owned(), limits, wants: (0..50).map(want).collect(), reports: Vec::new() }
    };
    for order in [[("p", "many", 50), ("q", "one", 1)], [("q", "one", 1), ("p", "many", 50)]] {
        let gate = format!("openai of {}", order[0].1);
        let mut first = step("r", "another", 1, 1);
        first.wants.truncate(1);
        store.step_gate(&gate, first).await.expect("a gate can be stepped");
        // As long as there is no more room, both wait.
        for (process, team, flows) in order {
            let stepped = store.step_gate(&gate, step(process, team, flows, 1)).await.expect("a gate can be stepped");
            assert!(!stepped.said.iter().any(|said| matches!(said, Said::Go(_))), "there is no room");
        }
        for (process, team, flows) in order {
            let stepped = store.step_gate(&gate, step(process, team, flows, 21)).await.expect("a gate can be stepped");
            let goes = stepped.said.iter().filter(|said| matches!(said, Said::Go(_))).count();
            assert_eq!(goes, 10, "of team {team} in process {process}");
        }
    }
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
