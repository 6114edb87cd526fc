use super::*;
use crate::problems::Problems;

const LEAD: &str = include_str!("../../tests/syntax/lead_enrichment.pmflow");
const AIRTABLE: &str = include_str!("../../tests/syntax/airtable.pmflow");

fn show(text: &str, problems: &Problems) -> String {
    problems
        .all
        .iter()
        .map(|p| format!("{}@{:?} {} [{}]", p.code, p.span.range(), p.message, text.get(p.span.range()).unwrap_or("?")))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_samples_parse_without_a_problem() {
    for text in [LEAD, AIRTABLE] {
        let parsed = parse(FileId(0), text);
        assert_eq!(show(text, &parsed.problems), "");
    }
}
