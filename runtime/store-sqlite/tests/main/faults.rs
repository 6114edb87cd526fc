//! Files that cannot be used, each with its message; and disks that run full.

use crate::{another_program, assert_intact, execute};
use pmflow_engine::{BindingRow, InstanceStatus, RunId, Write};
use pmflow_plan::Value;
use pmflow_store::conformance::samples::{created, end, root, step, stored, transition};
use pmflow_store::{Committed, Conflict, Remedy, Store, StoreError};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::{Connection, Executor};
use std::io::{Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("pmflow.sqlite")
}

async fn opened(path: &Path) -> SqliteStore {
    SqliteStore::open(SqliteOptions::at(path)).await.unwrap()
}

async fn refusal(path: &Path) -> (StoreError, String) {
    let mut options = SqliteOptions::at(path);
    options.busy_timeout = Duration::from_millis(200);
    let error = SqliteStore::open(options).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "the message names the file: {text}");
    (error, text)
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = "id,name\n1,a\n".repeat(1_000);
    std::fs::write(file(&folder), &text).unwrap();
    let (error, message) = refusal(&file(&folder)).await;
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error:?}");
    assert!(message.contains("is not a pmflow database") && message.contains("Move that file away"), "{message}");
    assert_eq!(std::fs::read_to_string(file(&folder)).unwrap(), text);
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    execute(&file(&folder), "CREATE TABLE songs (title TEXT)").await;
    let before = std::fs::read(file(&folder)).unwrap();
    let (error, message) = refusal(&file(&folder)).await;
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error:?}");
    assert!(message.contains("another program's SQLite file"), "{message}");
    let mut connection = another_program(&file(&folder)).await;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await.unwrap();
    assert_eq!(tables, 1);
    assert_eq!(std::fs::read(file(&folder)).unwrap(), before, "not a byte of it was changed");
}

/// The layout before roots stood in the rows of their runs, made out of the present one.
#[tokio::test]
async fn a_run_of_an_earlier_layout_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&file(&folder)).await;
    let (live, ended) = (created(&store, "live").await, created(&store, "ended").await);
    stored(&store, transition(&ended, 2, vec![Write::EndInstance(end(&root(), InstanceStatus::Done, None))])).await;
    let before = [store.recover(&live.run).await.unwrap().stored, store.recover(&ended.run).await.unwrap().stored];
    assert_eq!(before.each_ref().map(|stored| stored.instances.len()), [1, 0]);
    store.close().await;
    let earlier = "DROP TRIGGER instances_have_parents;
        INSERT INTO instances (execution_id, path, position, status, state, started_at, ended_at)
        SELECT execution_id, root_path, 0, root_status, nullif(root_state, ''), created_at, iif(root_state = '', changed_at, NULL)
        FROM workflow_executions;
        ALTER TABLE workflow_executions DROP COLUMN root_status;
        ALTER TABLE workflow_executions DROP COLUMN root_state;
        DELETE FROM _sqlx_migrations WHERE version >= 6";
    execute(&file(&folder), earlier).await;
    let store = opened(&file(&folder)).await;
    let after = [store.recover(&live.run).await.unwrap().stored, store.recover(&ended.run).await.unwrap().stored];
    assert_eq!(after, before);
    stored(&store, transition(&live, 2, vec![Write::EndInstance(end(&root(), InstanceStatus::Done, None))])).await;
    assert_eq!(store.recover(&live.run).await.unwrap().stored.instances, []);
    // As a process of before writes a root.
    let mut old = another_program(&file(&folder)).await;
    let root = "INSERT INTO instances (execution_id, path, position, status, started_at) VALUES (1, 'daily', 0, 'running', 1)";
    let refused = old.execute(root).await.unwrap_err().to_string();
    assert!(refused.contains("a newer pmflow"), "{refused}");
}

/// The number of a run that is gone is given to the next one; who still writes the first one does not meet the second.
#[tokio::test]
async fn a_run_that_is_gone_is_not_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (opened(&file(&folder)).await, opened(&file(&folder)).await);
    let gone = created(&first, "gone").await;
    execute(&file(&folder), "DELETE FROM workflow_executions").await;
    let other = created(&second, "other").await;
    let answer = first.commit(vec![transition(&gone, 2, vec![])]).await.unwrap();
    assert!(matches!(answer[..], [Committed::Conflict(Conflict::NoSuchRun { .. })]), "{answer:?}");
    stored(&second, transition(&other, 2, vec![])).await;
}

