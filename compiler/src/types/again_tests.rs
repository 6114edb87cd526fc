//! What is checked again equals what is checked once, whatever was edited in between.

use super::{Checked, Memory, check_again, check_project};
use crate::cost::{Catalog, price_with};
use crate::emit::{emit, test_plans};
use crate::syntax::again_tests::{Dice, corpus, edited};
use crate::syntax::{Before, Parsed, parse_again};
use crate::world::Source;
use crate::{FileId, World};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

const TODAY: i32 = 20_780;

/// Items of every kind that rest on each other, some in another file.
const ENTANGLED: [&str; 3] = [
    r#"import "./shared.pmflow"
import "./third.pmflow"

enum Size { small, large }

type Answer {
  score: int(1..10)
  size: Size
  why: text(max 40 tokens)
}

model cheap = "openai/gpt-6-luna"

fn double(x: int) -> int = x * 2

fn fourfold(x: int) -> int = double(double(x))

prompt judge(lead: text, last: text?) -> Answer {
  model: cheap
  max_input: 500 tokens
  max_output: 100 tokens
  user: "Lead {{ lead }} {{ if last }}{{ last }}{{ end }}"
}

prompt obey(rules: text, lead: text) -> text(max 20 tokens) {
  model: "openai/gpt-6-luna"
  max_input: 500 tokens
  system: "{{ rules }}"
  user: "{{ lead }}"
}

flow inner(lead: text) {
  let answer = judge(lead, none)
  output answer.score
}

flow outer(lead: text, rules: trusted text) {
  let scores = inner(lead)
  let said = obey(rules, lead)
  output { all: scores.len() + fourfold(2), said: said }
}

flow shared_too(lead: text) {
  let other = shared.rate(lead)
  if other.size == .large {
    output shared.half(other.score)
  }
}

test "inner gives the score" {
  given judge = { score: 3, size: .small, why: "so" }
  run inner("x")
  expect outputs[0] == 3
}

test "outer calls both" {
  given judge = { score: 3, size: .small, why: "so" }
  given obey = "yes"
  run outer("x", "rules")
  expect outputs[0].said == "yes"
  expect called judge once
}
"#,
    r#"import "./third.pmflow"

/// How good it is.
type Rating {
  score: int(1..10)
  size: third.Size
}

fn half(x: int) -> float = x / 2

prompt rate(lead: text) -> Rating {
  model: "openai/gpt-6-luna"
  max_input: 500 tokens
  max_output: 100 tokens
  user: "Rate {{ lead }}"
}
"#,
    r#"enum Size { small, large }

connector crm {
  base_url: "https://crm.example.com"
  type Note { id: int, text: text }
  source notes() -> [Note] {
    get: "/notes"
  }
  action write(note: text) -> { id: int } {
    post: "/notes"
    json: { note: note }
  }
}

flow kept(note: trusted text) {
  source all = crm.notes() limit 10
  for one in all key one.id {
    do crm.write(note: note)
  }
  output all.len()
}

test "kept" {
  given crm.notes = [{ id: 1, text: "a" }]
  given crm.write = { id: 2 }
  run kept("x")
  expect outputs[0] == 1
}
"#,
];

/// A text, and what was read in it.
type Read = (Arc<str>, Arc<Parsed>);

/// Files that are edited; each is read again from what it was.
#[derive(Default)]
struct EditedWorld {
    files: Vec<(&'static str, String)>,
    read: RefCell<BTreeMap<FileId, Read>>,
}

impl World for EditedWorld {
    fn import(&self, _: FileId, relative: &str) -> Result<FileId, String> {
        let found = self.files.iter().position(|(name, _)| relative.trim_start_matches("./") == *name);
        found.map(|file| FileId(file as u32)).ok_or_else(|| "there is no such file".to_owned())
    }

    fn source(&self, file: FileId) -> Source {
        let (name, text) = &self.files[file.0 as usize];
        Source { path: (*name).into(), text: text.as_str().into() }
    }

    fn parsed(&self, file: FileId, text: &Arc<str>) -> Arc<Parsed> {
        let mut read = self.read.borrow_mut();
        let (old, before) = read.remove(&file).unzip();
        let before = old.as_deref().zip(before).map(|(text, parsed)| Before { text, parsed });
        let parsed = Arc::new(parse_again(file, text, before));
        read.insert(file, (text.clone(), parsed.clone()));
        parsed
    }

    fn data_head(&self, _: FileId, _: &str, _: usize) -> Result<Vec<u8>, String> {
        Ok(b"name,company,score\nAda,Engines,3\n".to_vec())
    }

    fn today(&self) -> i32 {
        TODAY
    }
}

impl EditedWorld {
    /// The same files, read for the first time.
    fn fresh(&self) -> EditedWorld {
        EditedWorld { files: self.files.clone(), read: RefCell::default() }
    }

