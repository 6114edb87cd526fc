//! `pmflow prune`: what is old goes, in the order in which it is promised, and nothing else.

use crate::examples::small;
use crate::moderation::Provider;
use crate::process::{Folder, said};
use crate::workers::fine;
use pmflow_providers::scripted::Reply;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Makes every run that has ended so many days older.
async fn age(folder: &Folder, days: i64) {
    let options = SqliteConnectOptions::new().filename(folder.path().join(".pmflow/pmflow.sqlite"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
    for older in [
        "UPDATE workflow_executions SET created_at = created_at - $1, ended_at = ended_at - $1 WHERE ended_at IS NOT NULL",
        "UPDATE token_usage_logs SET at = at - $1",
    ] {
        sqlx::query(older).bind(days * 86_400_000_000).execute(&mut connection).await.expect("the statement runs");
    }
    connection.close().await.expect("the connection closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_go_first_then_rows_and_what_was_spent_stays() {
    let folder = small("hello");
    let ran = tokio::task::spawn_blocking(move || {
        let provider = Provider::saying(|_| Reply::text("Welcome!"));
        for _ in 0..2 {
            let run = provider.command(&folder, &["run", "hello.pmflow", "--yes"]).output().expect("pmflow can be started");
            assert_eq!(said(run).code, Some(0));
        }
        folder
    });
    let folder = ran.await.expect("the task ends");
    age(&folder, 40).await;
    fine(&folder, "run hello.pmflow --simulate");
    let (runs, usage) = (fine(&folder, "export runs"), fine(&folder, "export usage"));

    let asked = folder.pmflow("prune --payloads-after 30d");
    assert_eq!(asked.code, Some(3));
    assert!(asked.err.contains("nobody is there to agree") && asked.err.contains("--dry-run"), "{}", asked.err);
    let nothing = folder.pmflow("prune --yes");
    assert!(nothing.code == Some(3) && nothing.err.contains("nothing says what is old"), "{}", nothing.err);
    let wrong = folder.pmflow("prune --payloads-after soon --yes");
    assert!(wrong.code == Some(3) && wrong.err.contains("write 12h, 30d, 8w"), "{}", wrong.err);

    let preview = fine(&folder, "prune --payloads-after 30d --dry-run");
    assert!(preview.contains("payloads of 2 runs that ended before"), "{preview}");
    assert!(fine(&folder, "outputs --run all").contains("Welcome!"), "only looked at");
    let done = fine(&folder, "prune --payloads-after 30d --yes");
    assert!(done.contains("pruned: 2 runs emptied, 0 runs removed"), "{done}");
    let outputs = fine(&folder, "outputs --run all");
    assert!(!outputs.contains("Welcome!") && outputs.matches("(pruned)").count() == 2, "{outputs}");
    assert_eq!((fine(&folder, "export runs"), fine(&folder, "export usage")), (runs.clone(), usage.clone()));

    folder.write("pmflow.toml", "[retention]\nruns = \"35d\"\n");
    let done = fine(&folder, "prune --yes --vacuum");
    assert!(done.contains("0 runs emptied, 2 runs removed") && done.contains("given back to the disk"), "{done}");
    assert_eq!((fine(&folder, "export runs"), fine(&folder, "export usage")), (runs, usage), "13 months long");
    let again = fine(&folder, "prune --yes");
    assert!(again.contains("pruned: 0 runs emptied, 0 runs removed, 0 rows"), "{again}");

    age(&folder, 400).await;
    fine(&folder, "prune --yes");
    assert_eq!(fine(&folder, "export runs"), "", "after that, nothing is left of them");
    let whole = fine(&folder, "prune --flow nobody --yes");
    assert!(whole.contains("0 rows"), "{whole}");
}

/// Two processes prune one database on a server at once, by command: together they do what is to be done.
#[test]
fn two_commands_may_prune_at_once() {
    let folder = small("hello").on_server();
    for _ in 0..3 {
        fine(&folder, "run hello.pmflow --simulate");
    }
    folder.execute("UPDATE workflow_executions SET ended_at = ended_at - 3456000000000, created_at = created_at - 3456000000000");
    let prune = || folder.command(&["prune", "--runs-after", "30d", "--yes"]).stdout(std::process::Stdio::piped()).spawn();
    let both = [prune().expect("pmflow can be started"), prune().expect("pmflow can be started")];
    let mut removed = 0;
    for process in both {
        let ended = said(process.wait_with_output().expect("it ends"));
        assert_eq!(ended.code, Some(0), "{}", ended.out);
        let line = ended.out.lines().find(|line| line.starts_with("pruned: ")).expect("it says what it did").to_owned();
        removed += (0..=3).find(|number| line.contains(&format!(" {number} run"))).unwrap_or(0);
    }
    let rest = fine(&folder, "prune --runs-after 30d --yes");
    assert!(rest.contains("0 runs removed, 0 rows"), "{removed} before, and then: {rest}");
}
