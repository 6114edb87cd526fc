INSERT INTO step_history AS history (
  flow, place, prompt, plan_id, model, calls, cache_hits, failures, input_tokens, output_tokens, latency_us,
  cost_pico, shard
)
SELECT given.*, pg_backend_pid() % 16
FROM unnest($1::history_addition[]) AS given
ON CONFLICT (team_id, flow, place, prompt, plan_id, model, shard) DO UPDATE
SET calls = history.calls + excluded.calls,
    cache_hits = history.cache_hits + excluded.cache_hits,
    failures = history.failures + excluded.failures,
    input_tokens = history.input_tokens + excluded.input_tokens,
    output_tokens = history.output_tokens + excluded.output_tokens,
    latency_us = history.latency_us + excluded.latency_us,
    cost_pico = history.cost_pico + excluded.cost_pico
