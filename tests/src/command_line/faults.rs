//! The world around `pmflow` when it fails: disks that run full, clocks that are off, versions that differ. Servers that stop,
//! connections that are cut and processes that die have places of their own; tests/README.md says where.

use crate::examples::small;
use crate::moderation::Provider;
use crate::process::{Folder, said};
use crate::workers::{Daemon, expire_leases, fine};
use pmflow_providers::scripted::Reply;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// The library that stands between a process and its C library, built once.
fn world() -> PathBuf {
    static BUILT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/command_line/world/world.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("world.so")).args([source, "-ldl"]);
        assert!(compiler.status().expect("a C compiler is there").success());
        folder
    });
    folder.path().join("world.so")
}

fn in_world(mut command: Command, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Command {
    command.env("LD_PRELOAD", world()).env(name, value);
    command
}

fn outputs(folder: &Folder) -> String {
    fine(folder, "outputs --run all --format jsonl --fields value")
}

fn json(folder: &Folder, words: &str) -> Value {
    serde_json::from_str(&fine(folder, &format!("{words} --format json"))).expect("it is JSON")
}

/// From the n-th write on the disk is full, all through a run: it stops with what it has, says so, and goes on from there.
#[test]
fn a_disk_that_is_full_from_any_write_on() {
    let prepared = small("hello");
    fine(&prepared, "run hello.pmflow --simulate");
    // Beside the file stands its log, which holds what is not in it yet, unless the process came to empty it before its end.
    let names = ["pmflow.sqlite", "pmflow.sqlite-wal"].map(|name| format!(".pmflow/{name}"));
    let read = |name: &String| std::fs::read(prepared.path().join(name));
    let database: Vec<(Vec<u8>, &String)> = names.iter().filter_map(|name| Some((read(name).ok()?, name))).collect();
    assert!(!database.is_empty(), "the database is there");
    let expected = outputs(&prepared);
    let (mut stopped, mut resumed) = (0, 0);
    let mut write = 1;
    loop {
        let folder = small("hello");
        std::fs::create_dir(folder.path().join(".pmflow")).expect("a folder can be made");
        for (bytes, name) in &database {
            folder.write(name, bytes);
        }
        let words = ["run", "hello.pmflow", "--simulate"];
        let mut command = in_world(folder.command(&words), "WORLD_FULL_AT", write.to_string());
        let run = said(command.output().expect("pmflow can be started"));
        if run.code == Some(0) {
            break;
        }
        assert_eq!(run.code, Some(3), "write {write}: {}", run.err);
        assert!(run.err.contains("there is no room left for the database"), "write {write}: {}", run.err);
        assert!(
            run.err.contains("Free some disk space: a run that had begun goes on where it stopped"),
            "write {write}: {}",
            run.err
        );
        stopped += 1;
        // Before a run has its id, there is nothing to resume; how many writes that takes is SQLite's affair.
        let again = if json(&folder, "runs").pointer("/runs").and_then(Value::as_array).is_some_and(|runs| runs.len() == 2) {
            resumed += 1;
            "run --resume last --max-cost 1"
        } else {
            "run hello.pmflow --simulate"
        };
        let again = folder.pmflow(again);
        assert!(again.code == Some(0) || again.err.contains("nothing to resume"), "write {write}: {}", again.err);
        assert_eq!(outputs(&folder), expected.repeat(2), "write {write}");
        let shown = json(&folder, "show last");
        assert_eq!(shown.pointer("/cost/held"), Some(&"0".into()), "write {write}: {shown:#}");
        let steps = shown.get("steps").and_then(Value::as_array).expect("a run has steps");
        let done = steps.iter().filter(|step| step.get("status") == Some(&"done".into())).count();
        assert_eq!(done, 1, "write {write}: one recorded result: {shown:#}");
        write += if resumed == 0 { 5 } else { 2 };
    }
    assert!(stopped > 8 && resumed > 4, "stopped {stopped} times, resumed {resumed}");
}

/// As PostgreSQL has it when its disk is full: each statement that writes fails from the n-th write on, until there is room again.
fn fill_disk(folder: &Folder, tables: &[&str], write: u32) {
    let trigger = |table: &&str| {
        format!("CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION no_room();")
    };
    folder.execute(&format!(
        "DROP SEQUENCE IF EXISTS writes; CREATE SEQUENCE writes;
         CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('writes') >= {write} THEN
             RAISE EXCEPTION 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = 'disk_full';
           END IF;
           RETURN NULL;
         END $$;
         {}",
        tables.iter().map(trigger).collect::<String>()
    ));
}

fn make_room(folder: &Folder) {
    folder.execute("DROP FUNCTION no_room() CASCADE");
}

#[test]
fn a_server_whose_disk_is_full_from_any_write_on() {
    let expected = small("hello");
    fine(&expected, "run hello.pmflow --simulate");
    let expected = outputs(&expected);
    let mut stopped = 0;
    let folder = small("hello").on_server();
    for write in 1.. {
        fill_disk(&folder, &["workflow_executions", "node_executions", "token_usage_logs", "outputs"], write);
        let run = folder.pmflow("run hello.pmflow --simulate");
        make_room(&folder);
        if run.code == Some(0) {
            break;
        }
        stopped += 1;
        assert_eq!(run.code, Some(3), "write {write}: {}", run.err);
        assert!(run.err.contains("there is no room left for the database"), "write {write}: {}", run.err);
        assert!(
            run.err.contains("Free some disk space: a run that had begun goes on where it stopped"),
            "write {write}: {}",
            run.err
        );
        let begun = json(&folder, "runs").pointer("/runs").and_then(Value::as_array).is_some_and(|runs| !runs.is_empty());
        let again = folder.pmflow(if begun { "run --resume last --max-cost 1" } else { "run hello.pmflow --simulate" });
        assert!(again.code == Some(0) || again.err.contains("nothing to resume"), "write {write}: {}", again.err);
        assert_eq!(fine(&folder, "outputs --run last --format jsonl --fields value"), expected, "write {write}");
        let shown = json(&folder, "show last");
        assert_eq!(shown.pointer("/cost/held"), Some(&"0".into()), "write {write}: {shown:#}");
        folder.execute("TRUNCATE workflow_executions CASCADE; TRUNCATE node_executions, token_usage_logs, outputs");
    }
    assert!(stopped > 4, "stopped {stopped} times");
}

/// However long there is no room, the run is not taken for one that workers die of.
#[test]
fn a_worker_whose_server_has_no_room_goes_on_when_there_is() {
    let folder = small("hello").on_server();
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    // It can be claimed and held for; what came of it finds no room.
    fill_disk(&folder, &["node_executions"], 1);
    folder.execute("UPDATE workflow_executions SET lost_count = 3, lease_until = 1");
    let mut worker = Daemon::worker(&folder);
    for _ in 0..3 {
        let left = worker.hear("run left");
        assert!(left.contains(&id) && left.contains("no room left"), "{left}");
    }
    make_room(&folder);
    let ended = worker.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
}

/// The disk has room for what is sent, never for what comes back. The ceiling leaves room for more calls than are paid in vain.
#[test]
fn a_run_whose_answers_find_no_room_is_set_aside() {
    let folder = small("hello").on_server();
    // One after the other.
    let calls: String = (1..=6).map(|call| format!("  let g{call} = hello.greet(g{})\n", call - 1)).collect();
    folder.write("six.pmflow", format!("import \"./hello.pmflow\"\nflow six(g0: text = \"Ada\") {{\n{calls}  output g6\n}}\n"));
    let id = fine(&folder, "run six.pmflow --simulate --detach").trim().to_owned();
    folder.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           RAISE EXCEPTION 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = 'disk_full';
         END $$;
         CREATE TRIGGER no_room BEFORE INSERT ON node_executions FOR EACH ROW WHEN (NEW.status <> 'retried') EXECUTE FUNCTION no_room();
         UPDATE workflow_executions SET lost_count = 3, lease_until = 1",
    );
    let mut worker = Daemon::worker(&folder);
    let left = worker.hear("run left");
    assert!(left.contains(&id) && left.contains("no room left"), "{left}");
    // Given back, it would be left once more.
    worker.hear("run taken up");
    let ended = worker.hear(&id);
    assert!(ended.contains("run ended") && ended.contains("suspended"), "{ended}");
    let shown = folder.pmflow("show last").out;
    assert!(shown.contains("5 workers in a row died on this run"), "{shown}");
}

