//! The checker against whole files.

use super::{Checked, check_project};
use crate::world::MemoryWorld;

const TODAY: i32 = 20_779;

/// The problems of a file, one per line: code, the stretch that is wrong, message.
fn problems(text: &str) -> String {
    let (checked, _) = check_text(text);
    let line = |problem: &crate::Problem| {
        let file = checked.file(problem.span.file).expect("every problem stands in a file of the project");
        let stretch = file.text.get(problem.span.range()).unwrap_or("?");
        format!("{} `{}` {}\n", problem.code, stretch.replace('\n', "⏎"), problem.message)
    };
    checked.problems.all.iter().filter(|problem| !problem.code.starts_with("W01")).map(line).collect()
}

fn check_text(text: &str) -> (Checked, MemoryWorld) {
    let mut world = MemoryWorld::new(TODAY);
    let root = world.add("main.pmflow", text);
    world.add_data("leads.csv", "email,name,Company Size\nada@example.org,Ada,3\n");
    world.add_data("rows.json", r#"[{"id": 1, "name": "a"}, {"id": 2, "note": "x"}]"#);
    (check_project(&world, &[root]), world)
}

#[test]
fn every_example_checks_and_emits() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let mut world = MemoryWorld::new(TODAY);
        let mut roots = Vec::new();
        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".pmflow") {
                roots.push(world.add(&name, &std::fs::read_to_string(&path).unwrap()));
            } else if path.is_file() {
                world.add_data(&name, std::fs::read(&path).unwrap());
            }
        }
        let checked = check_project(&world, &roots);
        let shown = crate::problems::render::human(
            &checked.problems,
            &|file| crate::World::source(&world, file),
            crate::problems::render::Human { color: false, columns: 100, ascii: true },
        );
        assert!(checked.clean(), "{}:\n{shown}", folder.display());
        for flow in checked.flow_names() {
            let (plan, map) = crate::emit::emit(&checked, flow).unwrap();
            assert_eq!(plan.flow, flow);
            assert!(map.places.contains_key(flow));
        }
        assert!(crate::emit::test_plans(&checked).len() <= checked.tests.len());
    }
}
