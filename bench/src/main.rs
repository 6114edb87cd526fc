//! The figures of `bench/README.md`, each measured as a whole process. Run `cargo run --release -p pmflow-bench -- all`
//! after `cargo build --release`.

mod check;
mod cost;
mod engine;
mod items;
mod measure;
mod probe;
mod project;
mod provider;
mod runs;
mod same_rows;
mod server;
mod workers;

use std::path::PathBuf;

/// As `pmflow` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "usage: bench [check|start|cost|calls|rows|million|workers|all] [--baml PATH]
       bench [runs|probe|items] [memory|sqlite|postgres] [IN_FLIGHT]";

fn main() {
    let mut words = std::env::args().skip(1);
    let what = words.next().unwrap_or_else(|| "all".to_owned());
    let (first, second) = (words.next(), words.next());
    let baml = match (first.as_deref(), &second) {
        (Some("--baml"), Some(path)) => Some(PathBuf::from(path)),
        _ => None,
    };
    let only = engine::Only { store: first, in_flight: second.and_then(|number| number.parse().ok()) };
    let known: &[(&str, &dyn Fn())] = &[
        ("check", &|| check::check(baml.as_deref())),
        ("start", &check::start),
        ("cost", &cost::cost),
        ("calls", &runs::calls),
        ("rows", &runs::rows),
        ("million", &runs::million),
        ("items", &|| items::items(&only)),
        ("runs", &|| engine::runs(&only)),
        ("workers", &workers::workers),
        ("probe", &|| probe::probe(&only)),
    ];
    let chosen: Vec<_> = known.iter().filter(|(name, _)| what == "all" || what == *name).collect();
    if chosen.is_empty() {
        eprintln!("{HELP}");
        std::process::exit(3);
    }
    for (_, run) in chosen {
        run();
    }
}
