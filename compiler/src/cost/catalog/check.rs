//! What a catalog must hold to be believed. A catalog or lock file that breaks a rule is refused whole, with every broken
//! rule named: a wrong price must never be found out by paying it.

use super::facts::{CATALOG_FORMAT, Day, Entry, PriceFacts, ProviderFacts, TOKENS_MAX, TierFacts};
use std::collections::BTreeMap;

/// All broken rules of a provider's facts, each naming its model. Empty: the facts can be used.
pub(super) fn broken_rules(facts: &ProviderFacts, today: Day) -> Vec<String> {
    let mut broken = Vec::new();
    let provider = &facts.provider;
    if facts.format != CATALOG_FORMAT {
        broken.push(format!("`{provider}` has format {}, this pmflow reads format {CATALOG_FORMAT}", facts.format));
    }
    if provider.is_empty() || provider.contains('/') {
        broken.push(format!("`{provider}` is no name of a provider"));
    }
    if facts.as_of > today {
        broken.push(format!("`{provider}` is dated {}, which is in the future", facts.as_of));
    }
    if let Some(fact) = &facts.calibration {
        if fact.date > today {
            broken.push(format!("`{provider}` has a calibration of {}, which is in the future", fact.date));
        }
        if !(1000..=100_000).contains(&fact.tokens_milli) {
            broken.push(format!(
                "`{provider}` has a calibration of {} thousandths, not between 1000 and 100000",
                fact.tokens_milli
            ));
        }
    }
    duplicates(facts, &mut broken);
    for entry in &facts.models {
        let mut say = |what: String| broken.push(format!("model `{provider}/{}`: {what}", entry.id));
        prices(entry, &mut say);
        dates(entry, today, &mut say);
        limits(entry, &mut say);
        sources(entry, facts, &mut say);
    }
    broken
}

fn duplicates(facts: &ProviderFacts, broken: &mut Vec<String>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let unpriced = facts.unpriced.iter().map(|fact| (fact.id.as_str(), fact.id.as_str()));
    let named = facts.models.iter().flat_map(|entry| names(entry).map(|name| (name, entry.id.as_str())));
    for (name, owner) in named.chain(unpriced) {
        if name.is_empty() {
            broken.push(format!("a model of `{}` has an empty id or alias", facts.provider));
        }
        if let Some(other) = seen.insert(name, owner) {
            broken.push(format!("`{}/{name}` stands twice: in `{other}` and in `{owner}`", facts.provider));
        }
    }
}

fn names(entry: &Entry) -> impl Iterator<Item = &str> {
    std::iter::once(entry.id.as_str()).chain(entry.aliases.iter().map(String::as_str))
}

fn prices(entry: &Entry, say: &mut impl FnMut(String)) {
    nonzero(&entry.price, "its price", say);
    tiers(&entry.price, &entry.tiers, say);
    for change in &entry.changes {
        nonzero(&change.price, &format!("its price from {}", change.from), say);
        tiers(&change.price, &change.tiers, say);
        if !entry.tiers.is_empty() && change.tiers.is_empty() {
            say(format!("it has tiers now, and the change on {} does not say which then", change.from));
        }
    }
    if !entry.changes.is_sorted_by(|a, b| a.from < b.from) {
        say("its price changes are not in the order of their dates".into());
    }
}

/// A price of zero is how tables write "not known"; nothing is free.
fn nonzero(price: &PriceFacts, which: &str, say: &mut impl FnMut(String)) {
    for (name, rate) in [("input", price.input), ("output", price.output)] {
        if rate.pico_per_token == 0 {
            say(format!("{which} of {name} is zero; a model without a price belongs under `unpriced`"));
        }
    }
}

fn tiers(base: &PriceFacts, tiers: &[TierFacts], say: &mut impl FnMut(String)) {
    let mut below = (0, base);
    for tier in tiers {
        let above = tier.above_input_tokens;
        if above <= below.0 {
            say(format!("its tiers are not ascending at {above} tokens"));
        }
        if tier.price.input < below.1.input || tier.price.output < below.1.output {
            say(format!("its tier above {above} tokens is cheaper than what is below it"));
        }
        below = (above, &tier.price);
    }
}

fn dates(entry: &Entry, today: Day, say: &mut impl FnMut(String)) {
    if let Some(released) = entry.released.filter(|released| *released > today) {
        say(format!("it was released on {released}, which is in the future"));
    }
    if let (Some(released), Some(shutdown)) = (entry.released, entry.shutdown)
        && shutdown < released
    {
        say(format!("it shuts down on {shutdown}, before its release on {released}"));
    }
    if let Some(cap) = entry.cap.as_ref().filter(|cap| cap.date > today) {
        say(format!("its cap was seen on {}, which is in the future", cap.date));
    }
}

fn limits(entry: &Entry, say: &mut impl FnMut(String)) {
    let limits = [
        ("context_tokens_max", entry.context_tokens_max),
        ("input_tokens_max", entry.input_tokens_max),
        ("output_tokens_max", entry.output_tokens_max),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit.filter(|limit| !(1..=TOKENS_MAX).contains(limit)) {
            say(format!("its `{name}` is {limit}, not between 1 and {TOKENS_MAX}"));
        }
    }
    if let Some(encoding) = &entry.encoding
        && !matches!(encoding.as_str(), "o200k_base" | "cl100k_base")
    {
        say(format!("its encoding `{encoding}` is not known; leave it out, and bytes are the bound"));
    }
}

fn sources(entry: &Entry, facts: &ProviderFacts, say: &mut impl FnMut(String)) {
    if entry.sources.is_empty() {
        say("it names no source".into());
    }
    for source in entry.sources.iter().filter(|source| !facts.sources.contains_key(*source)) {
        say(format!("its source `{source}` is not explained under `sources`"));
    }
}
