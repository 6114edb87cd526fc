use super::*;
use crate::cost::fixtures::{ask, flow, leads, plan, prompt, rounds, source, step};
use crate::cost::{Catalog, price, recommendations};
use pmflow_plan::StreamFrom;

const TODAY: i32 = 20_800;

#[test]
fn a_table_fits_a_terminal() {
    let (mut plan, map) = leads();
    let estimate = price(&mut plan);
    let advice = recommendations(&plan, &estimate, Catalog::builtin(), TODAY);
    let text = table(&estimate, &advice, &map);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_table_without_a_ceiling_says_what_is_missing() {
    let body = crate::cost::fixtures::block(vec![step("answer", ask("a_prompt_with_quite_a_long_name"))]);
    let steps = vec![step("rows", source(None, None)), step("row", rounds(StreamFrom::Source("rows".into()), None, body))];
    let mut plan =
        plan(vec![flow("endless", steps)], vec![prompt("a_prompt_with_quite_a_long_name", &["deepseek/deepseek-flash"])]);
    let estimate = price(&mut plan);
    insta::assert_snapshot!(table(&estimate, &[], &SourceMap::default()));
}

#[test]
fn a_flow_without_prompts_costs_nothing() {
    let estimate = price(&mut plan(vec![flow("free", Vec::new())], Vec::new()));
    insta::assert_snapshot!(table(&estimate, &[], &SourceMap::default()));
}

#[test]
fn a_pull_request_gets_markdown() {
    let (mut plan, map) = leads();
    let estimate = price(&mut plan);
    let advice = recommendations(&plan, &estimate, Catalog::builtin(), TODAY);
    insta::assert_snapshot!(markdown(&estimate, &advice, &map));
}

#[test]
fn a_program_gets_json() {
    let (mut plan, map) = leads();
    let estimate = price(&mut plan);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&estimate, &[], &map)).unwrap());
}

#[test]
fn a_number_unfolds_to_lines_of_the_source() {
    let (mut plan, map) = leads();
    let estimate = price(&mut plan);
    insta::assert_snapshot!(unfold(&estimate, &map));
}

#[test]
fn a_page_stands_alone_and_holds_hostile_names() {
    let (mut plan, map) = leads();
    plan.flow = "<script>\"&".into();
    let mut flow = plan.flows["daily"].clone();
    flow.name = plan.flow.clone();
    plan.flows.insert(plan.flow.clone(), flow);
    let estimate = price(&mut plan);
    let page = html(&estimate, &recommendations(&plan, &estimate, Catalog::builtin(), TODAY), &map);
    // The name of SVG's namespace is no address that anything is fetched from.
    let bare = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!bare.contains("<script") && !bare.contains("http"), "{page}");
    for tag in ["svg", "table", "ul", "g", "h2", "li"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert!(page.contains("asks write_mail"));
}
