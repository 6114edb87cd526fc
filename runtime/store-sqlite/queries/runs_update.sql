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
  AND workflow_executions.lease_epoch = given.value ->> 'epoch' AND workflow_executions.sequence = given.value ->> 'base'
