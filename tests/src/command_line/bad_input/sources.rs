//! Source files that are no source files, or only half of one.

use super::ends;
use crate::examples::EXAMPLES;
use crate::process::{Folder, examples};
use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World, format, types};

const DEEP: usize = 100_000;

#[test]
fn an_empty_file_is_fine_and_has_no_flow() {
    let folder = Folder::new();
    for text in ["", "\n", "\u{feff}", "// nothing yet\n"] {
        folder.write("empty.pmflow", text);
        ends(&folder.pmflow("check empty.pmflow"), 0, &["fine"]);
        ends(&folder.pmflow("run empty.pmflow --simulate"), 3, &["`empty.pmflow` has no flow"]);
        ends(&folder.pmflow("fmt empty.pmflow"), 0, &[]);
    }
}

#[test]
fn a_binary_file_is_refused() {
    let folder = Folder::new();
    folder.write("binary.pmflow", (0..=255).collect::<Vec<u8>>().repeat(40));
    ends(&folder.pmflow("check binary.pmflow"), 3, &["`binary.pmflow`", "not UTF-8 text", "line 2"]);
    ends(&folder.pmflow("fmt binary.pmflow"), 3, &["not UTF-8 text"]);
    folder.write("zero.pmflow", "flow f() { \0 }");
    ends(&folder.pmflow("check zero.pmflow"), 1, &["E0002", "not a text file"]);
    assert_eq!(std::fs::read(folder.path().join("zero.pmflow")).unwrap(), b"flow f() { \0 }");
}

#[test]
fn a_folder_and_a_missing_file_are_named() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("flows")).unwrap();
    ends(&folder.pmflow("check flows"), 3, &["there is no .pmflow file"]);
    ends(&folder.pmflow("run flows --simulate"), 3, &["`flows`", "it is a folder", "`pmflow init hello`"]);
    ends(&folder.pmflow("check missing.pmflow"), 3, &["`missing.pmflow`"]);
    ends(
        &folder.pmflow("run missing.pmflow --simulate"),
        3,
        &["`missing.pmflow`", "there is no such file", "`pmflow init hello`"],
    );
    folder.write("flows/leads.pmflow", "flow leads() {}\n");
    ends(&folder.pmflow("run flows --simulate"), 3, &["it is a folder", "there is `flows/leads.pmflow`"]);
    ends(&folder.pmflow("run flows/outreach.pmflow"), 3, &["there is no such file", "there is `flows/leads.pmflow`"]);
    ends(&folder.pmflow("check flows/laeds.pmflow"), 3, &["did you mean `flows/leads.pmflow`?"]);
    ends(&folder.pmflow("plan flows/leads.pmfow"), 3, &["did you mean `flows/leads.pmflow`?"]);
}

#[test]
fn ten_megabytes_on_one_line_are_refused_in_a_short_message() {
    let folder = Folder::new();
    folder.write("long.pmflow", format!("flow f() {{ output \"{}\" }}", "x".repeat(10_000_000)));
    let said = folder.pmflow("check long.pmflow");
    ends(&said, 1, &["E0001", "too large"]);
    assert!(said.err.len() < 4000, "the line is not printed whole: {} bytes", said.err.len());
}

#[test]
fn what_is_nested_a_hundred_thousand_deep_is_refused() {
    let nested = |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(DEEP), close.repeat(DEEP));
    let sources = [
        format!("flow f() {{ output {} }}", nested("(", "1", ")")),
        format!("flow f() {{ output {} }}", nested("[", "", "")),
        format!("flow f() {{ output {} }}", nested("{ a: ", "1", "}")),
        format!("flow f() {{ output {} }}", nested("not ", "true", "")),
        format!("flow f() {{ output {} }}", nested("a => ", "1", "")),
        format!("flow f() {{ output 1{} }}", "+1".repeat(DEEP)),
        format!("flow f() {{ output a{} }}", ".a".repeat(DEEP)),
        format!("flow f() {{ {} }}", nested("if true { ", "", "}")),
        format!("type T {{ a: {} }}", nested("[", "int", "]")),
    ];
    let folder = Folder::new();
    for source in &sources {
        let path = folder.write("deep.pmflow", source);
        let said = folder.pmflow("check deep.pmflow");
        ends(&said, 1, &["E0003", "nested too deeply"]);
        assert!(said.err.len() < 4000, "{} bytes of message", said.err.len());
        ends(&folder.pmflow("fmt deep.pmflow"), 0, &[]);
        assert!(std::fs::metadata(path).unwrap().len() >= source.trim().len() as u64, "formatting loses nothing");
    }
}

