//! Texts that match a regular expression, made from its parsed form.

use super::Random;
use regex_syntax::hir::{Class, Hir, HirKind};

const REPEATS_MORE_MAX: u64 = 6;
const BYTES_MAX: usize = 4_096;

/// A text that matches the whole pattern; `shortest` takes every repetition as few times as it may. None when the
/// pattern cannot be parsed. Look-around marks (`^`, `\b`) are passed over, so the caller checks the match.
pub fn matching(pattern: &str, random: &mut Random, shortest: bool) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write(&hir, random, shortest, &mut text);
    Some(text)
}

/// The parser bounds the depth of the form, so this may recurse.
fn write(hir: &Hir, random: &mut Random, shortest: bool, text: &mut String) {
    if text.len() > BYTES_MAX {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(character(class, random)),
        HirKind::Capture(capture) => write(&capture.sub, random, shortest, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, random, shortest, text)),
        HirKind::Alternation(arms) => {
            let by_length = arms.iter().min_by_key(|arm| arm.properties().minimum_len());
            let arm = if shortest { by_length } else { random.pick(arms) };
            arm.into_iter().for_each(|arm| write(arm, random, shortest, text));
        }
        HirKind::Repetition(repetition) => {
            let least = u64::from(repetition.min);
            let most = repetition.max.map_or(least + REPEATS_MORE_MAX, u64::from).min(least + REPEATS_MORE_MAX);
            let count = if shortest { least } else { least + random.below(most - least + 1) };
            (0..count).for_each(|_| write(&repetition.sub, random, shortest, text));
        }
    }
}

/// A character of the class, from the readable part of ASCII where the class has one.
fn character(class: &Class, random: &mut Random) -> Option<char> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect(),
        Class::Bytes(class) => class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect(),
    };
    let within = |low: u32, high: u32| -> Vec<(u32, u32)> {
        let cut = ranges.iter().map(|(start, end)| (*start.max(&low), *end.min(&high)));
        cut.filter(|(start, end)| start <= end).collect()
    };
    let letters_and_digits = [within(0x30, 0x39), within(0x41, 0x5a), within(0x61, 0x7a)].concat();
    let preferred = [letters_and_digits, within(0x20, 0x7e), ranges.clone()];
    let ranges = preferred.into_iter().find(|ranges| !ranges.is_empty())?;
    let total: u64 = ranges.iter().map(|(start, end)| u64::from(end - start) + 1).sum();
    let mut place = u32::try_from(random.below(total)).ok()?;
    for (start, end) in ranges {
        if place <= end - start {
            // A range may span the surrogates, which are no characters.
            return char::from_u32(start + place).or_else(|| char::from_u32(start));
        }
        place -= end - start + 1;
    }
    None
}
