//! What running costs, besides the provider.

use crate::measure::{Used, median, milliseconds, pmflow, repeat, run};
use crate::provider;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const FLOW: &str = r#"enum Verdict { spam, legitimate }

prompt classify(message: text) -> Verdict {
  model:      "openai/gpt-6-luna"
  max_input:  600 tokens
  max_output: 20 tokens
  user:       """
    Spam or not?
    {{ message }}
  """
}

flow moderate() {
  concurrency: CONCURRENCY

  source rows = csv("rows.csv") limit 10000000

  for row in ROWS {
    let verdict = classify(row.message)
    output { verdict: verdict }
  }
}
"#;

fn project(folder: &Path, rows: usize, concurrency: usize, filter: bool) {
    let list = if filter { "rows.filter(r => r.keep == \"yes\")" } else { "rows" };
    let flow = FLOW.replace("CONCURRENCY", &concurrency.to_string()).replace("ROWS", list);
    std::fs::write(folder.join("moderate.pmflow"), flow).expect("a file can be written");
    let mut text = String::from("id,keep,message\n");
    for row in 0..rows {
        let keep = if row % 1000 == 0 { "yes" } else { "no" };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{row},{keep},message number {row} of an ordinary length that says something and nothing");
    }
    std::fs::write(folder.join("rows.csv"), text).expect("a file can be written");
}

/// Each run in a folder of its own, so that the database is new.
fn measured(rows: usize, concurrency: usize, filter: bool, address: &str, times: usize) -> Vec<Used> {
    repeat(times, || {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        project(folder.path(), rows, concurrency, filter);
        let environment = [("OPENAI_BASE_URL", address.to_owned()), ("OPENAI_API_KEY", "bench".to_owned())];
        run(&pmflow(), &["run", "moderate.pmflow", "--yes", "--progress", "none"], folder.path(), &environment)
    })
}

/// CPU of our process per call, the fixed cost of a run taken off.
pub fn calls() {
    println!("\n## calls: the runtime's own CPU per prompt call, a provider that answers at once, concurrency 64\n");
    let address = provider::start(Duration::ZERO);
    let few = measured(10, 64, false, &address, 3);
    let many = measured(2010, 64, false, &address, 3);
    let cpu = |all: &[Used]| median(all, |used| used.cpu.as_secs_f64() * 1000.0);
    println!("| calls | CPU ms | wall ms |\n| ---: | ---: | ---: |");
    println!("| 10 | {:.0} | {} |", cpu(&few), milliseconds(&few, |used| used.wall));
    println!("| 2,010 | {:.0} | {} |", cpu(&many), milliseconds(&many, |used| used.wall));
    println!("\nper call: {:.3} ms of CPU", (cpu(&many) - cpu(&few)) / 2000.0);
}

pub fn rows() {
    println!("\n## rows: 2,000 rows, provider latency 50 ms, concurrency 64; ideal 1,563 ms\n");
    let address = provider::start(Duration::from_millis(50));
    let all = measured(2000, 64, false, &address, 5);
    let wall = median(&all, |used| used.wall.as_secs_f64() * 1000.0);
    println!("wall ms {}; {:.2} × the ideal, SQLite with synchronous=FULL", milliseconds(&all, |used| used.wall), wall / 1562.5);
}

pub fn million() {
    println!("\n## million: so many rows through a filter that keeps one in a thousand, and a prompt\n");
    println!("| rows | peak memory MiB | wall ms |\n| ---: | ---: | ---: |");
    let address = provider::start(Duration::ZERO);
    for rows in [1_000_000, 5_000_000] {
        let all = measured(rows, 64, true, &address, 1);
        let memory = median(&all, |used| used.memory_mib);
        println!("| {rows} | {memory:.0} | {} |", milliseconds(&all, |used| used.wall));
    }
}