#[test]
fn controls_of_the_reading_direction_are_refused_wherever_they_stand() {
    let folder = Folder::new();
    for text in ["flow f() { output \"a\u{202e}b\" }", "// a\u{2066}b\nflow f() {}", "flow f\u{202a}() {}"] {
        folder.write("bidi.pmflow", text);
        let said = folder.pmflow("check bidi.pmflow");
        ends(&said, 1, &["E0004", "U+20"]);
        assert!(!said.err.contains(['\u{202e}', '\u{2066}', '\u{202a}']), "the message shows the character harmlessly");
    }
}

/// One file, and no other beside it.
struct Half(Source);

impl World for Half {
    fn import(&self, _from: FileId, path: &str) -> Result<FileId, String> {
        Err(format!("there is no `{path}` here"))
    }
    fn source(&self, _file: FileId) -> Source {
        self.0.clone()
    }
    fn data_head(&self, _from: FileId, _path: &str, _bytes_max: usize) -> Result<Vec<u8>, String> {
        Ok(b"id\tSMS\n1\tHello\n".to_vec())
    }
    fn today(&self) -> i32 {
        20_000
    }
}

/// A file while it is typed: the compiler answers each state, and the formatter loses nothing of it.
#[test]
fn every_beginning_of_every_example_is_answered() {
    let solid = |text: &str| text.chars().filter(|character| !character.is_whitespace()).collect::<String>();
    for (example, file) in EXAMPLES {
        let whole = std::fs::read_to_string(examples().join(example).join(file)).unwrap();
        for end in (0..whole.len()).step_by(37).filter(|end| whole.is_char_boundary(*end)) {
            let half = whole.get(..end).unwrap();
            let world = Half(Source { path: file.into(), text: half.into() });
            let checked = types::check_project(&world, &[FileId(0)]);
            for problem in &checked.problems.all {
                let span = problem.span.range();
                assert!(span.end <= half.len(), "{example} to {end}: {problem:?}");
            }
            let formatted = format::format(FileId(0), half);
            assert_eq!(format::format(FileId(0), &formatted), formatted, "{example} to {end}");
            assert!(solid(&formatted).len() >= solid(half).trim_end_matches(',').len() / 2, "{example} to {end}");
        }
    }
}

/// The same through the command, for a few of them.
#[test]
fn half_an_example_never_breaks_the_command() {
    for (example, file) in EXAMPLES {
        let folder = Folder::with_example(example);
        let whole = std::fs::read_to_string(folder.path().join(file)).unwrap();
        for part in [3, 5, 8] {
            let mut end = whole.len() * part / 9;
            while !whole.is_char_boundary(end) {
                end -= 1;
            }
            folder.write(file, whole.get(..end).unwrap());
            for command in ["check", "cost", "test", "plan", "run --simulate"] {
                let said = folder.pmflow(&format!("{command} {file}"));
                assert!(!said.err.contains("panicked"), "{command} {example} to {end}: {}", said.err);
                assert!(matches!(said.code, Some(0 | 1 | 3)), "{command} {example} to {end}: {:?}\n{}", said.code, said.err);
                assert!(said.code == Some(0) || said.err.contains(file), "{command} {example} to {end}: {}", said.err);
            }
        }
    }
}
