-- What nearly every transition writes, in one go, for each statement that is handed over has its price.
-- Where a run still stands as it was found. One that ended or stands still is held by nobody.
UPDATE workflow_executions
SET status = given.value ->> 'status',
    sequence = given.value ->> 'sequence',
    changed_at = given.value ->> 'changed_at',
    ended_at = given.value ->> 'ended_at',
    failure = given.value ->> 'failure',
    state = given.value ->> 'state',
    limit_pico = given.value ->> 'limit_pico',
    held_pico = given.value ->> 'held_pico',
    settled_pico = given.value ->> 'settled_pico',
    unknown_pico = given.value ->> 'unknown_pico',
    breaches = given.value ->> 'breaches',
    items_started = given.value ->> 'items_started',
    items_done = given.value ->> 'items_done',
    items_failed = given.value ->> 'items_failed',
    rows_read = given.value ->> 'rows_read',
    outputs = given.value ->> 'outputs',
    model_calls = given.value ->> 'model_calls',
    cache_hits = given.value ->> 'cache_hits',
    input_tokens = given.value ->> 'input_tokens',
    output_tokens = given.value ->> 'output_tokens',
    root_status = coalesce(given.value ->> 'root_status', workflow_executions.root_status),
    root_state = coalesce(given.value ->> 'root_state', workflow_executions.root_state),
    lease_process = CASE given.value ->> 'status' WHEN 'running' THEN workflow_executions.lease_process END,
    lease_host = CASE given.value ->> 'status' WHEN 'running' THEN workflow_executions.lease_host END,
    lease_number = CASE given.value ->> 'status' WHEN 'running' THEN workflow_executions.lease_number END,
    lease_since = CASE given.value ->> 'status' WHEN 'running' THEN workflow_executions.lease_since END,
    lease_until = CASE given.value ->> 'status' WHEN 'running' THEN workflow_executions.lease_until END
FROM jsonb_each(?) AS given
WHERE workflow_executions.execution_id = given.value ->> 'execution_id'
  AND workflow_executions.run_id = given.value ->> 'run' AND workflow_executions.lease_epoch = given.value ->> 'epoch' AND workflow_executions.sequence = given.value ->> 'base';

INSERT INTO node_executions (execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico, from_cache, input_key)
SELECT value ->> 'execution_id',
       value ->> 'instance',
       value ->> 'step',
       value ->> 'place',
       value ->> 'attempt',
       value ->> 'kind',
       value ->> 'target',
       value ->> 'status',
       value ->> 'started_at',
       value ->> 'ended_at',
       value ->> 'result',
       value ->> 'failure',
       value ->> 'model',
       value ->> 'input_tokens',
       value ->> 'cache_read_tokens',
       value ->> 'cache_write_tokens',
       value ->> 'output_tokens',
       value ->> 'reasoning_tokens',
       value ->> 'has_usage',
       value ->> 'cost_pico',
       value ->> 'from_cache',
       value ->> 'input_key'
FROM jsonb_each(?);

INSERT INTO token_usage_logs (execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at)
SELECT value ->> 'execution_id',
       value ->> 'kind',
       value ->> 'held_pico',
       value ->> 'charged_pico',
       value ->> 'breach',
       value ->> 'instance',
       value ->> 'step',
       value ->> 'attempt',
       value ->> 'prompt',
       value ->> 'model',
       value ->> 'input_tokens',
       value ->> 'cache_read_tokens',
       value ->> 'cache_write_tokens',
       value ->> 'output_tokens',
       value ->> 'reasoning_tokens',
       value ->> 'has_usage',
       value ->> 'idempotency_key',
       value ->> 'at'
FROM jsonb_each(?);

INSERT INTO outputs (execution_id, owner, position, instance, step, value, tags, at)
SELECT value ->> 'execution_id',
       value ->> 'owner',
       value ->> 'position',
       value ->> 'instance',
       value ->> 'step',
       value ->> 'value',
       value ->> 'tags',
       value ->> 'at'
FROM jsonb_each(?)
