//! Compiled regular expressions, kept so that a bound on a million rows is compiled once.

use regex::{Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A cache of compiled patterns. Clones share it. Matching takes time linear in the text, whatever the pattern.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    compiled: Arc<Mutex<BTreeMap<String, Arc<Regex>>>>,
}

const COMPILED_BYTES_MAX: usize = 1 << 20;
const CACHED_MAX: usize = 256;

impl Patterns {
    /// The pattern, made to match a whole text. The error says what is wrong with it.
    pub fn whole(&self, pattern: &str) -> Result<Arc<Regex>, String> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = compiled.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = Arc::new(compile_whole(pattern)?);
        if compiled.len() >= CACHED_MAX {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

fn compile_whole(pattern: &str) -> Result<Regex, String> {
    let compile = |pattern: &str| {
        let built = RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build();
        built.map_err(|error| format!("`{pattern}` is no pattern: {}", last_line(&error.to_string())))
    };
    // On its own first: `a)|(b` must not become a pattern by being put in brackets.
    compile(pattern)?;
    compile(&format!(r"\A(?:{pattern})\z"))
}

fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
