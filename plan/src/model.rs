//! Models and prompts: what a paid call is, with the facts its ceiling rests on.

use crate::{Expr, Money, Parameter, Type};
use serde::{Deserialize, Serialize};

/// One concrete model, with the catalog's facts copied in, so that a pinned run keeps its prices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// `openai/gpt-6.1-terra`
    pub id: String,
    pub provider: String,
    /// The name that the provider's API expects.
    pub wire_name: String,
    pub api: Api,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    pub price: Price,
    /// Tokens, input and output together; for some models the input alone.
    pub context_tokens_max: u64,
    pub input_tokens_max: u64,
    pub output_tokens_max: u64,
    pub output_cap: CapFidelity,
    /// `o200k_base`, `cl100k_base`; none where no tokenizer is public and bytes are the bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Where no tokenizer is public: how many tokens, in thousandths, what is one token of `o200k_base` in plain text makes
    /// at most, from what was measured and a reserve. None: only bytes bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_milli: Option<u64>,
    /// The provider enforces a JSON Schema on the answer.
    pub structured_output: bool,
    pub temperature: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    OpenaiChat,
    OpenaiResponses,
    AnthropicMessages,
    GeminiGenerate,
    Simulated,
}

/// How far a provider honours the output cap that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapFidelity {
    Hard,
    /// At most so many tokens above the cap.
    Soft {
        slack_tokens: u64,
    },
    None,
}

