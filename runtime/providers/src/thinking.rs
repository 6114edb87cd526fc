//! How much a model may think, in each provider's own words.
//!
//! No provider but one takes a hard number for thinking alone any more: the output cap is what bounds the cost, and this
//! only steers how the cap is divided. Which model takes which word is read from its name; an unknown name gets none.

use serde_json::{Value, json};

const LOW_TOKENS_MAX: u64 = 2_000;
const MEDIUM_TOKENS_MAX: u64 = 16_000;

/// OpenAI's `reasoning_effort`; none where the model does not reason or takes no choice.
pub(crate) fn openai_effort(wire_name: &str, thinking_tokens_max: Option<u64>) -> Option<&'static str> {
    let lowest = openai_lowest_effort(wire_name)?;
    match thinking_tokens_max {
        None | Some(0) => Some(lowest),
        Some(tokens) => Some(effort(tokens)),
    }
}

/// Anthropic's `thinking` and `output_config.effort`.
#[derive(Debug, PartialEq)]
pub(crate) struct AnthropicThinking {
    pub thinking: Option<Value>,
    pub effort: Option<&'static str>,
}

pub(crate) fn anthropic(wire_name: &str, thinking_tokens_max: Option<u64>, output_tokens_max: u64) -> AnthropicThinking {
    let tokens = thinking_tokens_max.unwrap_or(0);
    match (anthropic_generation(wire_name), tokens) {
        // Cannot be switched off; the least is what effort can say.
        (AnthropicGeneration::AlwaysThinking, 0) => AnthropicThinking { thinking: None, effort: Some("low") },
        (AnthropicGeneration::ThinksByDefault, 0) => {
            AnthropicThinking { thinking: Some(json!({"type": "disabled"})), effort: None }
        }
        (AnthropicGeneration::Adaptive | AnthropicGeneration::Budget, 0) => AnthropicThinking { thinking: None, effort: None },
        (AnthropicGeneration::Budget, tokens) => {
            // A budget must be at least 1,024 and below `max_tokens`; a smaller wish is no thinking.
            let budget = tokens.min(output_tokens_max.saturating_sub(1));
            let thinking = (budget >= 1_024).then(|| json!({"type": "enabled", "budget_tokens": budget}));
            AnthropicThinking { thinking, effort: None }
        }
        (_, tokens) => AnthropicThinking { thinking: Some(json!({"type": "adaptive"})), effort: Some(effort(tokens)) },
    }
}

/// Gemini's `thinkingConfig`.
pub(crate) fn gemini(wire_name: &str, thinking_tokens_max: Option<u64>) -> Option<Value> {
    let name = wire_name.strip_prefix("models/").unwrap_or(wire_name);
    let version = name.strip_prefix("gemini-")?;
    let tokens = thinking_tokens_max.unwrap_or(0);
    if version.starts_with("2.5") {
        let (least, most, off) = match (name.contains("pro"), name.contains("lite")) {
            (true, _) => (128, 32_768, 128),
            (_, true) => (512, 24_576, 0),
            _ => (1, 24_576, 0),
        };
        return Some(json!({"thinkingBudget": if tokens == 0 { off } else { tokens.clamp(least, most) }}));
    }
    // From version 3 on a level; a budget beside it is refused.
    if !version.starts_with(|c: char| ('3'..='9').contains(&c)) {
        return None;
    }
    let level = match tokens {
        0 if name.contains("flash") => "MINIMAL",
        0..=LOW_TOKENS_MAX => "LOW",
        tokens if tokens <= MEDIUM_TOKENS_MAX && name.contains("flash") => "MEDIUM",
        tokens if tokens <= MEDIUM_TOKENS_MAX => "LOW",
        _ => "HIGH",
    };
    Some(json!({"thinkingLevel": level}))
}

fn effort(tokens: u64) -> &'static str {
    match tokens {
        0..=LOW_TOKENS_MAX => "low",
        tokens if tokens <= MEDIUM_TOKENS_MAX => "medium",
        _ => "high",
    }
}

/// `gpt-5` takes `minimal`, everything after it `none`, the o-series and the coding models `low`.
fn openai_lowest_effort(wire_name: &str) -> Option<&'static str> {
    let name = wire_name.rsplit('/').next().unwrap_or(wire_name);
    if name.contains("-chat") || name.contains("-pro") {
        return None;
    }
    if ["o1", "o3", "o4-mini"].iter().any(|start| name == *start || name.starts_with(&format!("{start}-"))) {
        return Some("low");
    }
    let version = name.strip_prefix("gpt-")?;
    if !version.starts_with(|c: char| ('5'..='9').contains(&c)) {
        return None;
    }
    if name.contains("-codex") {
        return Some("low");
    }
    let before_none = version == "5" || version.starts_with("5-");
    Some(if before_none { "minimal" } else { "none" })
}

enum AnthropicGeneration {
    /// `thinking` with a number of tokens: up to 4.5.
    Budget,
    /// 4.6 to 4.8: thinks when asked to.
    Adaptive,
    ThinksByDefault,
    AlwaysThinking,
}

