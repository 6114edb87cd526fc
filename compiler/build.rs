//! Embeds what is data: tells cargo that the standard library is part of the compiler, and lists the problem files, so
//! that a file added to `src/problems` is registered by standing there.

// The bans of `clippy.toml` are for the compiler; this runs before it is one.
#![allow(clippy::disallowed_methods, reason = "a build script reads the files that it lists")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=../stdlib");
    println!("cargo:rerun-if-changed=src/problems");
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("src/problems");
    let target = PathBuf::from(variable("OUT_DIR")).join("problem_files.rs");
    std::fs::write(target, table(&folder)).expect("cargo's output folder can be written");
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("cargo sets this variable for build scripts")
}

/// `&[("E0001", include_str!("…/E0001.md")), …]`, sorted by code.
fn table(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("the folder of the problem files can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder entry can be read").path()).collect();
    paths.sort();
    let mut table = String::from("&[\n");
    for path in paths {
        if let Some(code) = code_of(&path) {
            writeln!(table, "    ({code:?}, include_str!({path:?})),").expect("a string takes every write");
        }
    }
    table.push(']');
    table
}

/// `E0301` for `E0301.md`; nothing for other files.
fn code_of(path: &Path) -> Option<&str> {
    let code = path.file_name()?.to_str()?.strip_suffix(".md")?;
    let digits = code.strip_prefix(['E', 'W', 'H'])?;
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}
