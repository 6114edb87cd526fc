//! What those who run it look at: `doctor` and `export`.

use crate::examples::small;
use crate::process::Folder;
use crate::workers::fine;
use parquet::basic::LogicalType;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};
use std::process::Command;

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

/// What the environment says about providers is looked at as well, and what cannot be used is named.
#[test]
fn doctor_looks_at_the_providers() {
    let folder = small("hello");
    let said = folder.pmflow("doctor");
    assert!(said.out.contains("note  providers: no key is set here (ANTHROPIC_API_KEY, "), "{}", said.out);
    let mut command = folder.command(&["doctor"]);
    command.env("OPENAI_API_KEY", "sk-hidden").env("GROQ_BASE_URL", "me:hidden@nowhere").env("OPENAI_RATE_LIMIT", "fast");
    let said = crate::process::said(command.output().expect("pmflow can be started"));
    assert_eq!(said.code, Some(3), "{}", said.out);
    for expected in [
        "fine  providers: keys are set here of openai\n",
        "wrong providers: OPENAI_RATE_LIMIT: `fast` is no limit",
        "wrong providers: GROQ_BASE_URL is no address; it should look like `http://localhost:11434/v1`",
    ] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    assert!(!said.out.contains("hidden"), "{}", said.out);
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

/// Rows of a Parquet file, in the words that `export --format jsonl` has for them.
fn rows_of(path: &std::path::Path) -> Vec<Value> {
    let file = std::fs::File::open(path).expect("the file is there");
    let reader = SerializedFileReader::new(file).expect("it is Parquet");
    let rows = reader.get_row_iter(None).expect("its rows can be read");
    let row = |row: parquet::record::Row| row.get_column_iter().map(|(name, field)| (name.clone(), in_words(field))).collect();
    rows.map(|read| Value::Object(row(read.expect("a row can be read")))).collect()
}

fn in_words(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => json!(value),
        Field::Long(value) => json!(value),
        Field::Str(value) => json!(value),
        Field::TimestampMicros(value) => {
            let moment = chrono::DateTime::from_timestamp_micros(*value).expect("a time of our days");
            json!(moment.format("%Y-%m-%d %H:%M:%S").to_string())
        }
        Field::Decimal(value) => {
            assert_eq!((value.precision(), value.scale()), (38, 12));
            let bytes = <[u8; 16]>::try_from(value.data()).expect("money has 16 bytes");
            json!(pmflow_plan::Money::from_pico(i128::from_be_bytes(bytes)).to_decimal())
        }
        other => panic!("no column is of this kind: {other:?}"),
    }
}

#[test]
fn export_to_parquet_gives_the_same_rows_with_their_types() {
    let folder = small("hello");
    fine(&folder, "run hello.pmflow --simulate");
    // The limit is refused: a run that failed has a reason, and no calls.
    assert_eq!(folder.pmflow("run hello.pmflow --simulate --max-cost 0").code, Some(2));
    for what in ["runs", "usage", "ledger"] {
        let lines = fine(&folder, &format!("export {what} --simulated --format jsonl"));
        let expected: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        assert_eq!(fine(&folder, &format!("export {what} --simulated --format parquet --output {what}.parquet")), "");
        assert_eq!(rows_of(&folder.path().join(format!("{what}.parquet"))), expected, "{what}");
    }
    let runs = rows_of(&folder.path().join("runs.parquet"));
    let failures: Vec<bool> = runs.iter().map(|run| run["failure"].is_string()).collect();
    assert_eq!(failures, [true, false], "what is absent is null: {runs:#?}");
    let file = std::fs::File::open(folder.path().join("runs.parquet")).expect("the file is there");
    let reader = SerializedFileReader::new(file).expect("it is Parquet");
    let columns = reader.metadata().file_metadata().schema_descr().columns();
    let of =
        |name: &str| columns.iter().find(|column| column.name() == name).and_then(|column| column.logical_type_ref().cloned());
    let utc_us = LogicalType::timestamp(true, parquet::basic::TimeUnit::MICROS);
    assert_eq!((of("created_at"), of("limit")), (Some(utc_us), Some(LogicalType::decimal(12, 38))));
    assert!(columns.iter().all(|column| column.self_type().is_optional()));
    // Sent on, it is the same file.
    let mut command = folder.command(&["export", "runs", "--simulated", "--format", "parquet"]);
    let sent = command.output().expect("pmflow can be started").stdout;
    assert_eq!(sent, std::fs::read(folder.path().join("runs.parquet")).expect("the file is there"));
}

#[test]
fn export_writes_no_binary_to_a_terminal_and_no_half_file() {
    let folder = small("hello");
    fine(&folder, "run hello.pmflow --simulate");
    let pmflow = format!("{} export runs --format parquet", env!("CARGO_BIN_EXE_pmflow"));
    // `script` gives it a terminal.
    let said = Command::new("script").args(["-qec", &pmflow, "/dev/null"]).current_dir(folder.path()).output();
    let said = said.expect("`script` can be started");
    let text = String::from_utf8(said.stdout).expect("no binary came");
    assert_eq!(said.status.code(), Some(3), "{text}");
    assert!(text.contains("Parquet is binary, and standard output is a terminal") && text.contains("--output"), "{text}");

    let said = folder.pmflow("export runs --format parquet --output no/such/folder/runs.parquet");
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("cannot write `no/such/folder/runs.parquet`"), "{}", said.err);
    let before = folder.write("runs.parquet", "what was there");
    folder.write(".pmflow/pmflow.sqlite", "damaged");
    assert_eq!(folder.pmflow("export runs --format parquet --output runs.parquet").code, Some(3));
    assert_eq!(std::fs::read_to_string(&before).expect("it is there"), "what was there");
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder can be read").flatten().collect();
    assert!(names.iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".new")), "{names:?}");
}
