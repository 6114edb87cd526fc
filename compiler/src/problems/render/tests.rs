//! What a person reads, as snapshots, and what a program reads, against its rules.

use super::*;
use crate::problems::{Edit, Fix, Related};
use crate::world::Source;
use crate::{FileId, Span};

/// Files by number.
struct Given {
    files: Vec<(&'static str, String)>,
}

impl Given {
    fn new(files: &[(&'static str, &str)]) -> Given {
        Given { files: files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect() }
    }

    fn read(&self) -> impl Fn(FileId) -> Source {
        |file| {
            let (path, text) = &self.files[file.0 as usize];
            Source { path: (*path).into(), text: text.as_str().into() }
        }
    }

    /// The first occurrence of a text in a file.
    fn span(&self, file: u32, wanted: &str) -> Span {
        let start = self.files[file as usize].1.find(wanted).expect("the text occurs in the file") as u32;
        Span { file: FileId(file), start, end: start + wanted.len() as u32 }
    }

    fn human(&self, problems: Vec<Problem>, style: Human) -> String {
        human(&Problems { all: problems }, &self.read(), style)
    }
}

const LEAD: &str = "import \"./types.pmflow\"\n\nflow daily(base: text) {\n  let fit = analyse(lead: base)\n  \
                    if fit.scroe > 7 {\n    stop\n  }\n}\n";
const TYPES: &str = "/// Wie gut er paßt.\ntype Fit {\n  score: int(1..10)\n  reason: text?\n}\n";

fn two_files() -> (Given, Vec<Problem>) {
    let given = Given::new(&[("flows/lead.pmflow", LEAD), ("flows/types.pmflow", TYPES)]);
    let misspelt = Problem::new("E9201", given.span(0, "scroe"), "`Fit` has no field `scroe`")
        .label("no such field")
        .related(given.span(1, "Fit {\n"), "`Fit` is declared here")
        .related(given.span(0, "fit ="), "`fit` is a `Fit`")
        .help("a field that may be absent is declared with `?`")
        .fix("write `score`", given.span(0, "scroe"), "score");
    let unused = Problem::new("W9101", given.span(1, "reason"), "the field `reason` is never read");
    (given, vec![unused, misspelt])
}

#[test]
fn several_files() {
    let (given, problems) = two_files();
    insta::assert_snapshot!(given.human(problems.clone(), Human::default()));
    insta::assert_snapshot!("several_files_ascii", given.human(problems, Human { ascii: true, ..Human::default() }));
}

#[test]
fn colors_change_nothing_but_colors() {
    let (given, problems) = two_files();
    let plain = given.human(problems.clone(), Human::default());
    let colored = given.human(problems, Human { color: true, ..Human::default() });
    assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
    let stripped: String = super::human::without_colors(&colored);
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&stripped), lines(&plain));
}

#[test]
fn narrow_terminal() {
    let (given, mut problems) = two_files();
    problems[1].label = "there is no field of this name in the record".to_owned();
    let text = given.human(problems, Human { columns: 40, ..Human::default() });
    assert_fits(&text, 40);
    insta::assert_snapshot!(text);
}

#[test]
fn tabs_and_wide_characters() {
    let given = Given::new(&[("日本.pmflow", "\tlet 会社 = \"株式会社\"\t+ 3\n\t\tlet é = \"e\u{301}🎉\" + 4\n")]);
    let problems = vec![
        Problem::new("E9202", given.span(0, "3"), "`text` and `int` cannot be added")
            .label("an `int`")
            .related(given.span(0, "\"株式会社\""), "a `text`"),
        Problem::new("E9202", given.span(0, "4"), "`text` and `int` cannot be added").label("an `int`"),
    ];
    insta::assert_snapshot!(given.human(problems, Human::default()));
}

#[test]
fn very_long_line() {
    let line = format!("{}let x = wrong + right{}\n", "a".repeat(5_000), " // 日本".repeat(1_000));
    let given = Given::new(&[("long.pmflow", &format!("// first\n{line}"))]);
    let problem = Problem::new("E9101", given.span(0, "wrong"), "nothing is called `wrong`")
        .label("unknown")
        .related(given.span(0, "right"), "this one is known")
        .related(Span { file: FileId(0), start: 9, end: 12 }, "far to the left");
    let text = given.human(vec![problem], Human { columns: 80, ..Human::default() });
    assert_fits(&text, 80);
    assert!(text.contains("long.pmflow:2:5009"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_span_longer_than_the_screen_and_one_over_lines() {
    let given = Given::new(&[("wide.pmflow", &format!("fn f() -> text = \"{}\"\nlast\n", "x".repeat(300)))]);
    let wide = Problem::new("E9203", given.span(0, &given.files[0].1[17..200]), "too long").label("all of this");
    let over = Problem::new("E9204", Span { file: FileId(0), start: 3, end: 325 }, "over two lines").label("both of them");
    let text = given.human(vec![wide, over], Human { columns: 60, ..Human::default() });
    assert_fits(&text, 60);
    insta::assert_snapshot!(text);
}

#[test]
fn the_end_of_a_file_and_an_empty_file() {
    let given = Given::new(&[("half.pmflow", "flow f() {\r\n  stop\r\n\n"), ("empty.pmflow", "")]);
    let end = given.files[0].1.len() as u32;
    let problems = vec![
        Problem::new("E9001", Span { file: FileId(0), start: end, end }, "the `{` of `flow f` is never closed")
            .label("a `}` belongs here")
            .related(given.span(0, "{"), "opened here"),
        Problem::new("E9002", Span { file: FileId(1), start: 0, end: 0 }, "the file is empty"),
    ];
    insta::assert_snapshot!(given.human(problems, Human::default()));
}

#[test]
fn hostile_text() {
    let given = Given::new(&[("evil\u{1b}[2J.pmflow", "let a = \"\u{202e}\u{1b}[31m\r\u{2028}\u{e000}0\u{e000}\" + b\n")]);
    let problem = Problem::new("E9003", given.span(0, "b\n"), "`\u{1b}]0;title\u{7}` and \u{202e} in a message")
        .label("two\nlines")
        .help("one\u{1b}[1m\ntwo");
    insta::assert_snapshot!(given.human(vec![problem], Human::default()));
}

#[test]
fn a_file_of_one_line_of_megabytes_is_no_work() {
    let text = "x ".repeat(2_000_000);
    let given = Given::new(&[("huge.pmflow", &text)]);
    let problems = (0..300)
        .map(|index| Problem::new("E9001", Span { file: FileId(0), start: index * 13_000, end: index * 13_000 + 1 }, "no"));
    let text = given.human(problems.collect(), Human::default());
    assert_fits(&text, 100);
    assert!(text.ends_with("300 errors in 1 file\nMore about it: pmflow explain E9001\n"));
}

/// Any place, even a wrong one, is drawn somehow and never a panic.
#[test]
fn every_span_can_be_drawn() {
    let given = Given::new(&[("small.pmflow", "é\tb\r\n\n日x"), ("other.pmflow", "日本\n")]);
    for start in 0..14 {
        for end in start..16 {
            let span = Span { file: FileId(0), start, end };
            let problem = Problem::new("E9001", span, "here").label("this").related(Span { file: FileId(1), ..span }, "and this");
            let problems = Problems { all: vec![problem] };
            assert!(human(&problems, &given.read(), Human { columns: 0, ..Human::default() }).contains("here"));
            assert!(json(&problems, &given.read()).contains("here"));
            assert!(sarif(&problems, &given.read()).contains("here"));
            assert!(github(&problems, &given.read()).contains("here"));
        }
    }
}

#[test]
fn no_problems_say_nothing() {
    let given = Given::new(&[]);
    assert_eq!(given.human(Vec::new(), Human::default()), "");
    assert_eq!(Summary::default().to_string(), "no problems");
    assert_eq!(github(&Problems::default(), &given.read()), "");
}

#[test]
fn as_json() {
    let (given, problems) = two_files();
    let text = json(&Problems { all: problems }, &given.read());
    insta::assert_snapshot!(text);
}

/// The codes of the other tests here have no page, so that pages can be rewritten without touching a snapshot.
#[test]
fn a_code_with_a_page_brings_its_title() {
    let given = Given::new(&[("a.pmflow", "x")]);
    let known = crate::problems::all().first().expect("there are codes");
    let problems = Problems { all: vec![Problem::new(known.code, given.span(0, "x"), "wrong")] };
    assert!(json(&problems, &given.read()).contains(&format!("\"title\": {:?}", known.title)));
    assert!(sarif(&problems, &given.read()).contains(&format!("\"text\": {:?}", known.title)));
    assert!(github(&problems, &given.read()).contains(&format!("title={}%3A ", known.code)));
}

#[test]
fn as_sarif() {
    let (given, problems) = two_files();
    insta::assert_snapshot!(sarif(&Problems { all: problems }, &given.read()));
}

#[test]
fn as_github_annotations() {
    let (given, mut problems) = two_files();
    problems.push(Problem::new("H9101", given.span(1, "Fit {\n  score"), "100% sure: a, b").help("first\r\nsecond"));
    let given = Given {
        files: given
            .files
            .into_iter()
            .map(|(path, text)| (if path.contains("types") { "a,b:c%.pmflow" } else { path }, text))
            .collect(),
    };
    insta::assert_snapshot!(github(&Problems { all: problems }, &given.read()));
}

/// Against the rules of SARIF 2.1.0 for everything that is written here.
#[test]
fn sarif_is_valid() {
    let schema = serde_json::from_str(include_str!("../../../tests/data/sarif-2.1.0-used.schema.json")).unwrap();
    let validator = validator(&schema);
    for log in sarif_logs() {
        assert_valid(&validator, &log);
    }
    let mut broken = sarif_logs().remove(0);
    broken["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0.into();
    assert!(!validator.is_valid(&broken), "lines count from 1");
    let mut broken = sarif_logs().remove(0);
    broken["runs"][0]["results"][0]["message"] = "text".into();
    assert!(!validator.is_valid(&broken), "a message is an object");
}

/// Against the published schema, which is not part of this repository: `PMFLOW_SARIF_SCHEMA` names a copy of
/// `sarif-schema-2.1.0.json`, and then `cargo test -p pmflow-compiler -- --ignored published` runs this.
#[test]
#[ignore = "needs a copy of the published schema"]
#[allow(clippy::disallowed_methods, reason = "the schema is a file of the test")]
fn sarif_is_valid_against_the_published_schema() {
    let path = std::env::var("PMFLOW_SARIF_SCHEMA").expect("PMFLOW_SARIF_SCHEMA names a copy of the schema");
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = validator(&schema);
    for log in sarif_logs() {
        assert_valid(&validator, &log);
    }
}

fn validator(schema: &serde_json::Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

fn assert_valid(validator: &jsonschema::Validator, log: &serde_json::Value) {
    let errors: Vec<String> = validator.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{log:#}");
}

fn sarif_logs() -> Vec<serde_json::Value> {
    let (given, mut problems) = two_files();
    problems.push(Problem::new("H9101", given.span(0, "stop"), "a hint"));
    problems.push(Problem {
        related: vec![Related { span: given.span(1, "text?"), message: String::new() }],
        fix: Some(Fix {
            title: "two files".to_owned(),
            edits: vec![
                Edit { span: given.span(0, "daily"), text: String::new() },
                Edit { span: given.span(1, "score"), text: "日本".to_owned() },
                Edit { span: given.span(0, "fit"), text: "x".to_owned() },
            ],
        }),
        ..Problem::new("E9101", given.span(0, "daily"), "with a fix in two files")
    });
    let odd = Given { files: vec![("C:\\a b#?%.pmflow", given.files[0].1.clone()), ("日本.pmflow", given.files[1].1.clone())] };
    let all = [sarif(&Problems { all: problems.clone() }, &odd.read()), sarif(&Problems::default(), &given.read())];
    all.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn assert_fits(text: &str, columns_max: usize) {
    for line in text.lines().filter(|line| !line.contains("More about")) {
        assert!(super::visible::columns(line) <= columns_max, "{} columns: {line}", super::visible::columns(line));
    }
}
