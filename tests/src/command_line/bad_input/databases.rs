//! The database: damaged, of another version, locked, not writable; and two processes that want one run.

use super::ends;
use crate::process::{Folder, said};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A folder whose database holds one run that succeeded.
fn with_a_run() -> Folder {
    let folder = Folder::with_example("hello");
    ends(&folder.pmflow("run hello.pmflow --simulate"), 0, &["succeeded"]);
    folder
}

fn file(folder: &Folder) -> PathBuf {
    folder.path().join(".pmflow/pmflow.sqlite")
}

async fn another_program(folder: &Folder) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file(folder))).await.expect("the database opens")
}

async fn execute(folder: &Folder, statement: &'static str) {
    let mut connection = another_program(folder).await;
    sqlx::query(statement).execute(&mut connection).await.expect("the statement runs");
    connection.close().await.expect("the connection closes");
}

const COMMANDS: [&str; 6] = ["runs", "show last", "outputs", "run hello.pmflow --simulate", "run --resume last", "cancel last"];

/// Every command says it, and none changes the file.
#[track_caller]
fn all_say(folder: &Folder, words: &[&str]) {
    let before = std::fs::read(file(folder)).expect("the database can be read");
    for command in COMMANDS {
        ends(&folder.pmflow(command), 3, words);
        assert_eq!(std::fs::read(file(folder)).expect("the database can be read"), before, "`{command}` changed the file");
    }
}

#[tokio::test]
async fn of_a_newer_version_is_left_alone() {
    let folder = with_a_run();
    execute(
        &folder,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', TRUE, x'00', 1)",
    )
    .await;
    all_say(&folder, &["written by a newer pmflow", "Upgrade pmflow", "pmflow.sqlite"]);
}

#[tokio::test]
async fn of_another_program_is_left_alone() {
    let folder = Folder::with_example("hello");
    std::fs::create_dir(folder.path().join(".pmflow")).unwrap();
    folder
        .write(".pmflow/pmflow.sqlite", "this is a letter, not a database; it is long enough to be read as a header ".repeat(9));
    all_say(&folder, &["is not a pmflow database"]);
}

#[tokio::test]
async fn that_is_damaged_says_so() {
    let folder = with_a_run();
    // Everything into the one file.
    execute(&folder, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let mut damaged = std::fs::read(file(&folder)).unwrap();
    for byte in damaged.iter_mut().skip(4096) {
        *byte = 0xa5;
    }
    for name in [".pmflow/pmflow.sqlite-wal", ".pmflow/pmflow.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    folder.write(".pmflow/pmflow.sqlite", &damaged);
    for command in COMMANDS {
        ends(&folder.pmflow(command), 3, &["pmflow.sqlite", "is damaged"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_is_locked_is_waited_for_and_then_named() {
    let folder = with_a_run();
    let mut other = another_program(&folder).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the database can be locked");
    ends(&folder.pmflow("show last"), 0, &["succeeded"]);
    let begun = Instant::now();
    ends(&folder.pmflow("run hello.pmflow --simulate"), 3, &["locked by another program", "Close what has it open"]);
    assert!(begun.elapsed() > Duration::from_secs(4), "it is waited for first");
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("the lock can be given up");
    ends(&folder.pmflow("run hello.pmflow --simulate"), 0, &["succeeded"]);
}

#[test]
fn that_cannot_be_written_stops_runs_and_shows_what_is_there() {
    let folder = with_a_run();
    let path = file(&folder);
    let database_folder = folder.path().join(".pmflow");
    let writable = |yes: bool| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(if yes { 0o644 } else { 0o444 })).unwrap();
        std::fs::set_permissions(&database_folder, std::fs::Permissions::from_mode(if yes { 0o755 } else { 0o555 })).unwrap();
    };
    writable(false);
    let superuser = std::fs::OpenOptions::new().append(true).open(&path).is_ok();
    if !superuser {
        ends(&folder.pmflow("run hello.pmflow --simulate"), 3, &["cannot be written", "pmflow.sqlite"]);
    }
    writable(true);
}

/// The place of the database is taken by something else.
#[test]
fn whose_folder_cannot_be_made_is_named() {
    let folder = Folder::with_example("hello");
    folder.write(".pmflow", "a file where the folder should be");
    ends(&folder.pmflow("run hello.pmflow --simulate"), 3, &[".pmflow", "cannot be made"]);
}

/// The second process is told who executes the run; the first goes on undisturbed.
#[test]
fn two_processes_do_not_execute_one_run() {
    let folder = Folder::new();
    assert_eq!(folder.pmflow("init").code, Some(0));
    let mut command = folder.command(&["run", "feedback.pmflow", "--simulate", "latency=4s"]);
    let mut first = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pmflow can be started");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !folder.pmflow("runs --format json").out.contains("\"running\"") {
        assert!(Instant::now() < deadline, "the run begins");
    }
    let second = folder.pmflow("run --resume last");
    let number = first.id().to_string();
    ends(&second, 3, &["is being executed by process", &number]);
    assert!(first.try_wait().expect("the process can be asked").is_none(), "the first was still at work");
    let first = said(first.wait_with_output().expect("the first ends"));
    ends(&first, 0, &["4 items done", "4 outputs"]);
    ends(&folder.pmflow("run --resume last"), 3, &["succeeded", "nothing to resume"]);
}
