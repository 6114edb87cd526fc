//! What random usages of every model cost, for a comparison with another table: one JSON object per line.

use pmflow_compiler::cost::{Catalog, ModelOptions};
use pmflow_plan::Usage;
use serde_json::json;

/// Of each model.
const USAGES: u32 = 10;
/// 2026-11-20, a working day: the catalog has the dear hours.
const DAY: i32 = 20_777;

pub fn write() -> Result<String, String> {
    let mut dice = Dice(1);
    let mut lines = Vec::new();
    for (provider, entry) in Catalog::builtin().entries() {
        let id = format!("{}/{}", provider.provider, entry.id);
        // An address makes those resolve that are reached through one of the author's.
        let options = ModelOptions { base_url: Some("http://localhost/v1".into()), ..ModelOptions::default() };
        let model = Catalog::builtin().resolve_with(&id, &options).map_err(|unresolved| format!("{id}: {unresolved}"))?;
        for _ in 0..USAGES {
            let input = 1 + dice.below(400_000);
            let read = dice.below(input + 1);
            let usage = Usage {
                input_tokens: Some(input - read),
                cache_read_tokens: Some(read),
                cache_write_tokens: Some(0),
                output_tokens: Some(dice.below(20_000)),
                reasoning_tokens: None,
            };
            let cost = model.price_usage(&usage, DAY, 0, 0).ok_or_else(|| format!("{id}: the amount is beyond counting"))?;
            let disagree: Vec<&String> = entry.disagree.keys().collect();
            let line = json!({
                "provider": provider.provider, "model": entry.id, "input": input, "read": read, "output": usage.output_tokens,
                "pico": cost.pico().to_string(), "disagree": disagree, "read_priced": entry.price.cache_read.is_some(),
            });
            lines.push(line.to_string());
        }
    }
    Ok(lines.join("\n"))
}

/// SplitMix64: the same amounts every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
