//! From an id to a model with its facts.

use super::facts::{Entry, Multiplier, PriceFacts, ProviderFacts, TierFacts};
use super::{Catalog, Unresolved};
use crate::problems::nearest;
use pmflow_plan::{Api, BatchPrice, CapFidelity, Model, Price, PriceChange, Rates, Tier};

/// What a `model` item may add to a catalog entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelOptions {
    pub base_url: Option<String>,
    /// Declared by the author, in pico-dollars per token; makes an unknown id a self-hosted model.
    pub price: Option<Rates>,
    /// `us`, `eu`: adds the provider's uplift for processing in that region.
    pub region: Option<String>,
    /// The protocol, when it is not the provider's usual one.
    pub api: Option<Api>,
    /// Declared limits of a self-hosted model.
    pub context_tokens_max: Option<u64>,
    pub output_tokens_max: Option<u64>,
}

/// What a simulated model without a model's name in it "costs": $1 and $5 per million tokens, a common middle.
pub const DEFAULT_SIMULATED: Rates = Rates { input: 1_000_000, output: 5_000_000, cache_read: 100_000, cache_write: 1_250_000 };

/// Stands for a limit that no source gives, so that nothing is refused for it. The provider refuses what it cannot take,
/// and a refused request costs nothing.
pub const UNKNOWN_TOKENS_MAX: u64 = super::facts::TOKENS_MAX;

/// Providers whose batches the runtime can use: OpenAI's, Groq's of the same form, and Anthropic's. Elsewhere a request costs
/// what it does by itself, whatever a batch would.
const BATCHED: [&str; 3] = ["openai", "groq", "anthropic"];

pub(super) fn resolve(catalog: &Catalog, id: &str, options: &ModelOptions) -> Result<Model, Unresolved> {
    if let Some(name) = id.strip_prefix("simulated/") {
        return simulated(catalog, id, name);
    }
    match catalog.entry(id) {
        Some((facts, entry)) => priced(id, facts, entry, options),
        None => match options.price {
            Some(rates) => Ok(declared(id, rates, options)),
            None => Err(unresolved(catalog, id)),
        },
    }
}

fn priced(id: &str, facts: &ProviderFacts, entry: &Entry, options: &ModelOptions) -> Result<Model, Unresolved> {
    // Whoever gives an address of their own speaks to a proxy or a compatible server, and those speak Chat Completions.
    let elsewhere = options.base_url.is_some() && matches!(facts.api, None | Some(Api::OpenaiResponses));
    let api = options.api.or(if elsewhere { Some(Api::OpenaiChat) } else { facts.api });
    let Some(api) = api else {
        return Err(Unresolved::NeedsAddress { id: id.into(), provider: facts.provider.clone() });
    };
    let mut model = model(id, facts, entry, api);
    model.base_url = options.base_url.clone().or_else(|| facts.base_url.clone());
    if let Some(region) = &options.region {
        let Some(factor) = entry.multipliers.get(region) else {
            let known = entry.multipliers.keys().filter(|name| *name != "fast").cloned().collect();
            return Err(Unresolved::UnknownRegion { id: id.into(), region: region.clone(), known });
        };
        model.price = uplifted(&model.price, *factor);
    }
    if let Some(rates) = options.price {
        model.price = Price { base: rates, tiers: Vec::new(), changes: Vec::new(), batch: None };
    }
    Ok(model)
}

fn model(id: &str, facts: &ProviderFacts, entry: &Entry, api: Api) -> Model {
    let window = entry.context_tokens_max.or(entry.input_tokens_max).unwrap_or(UNKNOWN_TOKENS_MAX);
    let input_tokens_max = entry.input_tokens_max.unwrap_or(window);
    let output_tokens_max = entry.output_tokens_max.unwrap_or(UNKNOWN_TOKENS_MAX.min(window));
    let together = if entry.context_is_input { window.saturating_add(output_tokens_max) } else { window.max(input_tokens_max) };
    let supports = |what: &str| entry.supports.get(what).copied();
    Model {
        id: id.into(),
        provider: facts.provider.clone(),
        wire_name: entry.wire_name.clone().unwrap_or_else(|| id.split_once('/').map_or(id, |(_, name)| name).into()),
        api,
        base_url: None,
        price: price(entry, &facts.provider),
        context_tokens_max: together,
        input_tokens_max,
        output_tokens_max,
        output_cap: entry.cap.as_ref().unwrap_or(&facts.cap).fidelity,
        encoding: entry.encoding.clone(),
        calibration_milli: facts.calibration.as_ref().map(|fact| fact.tokens_milli),
        structured_output: supports("json_schema") == Some(true),
        // Not known: a model that thinks refuses it as a rule, the others take it.
        temperature: supports("temperature").unwrap_or(supports("reasoning") != Some(true)),
    }
}

fn simulated(catalog: &Catalog, id: &str, name: &str) -> Result<Model, Unresolved> {
    let entry = catalog.entry(name).or_else(|| by_bare_name(catalog, name));
    let mut model = match entry {
        Some((facts, entry)) => model(id, facts, entry, Api::Simulated),
        None => declared(id, DEFAULT_SIMULATED, &ModelOptions::default()),
    };
    model.provider = "simulated".into();
    model.wire_name = name.into();
    model.api = Api::Simulated;
    model.output_cap = CapFidelity::Hard;
    model.encoding = Some("o200k_base".into());
    model.structured_output = true;
    model.temperature = true;
    Ok(model)
}

/// The maker's own entry before a reseller's.
fn by_bare_name<'a>(catalog: &'a Catalog, name: &str) -> Option<(&'a ProviderFacts, &'a Entry)> {
    let mut all: Vec<_> = catalog.entries().filter(|(_, entry)| entry.id == name).collect();
    all.sort_by_key(|(facts, _)| facts.api.is_none());
    all.into_iter().next()
}

