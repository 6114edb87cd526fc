//! The checker against whole files.

#![expect(clippy::disallowed_methods, reason = "the examples are read from the disk")]

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

/// What is not written follows from the answer's type, with what may be thought on top; and an own server's protocol is kept.
#[test]
fn a_cap_is_derived_and_a_protocol_kept() {
    let text = "model own = \"local/llama\" { base_url: \"http://localhost/v1\", api: messages, price: { input: $1, output: $1 } }\n\
                prompt yes(note: text) -> bool { model: own, max_input: 50 tokens, user: \"{{ note }}\" }\n\
                prompt thinks(note: text) -> bool { model: own, max_input: 50 tokens, thinking: up to 100 tokens, user: \"{{ note }}\" }\n\
                flow f() {\n  let a = yes(\"x\")\n  let b = thinks(\"y\")\n  output [a, b]\n}\n";
    let (checked, _) = check_text(text);
    assert!(checked.clean(), "{:?}", checked.problems);
    let (plan, _) = crate::emit::emit(&checked, "f").unwrap();
    let cap = |name: &str| plan.prompts.get(name).unwrap().output_tokens_max;
    assert_eq!((cap("yes"), cap("thinks")), (16, 116));
    assert!(plan.models.values().all(|model| model.api == pmflow_plan::Api::AnthropicMessages));
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

/// A file and those that follow it, as the problem files write them.
fn check_block(block: &str) -> Checked {
    let mut world = MemoryWorld::new(TODAY);
    let mut parts = block.split("--- file: ");
    let root = world.add("main.pmflow", parts.next().unwrap_or_default());
    for part in parts {
        let (name, text) = part.split_once(" ---\n").unwrap_or((part, ""));
        if name.ends_with(".pmflow") {
            world.add(name, text);
        } else {
            world.add_data(name, text.as_bytes().to_vec());
        }
    }
    check_project(&world, &[root])
}

#[test]
fn every_problem_is_raised_by_its_bad_example_and_by_no_good_one() {
    use crate::problems::{Verdict, all};
    let mut wrong = Vec::new();
    for explanation in all().iter().filter(|explanation| {
        ("E01".."E07").contains(&explanation.code)
            || ["E0706", "E08", "E09"].iter().any(|start| explanation.code.starts_with(start))
    }) {
        for example in explanation.examples.iter().filter(|example| example.language == "pmflow") {
            let checked = check_block(example.text);
            let codes: Vec<&str> = checked.problems.all.iter().map(|problem| problem.code).collect();
            let said: Vec<String> =
                checked.problems.all.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect();
            match example.verdict {
                Verdict::Bad
                    if !codes.contains(&explanation.code)
                        || codes.iter().any(|code| code.starts_with('E') && *code != explanation.code) =>
                {
                    wrong.push(format!("{} bad: {said:?}", explanation.code));
                }
                Verdict::Good if codes.iter().any(|code| code.starts_with('E')) => {
                    wrong.push(format!("{} good: {said:?}", explanation.code));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A flow that uses nearly everything: connectors of the standard library, a fallback chain, narrowing in a template, tests.
#[test]
fn a_whole_file_checks_and_emits() {
    let checked = check_block(include_str!("checks_sample.pmflow"));
    let said: Vec<String> = checked.problems.all.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect();
    assert!(checked.clean(), "{said:#?}");
    let (plan, _) = crate::emit::emit(&checked, "daily_lead_enrichment").unwrap();
    assert_eq!(
        plan.operations.keys().collect::<Vec<_>>(),
        ["airtable.create", "airtable.records", "hubspot.create_task", "hunter.company"]
    );
    insta::assert_json_snapshot!(plan.flows);
}

#[test]
fn one_mistake_gives_one_message_at_the_smallest_stretch() {
    insta::assert_snapshot!(problems(
        r#"
enum Priority { high, medium, low }
type Fit { score: int(1..10), priority: Priority, note: text? }

model smart = "openai/gpt-6-luna"

prompt judge(lead: text) -> Fit {
  model:      smrt
  max_input:  1500
  max_output: 100 tokens
  user:       "Lead: {{ lead }} {{ leda }}"
}

fn bonus(fit: Fit) -> int = fit.scroe + 1
fn flip(flag: bool) -> text = if flag then "yes" else 3

flow main_flow(names: [text], when: date) {
  budget:   $2.00 per run, $3.00 per run
  schedule: "0 25 * * *" in "Europe/Berlin"

  source leads = csv("leads.csv", delimitr: ";") limit 10
  source rows  = json("rows.json") limit 10

  for lead in leads {
    let fit = judge(lead.email) retry 2
    match fit.priority {
      .high { output lead.company_size }
      .medum { output "m" }
    }
    if fit.note { output fit.note.len() }
    output { note: fit.note.len(), size: lead.Company }
  }
  for name in names {
    let fit = judge(name)
    output fit.score + "x"
  }
  for row in rows { output "{{ row.id }} {{ row.name ?? "-" }}" }
  let late = when + 2d > "today"
  output undefined_thing.field
}
"#
    ));
}

#[test]
fn effects_trust_and_bounds_are_held() {
    insta::assert_snapshot!(problems(
        r#"
connector mail {
  base_url: "https://mail.example.com"
  auth:     bearer secret("MAIL")

  action send(to: trusted text, body: text) -> { id: text } {
    post: "/send"
    json: { to: to, body: body }
  }
  action find(name: text) -> { address: text } {
    get:   "/find"
    query: { name: name }
  }
}

prompt write(about: text) -> text {
  model:      "openai/gpt-6-luna"
  max_input:  500 tokens
  max_output: 100 tokens
  user:       "{{ about }}"
}

flow deliver(to: text) {
  do mail.send(to: to, body: "hello")
  output to
}

flow one() {
  let two_result = two()
  output 1
}
flow two() {
  let one_result = one()
  output 2
}

flow send_all() {
  source leads = csv("leads.csv") limit 10
  for lead in leads {
    let found   = mail.find(name: lead.name)
    let address = found.address
    do mail.send(to: address, body: "hi") retry 2
    do mail.find(name: "x")
    let nested = deliver(found.address)
    let draft  = write(write(lead.name))
    approve "Send to {{ address }}?"
    do mail.send(to: address, body: "approved")
    if lead.email.matches(/[a-z]+@example\.org/) {
      do mail.send(to: lead.email, body: "form is fixed")
    }
    set draft = "x"
    output secret("MAIL")
  }
}
"#
    ));
}

/// A file that is being typed is checked as well as any other.
#[test]
fn every_beginning_of_a_file_is_checked_without_panic() {
    let whole = include_str!("checks_sample.pmflow");
    let ends = (0..whole.len()).filter(|end| whole.is_char_boundary(*end)).step_by(23);
    for end in ends {
        let checked = check_block(&whole[..end]);
        assert_eq!(checked.problems, checked.problems.clone().sorted());
    }
}

#[test]
fn deep_nesting_ends_in_a_message() {
    let deep =
        |open: &str, middle: &str, close: &str, times: usize| format!("{}{middle}{}", open.repeat(times), close.repeat(times));
    for times in [100, 20_000] {
        let expressions =
            [deep("(", "1", ")", times), deep("[", "1", "]", times), deep("-", "1", "", times), deep("not ", "true", "", times)];
        for expression in expressions {
            check_text(&format!("flow f() {{\n  output {expression}\n}}"));
        }
        let steps = deep("if true {\n", "output 1\n", "}\n", times);
        check_text(&format!("flow f() {{\n{steps}}}"));
        let ty = deep("[", "text", "]", times);
        check_text(&format!("flow f(x: {ty}) {{\n output x\n}}"));
        let template = deep("{{ if true }}", "x", "{{ end }}", times);
        check_text(&format!("flow f() {{\n output \"{template}\"\n}}"));
    }
}

/// The same work for every item: twice the items, twice the work.
#[test]
fn a_large_project_is_checked_in_one_go() {
    let mut text = String::new();
    for n in 0..1000 {
        text.push_str(&format!(
            "enum Size{n} {{ small, large }}\ntype Answer{n} {{\n  score: int(1..10)\n  size: Size{n}\n}}\nprompt judge{n}(lead: text, last: text?) -> Answer{n} {{\n  model: \"openai/gpt-6-luna\"\n  max_input: 500 tokens\n  max_output: 100 tokens\n  user: \"Lead {{{{ lead }}}} {{{{ if last }}}}{{{{ last }}}}{{{{ end }}}}\"\n}}\nflow run{n}(lead: text) {{\n  let answer = judge{n}(lead)\n  output answer.score\n}}\ntest \"test {n}\" {{\n  given judge{n} = {{ score: 3, size: .small }}\n  run run{n}(\"x\")\n  expect outputs[0] == 3\n}}\n"
        ));
    }
    let (checked, _) = check_text(&text);
    assert!(checked.clean());
    assert_eq!(checked.tests.len(), 1000);
}

/// Data decides the order; actions keep theirs; a wait divides what stands before it from what stands after it.
#[test]
fn steps_wait_for_what_they_need() {
    let checked = check_block(
        r#"
connector crm {
  base_url: "https://crm.example.com"
  action write(note: text) -> { id: int } {
    post: "/notes"
    json: { note: note }
  }
}
flow f(a: int, b: int) {
  let x = a + 1
  let y = b + 1
  do crm.write(note: "one {{ y }}")
  do crm.write(note: "two {{ x }}")
  wait 1h
  let z = a + 2
  output z
}
"#,
    );
    let (plan, map) = crate::emit::emit(&checked, "f").unwrap();
    let steps = plan.flows["f"].body.steps.iter().map(|step| (step.name.as_str(), step.after.clone()));
    let expected = [
        ("x", vec![]),
        ("y", vec![]),
        ("crm.write", vec![1]),
        ("crm.write-2", vec![0, 2]),
        ("wait-1", vec![0, 1, 2, 3]),
        ("z", vec![4]),
        ("output-1", vec![4, 5]),
    ];
    assert_eq!(steps.collect::<Vec<_>>(), expected);
    assert_eq!(map.places["f/crm.write-2"].line, 13);
}
