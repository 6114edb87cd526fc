//! Facts that the price tables do not hold, each with its source and the day on which it was looked up.

use pmflow_compiler::cost::Day;
use pmflow_compiler::cost::catalog::facts::{CalibrationFact, CapFact, Evidence, Overhead, UnpricedFact};
use pmflow_plan::{Api, CapFidelity};

pub const VENDOR_SDK: &str = "constants in openai 3.54.0 (2026-11-17) and anthropic 2.12.0 (2026-11-20)";

/// When these facts were looked up.
pub const LOOKED_UP: &str = "2026-11-22";

/// The protocol of a provider, and its address where the protocol alone does not say it.
pub fn protocol(provider: &str) -> (Option<Api>, Option<&'static str>) {
    match provider {
        "openai" => (Some(Api::OpenaiResponses), None),
        "anthropic" => (Some(Api::AnthropicMessages), None),
        "google" => (Some(Api::GeminiGenerate), None),
        "mistral" => (Some(Api::OpenaiChat), Some("https://api.mistral.ai/v1")),
        "deepseek" => (Some(Api::OpenaiChat), Some("https://api.deepseek.com/v1")),
        "groq" => (Some(Api::OpenaiChat), Some("https://api.groq.com/openai/v1")),
        "xai" => (Some(Api::OpenaiChat), Some("https://api.x.ai/v1")),
        _ => (None, None),
    }
}

pub fn cap(provider: &str) -> Result<CapFact, String> {
    match provider {
        "openai" | "azure" => fact(
            CapFidelity::Hard,
            Evidence::Vendor,
            "API description: max_output_tokens and max_completion_tokens bound all generated tokens, reasoning included",
        ),
        "anthropic" => fact(
            CapFidelity::Hard,
            Evidence::Vendor,
            "API description: max_tokens is the absolute maximum of generated tokens, thinking included",
        ),
        "google" | "google-vertex" => fact(
            CapFidelity::Hard,
            Evidence::Reported,
            "all reports seen say that maxOutputTokens bounds thoughts and answer together; Google's text does not say so",
        ),
        _ => fact(
            CapFidelity::None,
            Evidence::Unknown,
            "no statement of the provider was found that reasoning tokens stay within the cap",
        ),
    }
}

/// Where a reseller's model keeps its maker's promise.
pub fn model_cap(provider: &str, id: &str) -> Result<Option<CapFact>, String> {
    match provider {
        "google-vertex" if id.starts_with("claude") => cap("anthropic").map(Some),
        "google-vertex" if !id.starts_with("gemini") => cap("").map(Some),
        _ => Ok(None),
    }
}

/// The public encoding of a model's tokenizer, from tiktoken 0.14.0's own table. `gpt-6` and later are not in it: bytes
/// bound them.
pub fn encoding(provider: &str, id: &str) -> Option<&'static str> {
    if id.starts_with("openai/gpt-oss-") || id.starts_with("gpt-oss-") {
        return Some("o200k_base");
    }
    if !matches!(provider, "openai" | "azure") {
        return None;
    }
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| id.starts_with(prefix));
    if starts(&["gpt-5", "gpt-4.1", "gpt-4o", "chatgpt-4o-", "gpt-4.5-", "o1", "o3", "o4-mini"]) {
        return Some("o200k_base");
    }
    let old = id == "gpt-4" || starts(&["gpt-4-", "gpt-3.5-turbo", "gpt-35-turbo"]);
    old.then_some("cl100k_base")
}

/// Upper bounds on what a request holds besides its texts.
pub fn overhead(provider: &str) -> Result<Overhead, String> {
    let date = day(LOOKED_UP)?;
    let overhead = match provider {
        "openai" | "azure" => Overhead {
            per_request_tokens: 3,
            per_message_tokens: 8,
            per_schema_tokens: 64,
            source: "OpenAI's cookbook: 3 per message and 3 to prime the answer; newer models are not documented and taken as 8".into(),
            date,
        },
        "anthropic" => Overhead {
            per_request_tokens: 16,
            per_message_tokens: 16,
            per_schema_tokens: 664,
            source: "own bound over the documented samples (14 tokens for a greeting, 159 to 530 for tool use), not documented as a limit".into(),
            date,
        },
        _ => Overhead {
            per_request_tokens: 16,
            per_message_tokens: 16,
            per_schema_tokens: 64,
            source: "own bound, not documented by the provider".into(),
            date,
        },
    };
    Ok(overhead)
}

/// What plain text makes at most where the tokenizer is not public, against `o200k_base`. Digits, and what is not ASCII,
/// are charged by bytes all the same, for there tokenizers differ by more.
pub fn calibration(provider: &str) -> Result<Option<CalibrationFact>, String> {
    let (tokens_milli, source) = match provider {
        "openai" | "azure" => (
            1250,
            "own bound: newer models than the published table are taken to use o200k_base, as other tools do; a quarter is reserve",
        ),
        "anthropic" => (
            1750,
            "own bound: the last public tokenizer makes up to 1.2 times as many on English, code and JSON (measured), the newer ones up to 35% more (their documentation and reports); the rest is reserve",
        ),
        // Claude and Gemini are both sold there.
        "google-vertex" => (1750, "as for the makers of its models: the higher of both"),
        "google" => (
            1500,
            "own bound: \"a token is about 4 characters\" (their documentation), as with o200k_base; half as much again is reserve",
        ),
        _ => return Ok(None),
    };
    Ok(Some(CalibrationFact { tokens_milli, source: source.into(), date: day(LOOKED_UP)? }))
}

/// Models that exist and that no table has a price of.
pub fn unpriced(provider: &str) -> Result<Vec<UnpricedFact>, String> {
    let ids: &[&str] = if provider == "openai" { &["gpt-6.2-astra", "gpt-6.2-sol"] } else { &[] };
    let fact = |id: &&str| {
        Ok(UnpricedFact { id: id.to_string(), source: "named in openai 3.54.0's types".into(), date: day("2026-11-17")? })
    };
    ids.iter().map(fact).collect()
}

fn fact(fidelity: CapFidelity, evidence: Evidence, source: &str) -> Result<CapFact, String> {
    Ok(CapFact { fidelity, evidence, source: source.into(), date: day(LOOKED_UP)? })
}

fn day(text: &str) -> Result<Day, String> {
    Day::try_from(text.to_owned())
}