/// A model that only the author knows: an own server, whose cap is as hard as the author's word for its price.
fn declared(id: &str, rates: Rates, options: &ModelOptions) -> Model {
    let (provider, name) = id.split_once('/').unwrap_or(("local", id));
    let context_tokens_max = options.context_tokens_max.unwrap_or(UNKNOWN_TOKENS_MAX);
    Model {
        id: id.into(),
        provider: provider.into(),
        wire_name: name.into(),
        api: options.api.unwrap_or(Api::OpenaiChat),
        base_url: options.base_url.clone(),
        price: Price { base: rates, tiers: Vec::new(), changes: Vec::new(), batch: None },
        context_tokens_max,
        input_tokens_max: context_tokens_max,
        output_tokens_max: options.output_tokens_max.unwrap_or(context_tokens_max),
        output_cap: CapFidelity::Hard,
        encoding: None,
        calibration_milli: None,
        structured_output: false,
        temperature: true,
    }
}

fn price(entry: &Entry, provider: &str) -> Price {
    Price {
        base: rates(&entry.price),
        tiers: tiers(&entry.tiers),
        changes: entry
            .changes
            .iter()
            .map(|change| PriceChange { from_day: change.from.0, rates: rates(&change.price), tiers: tiers(&change.tiers) })
            .collect(),
        batch: entry
            .batch
            .as_ref()
            .filter(|_| BATCHED.contains(&provider))
            .map(|batch| BatchPrice { base: rates(batch), tiers: batch_tiers(entry) }),
    }
}

/// Where no source says what a long request costs in a batch, it is taken to cost what it does outside.
fn batch_tiers(entry: &Entry) -> Vec<Tier> {
    let mut all = tiers(&entry.batch_tiers);
    let is_known = |tier: &&TierFacts| entry.batch_tiers.iter().any(|known| known.above_input_tokens == tier.above_input_tokens);
    let unknown: Vec<TierFacts> = entry.tiers.iter().filter(|tier| !is_known(tier)).cloned().collect();
    all.extend(tiers(&unknown));
    all.sort_by_key(|tier| tier.above_input_tokens);
    all
}

fn tiers(tiers: &[TierFacts]) -> Vec<Tier> {
    tiers.iter().map(|tier| Tier { above_input_tokens: tier.above_input_tokens, rates: rates(&tier.price) }).collect()
}

/// A request of ours never asks for a cache that lives longer than the usual one, so the longer ones' premium is out of
/// reach. What no source gives, and a zero (which no provider charges), costs as fresh input does.
fn rates(price: &PriceFacts) -> Rates {
    let known = |rate: Option<super::Rate>| rate.map_or(0, |rate| rate.pico_per_token);
    let input = price.input.pico_per_token;
    let read = known(price.cache_read);
    Rates {
        input,
        output: price.output.pico_per_token,
        cache_read: if read == 0 { input } else { read },
        cache_write: known(price.cache_write_5m).max(input),
    }
}

fn uplifted(price: &Price, factor: Multiplier) -> Price {
    let rate = |pico: u64| pico.saturating_mul(factor.milli).div_ceil(1000);
    let rates = |rates: &Rates| Rates {
        input: rate(rates.input),
        output: rate(rates.output),
        cache_read: rate(rates.cache_read),
        cache_write: rate(rates.cache_write),
    };
    let tiers = |tiers: &[Tier]| tiers.iter().map(|tier| Tier { rates: rates(&tier.rates), ..*tier }).collect();
    Price {
        base: rates(&price.base),
        tiers: tiers(&price.tiers),
        changes: price
            .changes
            .iter()
            .map(|change| PriceChange { from_day: change.from_day, rates: rates(&change.rates), tiers: tiers(&change.tiers) })
            .collect(),
        batch: price.batch.as_ref().map(|batch| BatchPrice { base: rates(&batch.base), tiers: tiers(&batch.tiers) }),
    }
}

fn unresolved(catalog: &Catalog, id: &str) -> Unresolved {
    let provider = id.split_once('/').and_then(|(provider, name)| Some((catalog.provider(provider)?, name)));
    if let Some((facts, name)) = provider {
        if let Some(fact) = facts.unpriced.iter().find(|fact| fact.id == name) {
            return Unresolved::Unpriced { id: id.into(), source: format!("{}, {}", fact.source, fact.date) };
        }
        return Unresolved::Unknown { id: id.into(), nearest: nearest_ids(catalog, id) };
    }
    let means = |entry: &Entry| entry.id == id || entry.aliases.iter().any(|alias| alias == id);
    let mut candidates: Vec<_> = catalog.entries().filter(|(_, entry)| means(entry)).collect();
    candidates.sort_by_key(|(facts, _)| facts.api.is_none());
    if candidates.is_empty() {
        return Unresolved::Unknown { id: id.into(), nearest: nearest_ids(catalog, id) };
    }
    let candidates = candidates.into_iter().map(|(facts, _)| format!("{}/{id}", facts.provider)).collect();
    Unresolved::WithoutProvider { name: id.into(), candidates }
}

/// At most three: the one that a slip of the hand explains, then what begins alike.
fn nearest_ids(catalog: &Catalog, id: &str) -> Vec<String> {
    let all: Vec<String> = catalog.entries().map(|(facts, entry)| format!("{}/{}", facts.provider, entry.id)).collect();
    let mut near = Vec::new();
    let mut rest: Vec<&str> = all.iter().map(String::as_str).collect();
    while near.len() < 3 {
        let Some(next) = nearest(id, rest.iter().copied()) else { break };
        rest.retain(|other| *other != next);
        near.push(next.to_owned());
    }
    near
}
