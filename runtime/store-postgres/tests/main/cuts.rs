//! Connections that are cut in the middle of anything, a commit above all: what was answered is stored, once.

use crate::migrated;
use pmflow_engine::{LedgerRow, RunId, Write};
use pmflow_ledger::Account;
use pmflow_plan::Money;
use pmflow_store::conformance::samples::{new_run, output, plan, process, root, step, transition};
use pmflow_store::{Committed, Created, NewRun, OutputFilter, Store};
use pmflow_store_postgres::cluster::{Cuts, Database, Proxy, execute};
use pmflow_store_postgres::{PostgresOptions, PostgresStore};
use std::sync::Arc;

const RUNS: usize = 24;
const TRANSITIONS: u64 = 12;

/// One run alone: each of its transitions is one statement, and a transaction of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_answer_is_lost_is_neither_lost_nor_repeated() {
    let database = migrated().await;
    let (proxy, store) = behind_cuts(&database, Cuts { before_commit: 7, after_commit: 5 }).await;
    let before = proxy.cuts();
    proxy.take_statements();
    let run = written(store, NewRun { simulated: true, ..new_run("alone") }, &[]).await;
    assert!(proxy.cuts() > before + 2, "there were only {} cuts", proxy.cuts() - before);
    let store = PostgresStore::open(PostgresOptions::at(&database.address).unwrap()).await.unwrap();
    assert_eq!(store.run(&run).await.unwrap().sequence, TRANSITIONS);
    assert_eq!(store.steps(&run, false, None, 100).await.unwrap().len() as u64, TRANSITIONS - 1);
}

/// Each run that begins alone is one statement with its first lines of the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_whose_answer_is_lost_is_neither_lost_nor_repeated_nor_taken_for_another() {
    let database = migrated().await;
    let (proxy, store) = behind_cuts(&database, Cuts { before_commit: 7, after_commit: 5 }).await;
    let before = proxy.cuts();
    proxy.take_statements();
    let line = Write::Ledger(LedgerRow {
        entry: Account::new(None).raise_limit(Money::from_pico(5)).unwrap(),
        call: None,
        prompt: None,
        model: None,
        usage: None,
        idempotency_key: None,
        at: 1,
    });
    let mut runs = Vec::new();
    for number in 0..RUNS {
        let mut new = new_run(&format!("b{number:02}"));
        Arc::make_mut(&mut new.writes).push(line.clone());
        let Created::Run { lease, .. } = store.create(new.clone()).await.unwrap() else { panic!("run {number} is new") };
        let of_another = NewRun { process: process(2), ..new };
        assert_eq!(store.create(of_another).await.unwrap(), Created::Exists, "{number}");
        runs.push(lease.run);
    }
    assert!(proxy.cuts() > before + 10, "there were only {} cuts", proxy.cuts() - before);
    let store = PostgresStore::open(PostgresOptions::at(&database.address).unwrap()).await.unwrap();
    for run in runs {
        assert_eq!(store.usage(&run, 0, 10).await.unwrap().len(), 1, "{run}");
    }
}

/// While a beginning is asked for again its lease may run out.
#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_a_worker_has_taken_up_before_its_answer_came_has_begun() {
    let database = migrated().await;
    let taken_up = "CREATE FUNCTION taken_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           NEW.lease_epoch := 2; NEW.lease_process := 'worker'; NEW.sequence := 2; RETURN NEW;
         END $$;
         CREATE TRIGGER taken_up BEFORE INSERT ON workflow_executions FOR EACH ROW EXECUTE FUNCTION taken_up()";
    execute(&database.address, taken_up).await.unwrap();
    let (proxy, store) = behind_cuts(&database, Cuts { before_commit: 0, after_commit: 5 }).await;
    let before = proxy.cuts();
    proxy.take_statements();
    for number in 0..RUNS {
        let created = store.create(new_run(&format!("t{number:02}"))).await.unwrap();
        assert!(matches!(created, Created::Run { ref lease, .. } if lease.epoch == 1), "{number}: {created:?}");
    }
    assert!(proxy.cuts() > before + 2, "there were only {} cuts", proxy.cuts() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_repeated() {
    let database = migrated().await;
    // Every seventh commit loses its question, and every fifth its answer.
    let (proxy, store) = behind_cuts(&database, Cuts { before_commit: 7, after_commit: 5 }).await;
    let runs: Vec<_> =
        (0..RUNS).map(|number| tokio::spawn(written(store.clone(), new_run(&format!("r{number:02}")), &["tag"]))).collect();
    for run in runs {
        let run = run.await.unwrap();
        assert_eq!(store.run(&run).await.unwrap().sequence, TRANSITIONS);
        assert_eq!(store.steps(&run, false, None, 100).await.unwrap().len() as u64, TRANSITIONS - 1);
        let outputs = OutputFilter { run: Some(run), ..OutputFilter::default() };
        assert_eq!(store.outputs(&outputs, None, 100).await.unwrap().len() as u64, TRANSITIONS - 1);
    }
    assert!(proxy.cuts() > 5, "there were only {} cuts", proxy.cuts());
}

/// A store that has a plan, and the proxy before its server.
async fn behind_cuts(database: &Database, cuts: Cuts) -> (Proxy, PostgresStore) {
    let proxy = Proxy::start(&database.address, cuts).await.unwrap();
    let store = PostgresStore::open(PostgresOptions::at(&proxy.address).unwrap()).await.unwrap();
    store.put_plan(plan()).await.unwrap();
    (proxy, store)
}

async fn written(store: PostgresStore, run: NewRun, tags: &'static [&'static str]) -> RunId {
    let Ok(Created::Run { lease, .. }) = store.create(run).await else { panic!("the run was not created") };
    for sequence in 2..=TRANSITIONS {
        let writes = vec![
            Write::RecordStep(step(&root(), "fit", sequence as u32)),
            Write::Output(output(&root(), &format!("{sequence:04}"), tags, 1)),
        ];
        let answer = store.commit(vec![transition(&lease, sequence, writes)]).await.unwrap();
        assert_eq!(answer, vec![Committed::Stored { refused: vec![] }], "{} {sequence}", lease.run);
    }
    lease.run
}
