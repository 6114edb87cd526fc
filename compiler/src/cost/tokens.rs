//! Counting tokens: exactly where the model's encoding is public, by bytes where it is not.
//!
//! Joining texts is not additive: in `cl100k_base` the words `" encyclopedia"` and `"innerText"` are one token each, and
//! eight when joined. Two rules are sound for the byte-level encodings here. A piece that ends in a line's end, followed by
//! one that starts with neither white space nor `/`, adds up exactly; and bytes bound tokens. [`joined_tokens_max`] builds
//! on both. Where no tokenizer is public, the bound is the larger of the text's bytes before and after compatibility
//! normalisation (NFKC), for such a tokenizer may normalise first, and one character may become eighteen.

use pmflow_plan::Model;
use unicode_normalization::UnicodeNormalization;

/// Counts the tokens of a text.
pub trait Tokenizer: Sync {
    /// The number of tokens; of a bound, the number that the text cannot pass.
    fn count(&self, text: &str) -> u64;

    /// Whether [`Tokenizer::count`] is the number itself and not a bound.
    fn exact(&self) -> bool;
}

/// A public encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    O200kBase,
    Cl100kBase,
}

/// The bound for a tokenizer that nobody has seen.
#[derive(Clone, Copy, Debug)]
pub struct ByteBound;

/// The bound for a tokenizer that is not public but was compared with one that is: see `calibration_milli` of a model.
#[derive(Clone, Copy, Debug)]
pub struct Calibrated {
    pub milli: u64,
}

/// The tokenizer of a model. The tables of an encoding are loaded with its first count (about 150 ms), not here.
pub fn tokenizer(model: &Model) -> Box<dyn Tokenizer> {
    match (model.encoding.as_deref().and_then(Encoding::named), model.calibration_milli) {
        (Some(encoding), _) => Box::new(encoding),
        (None, Some(milli)) => Box::new(Calibrated { milli }),
        (None, None) => Box::new(ByteBound),
    }
}

impl Encoding {
    pub fn named(name: &str) -> Option<Encoding> {
        match name {
            "o200k_base" => Some(Encoding::O200kBase),
            "cl100k_base" => Some(Encoding::Cl100kBase),
            _ => None,
        }
    }

    /// Loads the tables now, so that the first count does not have to wait.
    pub fn load(self) {
        self.tables();
    }

    fn tables(self) -> &'static tiktoken_rs::CoreBPE {
        match self {
            Encoding::O200kBase => tiktoken_rs::o200k_base_singleton(),
            Encoding::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        }
    }
}

impl Tokenizer for Encoding {
    fn count(&self, text: &str) -> u64 {
        self.tables().count_ordinary(text) as u64
    }

    fn exact(&self) -> bool {
        true
    }
}

impl Tokenizer for Calibrated {
    /// Plain text by the calibration; digits, and whatever is not ASCII, by their bytes. Never more than the bytes of all.
    fn count(&self, text: &str) -> u64 {
        let plain = |c: char| c.is_ascii() && !c.is_ascii_digit();
        let (mut reference, mut bytes) = (0u64, 0u64);
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| plain(c) != plain(first)).unwrap_or(rest.len());
            let (run, behind) = rest.split_at(end);
            if plain(first) {
                reference = reference.saturating_add(Encoding::O200kBase.count(run));
            } else {
                bytes = bytes.saturating_add(ByteBound.count(run));
            }
            rest = behind;
        }
        let calibrated = reference.saturating_mul(self.milli).div_ceil(1000).saturating_add(bytes);
        calibrated.min(ByteBound.count(text))
    }

    fn exact(&self) -> bool {
        false
    }
}

impl Tokenizer for ByteBound {
    fn count(&self, text: &str) -> u64 {
        let normalised: usize = text.nfkc().map(char::len_utf8).sum();
        text.len().max(normalised) as u64
    }

    fn exact(&self) -> bool {
        false
    }
}

/// The most tokens that the pieces have when they are joined, without joining them: what stays clear of every seam is
/// counted, and the words on both sides of a seam are charged by their bytes.
pub fn joined_tokens_max(pieces: &[&str], tokenizer: &dyn Tokenizer) -> u64 {
    let pieces: Vec<&str> = pieces.iter().copied().filter(|piece| !piece.is_empty()).collect();
    let mut sum: u64 = 0;
    for (position, piece) in pieces.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| pieces.get(before));
        let fenced_before = before.is_none_or(|before| is_fence(before, piece));
        let fenced_after = pieces.get(position + 1).is_none_or(|after| is_fence(piece, after));
        sum = sum.saturating_add(piece_tokens_max(piece, fenced_before, fenced_after, tokenizer));
    }
    sum
}

/// No token and no choice of the tokenizer reaches across such a seam.
pub fn is_fence(before: &str, after: &str) -> bool {
    before.ends_with('\n') && after.chars().next().is_some_and(|c| !c.is_whitespace() && c != '/')
}

fn piece_tokens_max(piece: &str, fenced_before: bool, fenced_after: bool, tokenizer: &dyn Tokenizer) -> u64 {
    let start = if fenced_before { 0 } else { first_clear(piece) };
    let end = if fenced_after { piece.len() } else { last_clear(piece) };
    match piece.get(start..end) {
        Some(middle) if start < end => (start + piece.len() - end) as u64 + tokenizer.count(middle),
        _ => piece.len() as u64,
    }
}

/// Where the text starts to be clear of what stands before it: behind the first blank-separated word that a fence or a
/// single blank ends. The blank itself belongs to the next word.
fn first_clear(piece: &str) -> usize {
    word_ends(piece).next().unwrap_or(piece.len())
}

fn last_clear(piece: &str) -> usize {
    word_ends(piece).last().unwrap_or(0)
}

/// Positions between a character that is no white space and a single blank before another such character: every
/// tokenizer here ends a word there, whatever stands further left or right.
fn word_ends(piece: &str) -> impl Iterator<Item = usize> {
    let mut characters = piece.char_indices().peekable();
    let mut before: Option<char> = None;
    std::iter::from_fn(move || {
        while let Some((position, c)) = characters.next() {
            let after = characters.peek().map(|(_, after)| *after);
            let ends = c == ' ' && before.is_some_and(|b| !b.is_whitespace()) && after.is_some_and(|a| !a.is_whitespace());
            before = Some(c);
            if ends {
                return Some(position);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests;