/// Workers whose clocks are two days off: they neither take what another one holds, nor lose what they hold, and what is
/// spent belongs to the day of the database.
#[test]
fn a_clock_that_is_off() {
    let provider = Provider::saying(|_| Reply::text("Welcome!"));
    let folder = small("hello").on_server();
    fine(&folder, "budget set team --daily 5");
    let skewed = |seconds: &str| {
        let clock = folder.write(&format!("clock{seconds}"), seconds);
        let mut command = in_world(provider.command(&folder, &["worker"]), "WORLD_CLOCK", clock);
        command.env("PMFLOW_LOG", "info");
        Daemon::start(command)
    };
    let slow = fine(&folder, "run hello.pmflow --simulate latency=2s --detach").trim().to_owned();
    let mut exact = Daemon::start(provider.command(&folder, &["worker"]));
    assert!(exact.hear("run taken up").contains(&slow));
    let mut ahead = skewed("172800");
    let ended = exact.hear("run ended");
    assert!(ended.contains(&slow) && ended.contains("succeeded"), "{ended}");
    exact.signal("TERM");
    assert_eq!(exact.ended().0, Some(0));
    let run = || fine(&folder, "run hello.pmflow --yes --detach").trim().to_owned();
    let one = run();
    let ended = ahead.hear("run ended");
    assert!(ended.contains(&one) && ended.contains("succeeded"), "it took up nothing before: {ended}");
    ahead.signal("TERM");
    assert_eq!(ahead.ended().0, Some(0));
    let mut behind = skewed("-172800");
    let two = run();
    let ended = behind.hear("run ended");
    assert!(ended.contains(&two) && ended.contains("succeeded"), "{ended}");
    behind.signal("TERM");
    assert_eq!(behind.ended().0, Some(0));

    let lines = fine(&folder, "export ledger --format jsonl");
    let days: BTreeSet<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
        .filter_map(|line| line["period_start"].as_str().map(str::to_owned))
        .collect();
    let today = chrono::DateTime::from_timestamp_micros(pmflow_host::now()).expect("a time of our days").date_naive();
    // Midnight may have come meanwhile.
    let near = [today.to_string(), today.pred_opt().expect("there is a day before").to_string()];
    assert!(!days.is_empty() && days.iter().all(|day| near.contains(day)), "{days:?} around {today}");
    let doctor = said(
        in_world(folder.command(&["doctor"]), "WORLD_CLOCK", folder.path().join("clock172800"))
            .output()
            .expect("pmflow can be started"),
    );
    assert!(doctor.out.contains("note  clock: this machine's differs from the database's by 4"), "{}", doctor.out);
}

