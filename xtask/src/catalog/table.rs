//! The shape of the merged price table. Fields that the catalog has no use for are not read.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub struct Table {
    /// `2026-11-20`
    pub built: String,
    pub sources: BTreeMap<String, String>,
    pub models: Vec<Row>,
}

#[derive(Deserialize)]
pub struct Row {
    pub provider: String,
    pub id: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub price: TablePrice,
    #[serde(default)]
    pub tiers: Vec<TableTier>,
    #[serde(default)]
    pub batch: Option<TablePrice>,
    #[serde(default)]
    pub batch_tiers: Vec<TableTier>,
    #[serde(default)]
    pub announced_price_changes: Vec<TableChange>,
    #[serde(default)]
    pub off_peak: Option<OffPeak>,
    #[serde(default)]
    pub multipliers: BTreeMap<String, f64>,
    #[serde(default)]
    pub regional_uplift: BTreeMap<String, f64>,
    #[serde(default)]
    pub context: Option<u64>,
    #[serde(default)]
    pub context_is_max_input: bool,
    #[serde(default)]
    pub max_input: Option<u64>,
    #[serde(default)]
    pub max_output: Option<u64>,
    #[serde(default)]
    pub supports: BTreeMap<String, bool>,
    #[serde(default)]
    pub thinking_always_on: bool,
    #[serde(default)]
    pub prompt_cache_min_tokens: Option<f64>,
    #[serde(default)]
    pub release_date: Option<String>,
    #[serde(default)]
    pub deprecation_date: Option<String>,
    #[serde(default)]
    pub deprecation_source: Option<String>,
    /// `true`, or the id that the source has for the model.
    pub sources: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub disagree: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// Dollars per million tokens.
#[derive(Deserialize)]
pub struct TablePrice {
    pub input: f64,
    pub output: f64,
    #[serde(default)]
    pub cache_read: Option<f64>,
    #[serde(default)]
    pub cache_write_5m: Option<f64>,
    #[serde(default)]
    pub cache_write_1h: Option<f64>,
    #[serde(default)]
    pub cache_write_12h_plus: Option<f64>,
}

#[derive(Deserialize)]
pub struct TableTier {
    pub above_input_tokens: u64,
    pub price: TablePrice,
}

#[derive(Deserialize)]
pub struct TableChange {
    pub from: String,
    pub price: TablePrice,
}

#[derive(Deserialize)]
pub struct OffPeak {
    pub price: TablePrice,
    pub windows_utc: Vec<Window>,
}

#[derive(Deserialize)]
pub struct Window {
    pub weekdays: Vec<u8>,
    pub hours_utc: Hours,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Hours {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
pub struct Disagreement {
    pub provider: String,
    pub id: String,
    pub fields: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

impl OffPeak {
    /// `1,2,3,4,5 00:00-01:00`
    pub fn windows(&self) -> Vec<String> {
        let mut windows = Vec::new();
        for window in &self.windows_utc {
            let days: Vec<String> = window.weekdays.iter().map(u8::to_string).collect();
            let hours = match &window.hours_utc {
                Hours::One(hours) => std::slice::from_ref(hours),
                Hours::Many(hours) => hours,
            };
            windows.extend(hours.iter().map(|hours| format!("{} {hours}", days.join(","))));
        }
        windows
    }
}

/// The shortest decimal text that reads back as the same number: what the table's author wrote.
pub fn decimal(value: f64) -> String {
    value.to_string()
}
