//! The standard library, embedded: the prelude, the connectors and the model catalog. All of it is data in `stdlib/`.

use include_dir::{Dir, include_dir};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../stdlib");

/// The text of a file of the standard library, by its path below `stdlib/`.
pub fn file(path: &str) -> Option<&'static str> {
    FILES.get_file(path).and_then(|file| file.contents_utf8())
}

/// Name and text of every file of a folder, sorted by name.
pub fn files(folder: &str) -> Vec<(&'static str, &'static str)> {
    let files = FILES.get_dir(folder).into_iter().flat_map(|folder| folder.files());
    let named = files.filter_map(|file| Some((file.path().file_name()?.to_str()?, file.contents_utf8()?)));
    let mut named: Vec<_> = named.filter(|(name, _)| !name.starts_with('.')).collect();
    named.sort_unstable();
    named
}

/// The source of `import std.NAME`.
pub fn connector(name: &str) -> Option<&'static str> {
    file(&format!("connectors/{name}/{name}.pmflow"))
}

/// The names that `import std.NAME` knows, sorted.
pub fn connectors() -> Vec<&'static str> {
    let Some(folder) = FILES.get_dir("connectors") else { return Vec::new() };
    let mut names: Vec<&str> = folder.dirs().filter_map(|dir| dir.path().file_name()?.to_str()).collect();
    names.sort_unstable();
    names
}
