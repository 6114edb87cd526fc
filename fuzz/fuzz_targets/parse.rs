//! Any text gives a tree whose places lie in the file, and a layout that a second pass leaves as it is and that reads
//! without errors where the text did.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pmflow_compiler::FileId;
use pmflow_compiler::format::format;
use pmflow_compiler::syntax::parse;

fuzz_target!(|text: &str| {
    let parsed = parse(FileId(0), text);
    for problem in &parsed.problems.all {
        assert!(text.get(problem.span.range()).is_some(), "{problem:?}");
    }
    for item in &parsed.file.items {
        assert!(text.get(item.span.range()).is_some(), "{item:?}");
    }
    let once = format(FileId(0), text);
    assert_eq!(format(FileId(0), &once), once);
    if !parsed.problems.has_errors() {
        let problems = parse(FileId(0), &once).problems;
        assert!(!problems.has_errors(), "{problems:?}");
    }
});
