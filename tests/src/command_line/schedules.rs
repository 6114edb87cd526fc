//! Flows in force: each time of a schedule starts one run, whoever looks; backfills keep to their budget.

use crate::process::Folder;
use crate::workers::{Daemon, fine};
use serde_json::Value;
use std::collections::BTreeSet;

const TICKING: &str = r#"flow tick() {
  schedule: every 1s
  overlap:  allow
  output now()
}
"#;

const DAILY: &str = r#"prompt greet(day: text) -> text(max 20 tokens) {
  model:      "openai/gpt-6-luna"
  max_input:  60 tokens
  max_output: 40 tokens
  user:       "Greet the {{ day }}."
}

flow daily(day: date = today()) {
  schedule: "30 2 * * *" in "Europe/Berlin"
  let greeting = greet("{{ day }}")
  output { day: day, today: today() }
}
"#;

fn triggers(folder: &Folder, flow: &str) -> Vec<Value> {
    let text = fine(folder, &format!("schedule history {flow} --format json --limit 1000"));
    let json: Value = serde_json::from_str(&text).expect("it is JSON");
    json["triggers"].as_array().cloned().expect("they are a list")
}

fn texts(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn each_time_starts_one_run_whoever_looks() {
    let folder = Folder::new().on_server();
    folder.write("tick.pmflow", TICKING);
    let said = folder.pmflow("deploy tick.pmflow");
    assert_eq!((said.code, said.out.trim()), (Some(0), "tick is in force"), "{}", said.err);
    let mut workers = [Daemon::worker(&folder), Daemon::worker(&folder), Daemon::worker(&folder)];
    // Each of them sees at least one run to its end, so all three have looked at the same times.
    for worker in &mut workers {
        worker.hear("run ended");
    }
    fine(&folder, "schedule pause tick");
    for worker in &workers {
        worker.signal("TERM");
    }
    for worker in workers {
        let (code, heard) = worker.ended();
        assert_eq!(code, Some(0), "{heard}");
    }
    let all = triggers(&folder, "tick");
    let started: Vec<Value> = all.iter().filter(|row| row["run"].is_string()).cloned().collect();
    let distinct = |rows: &[Value], field| texts(rows, field).into_iter().collect::<BTreeSet<String>>().len();
    assert_eq!(distinct(&all, "key"), all.len(), "{all:?}");
    assert_eq!(distinct(&started, "run"), started.len(), "{started:?}");
    let runs: Value = serde_json::from_str(&fine(&folder, "runs --format json --limit 1000")).expect("it is JSON");
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(started.len()), "every run has its time, and every time its run");
    let listed = fine(&folder, "schedule list");
    assert!(listed.contains("every 1.0 s") && listed.contains("paused"), "{listed}");
    fine(&folder, "deploy --remove tick");
    assert_eq!(fine(&folder, "schedule list").trim(), "nothing is in force; `pmflow deploy FILE` puts a flow in force");
}

#[test]
fn a_backfill_runs_past_times_as_if_it_were_then() {
    let folder = Folder::new();
    folder.write("daily.pmflow", DAILY);
    fine(&folder, "deploy daily.pmflow --simulate");
    // Clocks go forward in that zone on the 29th: half past two comes at three.
    let words = "schedule backfill daily --from 2026-03-28 --until 2026-03-31 --budget 1";
    let preview = folder.pmflow(&format!("{words} --dry-run"));
    assert_eq!(preview.code, Some(0), "{}", preview.err);
    assert!(preview.err.contains("3 runs from 2026-03-28 02:30:00 to 2026-03-30 02:30:00"), "{}", preview.err);
    assert!(preview.err.contains("no more than their budget of $1.00"), "{}", preview.err);
    assert_eq!(triggers(&folder, "daily").len(), 0, "a preview leaves nothing");
    assert_eq!(fine(&folder, words).trim(), "3 runs left to the workers");
    assert!(fine(&folder, words).contains("nothing to do"), "the same times are not run twice");
    let mut worker = Daemon::worker(&folder);
    for _ in 0..3 {
        let ended = worker.hear("run ended");
        assert!(ended.contains("succeeded"), "{ended}");
    }
    worker.signal("TERM");
    assert_eq!(worker.ended().0, Some(0));
    let outputs = fine(&folder, "outputs --run all --format jsonl --fields value");
    let days: Vec<String> = outputs.lines().map(str::to_owned).collect();
    assert_eq!(days.len(), 3, "{outputs}");
    for (line, day) in days.iter().zip(["2026-03-28", "2026-03-29", "2026-03-30"]) {
        assert_eq!(line.matches(day).count(), 2, "{line} is of {day}");
    }
    let rows = triggers(&folder, "daily");
    let mut local = texts(&rows, "local");
    local.sort();
    assert_eq!(local, ["2026-03-28T02:30:00", "2026-03-29T03:00:00", "2026-03-30T02:30:00"]);
}

