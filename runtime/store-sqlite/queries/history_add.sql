INSERT INTO step_history (
  flow, place, prompt, plan_id, model, calls, cache_hits, failures, input_tokens, output_tokens, latency_us, cost_pico
)
VALUES (
  ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
)
ON CONFLICT (team_id, flow, place, prompt, plan_id, model) DO UPDATE
SET calls = calls + excluded.calls,
    cache_hits = cache_hits + excluded.cache_hits,
    failures = failures + excluded.failures,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    latency_us = latency_us + excluded.latency_us,
    cost_pico = cost_pico + excluded.cost_pico
