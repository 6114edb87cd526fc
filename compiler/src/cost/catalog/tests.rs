use super::*;
use pmflow_plan::{Api, CapFidelity};
use std::collections::BTreeSet;

/// After every date in the built-in catalog that must lie in the past.
const TODAY: i32 = 20_800;

fn terra() -> serde_json::Value {
    let (facts, entry) = Catalog::builtin().entry("openai/gpt-6.1-terra").unwrap();
    let facts = ProviderFacts { models: vec![entry.clone()], ..facts.clone() };
    serde_json::json!({ "format": 1, "providers": [facts] })
}

#[test]
fn the_built_in_catalog_keeps_every_rule() {
    let catalog = Catalog::from_json(&Catalog::builtin().to_json(), TODAY).unwrap();
    assert_eq!(catalog.entries().count(), Catalog::builtin().entries().count());
    assert!(catalog.entries().count() > 400);
}

#[test]
fn every_file_is_named_after_its_provider_and_written_in_the_one_way() {
    for (name, text) in stdlib::files("models") {
        let facts: ProviderFacts = serde_json::from_str(text).unwrap();
        assert_eq!(name, format!("{}.json", facts.provider));
        assert_eq!(text, facts.to_json(), "{name}");
        assert!(facts.models.is_sorted_by(|a, b| a.id < b.id), "{name}");
    }
}

#[test]
fn what_sources_disagree_on_costs_the_dearest() {
    let mut compared = 0;
    for (facts, entry) in Catalog::builtin().entries() {
        for (field, rate) in [("price.input", entry.price.input), ("price.output", entry.price.output)] {
            for value in entry.disagree.get(field).into_iter().flat_map(|values| values.values()) {
                assert!(rate >= Rate::try_from(value.clone()).unwrap(), "{}/{} {field}", facts.provider, entry.id);
                compared += 1;
            }
        }
    }
    assert!(compared > 100);
}

#[test]
fn known_prices_are_exact() {
    let model = Catalog::builtin().resolve("openai/gpt-6.1-terra").unwrap();
    let base = model.price.base;
    assert_eq!((base.input, base.output, base.cache_read, base.cache_write), (1_000_000, 5_000_000, 50_000, 1_250_000));
    let [tier] = model.price.tiers.as_slice() else { panic!("one tier") };
    assert_eq!((tier.above_input_tokens, tier.rates.input, tier.rates.output), (272_000, 2_000_000, 7_500_000));
    assert_eq!((model.api, model.output_cap, model.encoding), (Api::OpenaiResponses, CapFidelity::Hard, None));
    assert!(model.structured_output && !model.temperature);

    let model = Catalog::builtin().resolve("google/gemini-3.8-flash").unwrap();
    let [change] = model.price.changes.as_slice() else { panic!("one announced change") };
    assert_eq!((change.from_day, change.rates.input, change.rates.output), (20_819, 1_500_000, 7_500_000));
}

#[test]
fn a_declared_price_stands_for_an_unknown_model_and_an_address_for_a_missing_one() {
    let rates = pmflow_plan::Rates { input: 1, output: 2, cache_read: 1, cache_write: 1 };
    let options = ModelOptions { price: Some(rates), base_url: Some("http://localhost:11434/v1".into()), ..Default::default() };
    let model = Catalog::builtin().resolve_with("ollama/llama4", &options).unwrap();
    assert_eq!((model.wire_name.as_str(), model.provider.as_str(), model.api), ("llama4", "ollama", Api::OpenaiChat));
    assert_eq!(model.price.base, rates);

    let options = ModelOptions { base_url: Some("https://example.org/v1".into()), ..Default::default() };
    assert_eq!(Catalog::builtin().resolve_with("azure/gpt-5.4", &options).unwrap().api, Api::OpenaiChat);
}

#[test]
fn a_region_costs_its_uplift() {
    let options = ModelOptions { region: Some("eu".into()), ..Default::default() };
    let model = Catalog::builtin().resolve_with("openai/gpt-5.6-terra", &options).unwrap();
    assert_eq!((model.price.base.input, model.price.base.output), (2_200_000, 13_200_000));
    let refused = Catalog::builtin().resolve_with("openai/gpt-4.1", &options).unwrap_err();
    assert!(matches!(refused, Unresolved::UnknownRegion { .. }), "{refused}");
}

