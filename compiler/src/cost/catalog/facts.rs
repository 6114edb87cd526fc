//! The shape of a catalog file: one provider, one model per entry, every fact with its source. Prices are decimal text
//! in dollars per million tokens and are kept as whole pico-dollars per token, so nothing is ever rounded.

use pmflow_plan::{Api, CapFidelity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The version of the shape. A reader refuses every other.
pub const CATALOG_FORMAT: u32 = 1;

/// No real price comes near a dollar per token; a larger one is a slip, and the limit keeps all arithmetic in range.
pub const RATE_PICO_MAX: u64 = 1_000_000_000_000;

/// No window comes near; a larger one is a slip.
pub const TOKENS_MAX: u64 = 1_000_000_000;

/// `stdlib/models/PROVIDER.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderFacts {
    pub format: u32,
    pub provider: String,
    /// The day on which the facts were put together.
    pub as_of: Day,
    /// The protocol that its models are spoken to in; none: only through an address of the author's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// How far the cap that is sent is kept, unless a model says otherwise.
    pub cap: CapFact,
    pub overhead: Overhead,
    /// What holds for its models without a public tokenizer; none: only bytes bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationFact>,
    /// What each name in a model's `sources` is, with its version and date.
    pub sources: BTreeMap<String, String>,
    /// Sorted by id.
    pub models: Vec<Entry>,
    /// Known to exist, without a price that could be trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpriced: Vec<UnpricedFact>,
}

/// One model with every fact that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Without the provider: `gpt-6.1-terra`. It is also the name on the wire, unless `wire_name` says otherwise.
    pub id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_name: Option<String>,
    pub price: PriceFacts,
    /// Ascending. A tier replaces the price of every token of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierFacts>,
    /// Announced changes, ascending by date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<PriceFacts>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch_tiers: Vec<TierFacts>,
    /// Cheaper hours; `price` is the one of the dear hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_peak: Option<OffPeakFacts>,
    /// Factors on every price: a region (`us`, `eu`, `regional`) or a speed (`fast`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub multipliers: BTreeMap<String, Multiplier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens_max: Option<u64>,
    /// The window above holds the input alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_is_input: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_max: Option<u64>,
    /// Absent: not known. `json_schema`, `temperature`, `reasoning`, `tools`, `vision`, `prompt_caching`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub supports: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thinking_always_on: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_prefix_tokens_min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapFact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Day>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<Day>,
    /// Where the shutdown date comes from, when not from the price tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_source: Option<String>,
    pub sources: Vec<String>,
    /// Field → source → value, where the sources differ. `price` and `tiers` hold the dearest of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disagree: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceFacts {
    pub input: Rate,
    pub output: Rate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_12h: Option<Rate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierFacts {
    pub above_input_tokens: u64,
    pub price: PriceFacts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeFacts {
    pub from: Day,
    pub price: PriceFacts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffPeakFacts {
    pub price: PriceFacts,
    /// `1,2,3,4,5 00:00-01:00`: days of the week from Monday = 1, hours in UTC.
    pub windows_utc: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapFact {
    pub fidelity: CapFidelity,
    pub evidence: Evidence,
    pub source: String,
    pub date: Day,
}

/// How well a fact is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The provider's own documentation says so.
    Vendor,
    /// All that was observed agrees, but the provider does not say so.
    Reported,
    /// Nobody says anything.
    Unknown,
}

/// Tokens that a request has besides its texts: upper bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overhead {
    pub per_request_tokens: u64,
    pub per_message_tokens: u64,
    /// Added to the bytes of the answer's JSON Schema, when there is one.
    pub per_schema_tokens: u64,
    pub source: String,
    pub date: Day,
}

/// How many tokens plain text makes, against `o200k_base`: measured, with a reserve, not documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFact {
    /// In thousandths of an `o200k_base` token.
    pub tokens_milli: u64,
    pub source: String,
    pub date: Day,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnpricedFact {
    pub id: String,
    pub source: String,
    pub date: Day,
}

/// A price: whole pico-dollars per token, written as decimal dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    pub pico_per_token: u64,
}

/// A factor on a price, in thousandths; written as decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Multiplier {
    pub milli: u64,
}

/// Days since 1970-01-01, written `2026-11-20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(pub i32);

impl Rate {
    pub const fn from_pico(pico_per_token: u64) -> Rate {
        Rate { pico_per_token }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Rate, String> {
        let wanted = "a price is a decimal number of dollars per million tokens in quotes, such as \"0.25\"";
        if text.starts_with('-') {
            return Err(format!("the price `{text}` is negative; {wanted}"));
        }
        let too_high = || format!("the price `{text}` is above $1 per token, which no model costs; {wanted}");
        if text.find('.').unwrap_or(text.len()) > 12 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(too_high());
        }
        let pico_per_token = decimal(&text, 6).ok_or_else(|| {
            format!("`{text}` is no price that a token can have exactly (at most six decimal places); {wanted}")
        })?;
        if pico_per_token > RATE_PICO_MAX {
            return Err(too_high());
        }
        Ok(Rate { pico_per_token })
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        decimal_text(rate.pico_per_token, 6)
    }
}

impl TryFrom<String> for Multiplier {
    type Error = String;

    fn try_from(text: String) -> Result<Multiplier, String> {
        let milli = decimal(&text, 3).filter(|milli| (1..=1_000_000).contains(milli));
        milli.map(|milli| Multiplier { milli }).ok_or_else(|| format!("`{text}` is no factor on a price, such as \"1.1\""))
    }
}

impl From<Multiplier> for String {
    fn from(multiplier: Multiplier) -> String {
        decimal_text(multiplier.milli, 3)
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Day, String> {
        let epoch = chrono::NaiveDate::default();
        let date = chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
        let days = date.and_then(|date| i32::try_from(date.signed_duration_since(epoch).num_days()).ok());
        days.map(Day).ok_or_else(|| format!("`{text}` is no date, such as \"2026-11-20\""))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = chrono::NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(i64::from(self.0)));
        match date {
            Some(date) => write!(f, "{}", date.format("%Y-%m-%d")),
            None => write!(f, "day {}", self.0),
        }
    }
}

/// The digits of a decimal number times ten to the power of `places`; nothing when it has more places or is no number.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

fn decimal_text(value: u64, places: u32) -> String {
    let scale = 10u64.pow(places);
    let fraction = format!("{:0width$}", value % scale, width = places as usize);
    let text = format!("{}.{fraction}", value / scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