/// The clock jumps while a call is under way, two days forth and four back; nothing is made twice or waits for it.
#[test]
fn a_clock_that_jumps() {
    for jumps in [["172800", "-172800"], ["-172800", "172800"]] {
        let folder = small("hello").on_server();
        let clock = folder.write("clock", "0");
        let id = fine(&folder, "run hello.pmflow --simulate latency=1s --detach").trim().to_owned();
        let mut worker = Daemon::start(in_world(folder.command(&["worker"]), "WORLD_CLOCK", clock));
        worker.hear("run taken up");
        folder.write("clock", jumps[0]);
        let ended = worker.hear("run ended");
        assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
        folder.write("clock", jumps[1]);
        let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
        let ended = worker.hear("run ended");
        assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
        let runs = json(&folder, "runs").to_string();
        assert_eq!(runs.matches("\"held\":\"0\"").count(), 2, "{runs}");
    }
}

/// The clock is set back by two days while a call is under way that fails and is tried again: what waits for that waits a second
/// or so, not two days, and neither does the worker that takes the run up with a clock which was right all the time.
#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    let folder = Arc::new(small("hello").on_server());
    let source = std::fs::read_to_string(folder.path().join("hello.pmflow")).expect("the example can be read");
    folder.write("hello.pmflow", source.replace("let greeting = greet(name)", "let greeting = greet(name) retry 3"));
    let clock = folder.write("clock", "172800");
    let provider = Provider::saying(|_| Reply::text("Welcome!"));
    let (setting_back, asked, is_well) = (folder.clone(), provider.answered.clone(), Arc::new(AtomicBool::new(false)));
    let is_well_now = is_well.clone();
    provider.server.otherwise(move |_| {
        setting_back.write("clock", "0");
        asked.fetch_add(1, Ordering::SeqCst);
        let is_well = is_well_now.load(Ordering::SeqCst);
        if is_well { Reply::text("Welcome!") } else { Reply::status(500, r#"{"error":{"message":"broken"}}"#) }
    });
    let id = fine(&folder, "run hello.pmflow --yes --max-cost 1 --detach").trim().to_owned();
    let mut first = Daemon::start(in_world(provider.command(&folder, &["worker"]), "WORLD_CLOCK", clock));
    first.hear("run taken up");
    while provider.answered.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
    first.signal("TERM");
    assert_eq!(first.ended().0, Some(0));
    is_well.store(true, Ordering::SeqCst);
    let mut second = Daemon::start(provider.command(&folder, &["worker"]));
    let ended = second.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
}

/// Whenever a request reaches a provider, what it may cost is committed already: another process can read its hold.
#[test]
fn no_answer_comes_before_its_hold_is_committed() {
    for is_on_server in [false, true] {
        let folder = crate::rate_limits::project("\"openai/gpt-6-luna\"", 4);
        let folder = Arc::new(if is_on_server { folder.on_server() } else { folder });
        let provider = Provider::saying(|_| Reply::text("fine"));
        let found: Arc<Mutex<Vec<bool>>> = Arc::default();
        let (asked_of, notes) = (folder.clone(), found.clone());
        provider.server.otherwise(move |asked| {
            let key = asked.headers.iter().find(|(name, _)| name == "idempotency-key").map(|(_, key)| key.clone());
            let ledger = fine(&asked_of, "export usage --format jsonl");
            let mut lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
            let is_hold = |line: &Value| line["kind"] == "hold" && line["idempotency_key"].as_str() == key.as_deref();
            let is_held = key.is_some() && lines.any(|line| is_hold(&line));
            notes.lock().expect("nothing panics under it").push(is_held);
            Reply::text("fine")
        });
        let run = said(provider.command(&folder, &["run", "sort.pmflow", "--yes"]).output().expect("pmflow can be started"));
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert_eq!(*found.lock().expect("nothing panics under it"), [true; 12], "on a server: {is_on_server}");
    }
}

/// A run that was interrupted goes on with the definition that it began with; the next one has the new one.
#[test]
fn a_definition_that_is_changed_in_the_middle_of_a_run() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = asked.clone();
    let provider = Provider::saying(move |asked| {
        heard.lock().expect("nothing panics under it").extend(asked.messages.last().map(|(_, text)| text.clone()));
        Reply::text("So be it.")
    });
    let folder = small("hello");
    let run = |words: &[&str], fault: &str| {
        let mut command = provider.command(&folder, words);
        if !fault.is_empty() {
            command.env("PMFLOW_FAULT", fault);
        }
        command.output().expect("pmflow can be started").status.code()
    };
    assert_eq!(run(&["run", "hello.pmflow", "--yes"], "dispatch:1"), None, "killed before the call was made");
    let source = std::fs::read_to_string(folder.path().join("hello.pmflow")).expect("the example can be read");
    folder.write("hello.pmflow", source.replace("Welcome {{ name }}", "Farewell to {{ name }}"));
    assert_eq!(run(&["run", "--resume", "last", "--yes", "--max-cost", "1"], ""), Some(0));
    assert_eq!(run(&["run", "hello.pmflow", "--yes"], ""), Some(0));
    folder.write("hello.pmflow", "this is no flow any more");
    let begins: Vec<String> = asked.lock().expect("nothing panics").iter().map(|text| text.chars().take(7).collect()).collect();
    assert_eq!(begins, ["Welcome", "Farewel"]);
    assert_eq!(outputs(&folder).lines().count(), 2, "what is stored needs no source");
}