/// What a process remembers of the file is no more than a guess: another one gives numbers and takes runs over meanwhile.
#[tokio::test]
async fn two_processes_give_numbers_and_go_on_by_turns() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (opened(&file(&folder)).await, opened(&file(&folder)).await);
    for turn in 0..3 {
        for (store, name) in [(&first, "a"), (&second, "b")] {
            // The first of each turn meets a number that is taken, the second one follows from what was written here.
            for which in ["met", "followed"] {
                let lease = created(store, &format!("{name}-{which}-{turn}")).await;
                stored(store, transition(&lease, 2, vec![Write::RecordStep(step(&root(), "fit", 1))])).await;
            }
        }
    }
    let counts = "SELECT (SELECT count(*) FROM workflow_executions WHERE sequence = 2) || ' runs, ' ||
                  (SELECT count(DISTINCT execution_id) FROM node_executions) || ' steps'";
    let mut program = another_program(&file(&folder)).await;
    let counts: String = sqlx::query_scalar(counts).fetch_one(&mut program).await.unwrap();
    assert_eq!(counts, "12 runs, 12 steps");

    let lease = created(&first, "taken-over").await;
    execute(&file(&folder), "UPDATE workflow_executions SET lease_epoch = 7 WHERE run_id = 'taken-over'").await;
    let late = transition(&lease, 2, vec![Write::RecordStep(step(&root(), "fit", 1))]);
    let answer = first.commit(vec![late]).await.unwrap();
    assert!(matches!(answer[..], [Committed::Conflict(Conflict::TakenOver { epoch: 7, .. })]), "{answer:?}");
    let steps: i64 = sqlx::query_scalar("SELECT count(*) FROM node_executions").fetch_one(&mut program).await.unwrap();
    assert_eq!(steps, 12, "a transition that came late leaves nothing behind");
    // Nor is a transaction left open.
    created(&second, "afterwards").await;
    assert_intact(&file(&folder)).await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    opened(&file(&folder)).await.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9, 'later', TRUE, x'00', 1)";
    execute(&file(&folder), newer).await;
    let (error, message) = refusal(&file(&folder)).await;
    assert!(matches!(error, StoreError::NewerVersion { found: 9, .. }), "{error:?}");
    assert!(message.contains("newer pmflow") && message.contains("Upgrade pmflow"), "{message}");
}

#[tokio::test]
async fn a_database_of_another_build_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    opened(&file(&folder)).await.close().await;
    execute(&file(&folder), "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let (error, _) = refusal(&file(&folder)).await;
    assert!(matches!(error, StoreError::OtherVersion { .. }), "{error:?}");
}

#[tokio::test]
async fn tables_changed_by_hand_are_named_before_anything_is_done() {
    for (change, named) in [
        ("ALTER TABLE workflow_executions DROP COLUMN failure", "there is no column workflow_executions.failure text"),
        ("ALTER TABLE outputs RENAME TO results", "there is no column outputs."),
        ("DROP TABLE node_executions", "there is no column node_executions."),
        ("ALTER TABLE plans RENAME COLUMN bytes TO content", "there is no column plans.bytes blob required"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        opened(&file(&folder)).await.close().await;
        execute(&file(&folder), change).await;
        let (error, message) = refusal(&file(&folder)).await;
        assert!(matches!(error, StoreError::ChangedByHand { .. }), "{change}: {error:?}");
        assert!(message.contains(named) && message.contains("Undo what was changed by hand"), "{change}: {message}");
    }
    let folder = tempfile::tempdir().unwrap();
    opened(&file(&folder)).await.close().await;
    let harmless =
        "ALTER TABLE approvals ADD COLUMN note TEXT; CREATE TABLE mine (id INTEGER); CREATE INDEX mine_too ON outputs (at)";
    execute(&file(&folder), harmless).await;
    created(&opened(&file(&folder)).await, "r1").await;
}

/// A file of each earlier layout, as an older build left it, is brought up to date, and what was in it stays.
#[tokio::test]
async fn an_older_database_is_brought_up_to_date() {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut migrations: Vec<PathBuf> = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    for count in 1..migrations.len() {
        let (folder, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for migration in migrations.iter().take(count) {
            std::fs::copy(migration, older.path().join(migration.file_name().unwrap())).unwrap();
        }
        let mut connection = another_program(&file(&folder)).await;
        let migrator = sqlx::migrate::Migrator::new(older.path()).await.unwrap();
        migrator.run_direct(None, &mut connection, false).await.unwrap();
        connection.execute("INSERT INTO teams (team_id, name) VALUES (7, 'kept')").await.unwrap();
        connection.close().await.unwrap();
        let store = opened(&file(&folder)).await;
        created(&store, "r1").await;
        let mut connection = another_program(&file(&folder)).await;
        let kept: String =
            sqlx::query_scalar("SELECT name FROM teams WHERE team_id = 7").fetch_one(&mut connection).await.unwrap();
        assert_eq!(kept, "kept", "after {count} migrations");
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
        assert_eq!(usize::try_from(rows).unwrap(), migrations.len());
        let odd = connection.execute("UPDATE workflow_executions SET status = 'odd'").await.unwrap_err().to_string();
        assert!(odd.contains("CHECK constraint failed"), "after {count} migrations: {odd}");
        connection.close().await.unwrap();
        drop(store);
        assert_intact(&file(&folder)).await;
    }
}

/// Overwrites everything but the first page.
fn damage(path: &Path) {
    let length = std::fs::metadata(path).unwrap().len();
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length - 4096).unwrap()]).unwrap();
}

