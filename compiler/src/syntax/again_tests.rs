//! Edits as people make them, and wilder ones: what is read again equals what is read once.

use super::{Before, FileId, Parsed, parse, parse_again};
use std::sync::Arc;

/// Random numbers that are the same every time.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// What people type, whole and by halves.
const TYPED: [&str; 34] = [
    "x",
    " ",
    "\n",
    "\n\n",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\"\"\"",
    "{{",
    "}}",
    ",",
    ":",
    ".",
    "=",
    "=>",
    "/",
    "//",
    "/// doc\n",
    "///",
    "flow ",
    "\nprompt ",
    "type ",
    "test \"",
    "import \"./other.pmflow\"\n",
    "matches /",
    "if ",
    "é",
    "\u{feff}",
    "\u{202e}",
    "\n// allow(W0101): it is meant\n",
];

/// The text after one random edit. `other` is a text from which stretches are taken.
pub(crate) fn edited(dice: &mut Dice, text: &str, other: &str) -> String {
    let place = |dice: &mut Dice, text: &str| text.floor_char_boundary(dice.below(text.len() + 1));
    let (mut from, mut to) = (place(dice, text), place(dice, text));
    if from > to {
        std::mem::swap(&mut from, &mut to);
    }
    let items = starts(text);
    let (start, end) = (items[dice.below(items.len() - 1)], items[dice.below(items.len())]);
    let next = items[items.partition_point(|item| *item <= start).min(items.len() - 1)];
    let item = &text[start..next];
    match dice.below(10) {
        0..=2 => format!("{}{}{}", &text[..from], dice.of(&TYPED), &text[from..]),
        3 => {
            let word =
                text[from..].find(|letter: char| !letter.is_alphanumeric()).map_or(text.len(), |length| from + length.max(1));
            format!("{}{}", &text[..from], &text[text.ceil_char_boundary(word)..])
        }
        4 => format!("{}{}", &text[..start], &text[next..]),
        5 => format!("{}{item}{}", &text[..end], &text[end..]),
        6 if end <= start => format!("{}{item}{}{}", &text[..end], &text[end..start], &text[next..]),
        6 => format!("{}{}", item, text),
        7 => renamed(dice, text),
        8 => {
            let others = starts(other);
            let one = dice.below(others.len() - 1);
            format!("{}{}{}", &text[..end], &other[others[one]..others[one + 1]], &text[end..])
        }
        _ if to - from < 200 => format!("{}{}", &text[..from], &text[to..]),
        _ => format!("{}{}", &text[..from], &text[text.ceil_char_boundary(from + 1).min(text.len())..]),
    }
}

/// One word instead of another, once or everywhere.
fn renamed(dice: &mut Dice, text: &str) -> String {
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return text.to_owned();
    }
    let (word, by) = (words[dice.below(words.len())], words[dice.below(words.len())]);
    match dice.below(3) {
        0 => text.replace(word, by),
        1 => text.replace(word, &format!("{word}x")),
        _ => text.replacen(word, by, 1),
    }
}

/// Where paragraphs start, and the end.
fn starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    starts.extend(text.match_indices("\n\n").map(|(at, _)| at + 2));
    starts.push(text.len());
    starts.dedup();
    if starts.len() < 2 {
        starts.push(text.len());
    }
    starts
}

/// Texts with many kinds of items.
#[allow(clippy::disallowed_methods, reason = "the examples are files")]
pub(crate) fn corpus() -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        texts.extend(
            files
                .iter()
                .filter(|file| file.extension().is_some_and(|ending| ending == "pmflow"))
                .map(|file| std::fs::read_to_string(file).unwrap()),
        );
    }
    texts
}

fn assert_same(now: &Parsed, fresh: &Parsed, text: &str) {
    assert_eq!(now.file, fresh.file, "{text}");
    assert_eq!(now.comments, fresh.comments, "{text}");
    assert_eq!(now.problems, fresh.problems, "{text}");
}

#[test]
fn what_is_read_again_equals_what_is_read_once() {
    let corpus = corpus();
    for (seed, first) in corpus.iter().enumerate() {
        let mut dice = Dice(seed as u64);
        let mut text = first.clone();
        let mut parsed = Arc::new(parse(FileId(3), &text));
        for _ in 0..150 {
            let other = dice.below(corpus.len());
            let next = if dice.below(12) == 0 { first.clone() } else { edited(&mut dice, &text, &corpus[other]) };
            let kept = (dice.below(2) == 0).then(|| parsed.clone());
            let again = parse_again(FileId(3), &next, Some(Before { text: &text, parsed }));
            assert!(kept.is_none_or(|kept| kept.file == parse(FileId(3), &text).file));
            assert_same(&again, &parse(FileId(3), &next), &next);
            (text, parsed) = (next, Arc::new(again));
        }
    }
}

#[test]
fn an_edit_costs_one_item() {
    let item = |number: usize| format!("/// Says {number}.\nflow f{number}(x: int) {{\n  output x + {number} // so\n}}\n\n");
    let text: String = (0..100).map(item).collect();
    let before = Arc::new(parse(FileId(3), &text));
    for changed in [text.replacen("x + 50", "x + 5", 1), text.replacen("Says 99", "Says", 1), format!("{}{text}", item(100))] {
        let again = parse_again(FileId(3), &changed, Some(Before { text: &text, parsed: before.clone() }));
        assert_same(&again, &parse(FileId(3), &changed), &changed);
        assert!(again.stretches_read * 40 < before.stretches_read, "{} of {}", again.stretches_read, before.stretches_read);
    }
}
