//! The name that was probably meant.

/// The candidate closest to what was written, or nothing when none is close enough to be worth suggesting. Upper and
/// lower case, `_` and `-` cost little, a swap of neighbours counts as one slip. The first of equally close ones wins.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.chars().take(NAME_CHARS_MAX + 1).collect();
    if wanted.is_empty() || wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let Some(cost) = cost(&wanted, candidate) else { continue };
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// Beyond this a name is not mistyped but something else, and the comparison would cost its square.
const NAME_CHARS_MAX: usize = 64;
/// A slip, in the unit of costs; a difference of case alone costs one.
const SLIP: usize = 10;

/// What it takes to make one name of the other; nothing when they are too far apart.
fn cost(wanted: &[char], candidate: &str) -> Option<usize> {
    let candidate: Vec<char> = candidate.chars().take(NAME_CHARS_MAX + 1).collect();
    if candidate.len() > NAME_CHARS_MAX || candidate.as_slice() == wanted {
        return None;
    }
    let (plain_wanted, plain_candidate) = (plain(wanted), plain(&candidate));
    if plain_wanted == plain_candidate && !plain_wanted.is_empty() {
        return Some(1);
    }
    let allowed = slips_allowed(plain_wanted.len().max(plain_candidate.len()));
    if slips_min(&plain_wanted, &plain_candidate) > allowed {
        return None;
    }
    let slips = distance(&plain_wanted, &plain_candidate);
    (slips <= allowed).then_some(slips * SLIP)
}

/// At least so many slips lie between the two: one for each letter that only one of them has. Most names end here.
fn slips_min(a: &[char], b: &[char]) -> usize {
    let letters = |name: &[char]| name.iter().fold(0u64, |letters, letter| letters | 1 << (u32::from(*letter) % 64));
    let (a_letters, b_letters) = (letters(a), letters(b));
    let only = |these: u64, others: u64| (these & !others).count_ones() as usize;
    only(a_letters, b_letters).max(only(b_letters, a_letters)).max(a.len().abs_diff(b.len()))
}

/// One slip in a short name, more in a long one; never more than a third.
fn slips_allowed(chars: usize) -> usize {
    match chars {
        0..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => chars / 3,
    }
}

fn plain(name: &[char]) -> Vec<char> {
    name.iter().filter(|c| !matches!(c, '_' | '-')).flat_map(|c| c.to_lowercase()).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), by rows of the usual table.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a: Option<char> = None;
    for (row, &x) in a.iter().enumerate() {
        let current = next_row(row, x, previous_a, b, &above, &before);
        before = std::mem::replace(&mut above, current);
        previous_a = Some(x);
    }
    above.last().copied().unwrap_or(0)
}

fn next_row(row: usize, x: char, previous_a: Option<char>, b: &[char], above: &[usize], before: &[usize]) -> Vec<usize> {
    let at = |cells: &[usize], column: usize| cells.get(column).copied().unwrap_or(usize::MAX - 1);
    let mut current = vec![row + 1];
    let mut previous_b: Option<char> = None;
    for (column, &y) in b.iter().enumerate() {
        let replaced = at(above, column) + usize::from(x != y);
        let mut least = replaced.min(at(above, column + 1) + 1).min(at(&current, column) + 1);
        if let (Some(column_before), true) = (column.checked_sub(1), previous_a == Some(y) && previous_b == Some(x)) {
            least = least.min(at(before, column_before) + 1);
        }
        current.push(least);
        previous_b = Some(y);
    }
    current
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_of_the_hand_are_found() {
        let names = ["company", "lead", "score", "priority", "create_task", "max_input", "max_output", "id"];
        let cases = [
            ("compnay", Some("company")),
            ("Company", Some("company")),
            ("leda", Some("lead")),
            ("createTask", Some("create_task")),
            ("max-input", Some("max_input")),
            ("maxoutput", Some("max_output")),
            ("priorty", Some("priority")),
            ("scroe", Some("score")),
            ("ID", Some("id")),
            ("xd", None),
            ("telephone", None),
            ("", None),
            ("lead", None),
        ];
        for (wanted, expected) in cases {
            assert_eq!(nearest(wanted, names), expected, "{wanted}");
        }
    }

    #[test]
    fn the_closest_wins_and_the_first_of_equals() {
        assert_eq!(nearest("leads", ["loads", "lead", "leaders"]), Some("loads"));
        assert_eq!(nearest("Lead", ["load", "lead"]), Some("lead"));
        assert_eq!(nearest("cot", ["cat", "cut"]), Some("cat"));
    }

    #[test]
    fn a_monstrous_name_is_not_compared() {
        let long = "x".repeat(1_000_000);
        assert_eq!(nearest(&long, ["x"]), None);
        assert_eq!(nearest("x", [long.as_str()]), None);
    }
}
