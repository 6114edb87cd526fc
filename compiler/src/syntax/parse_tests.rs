use super::*;
use crate::problems::Problems;
use ast::{ItemKind, StepKind};
use proptest::prelude::*;
use std::fmt::Write;

const LEAD: &str = include_str!("../../tests/syntax/lead_enrichment.pmflow");
const AIRTABLE: &str = include_str!("../../tests/syntax/airtable.pmflow");
const CROWDED: &str = include_str!("../../tests/syntax/crowded.pmflow");
const CASES: &str = include_str!("../../tests/syntax/problems.txt");

const FILE: FileId = FileId(0);

/// One line for each problem: its line and column, its code, the stretch, the message.
fn show(text: &str, problems: &Problems) -> String {
    let mut shown = String::new();
    for problem in &problems.all {
        let before = &text[..problem.span.start as usize];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
        let stretch = &text[problem.span.range()];
        writeln!(shown, "{line}:{column} {} [{stretch}] {}", problem.code, problem.message).unwrap();
        for part in problem.help.iter().chain(problem.fix.iter().map(|fix| &fix.title)) {
            writeln!(shown, "     {part}").unwrap();
        }
    }
    shown
}

#[test]
fn the_samples_parse_without_a_problem() {
    for text in [LEAD, AIRTABLE, CROWDED] {
        assert_eq!(show(text, &parse(FILE, text).problems), "");
    }
}

/// A file of cases, divided by lines of `---`; the snapshot holds what an author reads.
#[test]
fn problems_say_what_and_where() {
    let mut report = String::new();
    for case in CASES.split("---\n") {
        let parsed = parse(FILE, case);
        writeln!(report, "{case}>>>\n{}", show(case, &parsed.problems)).unwrap();
        assert!(!parsed.problems.all.is_empty(), "nothing was reported:\n{case}");
        assert_no_rule_is_named(&parsed.problems);
    }
    insta::assert_snapshot!(report);
}

fn assert_no_rule_is_named(problems: &Problems) {
    for problem in &problems.all {
        for word in ["_junk", "_step", "_item", "kw_", "EOI", "expression_"] {
            assert!(!problem.message.contains(word), "{}", problem.message);
        }
    }
}

fn names(parsed: &Parsed) -> Vec<String> {
    parsed.file.items().map(item_name).collect()
}

fn item_name(item: &ast::Item) -> String {
    match &item.kind {
        ItemKind::Type(item) => item.name.text.to_string(),
        ItemKind::Enum(item) => item.name.text.to_string(),
        ItemKind::Prompt(item) => item.name.text.to_string(),
        ItemKind::Flow(item) => item.name.text.to_string(),
        ItemKind::Model(item) => item.name.text.to_string(),
        ItemKind::Test(item) => item.title.to_string(),
        ItemKind::Import(_) => "import".to_owned(),
        ItemKind::Broken => "BROKEN".to_owned(),
        _ => "other".to_owned(),
    }
}

#[test]
fn a_broken_item_leaves_its_neighbours_whole() {
    let whole = ["type A { a: int }", "flow b(x: text) {\n  output x\n}", "enum C { d, e }"];
    for broken in [
        "flow x( {",
        "flow x() { if a { let b = (1",
        "prompt y(a: text) -> { model: \"",
        "typ Z { }",
        "type Z { a: [int }",
        "}",
        ")",
        "test \"",
        "fn f( = ",
        "\"\"\n",
    ] {
        let text = format!("{}\n\n{broken}\n\n{}\n\n{}\n", whole[0], whole[1], whole[2]);
        let parsed = parse(FILE, &text);
        let found = names(&parsed);
        for name in ["A", "b", "C"] {
            assert!(found.iter().any(|found| found == name), "{broken}: {found:?}");
        }
        let Some(flow) = parsed.file.items.iter().find(|item| item_name(item) == "b") else { panic!("no flow") };
        let ItemKind::Flow(flow) = &flow.kind else { panic!("no flow") };
        assert!(matches!(flow.body.steps[0].kind, StepKind::Output { .. }), "{broken}");
        assert!(parsed.problems.has_errors(), "{broken}");
    }
}

