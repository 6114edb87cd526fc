//! A process is killed while it writes as fast as it can. What it was told to be stored is stored; nothing is by half.

use crate::assert_intact;
use pmflow_engine::{RunId, Write};
use pmflow_store::conformance::samples::{item, new_run, output, plan, root, step, transition};
use pmflow_store::{Claim, Committed, Created, OutputFilter, Process, RunFilter, Store};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PATH: &str = "PMFLOW_TEST_KILLED";
const RUNS: usize = 32;

/// The part that is killed: prints `run sequence` behind each acknowledged transition.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_is_killed() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let store = SqliteStore::open(SqliteOptions::at(PathBuf::from(path))).await.unwrap();
    store.put_plan(plan()).await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..RUNS {
        tasks.push(tokio::spawn(write_for_ever(store.clone(), format!("{}-{number}", std::process::id()))));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn write_for_ever(store: SqliteStore, run: String) {
    let Ok(Created::Run { lease, .. }) = store.create(new_run(&run)).await else { panic!("{run} was not created") };
    for sequence in 2.. {
        // Each transition writes as many rows to three tables as its number's last digit says, and one run row.
        let writes = (0..sequence % 10).flat_map(|part| {
            let key = format!("{sequence}.{part}");
            [
                Write::InsertInstance(item(&key, part)),
                Write::RecordStep(step(&root(), &key, 1)),
                Write::Output(output(&root(), &format!("{sequence:09}.{part}"), &["tag"], 1)),
            ]
        });
        let answer = store.commit(vec![transition(&lease, sequence, writes.collect())]).await.unwrap();
        assert_eq!(answer, vec![Committed::Stored { refused: vec![] }]);
        // One call, so that lines of several tasks do not mix.
        let line = format!("stored {run} {sequence}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

/// Starts the other part, lets it acknowledge so many transitions, and kills it.
fn killed_after(path: &Path, lines: usize) -> BTreeMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["durability::the_process_that_is_killed", "--exact", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeMap::new();
    let mut note = |line: String| {
        let mut words = line.split(' ').skip_while(|word| !word.ends_with("stored")).skip(1);
        if let (Some(run), Some(sequence)) = (words.next(), words.next().and_then(|word| word.parse().ok())) {
            acknowledged.insert(run.to_owned(), sequence);
            return 1;
        }
        0
    };
    let mut seen = 0;
    while seen < lines {
        seen += note(reader.next().unwrap().unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died.
    reader.map_while(Result::ok).for_each(|line| {
        note(line);
    });
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pmflow.sqlite");
    for lines in [1, 200, 977] {
        let acknowledged = killed_after(&path, lines);
        assert!(!acknowledged.is_empty());
        assert_intact(&path).await;
        let store = SqliteStore::open(SqliteOptions::at(&path)).await.unwrap();
        for (run, sequence) in &acknowledged {
            let read = store.run(&RunId(run.as_str().into())).await.unwrap();
            assert!(read.sequence >= *sequence, "{run}: {sequence} was acknowledged, {} is stored", read.sequence);
        }
        for run in store.runs(&RunFilter::default(), None, 10_000).await.unwrap() {
            assert_whole(&store, &run.id, run.sequence).await;
        }
        store.close().await;
    }
}

/// The rows of every transition up to the stored one, and none of the next.
async fn assert_whole(store: &SqliteStore, run: &RunId, sequence: u64) {
    let rows: u64 = (2..=sequence).map(|sequence| sequence % 10).sum();
    assert_eq!(store.steps(run, false, None, 1_000_000).await.unwrap().len() as u64, rows);
    let outputs = OutputFilter { run: Some(run.clone()), ..OutputFilter::default() };
    assert_eq!(store.outputs(&outputs, None, 1_000_000).await.unwrap().len() as u64, rows);
    let tagged = OutputFilter { tag: Some("tag".to_owned()), ..outputs };
    assert_eq!(store.outputs(&tagged, None, 1_000_000).await.unwrap().len() as u64, rows);
    assert_eq!(store.recover(run).await.unwrap().stored.instances.len() as u64, rows + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_holder_is_named_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pmflow.sqlite");
    let acknowledged = killed_after(&path, 1);
    let run = RunId(acknowledged.keys().next().unwrap().as_str().into());
    let store = SqliteStore::open(SqliteOptions::at(&path)).await.unwrap();
    let me = Process { id: "me".to_owned(), host: "here".to_owned(), number: 7 };
    let Claim::Held(holder) = store.claim(&run, &me, None).await.unwrap() else { panic!("its lease is not over") };
    let Claim::Granted(lease) = store.claim(&run, &me, Some(holder.epoch)).await.unwrap() else { panic!("it was proved dead") };
    assert_eq!(lease.epoch, holder.epoch + 1);
}
