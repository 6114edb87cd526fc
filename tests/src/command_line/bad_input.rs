//! Bad input ends in a clear message and the documented exit code: never in a panic, never with a lost result.

mod data_files;
mod databases;
mod providers;
mod sources;

use crate::process::Said;

/// What every end has in common: a documented code, words for a person, and no panic.
#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert!(!said.err.contains("panicked"), "{}", said.err);
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    let all = format!("{}{}", said.out, said.err);
    for word in words {
        assert!(all.contains(word), "`{word}` is not said:\n{all}");
    }
}