#[test]
fn a_broken_step_leaves_its_neighbours_whole() {
    for broken in [
        "let x = ",
        "let = 3",
        "lett y = 5",
        "do foo.bar(1, ",
        "if {",
        "if a b c { stop }",
        "foo.bar(1)",
        ") ]",
        "let z = lead.",
        "output { a: }",
        "wait",
        "let q = \"unclosed",
        "match x { .a }",
        "let z = a +",
    ] {
        let text = format!(
            "flow f(lead: text) {{\n  let before = 1\n  {broken}\n  let after = 2\n  output after\n}}\n\ntype Next {{ a: int }}\n"
        );
        let parsed = parse(FILE, &text);
        let found = format!("{:?}", parsed.file);
        for name in ["\"before\"", "\"after\"", "\"Next\"", "Output"] {
            assert!(found.contains(name), "{broken}: {name} is lost");
        }
        assert!(parsed.problems.has_errors(), "{broken}");
        assert!(parsed.problems.all.len() <= 3, "{broken}: {}", show(&text, &parsed.problems));
    }
}

#[test]
fn every_prefix_gives_a_tree() {
    for text in [LEAD, CROWDED] {
        for end in token_starts(text) {
            check_spans(&text[..end], &parse(FILE, &text[..end]));
        }
    }
    for end in 0..=AIRTABLE.len() {
        check_spans(&AIRTABLE[..end], &parse(FILE, &AIRTABLE[..end]));
    }
}

fn check_spans(text: &str, parsed: &Parsed) {
    for problem in &parsed.problems.all {
        assert!(text.get(problem.span.range()).is_some(), "{problem:?}");
        for edit in problem.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(text.get(edit.span.range()).is_some(), "{problem:?}");
        }
    }
    let mut last = 0;
    for item in &parsed.file.items {
        assert!(item.span.start >= last && text.get(item.span.range()).is_some(), "{:?}", item.span);
        last = item.span.end;
    }
}

#[test]
fn hostile_input_ends_in_one_clear_message() {
    let nested = 100_000;
    let cases = [
        ("deep brackets", format!("fn f() -> int = {}1", "(".repeat(nested)), "E0003"),
        ("deep lists", format!("fn f() -> int = {}1{}", "[".repeat(nested), "]".repeat(nested)), "E0003"),
        ("deep blocks", format!("flow f() {{ {} {} }}", "if a {".repeat(nested), "}".repeat(nested)), "E0003"),
        ("many else", format!("flow f() {{ if a {{ }} {} }}", "else if a { }".repeat(nested)), "E0003"),
        ("many arrows", format!("fn f() -> int = {} 1", "x =>".repeat(nested)), "E0003"),
        ("many ifs", format!("fn f() -> int = {} 1", "if a then ".repeat(nested)), "E0003"),
        ("many else ifs", format!("fn f() -> int = if a then 1 {} else 1", "else if a then 1 ".repeat(nested)), "E0003"),
        ("many prefixes", format!("fn f() -> int = {} 1", "- not ".repeat(nested)), "E0003"),
        ("a long sum", format!("fn f() -> int = 1{}", " + 1".repeat(nested)), "E0003"),
        ("a long chain", format!("fn f() -> int = a{}", ".b(1)".repeat(nested)), "E0003"),
        ("deep types", format!("type T {{ a: {}int{} }}", "[".repeat(nested), "]".repeat(nested)), "E0003"),
        (
            "deep holes",
            format!("fn f() -> text = \"\"\"{}{}\"\"\"", "{{ if a }}".repeat(nested), "{{ end }}".repeat(nested)),
            "E0003",
        ),
        ("texts in holes", format!("fn f() -> text = {}", "\"{{ ".repeat(nested)), "E0003"),
        ("zero bytes", "flow f() {\0}".to_owned(), "E0002"),
        ("one long line", format!("flow f() {{ let a = \"{}\" }}", "x".repeat(10 << 20)), "E0001"),
        ("a long line", format!("flow f() {{ output [{}1] }}", "1, ".repeat(1 << 20)), ""),
        ("question marks", format!("type T {{ a: int{} }}", "?".repeat(nested)), "E0012"),
        ("a turned text", "fn f() -> text = \"a\u{202e}b\" // \u{2066}".to_owned(), "E0004"),
    ];
    for (name, text, code) in cases {
        let parsed = parse(FILE, &text);
        let codes: Vec<&str> = parsed.problems.all.iter().map(|problem| problem.code).collect();
        assert_eq!(codes.first().copied().unwrap_or_default(), code, "{name}: {:?}", codes.iter().take(5).collect::<Vec<_>>());
        drop(parsed);
    }
}