#[tokio::test]
async fn a_damaged_database_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&file(&folder)).await;
    created(&store, "r1").await;
    store.close().await;
    damage(&file(&folder));
    let (error, message) = match SqliteStore::open(SqliteOptions::at(file(&folder))).await {
        Ok(store) => {
            let error = store.run(&RunId("r1".into())).await.unwrap_err();
            let text = error.to_string();
            (error, text)
        }
        Err(error) => {
            let text = error.to_string();
            (error, text)
        }
    };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(message.contains("is damaged") && message.contains("backup"), "{message}");
}

#[tokio::test]
async fn a_database_locked_for_long_says_by_what() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::at(file(&folder));
    options.busy_timeout = Duration::from_millis(100);
    let store = SqliteStore::open(options).await.unwrap();
    let lease = created(&store, "r1").await;
    let mut other = another_program(&file(&folder)).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = store.commit(vec![transition(&lease, 2, vec![])]).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(error.to_string().contains("locked by another program for 0.1 s"), "{error}");
    assert_eq!(store.run(&lease.run).await.unwrap().sequence, 1, "reading goes on");
    let second = SqliteStore::open(SqliteOptions::at(file(&folder))).await.unwrap();
    assert_eq!(second.run(&lease.run).await.unwrap().sequence, 1, "so does opening");
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    stored(&store, transition(&lease, 2, vec![])).await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&file(&folder)).await;
    let lease = created(&store, "r1").await;
    store.close().await;
    let pages = u32::try_from(std::fs::metadata(file(&folder)).unwrap().len() / 4096).unwrap();

    let mut options = SqliteOptions::at(file(&folder));
    options.pages_max = Some(pages + 40);
    let store = SqliteStore::open(options).await.unwrap();
    let large = |sequence: u64| {
        let value = Value::text("x".repeat(20_000));
        transition(&lease, sequence, vec![Write::Bind(BindingRow { instance: root(), name: format!("n{sequence}"), value })])
    };
    let mut acknowledged = 1;
    let error = loop {
        match store.commit(vec![large(acknowledged + 1)]).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(acknowledged > 2, "there was room for some");
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::Pause);
    assert!(error.to_string().contains("no room left") && error.to_string().contains("goes on where it stopped"), "{error}");
    let again = store.commit(vec![large(acknowledged + 1)]).await;
    assert!(matches!(again, Err(StoreError::Full { .. })), "it stays full: {again:?}");
    stored(&store, transition(&lease, acknowledged + 1, vec![])).await;
    store.close().await;

    assert_intact(&file(&folder)).await;
    let store = opened(&file(&folder)).await;
    let read = store.recover(&lease.run).await.unwrap().stored;
    assert_eq!(read.run.sequence, acknowledged + 1);
    assert_eq!(read.bindings.len() as u64, acknowledged - 1);
    stored(&store, large(acknowledged + 2)).await;
}

#[cfg(unix)]
mod read_only {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const PATH: &str = "PMFLOW_TEST_READ_ONLY";

    fn allow(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The superuser may write everything, so this part runs as somebody else.
    #[tokio::test]
    async fn as_somebody_without_rights() {
        let Some(path) = std::env::var_os(PATH) else { return };
        let path = PathBuf::from(path);
        let error = match SqliteStore::open(SqliteOptions::at(&path)).await {
            Ok(store) => store.put_plan(pmflow_store::conformance::samples::plan()).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("cannot be written") && text.contains(&path.display().to_string()), "{text}");
        println!("refused as it should be");
    }

    fn run_as_somebody_without_rights(path: &Path) {
        // The build may lie where nobody else may go, so somebody else gets a copy of this program.
        let reachable = tempfile::tempdir().unwrap();
        allow(reachable.path(), 0o755);
        let program = reachable.path().join("tests");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        allow(&program, 0o755);
        let mut command = std::process::Command::new(program);
        command.args(["faults::read_only::as_somebody_without_rights", "--exact", "--nocapture"]).env(PATH, path);
        command.current_dir(reachable.path());
        if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.uid(65_534).gid(65_534);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("refused as it should be"), "{text}");
    }

    #[tokio::test]
    async fn a_read_only_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        opened(&file(&folder)).await.close().await;
        allow(&file(&folder), 0o444);
        allow(folder.path(), 0o777);
        run_as_somebody_without_rights(&file(&folder));
    }

    #[tokio::test]
    async fn a_read_only_folder_says_so() {
        let folder = tempfile::tempdir().unwrap();
        opened(&file(&folder)).await.close().await;
        allow(&file(&folder), 0o666);
        allow(folder.path(), 0o555);
        run_as_somebody_without_rights(&file(&folder));
        allow(folder.path(), 0o755);
    }

    #[tokio::test]
    async fn a_folder_without_rights_for_a_new_file_says_so() {
        let folder = tempfile::tempdir().unwrap();
        allow(folder.path(), 0o555);
        run_as_somebody_without_rights(&file(&folder));
        allow(folder.path(), 0o755);
    }
}
