//! The chaos program in small: a few hundred runs, a fault every few seconds.

use std::process::Command;

#[test]
fn nothing_is_lost_or_done_twice() {
    let words = [
        "--runs",
        "120",
        "--workers",
        "2",
        "--pause",
        "4..9",
        "--lease",
        "7",
        "--latency",
        "50..400",
        "--seed",
        "7",
        "--rate",
        "15",
        "--restarts",
        "2",
    ];
    let said = Command::new(env!("CARGO_BIN_EXE_chaos")).args(words).output().expect("the program can be started");
    let text = format!("{}\n{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{text}");
    assert!(text.contains("every run is right"), "{text}");
}
