//! How many tokens a text has for a model, at most: counted where its tokenizer is public, bounded by bytes where not.

use pmflow_plan::Model;
use pmflow_providers::tokens;
use unicode_normalization::UnicodeNormalization as _;

/// Tokens in a public encoding.
pub fn count(encoding: &str, text: &str) -> u64 {
    tokens::count(encoding, text)
}

/// Exact for a public encoding. Otherwise by the model's calibration, or by the bytes of the text, before or after
/// compatibility normalisation, whichever are more: a byte-level tokenizer never makes more tokens than that, whether it
/// normalises or not.
pub fn bound(model: &Model, text: &str) -> u64 {
    match (&model.encoding, model.calibration_milli) {
        (Some(encoding), _) => tokens::count(encoding, text),
        (None, Some(milli)) => calibrated(milli, text),
        (None, None) => bytes(text),
    }
}

/// Plain text by the calibration; digits, and whatever is not ASCII, by their bytes. Never more than the bytes of all.
fn calibrated(milli: u64, text: &str) -> u64 {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_digit();
    let (mut reference, mut by_bytes) = (0u64, 0u64);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| plain(c) != plain(first)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        if plain(first) {
            reference = reference.saturating_add(tokens::count("o200k_base", run));
        } else {
            by_bytes = by_bytes.saturating_add(bytes(run));
        }
        rest = behind;
    }
    reference.saturating_mul(milli).div_ceil(1000).saturating_add(by_bytes).min(bytes(text))
}

/// At least as many as any byte-level tokenizer makes of the text.
pub fn bytes(text: &str) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    let normalised: usize = text.nfkc().map(char::len_utf8).sum();
    text.len().max(normalised) as u64
}

#[cfg(test)]
mod tests {
    use super::{bytes, calibrated};

    #[test]
    fn a_calibrated_count_charges_digits_and_other_scripts_by_bytes() {
        assert_eq!(calibrated(1_750, "one two three four"), 7);
        assert_eq!(calibrated(1_750, "20261122"), 8);
        assert_eq!(calibrated(1_750, "日本"), 6);
        assert_eq!(calibrated(1_750, "a b"), 3, "never more than bytes");
    }

    #[test]
    fn a_text_that_grows_when_normalised_is_bounded_by_what_it_grows_to() {
        assert_eq!(bytes("plain"), 5);
        let ligature = "\u{fdfa}";
        assert_eq!(ligature.len(), 3);
        assert_eq!(bytes(ligature), 33);
    }
}
