//! Rows that cannot be read, and files that change under a run.

use super::ends;
use crate::process::{Folder, Said};

/// A flow that keeps every row of a file.
fn reading(source: &str) -> Folder {
    let folder = Folder::new();
    let flow = format!(
        "flow keep() {{\n  source rows: [{{ id: text, note: text }}] = {source} limit 1000\n\n  for row in rows key row.id {{\n    \
         output {{ id: row.id, note: row.note }}\n  }}\n}}\n"
    );
    folder.write("keep.pmflow", flow);
    folder
}

fn run(folder: &Folder) -> Said {
    folder.pmflow("run keep.pmflow --simulate")
}

/// A file that was right while it was checked may be wrong in its rows.
#[test]
fn csv_rows_are_named_by_file_and_line() {
    let huge = format!("id,note\n1,a\n2,{}\n", "x".repeat(17 << 20));
    let cases: [(&[u8], &[&str]); 4] = [
        (b"id,note\n1,a\n2,b,c\n", &["rows.csv`, line 3", "3 cells instead of 2"]),
        (b"id,note\n1,a\n2\n", &["rows.csv`, line 3", "1 cell"]),
        (b"id,note\n1,a\n2,caf\xe9\n", &["rows.csv`, line 3", "no UTF-8", "encoding"]),
        (huge.as_bytes(), &["rows.csv`, line 3", "longer than 16 MB"]),
    ];
    let folder = reading("csv(\"rows.csv\")");
    for (bytes, words) in cases {
        folder.write("rows.csv", bytes);
        ends(&run(&folder), 3, words);
        ends(&folder.pmflow("show last"), 0, &["failed", "rows.csv", "line"]);
    }
}

/// The type of the rows comes from the header, and the run finds the columns that the checker named.
#[test]
fn columns_of_one_name_are_two_fields() {
    let folder = Folder::new();
    folder.write("rows.csv", "id,note,note\n1,first,second\n");
    folder.write(
        "keep.pmflow",
        "flow keep() {\n  source rows = csv(\"rows.csv\") limit 10\n\n  for row in rows key row.id {\n    output [row.note, \
         row.note_2]\n  }\n}\n",
    );
    ends(&run(&folder), 0, &["1 item done"]);
    let outputs = folder.pmflow("outputs --format jsonl --fields value").out;
    assert_eq!(outputs, "{\"value\":[\"first\",\"second\"]}\n");
}

/// A quote that is never closed takes no other row with it, whatever the flow does with bad rows.
#[test]
fn a_quote_left_open_is_named_and_costs_one_row() {
    let rows = "id,note\n1,a\n2,\"b\n3,c\n";
    let folder = reading("csv(\"rows.csv\")");
    folder.write("rows.csv", rows);
    ends(&run(&folder), 3, &["rows.csv`, line 3", "the quote that opens here is never closed", "`quote: none`"]);
    let folder = reading("csv(\"rows.csv\", on_bad_row: skip)");
    folder.write("rows.csv", rows);
    ends(&run(&folder), 0, &["2 items done"]);
    let folder = reading("csv(\"rows.csv\", quote: none)");
    folder.write("rows.csv", rows);
    ends(&run(&folder), 0, &["3 items done"]);
}

/// Before anything runs: the checker reads the head of the file.
#[test]
fn csv_heads_are_checked_before_the_run() {
    let folder = reading("csv(\"rows.csv\")");
    ends(&run(&folder), 1, &["E0901", "`rows.csv`", "there is no such file", "keep.pmflow:2:"]);
    std::fs::create_dir(folder.path().join("rows.csv")).unwrap();
    ends(&run(&folder), 1, &["E0901", "it is a folder"]);
    std::fs::remove_dir(folder.path().join("rows.csv")).unwrap();
    for (bytes, words) in [
        (&b""[..], &["E0902", "is empty"][..]),
        (b"id,text\n1,a\n", &["E0903", "no column `note`", "`text`"]),
        (b"\xff\xfei\x00d\x00,\x00t\x00\n\x00", &["E0903", "no column `note`"]),
    ] {
        folder.write("rows.csv", bytes);
        ends(&run(&folder), 1, words);
    }
    assert!(!folder.path().join(".pmflow").exists(), "nothing was run, so nothing is recorded");
}

