//! Counting tokens. The only place that names the tokenizer's crate.
//!
//! A vocabulary is loaded at its first use, which takes about 150 ms and 50 MB.

use hashlink::LruCache;
use std::cell::RefCell;
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

/// Counts that each thread remembers of each vocabulary: system texts and schemas come with every call.
const REMEMBERED_MAX: usize = 128;
/// Longer texts are not remembered: 4 MiB for each thread at most.
const REMEMBERED_BYTES_MAX: usize = 16 * 1024;

/// The tokens of a text in `cl100k_base`, or in `o200k_base` for any other name. Special tokens count as plain text.
pub fn count(encoding: &str, text: &str) -> u64 {
    thread_local! {
        static REMEMBERED: RefCell<[LruCache<Box<str>, u64>; 2]> = RefCell::new([(); 2].map(|()| LruCache::new(REMEMBERED_MAX)));
    }
    let counted = || vocabulary(encoding).count_ordinary(text) as u64;
    if text.len() > REMEMBERED_BYTES_MAX {
        return counted();
    }
    REMEMBERED.with_borrow_mut(|[cl100k, o200k]| {
        let remembered = if encoding == "cl100k_base" { cl100k } else { o200k };
        if let Some(count) = remembered.get(text) {
            return *count;
        }
        let count = counted();
        remembered.insert(text.into(), count);
        count
    })
}

/// The longest beginning of a text with at most so many tokens; shorter by up to three where a character is split.
pub fn cut<'a>(encoding: &str, text: &'a str, tokens_max: u64) -> &'a str {
    let vocabulary = vocabulary(encoding);
    let mut tokens = vocabulary.encode_ordinary(text);
    let Ok(most) = usize::try_from(tokens_max) else { return text };
    if tokens.len() <= most {
        return text;
    }
    tokens.truncate(most);
    let bytes = vocabulary.decode_bytes(&tokens).map_or(0, |bytes| bytes.len());
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

fn vocabulary(encoding: &str) -> &'static CoreBPE {
    match encoding {
        "cl100k_base" => cl100k_base_singleton(),
        _ => o200k_base_singleton(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_reference() {
        assert_eq!(count("o200k_base", "hello world"), 2);
        assert_eq!(count("cl100k_base", "hello world"), 2);
        assert_eq!(count("o200k_base", ""), 0);
        assert_eq!(count("cl100k_base", " encyclopediainnerText"), 8);
        assert_eq!(count("cl100k_base", " encyclopediainnerText"), 8, "remembered");
        let arabic = "العربية";
        assert_ne!(count("cl100k_base", arabic), count("o200k_base", arabic), "each for its vocabulary");
        assert!(count("o200k_base", "<|endoftext|>") > 1, "a special token in a text is text");
    }

    #[test]
    fn a_cut_text_has_at_most_so_many_tokens() {
        for text in ["one two three four five", "👩‍👩‍👧‍👦 👩‍👩‍👧‍👦 日本語のテキスト"] {
            for most in 0..8 {
                assert!(count("o200k_base", cut("o200k_base", text, most)) <= most, "{text} {most}");
            }
            assert_eq!(cut("o200k_base", text, 1_000), text);
        }
    }
}
