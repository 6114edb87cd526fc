//! The example flows: what a user reads first is free of warnings.

use pmflow_compiler::World as _;
use pmflow_compiler::problems::render::{Human, github, human, json, sarif};
use pmflow_tests::lang::problems_of;
use pmflow_tests::sections::SectionFile;
use pmflow_tests::world::TableWorld;
use std::path::{Path, PathBuf};

#[test]
fn no_example_has_a_problem() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples");
    let mut said = String::new();
    for folder in children(&root).iter().filter(|path| path.is_dir()) {
        let files = children(folder);
        let (flows, data): (Vec<&PathBuf>, Vec<&PathBuf>) =
            files.iter().partition(|path| path.extension().is_some_and(|end| end == "pmflow"));
        for flow in &flows {
            let others = flows.iter().filter(|other| other != &flow).chain(&data);
            let table = std::iter::once(flow).chain(others).map(|path| SectionFile { name: name(path), text: text(path) });
            let world = TableWorld { files: table.collect() };
            said.push_str(&human(&problems_of(&world), &|file| world.source(file), Default::default()));
        }
    }
    assert!(said.is_empty(), "{said}");
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Data files are asked for their first bytes only; one that is no text has none here.
fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Every half-typed file ends in messages that can be shown in every form.
#[test]
fn every_prefix_of_an_example_is_judged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples");
    let flows = children(&root).into_iter().filter(|path| path.is_dir()).flat_map(|folder| children(&folder));
    for path in flows.filter(|path| path.extension().is_some_and(|end| end == "pmflow")) {
        let whole = text(&path);
        for end in (0..whole.len()).step_by(PREFIX_STEP).map(|end| whole.floor_char_boundary(end)) {
            let world = TableWorld { files: vec![SectionFile { name: name(&path), text: whole[..end].to_owned() }] };
            let problems = problems_of(&world);
            let read = |file| world.source(file);
            let shown = human(&problems, &read, Human { columns: 40, ..Human::default() });
            assert_eq!(shown.is_empty(), problems.all.is_empty());
            assert_eq!(github(&problems, &read).lines().count(), problems.all.len());
            assert!(json(&problems, &read).starts_with('{') && sarif(&problems, &read).starts_with('{'));
        }
    }
}

/// A prime, so that the prefixes end at every kind of place.
const PREFIX_STEP: usize = 29;
