INSERT INTO step_history (flow, place, prompt, plan_id, model, calls, cache_hits, failures, input_tokens, output_tokens, latency_us, cost_pico)
SELECT value ->> 'flow',
       value ->> 'place',
       value ->> 'prompt',
       value ->> 'plan_id',
       value ->> 'model',
       value ->> 'calls',
       value ->> 'cache_hits',
       value ->> 'failures',
       value ->> 'input_tokens',
       value ->> 'output_tokens',
       value ->> 'latency_us',
       value ->> 'cost_pico'
FROM jsonb_each(?)
WHERE true
ON CONFLICT (team_id, flow, place, prompt, plan_id, model) DO UPDATE
SET calls = calls + excluded.calls,
    cache_hits = cache_hits + excluded.cache_hits,
    failures = failures + excluded.failures,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    latency_us = latency_us + excluded.latency_us,
    cost_pico = cost_pico + excluded.cost_pico