    fn roots(&self, all: bool) -> Vec<FileId> {
        (0..if all { self.files.len() as u32 } else { 1 }).map(FileId).collect()
    }
}

/// Everything that anyone sees of a checked project.
fn seen(checked: &Checked) -> Vec<String> {
    let mut seen: Vec<String> = checked.problems.all.iter().map(|problem| format!("{problem:?}")).collect();
    seen.extend(checked.references.iter().map(|reference| format!("{reference:?}")));
    seen.extend(checked.types.iter().map(|noted| format!("{noted:?}")));
    seen.push(format!("{:#?}", checked.flows));
    seen.push(format!("{:#?}", checked.tests));
    seen.push(format!("{:#?}", checked.parts));
    for flow in checked.flow_names() {
        if let Some((mut plan, map)) = emit(checked, flow) {
            let estimate = price_with(&mut plan, Catalog::builtin());
            seen.push(format!("{} {map:?} {estimate:?}", plan.id()));
        }
    }
    seen.extend(test_plans(checked).iter().map(|test| format!("{test:?}")));
    seen
}

fn assert_same(again: &Checked, world: &EditedWorld, roots: &[FileId]) {
    let fresh = world.fresh();
    let (again, once) = (seen(again), seen(&check_project(&fresh, roots)));
    for (again, once) in again.iter().zip(&once) {
        assert!(again == once, "again:\n{again}\nonce:\n{once}\nfiles:\n{}", shown(world));
    }
    assert_eq!(again.len(), once.len(), "{}", shown(world));
}

fn shown(world: &EditedWorld) -> String {
    world.files.iter().map(|(name, text)| format!("--- {name} ---\n{text}\n")).collect()
}

fn edit_for_a_while(mut world: EditedWorld, others: &[String], seed: u64, edits: usize) {
    let mut dice = Dice(seed);
    let firsts = world.files.clone();
    let mut memories = [Memory::default(), Memory::default()];
    for _ in 0..edits {
        let file = dice.below(world.files.len());
        let other = &others[dice.below(others.len())];
        let text = match dice.below(5) {
            // Most edits are made to something that is whole.
            0..=2 => firsts[file].1.clone(),
            _ => world.files[file].1.clone(),
        };
        world.files[file].1 = if dice.below(12) == 0 { text } else { edited(&mut dice, &text, other) };
        let all = dice.below(2);
        let roots = world.roots(all == 1);
        let (checked, memory) = check_again(&world, &roots, &memories[all]);
        assert_same(&checked, &world, &roots);
        memories[all] = memory;
    }
}

#[test]
fn what_is_checked_again_equals_what_is_checked_once() {
    let corpus = corpus();
    for (seed, text) in corpus.iter().enumerate() {
        let world = EditedWorld { files: vec![("main.pmflow", text.clone())], ..EditedWorld::default() };
        edit_for_a_while(world, &corpus, seed as u64, 30);
    }
}

#[test]
fn files_that_rest_on_each_other_are_checked_again_as_once() {
    let names = ["main.pmflow", "shared.pmflow", "third.pmflow"];
    let files: Vec<(&str, String)> = names.into_iter().zip(ENTANGLED.map(str::to_owned)).collect();
    let world = EditedWorld { files: files.clone(), ..EditedWorld::default() };
    let checked = check_project(&world, &[FileId(0)]);
    assert!(checked.clean(), "{:#?}", checked.problems);
    for seed in 100..106 {
        let world = EditedWorld { files: files.clone(), ..EditedWorld::default() };
        edit_for_a_while(world, &ENTANGLED.map(str::to_owned), seed, 60);
    }
}

#[test]
fn an_edit_costs_its_item_and_those_that_rest_on_it() {
    let part = |number: usize| {
        format!(
            "prompt judge{number}(lead: text) -> text(max 20 tokens) {{\n  model: \"openai/gpt-6-luna\"\n  max_input: 500 tokens\n  user: \"{number} {{{{ lead }}}} {{{{ lead.trim() }}}}\"\n}}\n\nflow run{number}(lead: text) {{\n  let said = judge{number}(lead)\n  output said + \"!\"\n}}\n\n"
        )
    };
    let text: String = (0..100).map(part).collect();
    let work = |edited: &str| {
        let mut world = EditedWorld { files: vec![("main.pmflow", text.clone())], ..EditedWorld::default() };
        let (first, memory) = check_again(&world, &[FileId(0)], &Memory::default());
        assert!(first.clean());
        world.files[0].1 = edited.to_owned();
        let (checked, _) = check_again(&world, &[FileId(0)], &memory);
        assert_same(&checked, &world, &[FileId(0)]);
        checked.work.nodes_checked
    };
    let signatures = work(&text);
    assert!(work(&text.replacen("said + \"!\"", "said + \"?\"", 1)) < signatures + 10);
    assert!(work(&format!("{}{text}", part(100))) < signatures + 30);
    assert!(work(&text.replacen("lead.trim()", "lead", 1)) < signatures + 30);
    let whole =
        check_project(&EditedWorld { files: vec![("main.pmflow", text.clone())], ..EditedWorld::default() }, &[FileId(0)]);
    assert!(whole.work.nodes_checked > 2 * signatures, "{} {signatures}", whole.work.nodes_checked);
}