/// A newer build migrates the tables while a worker of this one is at work, and is rolled back again.
#[test]
fn tables_that_a_newer_build_migrated() {
    let folder = small("hello").on_server();
    let id = fine(&folder, "run hello.pmflow --simulate latency=2s --detach").trim().to_owned();
    let mut at_work = Daemon::worker(&folder);
    at_work.hear("run taken up");
    folder.execute("INSERT INTO pmflow_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, '\\x00', 1)");
    let refused = folder.pmflow("worker");
    assert_eq!(refused.code, Some(3));
    assert!(refused.err.contains("was written by a newer pmflow (layout 9999;"), "{}", refused.err);
    assert!(refused.err.contains("Upgrade pmflow"), "{}", refused.err);
    let ended = at_work.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("succeeded"), "who is at work goes on: {ended}");
    at_work.signal("TERM");
    assert_eq!(at_work.ended().0, Some(0));
    folder.execute("DELETE FROM pmflow_migrations WHERE version = 9999");
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    let mut after = Daemon::worker(&folder);
    assert!(after.hear("run ended").contains(&id));
}

const AS_OF_ANOTHER_BUILD: &str = r#"
INSERT INTO plans (plan_id, team_id, flow, bytes, source_map, created_at)
SELECT 'plan_' || encode(sha256(other), 'hex'), team_id, flow, other, source_map, created_at
FROM (SELECT plans.*, convert_to(replace(convert_from(bytes, 'UTF8'), '"format":1,', '"format":2,'), 'UTF8') AS other FROM plans) AS made;
UPDATE workflow_executions SET plan_id = (SELECT plan_id FROM plans WHERE convert_from(bytes, 'UTF8') LIKE '{"format":2,%')"#;

const AS_OF_THIS_BUILD: &str = r#"
UPDATE workflow_executions SET plan_id = (SELECT plan_id FROM plans WHERE convert_from(bytes, 'UTF8') LIKE '{"format":1,%')"#;

/// A run whose plan only a newer build can read is left to that one, however many workers of this build look at it.
#[test]
fn a_plan_of_a_newer_build_is_left_to_it() {
    let folder = small("hello").on_server();
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    folder.execute(AS_OF_ANOTHER_BUILD);
    for _ in 0..6 {
        let mut worker = Daemon::worker(&folder);
        let left = worker.hear("run left");
        assert!(left.contains("the plan has format 2, and this program reads format 1"), "{left}");
        worker.signal("TERM");
        assert_eq!(worker.ended().0, Some(0));
    }
    let resumed = folder.pmflow(&format!("run --resume {id}"));
    assert_eq!(resumed.code, Some(3));
    assert!(resumed.err.contains("use the program that wrote it"), "{}", resumed.err);
    expire_leases(&folder);
    folder.execute(AS_OF_THIS_BUILD);
    let mut newer = Daemon::worker(&folder);
    let ended = newer.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("succeeded"), "nobody died of it: {ended}");
}
