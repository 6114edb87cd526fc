//! Checking a project takes as many steps as the project is large: four times as much of anything, four times the work. Steps are counted, not timed, so that the answer does not depend on the machine.

use super::{Checked, Work, check_project};
use crate::world::MemoryWorld;
use std::fmt::Write as _;

const TODAY: i32 = 20_779;
const SMALL: usize = 40;
const TIMES: usize = 4;

/// Makes a project of so many of one thing.
type Maker = fn(usize) -> MemoryWorld;

/// What grows, and a project with so many of it.
const PROJECTS: [(&str, Maker); 8] = [
    ("prompts", |count| one_file(repeated(count, prompt))),
    ("types", |count| one_file(repeated(count, record))),
    ("flows and tests", |count| one_file(repeated(count, flow_and_test))),
    ("imports", imports),
    ("holes of a template", |count| one_file(template(&"Ask {{ subject }} again. ".repeat(count)))),
    ("constant text of a template", |count| one_file(template(&"Some words that never change. ".repeat(count)))),
    ("branches of a template", |count| one_file(template(&"{{ if more }}{{ more }}{{ else }}none{{ end }} ".repeat(count)))),
    ("steps of a flow", |count| one_file(format!("flow long() {{\n{}}}\n", repeated(count, step)))),
];

#[test]
fn four_times_the_project_takes_at_most_four_times_the_work() {
    for (what, project) in PROJECTS {
        let [least, small, large] = [1, SMALL, SMALL * TIMES].map(|count| steps(&project(count)));
        let mut grows = false;
        for (((counter, least), (_, small)), (_, large)) in least.into_iter().zip(small).zip(large) {
            // What one of them takes is taken off: the prelude, and what stands around it.
            let (few, many) = ((small - least) / (SMALL as u64 - 1), (large - least) / ((SMALL * TIMES) as u64 - 1));
            assert!(many <= few + 1, "{what}: each takes {few} {counter} among {SMALL}, and {many} among {TIMES} times as many");
            grows |= many > 0;
        }
        assert_eq!(grows, what != "constant text of a template", "{what}: what the counters see");
    }
}

fn steps(world: &MemoryWorld) -> [(&'static str, u64); 5] {
    counters(checked(world).work)
}

fn counters(work: Work) -> [(&'static str, u64); 5] {
    [
        ("stretches read", work.stretches_read),
        ("nodes checked", work.nodes_checked),
        ("names followed", work.names_followed),
        ("imports followed", work.imports_followed),
        ("stand-ins searched", work.stand_ins_searched),
    ]
}

fn checked(world: &MemoryWorld) -> Checked {
    let checked = check_project(world, &[crate::FileId(0)]);
    let messages: Vec<&str> = checked.problems.all.iter().map(|problem| problem.message.as_str()).collect();
    assert!(checked.clean(), "{messages:?}");
    checked
}

fn one_file(text: String) -> MemoryWorld {
    let mut world = MemoryWorld::new(TODAY);
    world.add("main.pmflow", &text);
    world
}

fn repeated(count: usize, one: fn(usize) -> String) -> String {
    (0..count).map(one).collect()
}

fn record(index: usize) -> String {
    let before = index.checked_sub(1).map_or(String::new(), |before| format!("  before: Record{before}?\n"));
    format!("type Record{index} {{\n  name:   text(max 40 tokens)\n  scores: [int(1..10)](max 5)\n{before}}}\n")
}

fn prompt(index: usize) -> String {
    let settings = "model: \"openai/gpt-6-luna\"\n  max_input: 800 tokens\n  max_output: 300 tokens";
    format!("prompt judge{index}(subject: text) -> int(1..10) {{\n  {settings}\n  user: \"Judge {{{{ subject }}}}\"\n}}\n")
}

fn flow_and_test(index: usize) -> String {
    let call = format!("  let score = judge{index}(subject)\n  output score\n");
    let flow = format!("flow run{index}(subject: text = \"x\") {{\n{call}}}\n");
    let test = format!(
        "test \"{index}\" {{\n  given judge{index} = 3\n  run run{index}(\"y\")\n  expect outputs[0] == judge{index}(\"y\")\n}}\n"
    );
    format!("{}{flow}{test}", prompt(index))
}

fn step(index: usize) -> String {
    match index {
        0 => "  let value0 = 1\n".to_owned(),
        index => format!("  let value{index} = value{} + 1\n  output value{index}\n", index - 1),
    }
}

fn template(user: &str) -> String {
    let settings = "model: \"openai/gpt-6-luna\"\n  max_input: 8000 tokens\n  max_output: 300 tokens";
    format!("prompt ask(subject: text, more: text?) -> text {{\n  {settings}\n  user: \"{user}{{{{ subject }}}}\"\n}}\n")
}

/// A file that imports many, each of which imports the next.
fn imports(count: usize) -> MemoryWorld {
    let mut world = MemoryWorld::new(TODAY);
    let (mut head, mut fields) = (String::new(), String::new());
    for index in 0..count {
        // Writing to a text cannot fail.
        let _ = writeln!(head, "import \"./part{index}.pmflow\"");
        let _ = writeln!(fields, "  field{index}: part{index}.Part");
    }
    world.add("main.pmflow", &format!("{head}type All {{\n{fields}}}\n"));
    for index in 0..count {
        let text = match index + 1 {
            next if next < count => {
                format!("import \"./part{next}.pmflow\"\ntype Part {{\n  name: text\n  next: part{next}.Part?\n}}\n")
            }
            _ => "type Part {\n  name: text\n}\n".to_owned(),
        };
        world.add(&format!("part{index}.pmflow"), &text);
    }
    world
}
