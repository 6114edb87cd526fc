//! From the merged price table to the catalog's files. What a table says is taken over; where tables differ on money the
//! dearest value is taken and all are kept; what no table says comes from [`policy`], with its source.

mod policy;
mod table;

use pmflow_compiler::cost::catalog::facts::{
    CATALOG_FORMAT, ChangeFacts, Entry, Multiplier, OffPeakFacts, PriceFacts, ProviderFacts, Rate, TierFacts, UnpricedFact,
};
use pmflow_compiler::cost::{Catalog, Day};
use std::collections::BTreeMap;
use std::path::Path;
use table::{Disagreement, Row, Table, TablePrice, decimal};

/// Source → value, for a field that sources differ on.
type Seen = BTreeMap<String, String>;

/// Reads both tables and writes one file per provider; says what was written.
pub fn write(prices: &Path, disagreements: &Path, out: &Path) -> Result<String, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let table: Table = serde_json::from_str(&read(prices)?).map_err(|error| format!("{}: {error}", prices.display()))?;
    let differing: Vec<Disagreement> =
        serde_json::from_str(&read(disagreements)?).map_err(|error| format!("{}: {error}", disagreements.display()))?;
    let providers = providers(table, &differing)?;
    check(&providers)?;
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let mut said = Vec::new();
    for facts in providers {
        let path = out.join(format!("{}.json", facts.provider));
        std::fs::write(&path, facts.to_json()).map_err(|error| format!("{}: {error}", path.display()))?;
        said.push(format!("{}: {} models", path.display(), facts.models.len()));
    }
    Ok(said.join("\n"))
}

/// The same rules that a project's lock file must keep.
fn check(providers: &[ProviderFacts]) -> Result<(), String> {
    let today = providers.iter().map(|facts| facts.as_of).max().map_or(0, |day| day.0);
    let lock = serde_json::json!({ "format": CATALOG_FORMAT, "providers": providers });
    Catalog::from_json(&lock.to_string(), today).map(|_| ()).map_err(|error| error.to_string())
}

fn providers(table: Table, differing: &[Disagreement]) -> Result<Vec<ProviderFacts>, String> {
    let as_of = day(&table.built)?.max(day(policy::LOOKED_UP)?);
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in table.models {
        rows.entry(row.provider.clone()).or_default().push(row);
    }
    let mut sources = table.sources;
    sources.insert("vendor-sdk".into(), policy::VENDOR_SDK.into());
    rows.into_iter().map(|(provider, rows)| one_provider(provider, rows, differing, as_of, &sources)).collect()
}

fn one_provider(
    provider: String,
    rows: Vec<Row>,
    differing: &[Disagreement],
    as_of: Day,
    sources: &BTreeMap<String, String>,
) -> Result<ProviderFacts, String> {
    let mut unpriced = policy::unpriced(&provider)?;
    let mut models = Vec::new();
    for row in rows {
        if row.price.input == 0.0 || row.price.output == 0.0 {
            let source = "the price tables give a price of zero for one side, which is no price".into();
            unpriced.push(UnpricedFact { id: row.id, source, date: as_of });
            continue;
        }
        let same = |other: &&Disagreement| other.provider == row.provider && other.id == row.id;
        let mut seen = row.disagree.clone();
        seen.extend(differing.iter().filter(same).flat_map(|other| other.fields.clone()));
        let place = format!("{}/{}", row.provider, row.id);
        models.push(entry(row, seen).map_err(|reason| format!("{place}: {reason}"))?);
    }
    models.sort_by(|a, b| a.id.cmp(&b.id));
    unpriced.sort_by(|a, b| a.id.cmp(&b.id));
    let (api, base_url) = policy::protocol(&provider);
    Ok(ProviderFacts {
        format: CATALOG_FORMAT,
        as_of,
        api,
        base_url: base_url.map(str::to_owned),
        cap: policy::cap(&provider)?,
        overhead: policy::overhead(&provider)?,
        calibration: policy::calibration(&provider)?,
        sources: sources.clone(),
        models,
        unpriced,
        provider,
    })
}

fn entry(row: Row, seen: BTreeMap<String, BTreeMap<String, serde_json::Value>>) -> Result<Entry, String> {
    let disagree: BTreeMap<String, Seen> = seen.into_iter().map(|(field, values)| (field, values_as_text(values))).collect();
    let mut tiers = Vec::new();
    for tier in &row.tiers {
        let field = format!("tier>{}", tier.above_input_tokens);
        tiers.push(TierFacts { above_input_tokens: tier.above_input_tokens, price: price(&tier.price, &field, &disagree)? });
    }
    let mut batch_tiers = Vec::new();
    for tier in &row.batch_tiers {
        batch_tiers.push(TierFacts { above_input_tokens: tier.above_input_tokens, price: price(&tier.price, "", &disagree)? });
    }
    let mut changes = Vec::new();
    for change in &row.announced_price_changes {
        changes.push(ChangeFacts { from: day(&change.from)?, price: price(&change.price, "", &disagree)?, tiers: Vec::new() });
    }
    let off_peak = row.off_peak.as_ref().map(|off_peak| {
        Ok::<_, String>(OffPeakFacts { price: price(&off_peak.price, "", &disagree)?, windows_utc: off_peak.windows() })
    });
    Ok(Entry {
        price: price(&row.price, "price", &disagree)?,
        tiers,
        changes,
        batch: row.batch.as_ref().map(|batch| price(batch, "batch", &disagree)).transpose()?,
        batch_tiers,
        off_peak: off_peak.transpose()?,
        multipliers: multipliers(&row)?,
        context_tokens_max: row.context,
        context_is_input: row.context_is_max_input,
        input_tokens_max: row.max_input,
        output_tokens_max: row.max_output,
        supports: row.supports.clone(),
        thinking_always_on: row.thinking_always_on,
        cache_prefix_tokens_min: row.prompt_cache_min_tokens.map(|tokens| tokens as u64),
        cap: policy::model_cap(&row.provider, &row.id)?,
        encoding: policy::encoding(&row.provider, &row.id).map(str::to_owned),
        released: row.release_date.as_deref().map(day).transpose()?,
        shutdown: row.deprecation_date.as_deref().map(day).transpose()?,
        shutdown_source: row.deprecation_source,
        sources: row.sources.keys().cloned().collect(),
        aliases: sorted(row.aliases),
        wire_name: None,
        id: row.id,
        disagree,
    })
}

