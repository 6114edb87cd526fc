//! Paths as runs have them, with a key for each item: `daily/lead[ada@example.org]/fit`.

use super::DEPTH_MAX;
use crate::cost::expectations::children;
use pmflow_plan::{Block, Plan};
use std::collections::{BTreeMap, BTreeSet};

/// As the source map has it: `daily/lead/fit`.
pub(super) fn without_keys(path: &str) -> String {
    let mut bare = String::with_capacity(path.len());
    let mut depth = 0u32;
    for character in path.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(character),
            _ => {}
        }
    }
    bare
}

/// Where the steps of past runs stand in the plan of today.
#[derive(Debug)]
pub(super) struct Places {
    /// From before a renaming (`was`) to today.
    renamed: BTreeMap<String, String>,
}

impl Places {
    pub fn of(plan: &Plan) -> Places {
        let mut renamed = BTreeMap::new();
        plan.flows.iter().for_each(|(name, flow)| renamed_in(&flow.body, name, 0, &mut renamed));
        Places { renamed }
    }

    /// As the source map has it.
    pub fn today(&self, step: &str) -> String {
        let place = without_keys(step);
        self.renamed.get(&place).cloned().unwrap_or(place)
    }
}

fn renamed_in(block: &Block, above: &str, depth: u32, moved: &mut BTreeMap<String, String>) {
    if depth > DEPTH_MAX {
        return;
    }
    for step in &block.steps {
        let path = format!("{above}/{}", step.name);
        children(step).into_iter().for_each(|inner| renamed_in(inner, &path, depth + 1, moved));
        if let Some(was) = &step.was {
            moved.insert(format!("{above}/{was}"), path);
        }
    }
}

/// How many items of each loop, or rounds of each repetition, left a step behind.
pub(super) fn items_by_loop<'a>(steps: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let items: BTreeSet<&str> = steps.flat_map(items).collect();
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(without_keys(item)).or_default() += 1;
    }
    counts
}

/// Every beginning of the path that ends with a key.
fn items(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0u32;
    path.char_indices().filter_map(move |(at, character)| {
        match character {
            '[' => depth += 1,
            ']' => {
                depth = depth.saturating_sub(1);
                return if depth == 0 { path.get(..=at) } else { None };
            }
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_by_their_loop() {
        let steps = ["f/lead[1]/fit", "f/lead[1]/again[0]/a", "f/lead[1]/again[1]/a", "f/lead[2]/fit", "f/lead"];
        let counts = items_by_loop(steps.into_iter());
        assert_eq!(counts, BTreeMap::from([("f/lead".to_owned(), 2), ("f/lead/again".to_owned(), 2)]));
        assert_eq!(without_keys("f/lead[a/b[c]]/fit"), "f/lead/fit");
    }
}
