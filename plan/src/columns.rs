//! What the columns of a CSV file are called: the compiler makes a row's fields of them, and the runtime finds them again.

use std::collections::BTreeSet;

/// A field's name for each column of a header: a name that is none gets `_` for what a name cannot hold, a repeated one gets a
/// number (`a`, `a_2`).
pub fn field_names(header: &[String]) -> Vec<String> {
    numbered(header.iter().enumerate().map(|(position, written)| field_name(written.trim(), position)))
}

/// The names, each once: a repeated one gets the first number that makes it another.
pub fn numbered(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for base in names {
        let mut name = base.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        all.push(name);
    }
    all
}

fn field_name(written: &str, position: usize) -> String {
    if is_identifier(written) {
        return written.to_owned();
    }
    let replaced: String =
        written.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let replaced = replaced.trim_matches('_');
    match replaced.chars().next() {
        None => format!("column_{}", position + 1),
        Some(first) if first.is_numeric() => format!("column_{replaced}"),
        Some(_) => replaced.to_owned(),
    }
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}
