//! How many tokens a text has for a model, at most: counted where its tokenizer is public, bounded by bytes where not.

use pmflow_plan::Model;
use pmflow_providers::tokens;
use unicode_normalization::UnicodeNormalization as _;

/// Tokens in a public encoding.
pub fn count(encoding: &str, text: &str) -> u64 {
    tokens::count(encoding, text)
}

/// Exact for a public encoding. Otherwise the bytes of the text, before or after compatibility normalisation, whichever
/// are more: a byte-level tokenizer never makes more tokens than that, whether it normalises or not.
pub fn bound(model: &Model, text: &str) -> u64 {
    match &model.encoding {
        Some(encoding) => tokens::count(encoding, text),
        None => bytes(text),
    }
}

fn bytes(text: &str) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    let normalised: usize = text.nfkc().map(char::len_utf8).sum();
    text.len().max(normalised) as u64
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_text_that_grows_when_normalised_is_bounded_by_what_it_grows_to() {
        assert_eq!(bytes("plain"), 5);
        let ligature = "\u{fdfa}";
        assert_eq!(ligature.len(), 3);
        assert_eq!(bytes(ligature), 33);
    }
}
