//! The pages for users: what they show is accepted as it stands.
//!
//! A block that is marked `pmflow` is a whole file, and has no problem, not even a warning. One that is marked
//! `pmflow fragment` holds steps of a flow, and is read without a message. One that is marked `csv NAME`, `json NAME` or
//! `jsonl NAME` is a data file that the others may read.

use pmflow_compiler::World as _;
use pmflow_compiler::problems::Problems;
use pmflow_compiler::problems::render::human;
use pmflow_tests::lang::problems_of;
use pmflow_tests::sections::{MAIN, SectionFile};
use pmflow_tests::world::TableWorld;
use std::path::Path;

/// A fenced block: what it is marked with, the line of its first line, its text.
#[derive(Debug, PartialEq)]
struct Block {
    mark: String,
    line: usize,
    text: String,
}

#[test]
fn every_block_of_every_page_is_accepted() {
    let pages: Vec<(String, Vec<Block>)> = pages().into_iter().map(|(name, text)| (name, blocks(&text))).collect();
    let data: Vec<SectionFile> = pages.iter().flat_map(|(_, blocks)| blocks).filter_map(data_file).collect();
    let mut said = String::new();
    for (page, blocks) in &pages {
        for block in blocks {
            let (world, found) = judged(block, &data);
            if !found.all.is_empty() {
                let shown = human(&found, &|file| world.source(file), Default::default());
                said.push_str(&format!("{page}, the block at line {}:\n{shown}\n", block.line));
            }
        }
    }
    assert!(said.is_empty(), "{said}");
    let whole = |page: &str| pages.iter().find(|(name, _)| name == page).unwrap().1.iter().filter(|b| b.mark == "pmflow").count();
    assert!(whole("docs/language.md") >= 10 && whole("README.md") >= 1, "the blocks of a page were not found");
}

#[test]
fn a_wrong_block_is_noticed() {
    let text = "Text.\n```pmflow\nflow f() {\n  output nowhere\n}\n```\n```pmflow fragment\nlet x =\n```\n```\nnot read\n```\n";
    let blocks = blocks(text);
    assert_eq!(blocks.iter().map(|block| block.line).collect::<Vec<_>>(), [3, 8, 11]);
    let counts: Vec<usize> = blocks.iter().map(|block| judged(block, &[]).1.all.len()).collect();
    assert_eq!(counts, [1, 1, 0]);
}

fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        names.push(format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    names.retain(|name| name.ends_with(".md"));
    names.sort();
    names.into_iter().map(|name| (name.clone(), std::fs::read_to_string(root.join(&name)).unwrap())).collect()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(mark), false) => blocks.push(Block { mark: mark.trim().to_owned(), line: index + 2, text: String::new() }),
            (Some(_), true) => {}
            (None, true) => blocks.last_mut().unwrap().text.extend([line, "\n"]),
            (None, false) => continue,
        }
        open ^= line.starts_with("```");
    }
    assert!(!open, "a block of the page is not closed");
    blocks
}

fn data_file(block: &Block) -> Option<SectionFile> {
    let (format, name) = block.mark.split_once(' ')?;
    let file = || SectionFile { name: name.to_owned(), text: block.text.clone() };
    matches!(format, "csv" | "json" | "jsonl").then(file)
}

fn judged(block: &Block, data: &[SectionFile]) -> (TableWorld, Problems) {
    let fragment = block.mark == "pmflow fragment";
    let text = if fragment { format!("flow fragment() {{\n{}}}\n", block.text) } else { block.text.clone() };
    let main = SectionFile { name: MAIN.to_owned(), text };
    let world = TableWorld { files: std::iter::once(main).chain(data.iter().cloned()).collect() };
    let mut found = if fragment || block.mark == "pmflow" { problems_of(&world) } else { Problems::default() };
    // A fragment names what stands elsewhere.
    found.all.retain(|problem| !fragment || problem.code.starts_with("E00"));
    (world, found)
}
