//! How far the ceiling of each example lies above what its runs come to: the same rows, the simulated model's answers, each
//! with several seeds. Printed per flow; `docs/cost.md` has the figures.

use crate::directory::Directory;
use crate::examples::{EXAMPLES, small};
use crate::process::{Folder, said};

const SEEDS: u32 = 3;

fn json(folder: &Folder, words: &str) -> serde_json::Value {
    let said = folder.pmflow(words);
    assert_eq!(said.code, Some(0), "{words}\n{}\n{}", said.out, said.err);
    serde_json::from_str(&said.out).expect("it is JSON")
}

fn dollars(text: &serde_json::Value) -> f64 {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{text} is an amount"))
}

/// One run's cost, and its ceiling for as many rows as it read.
fn one(folder: &Folder, file: &str, directory: &Directory, seed: u32) -> (f64, f64) {
    let simulate = format!("seed={seed}");
    let words = ["run", file, "--simulate", &simulate, "--approvals", "approve"];
    let ran = said(directory.command(folder, &words).output().expect("pmflow can be started"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let run = json(folder, "show last --format json");
    let rows = run["counters"]["rows_read"].as_u64().expect("rows are counted");
    let same_rows = if rows > 0 { format!(" --what-if rows={rows}") } else { String::new() };
    let cost = json(folder, &format!("cost {file} --format json{same_rows}"));
    (dollars(&run["cost"]["settled"]), dollars(&cost["run"]["ceiling"]["usd"]))
}

/// The smallest that so many per cent do not pass.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

#[test]
fn ceilings_are_near_to_what_is_paid() {
    let directory = Directory::start();
    let mut medians = Vec::new();
    let mut all = Vec::new();
    for (example, file) in EXAMPLES {
        let mut ratios: Vec<f64> = (1..=SEEDS)
            .map(|seed| {
                // Of its own: an answer that another run left in the cache would cost nothing.
                let folder = small(example);
                let (actual, ceiling) = one(&folder, file, &directory, seed);
                assert!(actual <= ceiling, "{example}, seed {seed}: {actual} was paid, above the ceiling of {ceiling}");
                ceiling / actual
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "{example:<20} ceiling / actual: median {:.2}, largest {:.2}",
            percentile(&ratios, 50),
            percentile(&ratios, 100)
        );
        medians.push(percentile(&ratios, 50));
        all.extend(ratios);
    }
    medians.sort_by(f64::total_cmp);
    all.sort_by(f64::total_cmp);
    let (median, ninetieth) = (percentile(&all, 50), percentile(&all, 90));
    println!("all runs             ceiling / actual: median {median:.2}, 90th percentile {ninetieth:.2}");
    assert!(median <= 3.0, "half of the runs cost less than a {median:.2}th of their ceilings");
    assert!(ninetieth <= 6.0, "one run in ten costs less than a {ninetieth:.2}th of its ceiling");
}
