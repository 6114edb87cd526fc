//! Sums of past calls per place, prompt, plan and model.

use super::rows::{AsColumn, Column, Columns, columns, count, pico};
use crate::StoreError;
use pmflow_engine::{StepRow, StepStatus};
use pmflow_plan::Money;
use std::collections::BTreeMap;

/// More than any model can take or give; larger numbers are a provider's mistake and must not drown the sums.
const TOKENS_PER_CALL_MAX: i64 = 1_000_000_000;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HistoryKey<'w> {
    flow: &'w str,
    place: &'w str,
    prompt: &'w str,
    plan_id: &'w str,
    model: &'w str,
}

#[derive(Debug, Default)]
struct Sums {
    calls: i64,
    cache_hits: i64,
    failures: i64,
    input_tokens: i64,
    output_tokens: i64,
    latency_us: i64,
    cost_pico: i64,
}

#[derive(Debug)]
pub struct HistoryAddition<'w> {
    pub flow: &'w str,
    pub place: &'w str,
    pub prompt: &'w str,
    pub plan_id: &'w str,
    pub model: &'w str,
    pub calls: i64,
    pub cache_hits: i64,
    pub failures: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub latency_us: i64,
    pub cost_pico: i64,
}

columns!(
    HistoryAddition<'_>:
    flow, place, prompt, plan_id, model, calls, cache_hits, failures, input_tokens, output_tokens, latency_us, cost_pico,
);

/// What a group of transitions adds to the history.
#[derive(Debug, Default)]
pub struct HistoryDelta<'w> {
    sums: BTreeMap<HistoryKey<'w>, Sums>,
}

impl<'w> HistoryDelta<'w> {
    pub fn add(&mut self, flow: &'w str, plan_id: &'w str, row: &'w StepRow) -> Result<(), StoreError> {
        let (Some(prompt), Some(model)) = (row.target.as_deref(), row.model.as_deref()) else { return Ok(()) };
        if row.kind != "prompt" {
            return Ok(());
        }
        let key = HistoryKey { flow, place: &row.place, prompt, plan_id, model };
        let sums = self.sums.entry(key).or_default();
        if row.from_cache {
            sums.cache_hits += 1;
        } else if row.status != StepStatus::Done {
            sums.failures += 1;
        } else {
            let usage = row.usage.unwrap_or_default();
            let tokens = |reported: Option<u64>| count(reported.unwrap_or(0)).min(TOKENS_PER_CALL_MAX);
            sums.calls += 1;
            sums.input_tokens += tokens(usage.input_tokens) + tokens(usage.cache_read_tokens) + tokens(usage.cache_write_tokens);
            sums.output_tokens += tokens(usage.output_tokens);
            sums.latency_us = sums.latency_us.saturating_add(row.ended_at.saturating_sub(row.started_at).max(0));
            sums.cost_pico = sums.cost_pico.saturating_add(pico("cost of a step", row.cost.unwrap_or(Money::ZERO))?);
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    pub fn rows(&self) -> Vec<HistoryAddition<'w>> {
        self.sums.iter().map(|(key, sums)| addition(key, sums)).collect()
    }
}

fn addition<'w>(key: &HistoryKey<'w>, sums: &Sums) -> HistoryAddition<'w> {
    HistoryAddition {
        flow: key.flow,
        place: key.place,
        prompt: key.prompt,
        plan_id: key.plan_id,
        model: key.model,
        calls: sums.calls,
        cache_hits: sums.cache_hits,
        failures: sums.failures,
        input_tokens: sums.input_tokens,
        output_tokens: sums.output_tokens,
        latency_us: sums.latency_us,
        cost_pico: sums.cost_pico,
    }
}