/// As the flow declares: bad rows are left out, the others are kept.
#[test]
fn bad_rows_are_skipped_where_the_flow_says_so() {
    let folder = reading("csv(\"rows.csv\", on_bad_row: skip)");
    folder.write("rows.csv", &b"id,note\n1,a\n2,b,c\n3,caf\xe9\n4,d\n"[..]);
    ends(&run(&folder), 0, &["2 items done"]);
    let outputs = folder.pmflow("outputs --format jsonl --fields value").out;
    assert_eq!(outputs, "{\"value\":{\"id\":\"1\",\"note\":\"a\"}}\n{\"value\":{\"id\":\"4\",\"note\":\"d\"}}\n");
}

#[test]
fn json_rows_are_named_by_file_and_line() {
    let cases: [(&[u8], &[&str]); 10] = [
        (b"", &["rows.json` is empty"]),
        (b"{\"id\": \"1\"}", &["rows.json` is no JSON array"]),
        (b"[{\"id\": \"1\", \"note\": \"a\"},\n", &["rows.json`, line 2", "cut off"]),
        (b"[{\"id\": \"1\", \"note\": \"a\"}\n{\"id\": \"2\", \"note\": \"b\"}]", &["rows.json`, line 2", "a `,` is missing"]),
        (b"[{\"id\": \"1\", \"note\": \"a\"},\n{\"id\": \"2\"}]", &["rows.json`, line 2", "`note`", "expected a text"]),
        (b"[{\"id\": \"1\", \"note\": \"a\"},\n{\"id\": 2, \"note\": \"b\"}]", &["rows.json`, line 2", "`id`", "the int 2"]),
        (b"[{\"id\": \"1\", \"note\": \"a\"},\n{\"id\": \"2\", \"note\": }]", &["rows.json`, line 2", "not JSON"]),
        (b"[{\"id\": \"1\", \"note\": \"caf\xe9\"}]", &["rows.json`, line 1", "no UTF-8"]),
        (b"[1, 2]", &["rows.json`, line 1", "expected a record"]),
        (b"[{\"id\": \"1\", \"note\": \"a\"}] more", &["rows.json`, line 1", "something follows the array"]),
    ];
    let folder = reading("json(\"rows.json\")");
    for (bytes, words) in cases {
        folder.write("rows.json", bytes);
        ends(&run(&folder), 3, words);
    }
    folder.write("rows.json", format!("[{}", "[".repeat(100_000)));
    ends(&run(&folder), 3, &["rows.json`, line 1"]);
    folder.write("rows.json", format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000)));
    ends(&run(&folder), 3, &["rows.json`, line 1", "deep"]);
}

#[test]
fn json_lines_are_named_by_file_and_line() {
    let cases: [(&[u8], &[&str]); 4] = [
        (b"{\"id\": \"1\", \"note\": \"a\"}\n\n{\"id\": \"2\", \"note\":\n", &["rows.jsonl`, line 3", "not JSON", "at column"]),
        (b"{\"id\": \"1\", \"note\": \"a\"}\n{\"id\": \"2\"}\n", &["rows.jsonl`, line 2", "`note`"]),
        (b"{\"id\": \"1\", \"note\": \"a\"}\n{\"id\": \"2\", \"note\": \"\xe9\"}\n", &["rows.jsonl`, line 2", "no UTF-8"]),
        (b"id,note\n1,a\n", &["rows.jsonl`, line 1", "not JSON"]),
    ];
    let folder = reading("jsonl(\"rows.jsonl\")");
    for (bytes, words) in cases {
        folder.write("rows.jsonl", bytes);
        let said = run(&folder);
        ends(&said, 3, words);
        assert!(!said.err.contains("at line 1 column"), "one line is named, that of the file: {}", said.err);
    }
}

/// A run that stopped in the middle of a file does not go on with another one.
#[test]
fn a_file_that_changed_is_not_gone_on_with() {
    let folder = reading("csv(\"rows.csv\")");
    let rows: String = (1..=400).map(|number| format!("{number},note {number}\n")).collect();
    let whole = format!("id,note\n{rows}");
    folder.write("rows.csv", &whole);
    let mut killed = folder.command(&["run", "keep.pmflow", "--simulate"]);
    let first = crate::process::said(killed.env("PMFLOW_FAULT", "commit:40").output().expect("pmflow can be started"));
    assert_eq!(first.code, None, "the run is killed: {}", first.err);
    let before = folder.pmflow("outputs --format jsonl").out;

    folder.write("rows.csv", whole.replace("id,note", "id,text"));
    ends(&folder.pmflow("run --resume last"), 3, &["rows.csv", "changed"]);
    let after = folder.pmflow("outputs --format jsonl").out;
    assert!(after.starts_with(&before), "what was stored stays:\n{before}\n{after}");
}