/// Prices in pico-dollars per token. A tier replaces the price of every token of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub base: Rates,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
    /// Announced changes: from that date on the new rates hold. In the order of dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PriceChange>,
    /// Of requests that are sent in a provider's batch; none where they cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPrice>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchPrice {
    pub base: Rates,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    /// The dearest cache-write rate that a request of ours can meet; equal to `input` where writing is free.
    pub cache_write: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    pub above_input_tokens: u64,
    pub rates: Rates,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceChange {
    /// Days since 1970-01-01, UTC.
    pub from_day: i32,
    pub rates: Rates,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

/// One declared LLM call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    pub name: String,
    pub parameters: Vec<Parameter>,
    pub answer: Type,
    /// Model ids, tried in this order; facts in [`crate::Plan::models`].
    pub chain: Vec<String>,
    /// Everything of a first request: the texts and `overhead_tokens_max` together, in tokens of a public tokenizer. What
    /// a model is held to is [`Prompt::request_input_tokens_max`].
    pub input_tokens_max: u64,
    /// What a request holds besides its texts, at most: the messages' framing and the answer's JSON Schema. The texts
    /// may have `input_tokens_max - overhead_tokens_max`, counted before they are sent.
    #[serde(default)]
    pub overhead_tokens_max: u64,
    pub on_overflow: Overflow,
    /// The cap that is always sent; includes `thinking_tokens_max`.
    pub output_tokens_max: u64,
    /// The cap of a request that was shrunk to fit its budget is not below this. None: no request is shrunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_tokens_max: Option<u64>,
    /// Thousandths, so that no float stands in a plan's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_milli: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ms: Option<u64>,
    /// How often an answer that does not fit is asked for again.
    pub repair: u32,
    /// Requests to models with a [`Price::batch`] wait for each other and are sent together; others are sent at once.
    pub batch: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Expr>,
    /// Few-shot examples and the user's message, in order; the last one is the user's.
    pub messages: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    Reject,
    /// Shorten this parameter until the text fits.
    Truncate {
        parameter: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub role: Role,
    pub text: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
}

/// What is wrong with an answer, told to the model that is asked again, has at most so many bytes; longer is cut. A
/// byte-level tokenizer never makes more tokens than bytes.
pub const REPAIR_NOTE_BYTES_MAX: u64 = 512;

/// What a declared token of a prompt's input stands for where bytes have to be counted: prose in the Latin script has
/// three to five to a token, and a bound that refused ordinary prompts would help nobody.
pub const BYTES_PER_DECLARED_TOKEN: u64 = 4;

impl Prompt {
    /// How much the texts of a request may count: tokens where the model's tokenizer is public. Where it is not, a declared
    /// token stands for what it makes by the model's calibration; without one bytes are counted, which no text has more
    /// tokens than, and a declared token stands for [`BYTES_PER_DECLARED_TOKEN`] of them: so many tokens of ordinary text
    /// fit, and the bound is still one. `None` on overflow.
    pub fn text_bound(&self, model: &Model, repairs_before: u32) -> Option<u64> {
        let mut declared = self.input_tokens_max.saturating_sub(self.overhead_tokens_max);
        if repairs_before > 0 {
            // The last answer that did not fit is sent again.
            declared = declared.checked_add(self.output_tokens_max)?;
        }
        let counted = match (&model.encoding, model.calibration_milli) {
            (Some(_), _) => declared,
            (None, Some(milli)) => declared.checked_mul(milli)?.div_ceil(1000),
            (None, None) => declared.checked_mul(BYTES_PER_DECLARED_TOKEN)?,
        };
        counted.checked_add(if repairs_before > 0 { REPAIR_NOTE_BYTES_MAX } else { 0 })
    }

    /// The bound on all input tokens of a request, framing and schema included. `None` on overflow.
    pub fn request_input_tokens_max(&self, model: &Model, repairs_before: u32) -> Option<u64> {
        self.text_bound(model, repairs_before)?.checked_add(self.overhead_tokens_max)
    }

    /// The most that one request can cost: what is held before it is sent.
    pub fn request_ceiling(&self, model: &Model, repairs_before: u32) -> Option<Money> {
        model.call_ceiling(self.request_input_tokens_max(model, repairs_before)?, self.output_tokens_max)
    }

    /// The bounds that a request of the prompt was billed above, as (bound, used): of its input, and of its output without slack.
    /// `held` tells a first request from one that asks again, and one that was shrunk.
    pub fn bounds_passed(&self, model: &Model, held: Money, usage: &Usage) -> [Option<(u64, u64)>; 2] {
        let shrunk = self.shrunk(model, held);
        let first = self.request_ceiling(model, 0) == Some(held);
        let repairs_before = shrunk.map_or(u32::from(!first), |shrunk| shrunk.repairs_before);
        let input = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens];
        let input = input.into_iter().flatten().fold(0u64, u64::saturating_add);
        let output = usage.output_tokens.unwrap_or(0);
        let slack = match model.output_cap {
            CapFidelity::Soft { slack_tokens } => slack_tokens,
            CapFidelity::Hard | CapFidelity::None => 0,
        };
        let input_max = self.request_input_tokens_max(model, repairs_before).unwrap_or(u64::MAX);
        let output_max = shrunk.map_or(self.output_tokens_max, |shrunk| shrunk.output_tokens_max);
        [
            (input > input_max).then_some((input_max, input)),
            (output > output_max.saturating_add(slack)).then_some((output_max, output)),
        ]
    }

    /// The most that one try of a call can cost: every model of the chain answers, each as often as `repair` allows, and
    /// each answer is billed. A `retry` multiplies it. `None` on overflow or when a model is missing.
    pub fn try_ceiling(&self, models: &std::collections::BTreeMap<String, Model>) -> Option<Money> {
        let mut sum = Money::ZERO;
        for id in &self.chain {
            let model = models.get(id)?;
            let repairs = self.request_ceiling(model, 1)?.checked_mul(i128::from(self.repair))?;
            sum = sum.checked_add(self.request_ceiling(model, 0)?)?.checked_add(repairs)?;
        }
        Some(sum)
    }
}

/// What a call used, as the provider reported it. `None` is "not reported", which is not zero. Counts are disjoint:
/// `input` excludes both cache counts, `output` includes `reasoning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub input_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub cache_write_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub reasoning_tokens: Option<u64>,
}

impl Model {
    /// The most that one request to this model can cost: the dearest reachable rates on both sides. `None` on overflow.
    pub fn call_ceiling(&self, input_tokens_max: u64, output_tokens_max: u64) -> Option<Money> {
        let slack = match self.output_cap {
            CapFidelity::Soft { slack_tokens } => slack_tokens,
            CapFidelity::Hard | CapFidelity::None => 0,
        };
        let output_tokens_max = output_tokens_max.checked_add(slack)?;
        let mut dearest = Money::ZERO;
        let batched = self.price.reachable_in_batch(input_tokens_max);
        for rates in self.price.reachable(input_tokens_max).into_iter().chain(batched) {
            let input = i128::from(rates.input.max(rates.cache_write).max(rates.cache_read));
            let cost = input
                .checked_mul(i128::from(input_tokens_max))?
                .checked_add(i128::from(rates.output).checked_mul(i128::from(output_tokens_max))?)?;
            dearest = dearest.max(Money::from_pico(cost));
        }
        Some(dearest)
    }

