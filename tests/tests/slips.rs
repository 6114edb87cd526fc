//! One slip, one message: a file in which everything is used by something else, with one keyword misspelt, or one bracket,
//! quote, colon, `=` or comma missing or doubled, has one problem, and it stands where the slip is.

use pmflow_compiler::World as _;
use pmflow_compiler::problems::position::Files;
use pmflow_tests::lang::problems_of;
use pmflow_tests::sections::SectionFile;
use pmflow_tests::world::TableWorld;
use std::path::Path;

const ITEMS: [&str; 10] = ["import", "type", "enum", "model", "prompt", "fn", "connector", "budget", "flow", "test"];

const MEMBERS: [&str; 20] = [
    "source", "let", "do", "if", "match", "for", "repeat", "set", "parallel", "wait", "approve", "output", "fail", "stop",
    "yield", "action", "example", "given", "run", "expect",
];

struct Slip {
    what: String,
    /// From 1.
    line: usize,
    text: String,
}

fn read(name: &str) -> SectionFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("slips").join(name);
    SectionFile { name: name.to_owned(), text: std::fs::read_to_string(path).unwrap() }
}

fn world(text: &str) -> TableWorld {
    let main = SectionFile { name: "whole.pmflow".to_owned(), text: text.to_owned() };
    TableWorld { files: vec![main, read("shapes.pmflow"), read("letters.csv")] }
}

/// The words at the start of a line of which an item, a step or an operation is made, each misspelt in three ways.
fn misspelt(text: &str) -> Vec<Slip> {
    let mut slips = Vec::new();
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let indent = line.len() - line.trim_start().len();
        let word: String = line.trim_start().chars().take_while(|c| c.is_ascii_lowercase()).collect();
        let followed = line[indent + word.len()..].starts_with([' ', '\n']);
        let known = if indent == 0 { ITEMS.contains(&word.as_str()) } else { MEMBERS.contains(&word.as_str()) };
        if known && followed {
            let start = at + indent;
            for other in misspellings(&word).into_iter().filter(|other| *other != word) {
                let text = format!("{}{other}{}", &text[..start], &text[start + word.len()..]);
                slips.push(Slip { what: format!("`{other}` for `{word}`"), line: index + 1, text });
            }
        }
        at += line.len();
    }
    slips
}

/// One letter missing, doubled, and two swapped.
fn misspellings(word: &str) -> [String; 3] {
    let (first, second, rest) = (&word[..1], &word[1..2], &word[2..]);
    let swapped = match rest {
        "" => format!("{second}{first}"),
        rest => format!("{first}{}{second}{}", &rest[..1], &rest[1..]),
    };
    [format!("{first}{rest}"), format!("{first}{second}{second}{rest}"), swapped]
}

/// Every sign outside of texts, left out and doubled; every quote left out.
fn signs(text: &str) -> Vec<Slip> {
    let mut slips = Vec::new();
    let (mut line, mut inside, mut hole) = (1, false, false);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let sign = bytes[at] as char;
        let long = if text[at..].starts_with("\"\"\"") { 3 } else { 1 };
        let comment = text[at..].starts_with("//") && !inside;
        match sign {
            '\n' => line += 1,
            '/' if comment => at += text[at..].find('\n').unwrap() - 1,
            '"' if !hole => {
                slips.push(slip(text, at, long, "", line, "a quote missing"));
                inside = !inside;
            }
            '{' if inside => hole = true,
            '}' if inside => hole = false,
            '(' | ')' | '[' | ']' | '{' | '}' if !inside => slips.push(slip(text, at, 1, "", line, "a bracket missing")),
            ':' | ',' if !inside => {
                slips.push(slip(text, at, 1, "", line, "a sign missing"));
                slips.push(slip(text, at, 1, &format!("{sign}{sign}"), line, "a sign doubled"));
            }
            '=' if !inside && bytes[at - 1] == b' ' && bytes[at + 1] == b' ' => {
                slips.push(slip(text, at, 1, "", line, "a sign missing"));
                slips.push(slip(text, at, 1, "==", line, "a sign doubled"));
            }
            _ => {}
        }
        at += long;
    }
    slips
}

fn slip(text: &str, at: usize, length: usize, instead: &str, line: usize, what: &str) -> Slip {
    let column = at - text[..at].rfind('\n').map_or(0, |end| end + 1) + 1;
    let what =
        format!("{what}: `{}` in column {column} of `{}`", &text[at..at + length], text.lines().nth(line - 1).unwrap().trim());
    Slip { what, line, text: format!("{}{instead}{}", &text[..at], &text[at + length..]) }
}

/// What is wrong with what is said about a slip.
fn complaint(slip: &Slip) -> Option<String> {
    let world = world(&slip.text);
    let problems = problems_of(&world);
    let read = |file| world.source(file);
    let mut files = Files::new(&read);
    let [problem] = problems.all.as_slice() else {
        let lines: Vec<String> = problems
            .all
            .iter()
            .map(|problem| format!("    {}: {} {}", files.range(problem.span).0.line, problem.code, problem.message))
            .collect();
        return Some(format!("line {}, {}: {} messages\n{}", slip.line, slip.what, problems.all.len(), lines.join("\n")));
    };
    let places = std::iter::once(problem.span).chain(problem.related.iter().map(|related| related.span));
    let distance = |span| files.range(span).0.line.abs_diff(slip.line);
    // What is missing at the start of a line is missed at the end of the one before; of a pair of `"""`, either may be it.
    let near = places.map(distance).min().is_some_and(|lines| lines <= if slip.what.contains("\"\"\"") { 3 } else { 1 });
    (!near).then(|| {
        format!(
            "line {}, {}: said of line {}: {} {}",
            slip.line,
            slip.what,
            files.range(problem.span).0.line,
            problem.code,
            problem.message
        )
    })
}

#[test]
fn one_slip_gives_one_message_at_its_place() {
    let whole = read("whole.pmflow").text;
    let clean = problems_of(&world(&whole));
    assert_eq!(clean.all.iter().map(|problem| (&problem.message, problem.span)).collect::<Vec<_>>(), vec![], "the file is right");
    let slips: Vec<Slip> = misspelt(&whole).into_iter().chain(signs(&whole)).collect();
    let complaints: Vec<String> = slips.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{} of {} slips:\n\n{}\n", complaints.len(), slips.len(), complaints.join("\n"));
}
