//! What those who run it look at: `doctor` and `export`.

use crate::examples::small;
use crate::process::Folder;
use crate::workers::fine;
use serde_json::Value;

#[test]
fn doctor_says_what_is_wrong() {
    let folder = small("hello").on_server();
    let said = folder.pmflow("doctor");
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    for expected in
        ["fine  settings: ", "note  alerts: nobody is told", "fine  database: PostgreSQL", "fine  clock: ", "fine  runs: 0 runs"]
    {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    let hook =
        "flow order() {\n  webhook: order: { id: text } verify hmac secret(\"NO_SUCH\") limit 3 per day\n  output order.id\n}\n";
    folder.write("order.pmflow", hook);
    fine(&folder, "deploy order.pmflow");
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    folder.execute("UPDATE workflow_executions SET changed_at = changed_at - 120000000");
    let said = folder.pmflow("doctor");
    assert_eq!(said.code, Some(3), "{}", said.out);
    assert!(said.out.contains("wrong flow order: the secret NO_SUCH of its webhook is not set here"), "{}", said.out);
    assert!(said.out.contains(&format!("wrong runs: 1 run that nobody executes, the oldest, {id}, since ")), "{}", said.out);
    let away = Folder::new();
    away.write("pmflow.toml", "[store]\nurl = \"postgres://me:secret@127.0.0.1:1/x\"\n");
    let said = away.pmflow("doctor");
    assert_eq!(said.code, Some(3));
    assert!(said.out.contains("wrong database: ") && !said.out.contains("secret"), "{}", said.out);
}

#[test]
fn export_gives_every_row() {
    let folder = small("hello");
    fine(&folder, "run hello.pmflow --simulate");
    fine(&folder, "run hello.pmflow --simulate");
    assert_eq!(fine(&folder, "export runs"), "", "simulated runs are left out");
    let runs = fine(&folder, "export runs --simulated");
    let lines: Vec<&str> = runs.lines().collect();
    assert_eq!(lines.len(), 3, "{runs}");
    assert!(lines[0].starts_with("run,flow,plan,status,") && lines[1].contains(",hello,") && lines[1].contains(",succeeded,"));
    let usage = fine(&folder, "export usage --simulated --format jsonl");
    let rows: Vec<Value> = usage.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["hold", "settle", "hold", "settle"]);
    assert!(rows.iter().all(|row| row["model"].is_string() && row["idempotency_key"].is_string()), "{usage}");
    assert_eq!(fine(&folder, "export ledger"), "");
    assert_eq!(fine(&folder, "export runs --simulated --until 2020-01-01"), "");
}