#[test]
fn a_backfill_ends_with_its_budget() {
    let folder = Folder::new();
    folder.write("daily.pmflow", DAILY);
    fine(&folder, "deploy daily.pmflow --simulate");
    let ceiling = folder.pmflow("schedule backfill daily --from 2026-03-01 --until 2026-03-02 --budget 0 --dry-run").err;
    assert!(ceiling.contains("more than the budget: none will be started"), "{ceiling}");
    let ceiling =
        ceiling.split("at most $").nth(1).and_then(|rest| rest.split(';').next()).expect("the ceiling is named").to_owned();
    fine(&folder, &format!("schedule backfill daily --from 2026-03-01 --until 2026-03-05 --budget {ceiling}"));
    let mut worker = Daemon::worker(&folder);
    worker.hear("run ended");
    // The other three are passed over one by one.
    let passed_over = loop {
        let rows = triggers(&folder, "daily");
        let past: Vec<Value> = rows.into_iter().filter(|row| row["state"] == "passed_over").collect();
        if past.len() == 3 {
            break past;
        }
        std::thread::yield_now();
    };
    assert!(
        passed_over.iter().all(|row| row["reason"].as_str().is_some_and(|why| why.contains("is left of the backfill's budget")))
    );
    worker.signal("TERM");
    assert_eq!(worker.ended().0, Some(0));
    let runs: Value = serde_json::from_str(&fine(&folder, "runs --format json")).expect("it is JSON");
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1));
}

/// Longer than the second between two of its times.
const SLOW: &str = r#"flow slow() {
  schedule: every 1s
  overlap:  queue
  wait 2500ms
  output now()
}
"#;

#[test]
fn times_that_come_while_a_run_is_under_way_are_queued_and_run_one_after_the_other() {
    let folder = Folder::new().on_server();
    folder.write("slow.pmflow", SLOW);
    fine(&folder, "deploy slow.pmflow");
    let mut workers = [Daemon::worker(&folder), Daemon::worker(&folder)];
    let is_queued = |rows: &[Value]| rows.iter().any(|row| row["state"] == "queued");
    while !is_queued(&triggers(&folder, "slow")) {
        std::thread::yield_now();
    }
    // A run is given to either worker.
    let ended = |folder: &Folder| triggers(folder, "slow").iter().filter(|row| row["state"] == "ended").count();
    while ended(&folder) < 2 {
        std::thread::yield_now();
    }
    fine(&folder, "schedule pause slow");
    workers.iter_mut().for_each(|worker| worker.signal("TERM"));
    for worker in workers {
        assert_eq!(worker.ended().0, Some(0));
    }
    let runs: Value = serde_json::from_str(&fine(&folder, "runs --format json --limit 1000")).expect("it is JSON");
    let mut times: Vec<(String, String)> = runs["runs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| {
            let text = |field: &str| run[field].as_str().unwrap_or("not ended").to_owned();
            (text("created_at"), text("ended_at"))
        })
        .collect();
    times.sort();
    assert!(times.len() >= 2, "{times:?}");
    for pair in times.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "one began before the other had ended: {times:?}");
    }
}