#[test]
fn documentation_is_attached_and_the_rest_are_comments() {
    let text = "/// One.\n/// Two.\ntype A {\n  /// Field.\n  a: int /// not one\n}\n// plain\n/// lost\n";
    let parsed = parse(FILE, text);
    assert_eq!(parsed.file.items[0].doc.as_deref(), Some("One.\nTwo."));
    let ItemKind::Type(item) = &parsed.file.items[0].kind else { panic!("no type") };
    assert_eq!(item.fields[0].doc.as_deref(), Some("Field."));
    let comments: Vec<&str> = parsed.comments.iter().map(|comment| comment.text.as_str()).collect();
    assert_eq!(comments, ["/// not one", "// plain", "/// lost"]);
}

#[test]
fn holes_know_their_place_in_indented_texts() {
    let text = "prompt p(name: text) -> text {\n  user: \"\"\"\n    Hello {{ name }},\n      bye {{ if name == \"x\" }}a{{ else }}b{{ end }}\n  \"\"\"\n}\n";
    let parsed = parse(FILE, text);
    assert_eq!(show(text, &parsed.problems), "");
    let ItemKind::Prompt(prompt) = &parsed.file.items[0].kind else { panic!("no prompt") };
    let ast::Term::Expr(ast::Expr { kind: ast::ExprKind::Text(template), .. }) = &prompt.settings[0].phrases[0].terms[0] else {
        panic!("no text")
    };
    let pieces: Vec<String> = template
        .pieces
        .iter()
        .map(|piece| match piece {
            ast::TemplatePiece::Text { text, .. } => format!("text {text:?}"),
            ast::TemplatePiece::Hole { value, span } => {
                format!("hole {:?} in {:?}", &text[value.span.range()], &text[span.range()])
            }
            ast::TemplatePiece::If { condition, then, otherwise, .. } => {
                format!("if {:?} {} {}", &text[condition.span.range()], then.len(), otherwise.len())
            }
            ast::TemplatePiece::For { .. } => "for".to_owned(),
        })
        .collect();
    let expected = ["text \"Hello \"", "hole \"name\" in \"{{ name }}\"", "text \",\\n  bye \"", "if \"name == \\\"x\\\"\" 1 1"];
    assert_eq!(pieces, expected);
}

/// Where the words, numbers and signs of a text start.
fn token_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut in_word = false;
    for (at, character) in text.char_indices() {
        let word = character.is_alphanumeric() || character == '_';
        if !(character.is_whitespace() || word && in_word) {
            starts.push(at);
        }
        in_word = word;
    }
    starts.push(text.len());
    starts
}

const INSERTS: [&str; 24] = [
    "{", "}", "(", ")", "[", "]", "\"", "\"\"\"", "{{", "}}", ",", ":", "=", "let", "if", "flow", "else", "=>", "??", "$", "..",
    "//", "é", "for",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Tokens are taken away and put in: there is always a tree, and its places lie in the file.
    #[test]
    fn any_edit_gives_a_tree(edits in prop::collection::vec((0usize..10_000, 0usize..30), 1..6), sample in 0usize..3) {
        let mut text = [LEAD, AIRTABLE, CROWDED][sample].to_owned();
        for (place, action) in edits {
            let starts = token_starts(&text);
            let index = place % starts.len();
            let start = starts[index];
            match INSERTS.get(action) {
                Some(insert) => text.insert_str(start, &format!(" {insert} ")),
                None => {
                    let end = starts.get(index + action - INSERTS.len()).copied().unwrap_or(text.len());
                    text.replace_range(start..end, "");
                }
            }
        }
        check_spans(&text, &parse(FILE, &text));
    }

    #[test]
    fn any_text_gives_a_tree(text in "\\PC{0,200}") {
        check_spans(&text, &parse(FILE, &text));
    }
}
