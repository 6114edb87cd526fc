//! Reading a file again after an edit: what stands there as before keeps its tree.
//!
//! A part of a file is read by itself ([`super::parse`]), from its text, its masked text and its documentation. Where all of
//! these are as they were, and nothing was wrong, the tree is as it was, at another place at most.

use super::ast::Item;
use super::parse::Parsed;
use super::scan::Scan;
use super::shift::Shift as _;
use ecow::EcoString;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// One reading of one item: the same (by address) for as long as the item's tree stays the same but for its place.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    words: OnceLock<Words>,
}

impl Reading {
    /// `text`: of the part that was read; the same each time.
    pub fn words(&self, text: &str) -> &Words {
        self.words.get_or_init(|| Words::of(text))
    }
}

/// The words of a text that may be names.
#[derive(Debug, Default)]
pub(crate) struct Words {
    sorted: Box<[EcoString]>,
    /// A bit for each, so that most others are told from them at once.
    bits: u64,
}

impl Words {
    fn of(text: &str) -> Words {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let mut words: Vec<&str> = text.split(|character| !is_word(character)).filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        words.dedup();
        let bits = words.iter().fold(0, |bits, word| bits | bit(word));
        Words { sorted: words.into_iter().map(EcoString::from).collect(), bits }
    }

    pub fn have(&self, word: &str) -> bool {
        self.bits & bit(word) != 0 && self.sorted.binary_search_by(|known| known.as_str().cmp(word)).is_ok()
    }
}

fn bit(word: &str) -> u64 {
    let mixed = word.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    1 << (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

/// A stretch of a file that was read by itself.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub range: Range<usize>,
    /// Among the items of the file.
    pub items: Range<usize>,
    /// Nothing was wrong with it.
    pub clean: bool,
    pub docs: Vec<DocBefore>,
    pub reading: Arc<Reading>,
}

/// Documentation above a token of a part.
#[derive(Clone, Debug)]
pub(crate) struct DocBefore {
    /// Behind the start of the part, in bytes.
    pub at: usize,
    pub text: EcoString,
    /// It documents something.
    pub taken: bool,
}

/// What was read before.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    pub text: &'a str,
    pub parsed: &'a Parsed,
}

/// For each new part the old one that it equals.
pub(super) fn equal_parts<'a>(
    before: Option<Before<'a>>,
    text: &str,
    scan: &Scan,
    ranges: &[Range<usize>],
) -> Vec<Option<&'a Part>> {
    let mut found = vec![None; ranges.len()];
    let Some(before) = before else { return found };
    let parts = &before.parsed.parts;
    let same = |part: &Part, range: &Range<usize>| {
        part.clean
            && before.text.get(part.range.clone()) == text.get(range.clone())
            && before.parsed.masked.get(part.range.clone()) == scan.masked.get(range.clone())
    };
    let pairs = |(part, range): (&&'a Part, &&Range<usize>)| same(part, range);
    let front = parts.iter().zip(ranges).take_while(|(part, range)| pairs((part, range))).count();
    let rest = parts.len().min(ranges.len()) - front;
    let back = parts.iter().rev().zip(ranges.iter().rev()).take(rest).take_while(|(part, range)| pairs((part, range))).count();
    let middle = parts.get(front..parts.len() - back).unwrap_or_default();
    let by_text: HashMap<Option<&str>, &'a Part> =
        middle.iter().map(|part| (before.text.get(part.range.clone()), part)).collect();
    let last = ranges.len() - back;
    for (position, (range, place)) in ranges.iter().zip(&mut found).enumerate() {
        let part = match position {
            _ if position < front => parts.get(position),
            _ if position >= last => (parts.len() + position).checked_sub(ranges.len()).and_then(|part| parts.get(part)),
            _ => by_text.get(&text.get(range.clone())).copied().filter(|part| same(part, range)),
        };
        *place = part;
    }
    found
}

/// `taken` is told only when a part is read.
pub(super) fn same_docs(before: &[DocBefore], now: &[DocBefore]) -> bool {
    let same = |(before, now): (&DocBefore, &DocBefore)| before.at == now.at && before.text == now.text;
    before.len() == now.len() && before.iter().zip(now).all(same)
}

/// The items of a part that starts `by` bytes (wrapping) further on now.
pub(super) fn moved(items: &[Arc<Item>], by: u32) -> impl Iterator<Item = Arc<Item>> {
    items.iter().map(move |item| match by {
        0 => item.clone(),
        _ => {
            let mut moved = Item::clone(item);
            moved.shift(by);
            Arc::new(moved)
        }
    })
}

impl Parsed {
    /// The reading of an item that is a whole part without a problem, and where that part stands.
    pub(crate) fn readings(&self) -> Vec<Option<(Arc<Reading>, Range<usize>)>> {
        let mut readings = vec![None; self.file.items.len()];
        for part in self.parts.iter().filter(|part| part.clean && part.items.len() == 1) {
            if let Some(reading) = readings.get_mut(part.items.start) {
                *reading = Some((part.reading.clone(), part.range.clone()));
            }
        }
        readings
    }
}
