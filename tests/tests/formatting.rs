//! The layout of a file changes nothing of what it means: a plan's bytes are those of the formatted file's plan.

use pmflow_compiler::emit::emit;
use pmflow_compiler::format::format;
use pmflow_compiler::types::check_project;
use pmflow_tests::sections::{SectionFile, files, sections};
use pmflow_tests::world::TableWorld;
use std::path::{Path, PathBuf};

/// The bytes of each flow's plan, by the flow's name; none while the project has errors.
fn plans(files: &[SectionFile]) -> Option<Vec<(String, Vec<u8>)>> {
    let checked = check_project(&TableWorld { files: files.to_vec() }, &[TableWorld::ROOT]);
    let names: Vec<String> = checked.flow_names().into_iter().map(str::to_owned).collect();
    let plan = |name: String| emit(&checked, &name).map(|(plan, _)| (name, plan.encode()));
    checked.clean().then(|| names.into_iter().filter_map(plan).collect())
}

fn formatted(file: &SectionFile) -> SectionFile {
    let is_source = file.name.ends_with(".pmflow");
    let text = if is_source { format(TableWorld::ROOT, &file.text) } else { file.text.clone() };
    SectionFile { name: file.name.clone(), text }
}

/// How many plans were compared.
#[track_caller]
fn compare(what: &str, files: &[SectionFile]) -> usize {
    let Some(before) = plans(files) else { return 0 };
    let after = plans(&files.iter().map(formatted).collect::<Vec<_>>()).unwrap_or_default();
    let names = |plans: &[(String, Vec<u8>)]| plans.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after), "{what}: the formatted file has other flows, or errors");
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        assert!(before == after, "{what}: formatting changes the plan of `{name}`");
    }
    before.len()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> SectionFile {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    SectionFile { name: path.file_name().unwrap().to_str().unwrap().to_owned(), text }
}

fn is(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found == ending)
}

#[test]
fn no_example_and_no_case_changes_its_plan() {
    let mut compared = 0;
    for folder in children(&root().join("examples")).iter().filter(|path| path.is_dir()) {
        let all = children(folder);
        for flow in all.iter().filter(|path| is(path, "pmflow")) {
            let others = all.iter().filter(|path| *path != flow && path.is_file());
            let files: Vec<SectionFile> = std::iter::once(flow).chain(others).map(|path| read(path)).collect();
            compared += compare(&flow.display().to_string(), &files);
        }
    }
    for path in children(&root().join("tests/lang")).iter().filter(|path| is(path, "cases")) {
        for section in sections(&read(path).text) {
            compared += compare(&format!("{} {}", path.display(), section.title), &section.files);
        }
    }
    for page in pmflow_compiler::problems::all() {
        for example in page.examples.iter().filter(|example| example.language == "pmflow") {
            compared += compare(page.code, &files(example.text));
        }
    }
    assert!(compared > 100, "only {compared} plans were compared");
}

/// The test can fail: other spaces are the same plan, another text is another one.
#[test]
fn a_change_of_meaning_is_another_plan() {
    let plan = |text: &str| plans(&files(text)).unwrap();
    let one = plan("flow f() { output \"a b\" }");
    assert_eq!(one, plan("flow   f( ) {\n\n output\n\"a b\"}"));
    assert_ne!(one, plan("flow f() { output \"a  b\" }"));
}
