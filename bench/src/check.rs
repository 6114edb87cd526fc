//! What checking costs.

use crate::measure::{median, milliseconds, pmflow, repeat, run};
use crate::project::{self, With};
use std::path::Path;

pub fn check(baml: Option<&Path>) {
    println!("\n## check: N types, N prompts and N tests\n");
    println!("| N | lines | wall ms, median (min–max) | CPU ms | CPU ms per 1,000 lines | peak MiB |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    let sizes = [10, 100, 1000, 5000].map(|count| (count, With::Tests));
    for (count, with) in sizes.into_iter().chain([(1000, With::FlowsAndTests)]) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let lines = project::pmflow(folder.path(), count, with);
        let all = repeat(7, || run(&pmflow(), &["check", "."], folder.path(), &[]));
        let cpu = median(&all, |used| used.cpu.as_secs_f64() * 1000.0);
        let memory = median(&all, |used| used.memory_mib);
        let per_thousand = cpu / lines as f64 * 1000.0;
        let flows = if with == With::FlowsAndTests { " and as many flows" } else { "" };
        println!(
            "| {count}{flows} | {lines} | {} | {cpu:.0} | {per_thousand:.1} | {memory:.0} |",
            milliseconds(&all, |used| used.wall)
        );
    }
    let Some(baml) = baml else {
        println!("\nFor the peer: npm install @boundaryml/baml, then --baml node_modules/.bin/baml-cli");
        return;
    };
    println!("\n| 1,000 functions | ours, wall ms | baml-cli check, wall ms |\n| --- | ---: | ---: |");
    for (with, with_tests) in [(With::Nothing, false), (With::Tests, true)] {
        let ours = tempfile::tempdir().expect("a temporary folder can be made");
        let theirs = tempfile::tempdir().expect("a temporary folder can be made");
        project::pmflow(ours.path(), 1000, with);
        project::baml(theirs.path(), 1000, with_tests);
        let ours = repeat(5, || run(&pmflow(), &["check", "."], ours.path(), &[]));
        let theirs = repeat(if with_tests { 2 } else { 5 }, || run(baml, &["check"], theirs.path(), &[]));
        let what = if with_tests { "with tests" } else { "without tests" };
        println!("| {what} | {} | {} |", milliseconds(&ours, |used| used.wall), milliseconds(&theirs, |used| used.wall));
    }
}

/// From process start to the first diagnostic of a small file.
pub fn start() {
    println!("\n## start: a small file with one mistake\n");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = "flow hello() {\n  output gretting\n}\n";
    std::fs::write(folder.path().join("small.pmflow"), text).expect("a file can be written");
    let started = std::time::Instant::now();
    let mut walls: Vec<f64> = (0..21)
        .map(|_| {
            let one = std::time::Instant::now();
            // It ends with 1: there is a mistake.
            let _ = std::process::Command::new(pmflow()).args(["check", "small.pmflow"]).current_dir(folder.path()).output();
            one.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    walls.sort_by(f64::total_cmp);
    let at = |position: usize| walls.get(position).copied().unwrap_or(f64::NAN);
    println!(
        "process start to end, ms: median {:.1} (min {:.1}, max {:.1}), 21 runs in {:.1} s",
        at(10),
        at(0),
        at(20),
        started.elapsed().as_secs_f64()
    );
}