#[test]
fn a_simulated_model_costs_what_the_named_one_does() {
    let catalog = Catalog::builtin();
    let real = catalog.resolve("openai/gpt-6-luna").unwrap();
    for id in ["simulated/openai/gpt-6-luna", "simulated/gpt-6-luna"] {
        let model = catalog.resolve(id).unwrap();
        assert_eq!((model.id.as_str(), &model.price, model.api), (id, &real.price, Api::Simulated));
        assert_eq!(model.encoding.as_deref(), Some("o200k_base"));
    }
    assert_eq!(catalog.resolve("simulated/demo").unwrap().price.base, DEFAULT_SIMULATED);
    assert_eq!(catalog.shutdown("simulated/openai/gpt-4o"), None);
}

#[test]
fn shutdown_dates_are_known() {
    assert_eq!(Catalog::builtin().shutdown("openai/gpt-4o"), Some(20_832));
    assert_eq!(Catalog::builtin().shutdown("openai/gpt-6-luna"), None);
    assert_eq!(Day(20_832).to_string(), "2027-01-14");
}

#[test]
fn what_cannot_be_resolved_says_why_and_what_to_do() {
    let ids = ["openai/gpt-6.1-tera", "gpt-6-luna", "openai/gpt-6.2-sol", "azure/gpt-5.4", "claude-opus-5", "nobody/nothing", ""];
    let said: Vec<String> = ids
        .iter()
        .map(|id| Catalog::builtin().resolve(id).unwrap_err())
        .map(|unresolved| format!("{unresolved}\n  {}", unresolved.help()))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_bad_catalog_is_refused_with_every_reason() {
    let cases: Vec<(&str, serde_json::Value)> = vec![
        ("/providers/0/models/0/price/input", "-1".into()),
        ("/providers/0/models/0/price/output", "0".into()),
        ("/providers/0/models/0/price/input", "0.0000001".into()),
        ("/providers/0/models/0/price/input", "1000001".into()),
        ("/providers/0/models/0/price/input", "999999999999999999999999".into()),
        ("/providers/0/models/0/price/input", 1.5.into()),
        ("/providers/0/models/0/price", serde_json::json!({ "input": "1" })),
        ("/providers/0/models/0/tiers/0/price/input", "0.5".into()),
        ("/providers/0/models/0/tiers/0/above_input_tokens", 0.into()),
        ("/providers/0/models/0/output_tokens_max", 0.into()),
        ("/providers/0/models/0/aliases", serde_json::json!(["gpt-6.1-terra"])),
        ("/providers/0/models/0/released", "2030-01-01".into()),
        ("/providers/0/models/0/sources", serde_json::json!(["a rumour"])),
        ("/providers/0/models/0/encoding", "p50k_base".into()),
        ("/providers/0/as_of", "2031-01-01".into()),
        ("/providers/0/as_of", "2026-02-30".into()),
        ("/providers/0/format", 2.into()),
        ("/providers/0/provider", "open/ai".into()),
        ("/format", 9.into()),
    ];
    let mut said = Vec::new();
    for (place, value) in cases {
        let mut document = terra();
        put(&mut document, place, value);
        said.push(format!("{place}\n  {}", Catalog::from_json(&document.to_string(), TODAY).unwrap_err()));
    }
    let twice = serde_json::json!({ "format": 1, "providers": [terra()["providers"][0], terra()["providers"][0]] });
    said.push(format!("a provider twice\n  {}", Catalog::from_json(&twice.to_string(), TODAY).unwrap_err()));
    said.push(format!("no JSON\n  {}", Catalog::from_json("{ \"format\": 1", TODAY).unwrap_err()));
    said.push(format!("another document\n  {}", Catalog::from_json("[]", TODAY).unwrap_err()));
    insta::assert_snapshot!(said.join("\n"));
}

fn put(document: &mut serde_json::Value, place: &str, value: serde_json::Value) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
}

#[test]
fn every_entry_resolves_or_says_that_it_needs_an_address() {
    let catalog = Catalog::builtin();
    let mut seen = BTreeSet::new();
    for (facts, entry) in catalog.entries() {
        let id = format!("{}/{}", facts.provider, entry.id);
        match catalog.resolve(&id) {
            Ok(model) => assert!(model.call_ceiling(model.input_tokens_max, model.output_tokens_max).is_some(), "{id}"),
            Err(unresolved) => assert!(matches!(unresolved, Unresolved::NeedsAddress { .. }), "{id}: {unresolved}"),
        }
        assert!(seen.insert(id));
    }
}

#[test]
fn the_hash_follows_the_content() {
    let same = Catalog::from_json(&terra().to_string(), TODAY).unwrap();
    let mut document = terra();
    put(&mut document, "/providers/0/models/0/price/input", "1.1".into());
    let other = Catalog::from_json(&document.to_string(), TODAY).unwrap();
    assert_eq!(same.hash().len(), 64);
    assert_ne!(same.hash(), other.hash());
}
