-- What nearly every transition writes, in one go, for each statement that is handed over has its price. Each row is a list of
-- its columns in the order of its type in `tables/rows.rs`: a place is found faster than a name.

-- New runs, each held by the process that made it.
INSERT INTO workflow_executions (
  execution_id, run_id, status, sequence, changed_at, ended_at, failure, state, limit_pico, held_pico, settled_pico,
  unknown_pico, breaches, items_started, items_done, items_failed, rows_read, outputs, model_calls, cache_hits,
  input_tokens, output_tokens, root_status, root_state, plan_id, flow, root_path, simulated, started_by, setup,
  origin, input, created_at, lease_process, lease_host, lease_number, lease_epoch, lease_since, lease_until
)
SELECT
  value ->> 0, value ->> 1, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
  value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 16, value ->> 17,
  value ->> 18, value ->> 19, value ->> 20, value ->> 21, value ->> 22, value ->> 23, value ->> 24, value ->> 25,
  value ->> 26, value ->> 27, value ->> 28, value ->> 29, value ->> 30, value ->> 31, value ->> 32, value ->> 33,
  value ->> 34, value ->> 35, value ->> 36, value ->> 37, 1,
  CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER),
  CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?
FROM jsonb_each(?);

-- Where a run still stands as it was found. One that ended or stands still is held by nobody.
UPDATE workflow_executions
SET status = given.value ->> 4,
    sequence = given.value ->> 5,
    changed_at = given.value ->> 6,
    ended_at = given.value ->> 7,
    failure = given.value ->> 8,
    state = given.value ->> 9,
    limit_pico = given.value ->> 10,
    held_pico = given.value ->> 11,
    settled_pico = given.value ->> 12,
    unknown_pico = given.value ->> 13,
    breaches = given.value ->> 14,
    items_started = given.value ->> 15,
    items_done = given.value ->> 16,
    items_failed = given.value ->> 17,
    rows_read = given.value ->> 18,
    outputs = given.value ->> 19,
    model_calls = given.value ->> 20,
    cache_hits = given.value ->> 21,
    input_tokens = given.value ->> 22,
    output_tokens = given.value ->> 23,
    root_status = coalesce(given.value ->> 24, workflow_executions.root_status),
    root_state = coalesce(given.value ->> 25, workflow_executions.root_state),
    lease_process = CASE given.value ->> 4 WHEN 'running' THEN workflow_executions.lease_process END,
    lease_host = CASE given.value ->> 4 WHEN 'running' THEN workflow_executions.lease_host END,
    lease_number = CASE given.value ->> 4 WHEN 'running' THEN workflow_executions.lease_number END,
    lease_since = CASE given.value ->> 4 WHEN 'running' THEN workflow_executions.lease_since END,
    lease_until = CASE given.value ->> 4 WHEN 'running' THEN workflow_executions.lease_until END
FROM jsonb_each(?) AS given
WHERE workflow_executions.execution_id = given.value ->> 0 AND workflow_executions.run_id = given.value ->> 1
  AND workflow_executions.lease_epoch = given.value ->> 2 AND workflow_executions.sequence = given.value ->> 3;

INSERT INTO node_executions (
  execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model,
  input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico,
  from_cache, input_key
)
SELECT
  value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
  value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21
-- No list, so an error that nothing comes behind, unless all runs were changed (see `moved_on` in `faults.rs`).
FROM jsonb_each(iif(changes() = ?, ?, 'moved on'));

INSERT INTO token_usage_logs (
  execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
  cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
)
SELECT
  value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
  value ->> 16, value ->> 17
FROM jsonb_each(?);

INSERT INTO outputs (
  execution_id, owner, position, instance, step, value, tags, at
)
SELECT
  value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM jsonb_each(?);

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
