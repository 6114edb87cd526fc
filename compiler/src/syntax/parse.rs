//! Any text gives a tree: the text is scanned, divided into items, and each item is read on its own.

use super::again::{Before, Old, Part};
use super::ast::{self, Comment, Item, ItemKind};
use super::build::{Builder, Docs};
use super::scan::{self, DEPTH_MAX, Mark, Scan};
use super::shorten::Short;
use super::{FileId, Span, again, closing, consequences, keywords};
use crate::problems::{Problem, Problems};
use std::ops::Range;
use std::sync::Arc;

/// The largest source file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// How many grammar steps one item may take; an item of the largest size needs fewer, so that only a pathological one
/// ends here.
const GRAMMAR_STEPS_MAX: usize = 400_000_000;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub file: Arc<ast::File>,
    /// In the order of the file; `///` lines that document nothing are among them.
    pub comments: Vec<Comment>,
    pub problems: Problems,
    /// How many stretches of the text were looked at to build the tree: a measure of the work, not of the time.
    pub stretches_read: u64,
    pub(super) masked: String,
    pub(super) parts: Vec<Part>,
}

/// Reads a file. Total: whatever cannot be read is a broken node among whole neighbours, and is reported once.
pub fn parse(file: FileId, text: &str) -> Parsed {
    parse_again(file, text, None)
}

/// As [`parse`], with the same result; what is as it was `before` is not read once more.
pub fn parse_again(file: FileId, text: &str, before: Option<Before<'_>>) -> Parsed {
    if let Some(problem) = unreadable(file, text) {
        let mut problems = Problems::default();
        problems.push(problem);
        return Parsed {
            file: Arc::new(ast::File { id: file, items: Vec::new() }),
            comments: Vec::new(),
            problems,
            stretches_read: 0,
            masked: String::new(),
            parts: Vec::new(),
        };
    }
    pest::set_call_limit(std::num::NonZeroUsize::new(GRAMMAR_STEPS_MAX));
    let mut scan = scan::scan(file, text, 0);
    let mut scanned = std::mem::take(&mut scan.problems).all;
    scanned.sort_by_key(|problem| problem.span.start);
    let mut scanned = scanned.into_iter().peekable();
    let docs = Docs::new(std::mem::take(&mut scan.docs));
    let ranges = item_ranges(&scan);
    let mut old = before.map(again::Old::of);
    let equal = old.as_ref().map(|old| old.equal_parts(text, &scan, &ranges)).unwrap_or_default();
    let mut equal = equal.into_iter();
    let mut reader = Reader {
        file,
        text,
        docs,
        problems: Problems::default(),
        items: Vec::new(),
        parts: Vec::with_capacity(ranges.len()),
        apart: false,
        stretches_read: 0,
    };
    for range in ranges {
        let own = std::iter::from_fn(|| scanned.next_if(|problem| (problem.span.start as usize) < range.end)).collect();
        let known = old.as_mut().zip(equal.next().flatten());
        reader.part(&scan, range, own, known);
    }
    let mut problems = reader.problems;
    problems.all.extend(scanned);
    problems.all.sort_by_key(|problem| problem.span.start);
    let mut comments = std::mem::take(&mut scan.comments);
    comments.extend(reader.docs.unattached());
    comments.sort_by_key(|comment| comment.span.start);
    let file = Arc::new(ast::File { id: file, items: reader.items });
    Parsed { file, comments, problems, stretches_read: reader.stretches_read, masked: scan.masked, parts: reader.parts }
}

/// Why a file is not read at all.
fn unreadable(file: FileId, text: &str) -> Option<Problem> {
    let at = |position: usize, length: usize| Span { file, start: position as u32, end: (position + length) as u32 };
    if text.len() > FILE_BYTES_MAX {
        let message =
            format!("this file is too large: it has {} bytes, and a source file has at most {FILE_BYTES_MAX}", text.len());
        return Some(Problem::new("E0001", at(0, 0), message).help("divide it into files that import each other"));
    }
    let position = text.bytes().position(|byte| byte == 0)?;
    let message = format!("this is not a text file: byte {position} is zero");
    Some(Problem::new("E0002", at(position, 1), message).help("a source file is plain UTF-8 text"))
}

/// Reads the parts of a file one after the other.
struct Reader<'a> {
    file: FileId,
    text: &'a str,
    docs: Docs,
    problems: Problems,
    items: Vec<Arc<Item>>,
    parts: Vec<Part>,
    /// The brackets of the last part do not tell what belongs to what.
    apart: bool,
    stretches_read: u64,
}