/// Five minutes in which no worker looked.
#[test]
fn missed_times_are_made_up_for_as_the_flow_says() {
    for (catch_up, started) in [("all", 4..=7), ("latest", 1..=2), ("none", 0..=1)] {
        let folder = Folder::new().on_server();
        let flow =
            format!("flow late() {{\n  schedule: every 1m\n  overlap:  allow\n  catch_up: {catch_up}\n  output now()\n}}\n");
        folder.write("late.pmflow", flow);
        fine(&folder, "deploy late.pmflow");
        folder.execute("UPDATE deployments SET decided_until = decided_until - 301000000");
        let worker = Daemon::worker(&folder);
        // All past times are decided on at once, and each that starts ends.
        let settled =
            |rows: &[Value]| rows.len() >= 5 && rows.iter().all(|row| row["state"] == "ended" || row["state"] == "passed_over");
        while !settled(&triggers(&folder, "late")) {
            std::thread::yield_now();
        }
        let rows = triggers(&folder, "late");
        let ended = rows.iter().filter(|row| row["state"] == "ended").count();
        assert!(started.contains(&ended), "catch_up {catch_up}: {rows:#?}");
        let why = |row: &Value| row["reason"].as_str().unwrap_or_default().to_owned();
        let past = rows.iter().filter(|row| row["state"] == "passed_over");
        assert!(past.into_iter().all(|row| why(row).contains("no worker looked in time")), "{rows:#?}");
        worker.signal("TERM");
        assert_eq!(worker.ended().0, Some(0));
    }
}

const ASKING: &str = r#"flow asking() {
  approve "go?" by editor timeout 1s else {
    output "nobody"
    stop
  }
  output "approved"
}
"#;

#[test]
fn a_question_that_nobody_answers_ends_with_its_time_also_after_a_worker_died() {
    let folder = Folder::new().on_server();
    folder.write("asking.pmflow", ASKING);
    let id = fine(&folder, "run asking.pmflow --yes --detach").trim().to_owned();
    let mut first = Daemon::worker(&folder);
    first.hear("run taken up");
    first.signal("KILL");
    drop(first);
    let mut second = Daemon::worker(&folder);
    let ended = second.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
    assert!(fine(&folder, "outputs --run all --format jsonl --fields value").contains("nobody"));
    let late = folder.pmflow(&format!("approve {id} asking/approve --as ada"));
    assert_ne!(late.code, Some(0), "{}", late.out);
}

#[test]
fn what_cannot_be_put_in_force_is_said() {
    let folder = Folder::new();
    assert_eq!(fine(&folder, "schedule list").trim(), "nothing is in force; `pmflow deploy FILE` puts a flow in force");
    assert!(folder.pmflow("schedule pause daily").err.contains("`daily` is not in force"));
    folder.write("idle.pmflow", "flow idle() {\n  output 1\n}\n");
    folder.write("daily.pmflow", DAILY);
    let cases = [
        ("deploy idle.pmflow", "has neither a `schedule` nor a `webhook`"),
        ("deploy daily.pmflow --input dya=1", "has no input `dya`; it takes `day`"),
        ("deploy daily.pmflow --jitter soon", "is no time up to a day"),
        ("deploy daily.pmflow", "real money needs a yes"),
        ("deploy --remove daily", "does not exist"),
        ("schedule next idle.pmflow", "has no schedule"),
    ];
    for (words, expected) in cases {
        let said = folder.pmflow(words);
        assert_eq!(said.code, Some(3), "{words}: {}", said.err);
        assert!(said.err.contains(expected), "{words}: {}", said.err);
    }
    fine(&folder, "deploy daily.pmflow --simulate");
    let cases = [
        ("deploy --remove other", "`other` is not in force"),
        ("schedule pause other", "`other` is not in force"),
        ("schedule backfill daily --from yesterday --budget 1", "is no time"),
        ("schedule backfill daily --from 2026-01-01 --budget lots", "is no amount of dollars"),
        ("schedule backfill daily --from 1900-01-01 --budget 1", "more than 10000 runs"),
    ];
    for (words, expected) in cases {
        let said = folder.pmflow(words);
        assert_eq!(said.code, Some(3), "{words}: {}", said.err);
        assert!(said.err.contains(expected), "{words}: {}", said.err);
    }
    assert!(fine(&folder, "schedule next daily --count 2").lines().all(|line| line.contains("02:30:00 Europe/Berlin")));
}
