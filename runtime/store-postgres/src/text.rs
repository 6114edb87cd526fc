//! Texts that come from rows, as PostgreSQL can hold them: it has no U+0000. The order byte by byte stays what it was. Names in plans
//! have neither U+0000 nor U+0001, and JSON has them as escapes, so those are read as they stand.

use pmflow_engine::Path;
use std::borrow::Cow;

/// U+0000 becomes U+0001 U+0001, and U+0001 becomes U+0001 U+0002.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte <= 1) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\u{1}', "\u{1}\u{2}").replace('\u{0}', "\u{1}\u{1}"))
}

pub(crate) fn read(text: String) -> String {
    if !text.contains('\u{1}') {
        return text;
    }
    let mut read = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1}' => read.push(if characters.next() == Some('\u{1}') { '\u{0}' } else { '\u{1}' }),
            other => read.push(other),
        }
    }
    read
}

pub(crate) fn path(text: String) -> Path {
    Path::from_stored(read(text))
}

#[cfg(test)]
mod tests {
    use super::{read, stored};

    #[test]
    fn texts_come_back_and_keep_their_order() {
        let mut texts = Vec::new();
        for first in ["", "\u{0}", "\u{1}", "\u{2}", "a"] {
            for second in ["", "\u{0}", "\u{1}", "\u{2}", "é"] {
                texts.push(format!("{first}{second}"));
            }
        }
        for text in &texts {
            assert!(!stored(text).contains('\u{0}'));
            assert_eq!(read(stored(text).into_owned()), *text);
            for other in &texts {
                assert_eq!(stored(text).cmp(&stored(other)), text.cmp(other), "{text:?} and {other:?}");
            }
        }
    }
}