    /// What a call cost, priced at `day` (days since 1970-01-01). Missing counts are charged as the bound given.
    pub fn price_usage(&self, usage: &Usage, day: i32, input_tokens_max: u64, output_tokens_max: u64) -> Option<Money> {
        price(usage, input_tokens_max, output_tokens_max, |input| self.price.at(day, input))
    }

    /// As [`Model::price_usage`], of a call that was answered in a provider's batch.
    pub fn price_batched_usage(&self, usage: &Usage, day: i32, input_tokens_max: u64, output_tokens_max: u64) -> Option<Money> {
        price(usage, input_tokens_max, output_tokens_max, |input| self.price.batched_at(day, input))
    }
}

fn price(usage: &Usage, input_tokens_max: u64, output_tokens_max: u64, rates: impl Fn(u64) -> Rates) -> Option<Money> {
    let read = usage.cache_read_tokens.unwrap_or(0);
    let write = usage.cache_write_tokens.unwrap_or(0);
    let input = usage.input_tokens.unwrap_or(input_tokens_max);
    let output = usage.output_tokens.unwrap_or(output_tokens_max);
    let total = input.checked_add(read)?.checked_add(write)?;
    let rates = rates(total);
    let mut pico: i128 = 0;
    for (tokens, rate) in [(input, rates.input), (read, rates.cache_read), (write, rates.cache_write), (output, rates.output)] {
        pico = pico.checked_add(i128::from(tokens).checked_mul(i128::from(rate))?)?;
    }
    Some(Money::from_pico(pico))
}

impl Price {
    /// Every set of rates that a request with at most so many input tokens may meet, now or after an announced change.
    pub fn reachable(&self, input_tokens_max: u64) -> Vec<Rates> {
        let mut all = vec![self.base];
        let tiers = self.tiers.iter().chain(self.changes.iter().flat_map(|change| &change.tiers));
        all.extend(tiers.filter(|tier| input_tokens_max > tier.above_input_tokens).map(|tier| tier.rates));
        all.extend(self.changes.iter().map(|change| change.rates));
        all
    }

    /// The same for a request that is sent in a batch; none where batches have no price of their own.
    pub fn reachable_in_batch(&self, input_tokens_max: u64) -> Vec<Rates> {
        let reached = |tier: &&Tier| input_tokens_max > tier.above_input_tokens;
        let of = |batch: &BatchPrice| -> Vec<Rates> {
            let tiers = batch.tiers.iter().filter(reached).map(|tier| tier.rates);
            std::iter::once(batch.base).chain(tiers).collect()
        };
        self.batch.as_ref().map(of).unwrap_or_default()
    }

    /// The rates of a request with so many input tokens, cached ones included, on a day.
    pub fn at(&self, day: i32, input_tokens: u64) -> Rates {
        let change = self.changes.iter().rev().find(|change| change.from_day <= day);
        let (base, tiers) = match change {
            Some(change) => (change.rates, &change.tiers),
            None => (self.base, &self.tiers),
        };
        in_tier(base, tiers, input_tokens)
    }

    /// The rates of a request that was answered in a batch: the ordinary ones where batches have none of their own, and from
    /// an announced change on, for what batches cost then nobody has said.
    pub fn batched_at(&self, day: i32, input_tokens: u64) -> Rates {
        match &self.batch {
            Some(batch) if self.changes.iter().all(|change| change.from_day > day) => {
                in_tier(batch.base, &batch.tiers, input_tokens)
            }
            _ => self.at(day, input_tokens),
        }
    }
}

fn in_tier(base: Rates, tiers: &[Tier], input_tokens: u64) -> Rates {
    let tier = tiers.iter().filter(|tier| input_tokens > tier.above_input_tokens).max_by_key(|tier| tier.above_input_tokens);
    tier.map_or(base, |tier| tier.rates)
}
