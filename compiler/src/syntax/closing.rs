//! Which `{` was left open. Brackets alone only tell that one is missing, and blame the outermost; the indentation tells which.

use crate::Span;
use crate::problems::{Edit, Fix, Problem, Related};

/// Moves each problem of an unclosed `{` to the one inside of it that a `}` further to the left closes.
pub(super) fn find_unclosed(masked: &str, base: usize, problems: &mut [Problem]) {
    for problem in problems.iter_mut().filter(|problem| problem.code == "E0013") {
        let Some(start) = (problem.span.start as usize).checked_sub(base) else { continue };
        if masked.as_bytes().get(start) != Some(&b'{') {
            continue;
        }
        if let Some((opening, missing)) = left_open(masked, start) {
            blame(problem, base + opening, base + missing);
        }
    }
}

fn blame(problem: &mut Problem, opening: usize, missing: usize) {
    let at = |start: usize, end: usize| Span { start: start as u32, end: end as u32, ..problem.span };
    let (opening, behind) = (at(opening, opening + 1), at(missing, missing));
    problem.message = "this `{` is never closed".to_owned();
    problem.related = vec![Related { span: behind, message: "`}` is missing here".to_owned() }];
    problem.fix = Some(Fix { title: "write `}`".to_owned(), edits: vec![Edit { span: behind, text: " }".to_owned() }] });
    problem.span = opening;
}

/// The `{` behind `start` that is closed by the `}` of another, and where its own is missing: at the end of the line before
/// the first one that stands as far to the left.
fn left_open(masked: &str, start: usize) -> Option<(usize, usize)> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut line_start = 0;
    for line in masked.split_inclusive('\n') {
        let indentation = line.len() - line.trim_start().len();
        for (at, byte) in line.bytes().enumerate() {
            match byte {
                b'{' => open.push((line_start + at, indentation)),
                b'}' => {
                    let (opening, of_opening) = open.pop()?;
                    if at == indentation && indentation < of_opening && opening > start {
                        return Some((opening, end_by_indentation(masked, opening, of_opening)));
                    }
                }
                _ => {}
            }
        }
        line_start += line.len();
    }
    None
}

fn end_by_indentation(masked: &str, opening: usize, indentation: usize) -> usize {
    let mut end = opening + 1;
    let mut line_start = opening;
    for (index, line) in masked.get(opening..).unwrap_or_default().split_inclusive('\n').enumerate() {
        let solid = line.trim_end().len();
        if index > 0 && solid > 0 && line.len() - line.trim_start().len() <= indentation {
            break;
        }
        if solid > 0 {
            end = line_start + solid;
        }
        line_start += line.len();
    }
    end
}