fn anthropic_generation(wire_name: &str) -> AnthropicGeneration {
    let name = wire_name.rsplit('/').next().unwrap_or(wire_name);
    let numbers: Vec<u32> =
        name.split(['-', '.']).filter(|piece| piece.len() <= 2).filter_map(|piece| piece.parse().ok()).collect();
    let version = (numbers.first().copied().unwrap_or(5), numbers.get(1).copied().unwrap_or(0));
    let always = ["fable", "mythos"].iter().any(|family| name.contains(family));
    let deep = name.contains("opus") || name.contains("sonnet");
    match version {
        _ if always => AnthropicGeneration::AlwaysThinking,
        version if version >= (5, 5) && deep => AnthropicGeneration::AlwaysThinking,
        version if version >= (5, 0) => AnthropicGeneration::ThinksByDefault,
        version if version >= (4, 6) => AnthropicGeneration::Adaptive,
        _ => AnthropicGeneration::Budget,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_words_follow_the_model() {
        let cases = [
            ("gpt-4.1", None, None),
            ("gpt-4o-mini", Some(500), None),
            ("gpt-5-mini", None, Some("minimal")),
            ("gpt-5-2025-08-07", None, Some("minimal")),
            ("gpt-5.1", None, Some("none")),
            ("gpt-6.1-terra", None, Some("none")),
            ("gpt-6.1-terra", Some(0), Some("none")),
            ("gpt-6.1-terra", Some(2_000), Some("low")),
            ("gpt-6.1-terra", Some(2_001), Some("medium")),
            ("gpt-6-sol", Some(50_000), Some("high")),
            ("gpt-5-pro", Some(50_000), None),
            ("gpt-5.1-chat-latest", None, None),
            ("gpt-5.1-codex", None, Some("low")),
            ("o3", None, Some("low")),
            ("o4-mini-2025-04-16", None, Some("low")),
            ("llama3.3", Some(4_000), None),
            ("gpt-oss:20b", None, None),
        ];
        for (name, tokens, expected) in cases {
            assert_eq!(openai_effort(name, tokens), expected, "{name} {tokens:?}");
        }
    }

    #[test]
    fn anthropic_words_follow_the_model() {
        let disabled = Some(json!({"type": "disabled"}));
        let adaptive = Some(json!({"type": "adaptive"}));
        let cases = [
            ("claude-haiku-4-5", None, None, None),
            ("claude-haiku-4-5-20251001", Some(2_000), Some(json!({"type": "enabled", "budget_tokens": 2_000})), None),
            ("claude-haiku-4-5", Some(100), None, None),
            ("claude-sonnet-4-20250514", None, None, None),
            ("claude-sonnet-4-6", None, None, None),
            ("claude-opus-4-8", Some(4_000), adaptive.clone(), Some("medium")),
            ("claude-opus-5", None, disabled.clone(), None),
            ("claude-haiku-5-5", None, disabled, None),
            ("claude-sonnet-5-5", None, None, Some("low")),
            ("claude-sonnet-5-5", Some(1_000), adaptive, Some("low")),
            ("claude-fable-5", None, None, Some("low")),
        ];
        for (name, tokens, thinking, effort) in cases {
            assert_eq!(anthropic(name, tokens, 8_000), AnthropicThinking { thinking, effort }, "{name} {tokens:?}");
        }
    }

    #[test]
    fn a_thinking_budget_stays_below_the_cap() {
        let all = anthropic("claude-haiku-4-5", Some(8_000), 4_000);
        assert_eq!(all.thinking, Some(json!({"type": "enabled", "budget_tokens": 3_999})));
        assert_eq!(anthropic("claude-haiku-4-5", Some(8_000), 1_000).thinking, None);
    }

    #[test]
    fn gemini_takes_a_budget_before_version_3_and_a_level_after() {
        let cases = [
            ("gemini-2.5-flash", None, Some(json!({"thinkingBudget": 0}))),
            ("gemini-2.5-pro", None, Some(json!({"thinkingBudget": 128}))),
            ("gemini-2.5-flash-lite", Some(100), Some(json!({"thinkingBudget": 512}))),
            ("gemini-2.5-flash", Some(90_000), Some(json!({"thinkingBudget": 24_576}))),
            ("gemini-3.8-flash", None, Some(json!({"thinkingLevel": "MINIMAL"}))),
            ("gemini-3.1-pro-preview", None, Some(json!({"thinkingLevel": "LOW"}))),
            ("models/gemini-3.8-flash", Some(4_000), Some(json!({"thinkingLevel": "MEDIUM"}))),
            ("gemini-4-argon", Some(40_000), Some(json!({"thinkingLevel": "HIGH"}))),
            ("gemini-flash-latest", None, None),
            ("gemma-3-27b-it", None, None),
        ];
        for (name, tokens, expected) in cases {
            assert_eq!(gemini(name, tokens), expected, "{name} {tokens:?}");
        }
    }
}
