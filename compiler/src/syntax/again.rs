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
#[derive(Debug)]
pub struct Before<'a> {
    pub text: &'a str,
    /// Where nobody else has it, its trees are moved instead of copied.
    pub parsed: Arc<Parsed>,
}

/// The parts of what was read before, to be taken once each.
pub(super) struct Old<'a> {
    text: &'a str,
    masked: String,
    parts: Vec<Part>,
    items: Vec<Option<Arc<Item>>>,
}

impl<'a> Old<'a> {
    pub fn of(before: Before<'a>) -> Old<'a> {
        let parsed = Arc::try_unwrap(before.parsed).unwrap_or_else(|shared| Parsed::clone(&shared));
        let items = Arc::try_unwrap(parsed.file).map_or_else(|shared| shared.items.clone(), |file| file.items);
        Old { text: before.text, masked: parsed.masked, parts: parsed.parts, items: items.into_iter().map(Some).collect() }
    }

    pub fn part(&self, position: usize) -> Option<&Part> {
        self.parts.get(position)
    }

    /// For each new part the old one that it equals, by its position.
    pub fn equal_parts(&self, text: &str, scan: &Scan, ranges: &[Range<usize>]) -> Vec<Option<usize>> {
        let same = |part: &Part, range: &Range<usize>| {
            part.clean
                && self.text.get(part.range.clone()) == text.get(range.clone())
                && self.masked.get(part.range.clone()) == scan.masked.get(range.clone())
        };
        let (old, new) = (self.parts.len(), ranges.len());
        let front = self.parts.iter().zip(ranges).take_while(|(part, range)| same(part, range)).count();
        let back = self.parts.iter().rev().zip(ranges.iter().rev()).take(old.min(new) - front);
        let back = back.take_while(|(part, range)| same(part, range)).count();
        let middle = self.parts.iter().enumerate().take(old - back).skip(front);
        let mut by_text: HashMap<Option<&str>, usize> =
            middle.map(|(position, part)| (self.text.get(part.range.clone()), position)).collect();
        let find = |(position, range): (usize, &Range<usize>)| match position {
            _ if position < front => Some(position),
            _ if position >= new - back => Some(position + old - new),
            _ => {
                let found = by_text.remove(&text.get(range.clone()))?;
                self.parts.get(found).is_some_and(|part| same(part, range)).then_some(found)
            }
        };
        ranges.iter().enumerate().map(find).collect()
    }

    /// The items of a part that starts `by` bytes (wrapping) further on now.
    pub fn take_items(&mut self, part: Range<usize>, by: u32) -> impl Iterator<Item = Arc<Item>> {
        self.items.get_mut(part).into_iter().flatten().filter_map(Option::take).map(move |item| moved(item, by))
    }
}

fn moved(mut item: Arc<Item>, by: u32) -> Arc<Item> {
    if by != 0 {
        Arc::make_mut(&mut item).shift(by);
    }
    item
}

/// `taken` is told only when a part is read.
pub(super) fn same_docs(before: &[DocBefore], now: &[DocBefore]) -> bool {
    let same = |(before, now): (&DocBefore, &DocBefore)| before.at == now.at && before.text == now.text;
    before.len() == now.len() && before.iter().zip(now).all(same)
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