impl Reader<'_> {
    /// `scanned`: what the scan found in the part; `known`: the position of an old part that has the same text.
    fn part(&mut self, scan: &Scan, range: Range<usize>, scanned: Vec<Problem>, known: Option<(&mut Old<'_>, usize)>) {
        let first = scan.too_deep.partition_point(|&at| (at as usize) < range.start);
        let too_deep = scan.too_deep.get(first).is_some_and(|&at| (at as usize) < range.end);
        let docs = self.docs.within(&range);
        let known = known.filter(|_| scanned.is_empty() && !too_deep).and_then(|(old, position)| {
            let part = old.part(position).filter(|part| again::same_docs(&part.docs, &docs))?.clone();
            Some((old, part))
        });
        let items = self.items.len();
        let (clean, reading) = match known {
            Some((old, part)) => {
                let by = (range.start as u32).wrapping_sub(part.range.start as u32);
                self.items.extend(old.take_items(part.items.clone(), by));
                part.docs.iter().filter(|doc| doc.taken).for_each(|doc| drop(self.docs.take((range.start + doc.at) as u32)));
                self.apart &= part.items.is_empty();
                (true, part.reading)
            }
            None => (self.read_part(scan, range.clone(), scanned), Arc::default()),
        };
        self.parts.push(Part { items: items..self.items.len(), docs: self.docs.within(&range), clean, reading, range });
    }

    /// Whether nothing is wrong with the part, not even as a consequence.
    fn read_part(&mut self, scan: &Scan, range: Range<usize>, scanned: Vec<Problem>) -> bool {
        let masked = scan.masked.get(range.clone()).unwrap_or_default();
        let content = masked.trim();
        let start = range.start + (masked.len() - masked.trim_start().len());
        let span = Span { file: self.file, start: start as u32, end: (start + content.len()) as u32 };
        let first = scan.too_deep.partition_point(|&at| at < span.start);
        if content.is_empty() {
            let clean = scanned.is_empty();
            self.problems.all.extend(scanned);
            clean
        } else if let Some(&at) = scan.too_deep.get(first).filter(|&&at| at < span.end) {
            self.problems.all.extend(scanned);
            self.problems.push(too_deep(Span { start: at, end: at + 1, ..span }));
            self.items.push(Arc::new(Item { span, doc: self.docs.take(span.start), kind: ItemKind::Broken }));
            self.stretches_read += 1;
            false
        } else {
            self.read_item(content, start, scanned)
        }
    }

    /// Again with the words that are meant, while keywords are misspelt.
    fn read_item(&mut self, masked: &str, start: usize, scanned: Vec<Problem>) -> bool {
        let mut masked = std::borrow::Cow::Borrowed(masked);
        let mut misspelt = keywords::Misspelt::default();
        let (items, found) = loop {
            let mut items = Vec::new();
            let short = Short::of(&masked);
            let mut builder = Builder::new(self.file, self.text, &masked, &short, start, &mut self.docs);
            builder.items(&mut items);
            self.stretches_read += builder.stretches_read.get();
            let found = builder.problems;
            match misspelt.mend(&masked, start, &found) {
                Some(mended) => masked = mended.into(),
                None => break (items, found),
            }
        };
        let mut all = misspelt.beside(found);
        all.extend(scanned);
        closing::find_unclosed(&masked, start, &mut all);
        let clean = all.is_empty();
        let nested = self.apart && start > 0 && self.text.as_bytes().get(start - 1) != Some(&b'\n');
        let (kept, apart) = consequences::forget(self.text, all, nested);
        self.apart = apart;
        self.problems.extend(kept);
        self.items.extend(items.into_iter().map(Arc::new));
        clean
    }
}

/// The problem of brackets or chains beyond the limit.
pub(super) fn too_deep(span: Span) -> Problem {
    Problem::new("E0003", span, format!("this is nested too deeply: at most {DEPTH_MAX} levels"))
        .label("one level too many")
        .help("give an inner part a name of its own with `let`, or make it a `fn`")
}

/// Where the items of the file stand: they divide the file without gaps.
fn item_ranges(scan: &Scan) -> Vec<Range<usize>> {
    let mut starts = item_starts(&scan.marks, false);
    if starts.is_none() {
        starts = item_starts(&scan.marks, true);
    }
    let mut starts = starts.unwrap_or_default();
    starts.insert(0, 0);
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(scan.masked.len())).collect::<Vec<_>>();
    starts.into_iter().zip(ends).map(|(start, end)| start..end).collect()
}

/// Items start at words outside of all brackets. Where the brackets of the file do not match (none is returned), a
/// known word in the first column starts one as well, so that an unclosed bracket costs one item and no more.
fn item_starts(marks: &[Mark], trust_first_column: bool) -> Option<Vec<usize>> {
    let mut starts = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut matching = true;
    for mark in marks {
        match *mark {
            Mark::Open { bracket } => open.push(bracket),
            Mark::Close { bracket } => matching &= close(&mut open, bracket),
            Mark::ItemWord { at, known, at_line_start } => {
                if trust_first_column && at_line_start && known {
                    open.clear();
                }
                if open.is_empty() && (known || at_line_start) {
                    starts.push(at as usize);
                }
            }
        }
    }
    (trust_first_column || (matching && open.is_empty())).then_some(starts)
}

/// Closes the bracket, and with a `}` every other bracket inside; false: the brackets do not match.
fn close(open: &mut Vec<u8>, bracket: u8) -> bool {
    let opening = match bracket {
        b')' => b'(',
        b']' => b'[',
        _ => b'{',
    };
    if open.last() == Some(&opening) {
        open.pop();
        return true;
    }
    if bracket == b'}'
        && let Some(position) = open.iter().rposition(|&bracket| bracket == b'{')
    {
        open.truncate(position);
    }
    false
}