fn price(price: &TablePrice, field: &str, disagree: &BTreeMap<String, Seen>) -> Result<PriceFacts, String> {
    let dearest = |name: &str, value: Option<f64>| -> Result<Option<Rate>, String> {
        let mut rate = value.map(|value| rate(&decimal(value))).transpose()?;
        for value in disagree.get(&format!("{field}.{name}")).into_iter().flat_map(BTreeMap::values) {
            rate = rate.max(Some(self::rate(value)?));
        }
        Ok(rate)
    };
    let required = |name: &str, value: f64| dearest(name, Some(value))?.ok_or_else(|| format!("no {name} price"));
    Ok(PriceFacts {
        input: required("input", price.input)?,
        output: required("output", price.output)?,
        cache_read: dearest("cache_read", price.cache_read)?,
        cache_write_5m: dearest("cache_write_5m", price.cache_write_5m)?,
        cache_write_1h: dearest("cache_write_1h", price.cache_write_1h)?,
        cache_write_12h: dearest("cache_write_12h_plus", price.cache_write_12h_plus)?,
    })
}

fn multipliers(row: &Row) -> Result<BTreeMap<String, Multiplier>, String> {
    let mut factors: BTreeMap<String, Multiplier> = BTreeMap::new();
    for (name, value) in row.multipliers.iter().chain(&row.regional_uplift) {
        let name = match name.as_str() {
            "regional_processing_uplift_multiplier_eu" => "eu",
            "regional_processing_uplift_multiplier_us" => "us",
            "regional_endpoint_uplift_multiplier" => "regional",
            other => other,
        };
        factors.insert(name.to_owned(), Multiplier::try_from(decimal(*value))?);
    }
    Ok(factors)
}

fn values_as_text(values: BTreeMap<String, serde_json::Value>) -> Seen {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) if number.is_f64() => decimal(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    };
    values.into_iter().map(|(source, value)| (source, text(value))).collect()
}

fn rate(text: &str) -> Result<Rate, String> {
    Rate::try_from(text.to_owned())
}

fn day(text: &str) -> Result<Day, String> {
    Day::try_from(text.to_owned())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{ "built": "2026-11-20", "sources": { "a": "table a", "b": "table b" }, "models": [
      { "provider": "openai", "id": "gpt-5-x", "price": { "input": 0.0375, "output": 1.0 }, "aliases": ["z", "y"],
        "tiers": [{ "above_input_tokens": 100, "price": { "input": 0.1, "output": 2.0 } }],
        "announced_price_changes": [], "context": 1000, "max_output": 10, "sources": { "b": true, "a": "gpt-5" },
        "disagree": { "price.output": { "a": 1.0, "b": 1.25 } } },
      { "provider": "openai", "id": "router", "price": { "input": 0.5, "output": 0.0 }, "sources": { "a": true } } ] }"#;
    const DIFFERING: &str =
        r#"[{ "provider": "openai", "id": "gpt-5-x", "fields": { "tier>100.input": { "a": 0.1, "b": 0.3 } } }]"#;

    fn read(table: &str) -> Result<Vec<ProviderFacts>, String> {
        providers(serde_json::from_str(table).unwrap(), &serde_json::from_str::<Vec<Disagreement>>(DIFFERING).unwrap())
    }

    #[test]
    fn the_dearest_value_is_taken_and_all_are_kept() {
        let facts = read(TABLE).unwrap();
        let [openai] = facts.as_slice() else { panic!("one provider") };
        let [model] = openai.models.as_slice() else { panic!("one priced model") };
        assert_eq!(model.price.input, Rate::from_pico(37_500));
        assert_eq!(model.price.output, Rate::from_pico(1_250_000));
        assert_eq!(model.tiers[0].price.input, Rate::from_pico(300_000));
        assert_eq!(model.disagree["price.output"]["b"], "1.25");
        assert_eq!(
            (model.aliases.as_slice(), model.encoding.as_deref()),
            (["y".to_owned(), "z".to_owned()].as_slice(), Some("o200k_base"))
        );
        assert!(check(&facts).is_ok());
    }

    #[test]
    fn a_price_of_zero_is_no_price() {
        let facts = read(TABLE).unwrap();
        assert!(facts[0].unpriced.iter().any(|fact| fact.id == "router"));
    }

    #[test]
    fn a_price_that_no_token_can_have_is_refused() {
        let refused = read(&TABLE.replace("0.0375", "0.00000001")).unwrap_err();
        assert!(refused.contains("openai/gpt-5-x") && refused.contains("0.00000001"), "{refused}");
    }
}
