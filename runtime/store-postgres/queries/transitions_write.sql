-- What nearly every transition writes, in one statement, for each statement has its price. `base` is the sequence that the group
-- found: a run that moved on or was taken over since is not changed, and not counted,
-- and nothing is stored besides unless all ($5) were.
-- One that ended or stands still is held by nobody.
WITH changed AS (
  UPDATE workflow_executions AS run
  SET status = given.status,
    sequence = given.sequence,
    changed_at = given.changed_at,
    ended_at = given.ended_at,
    failure = given.failure,
    state = given.state,
    limit_pico = given.limit_pico,
    held_pico = given.held_pico,
    settled_pico = given.settled_pico,
    unknown_pico = given.unknown_pico,
    breaches = given.breaches,
    items_started = given.items_started,
    items_done = given.items_done,
    items_failed = given.items_failed,
    rows_read = given.rows_read,
    outputs = given.outputs,
    model_calls = given.model_calls,
    cache_hits = given.cache_hits,
    input_tokens = given.input_tokens,
    output_tokens = given.output_tokens,
    root_status = coalesce(given.root_status, run.root_status),
    root_state = coalesce(given.root_state, run.root_state),
    lease_process = CASE given.status WHEN 'running' THEN run.lease_process END,
    lease_host = CASE given.status WHEN 'running' THEN run.lease_host END,
    lease_number = CASE given.status WHEN 'running' THEN run.lease_number END,
    lease_since = CASE given.status WHEN 'running' THEN run.lease_since END,
    lease_until = CASE given.status WHEN 'running' THEN run.lease_until END
  FROM unnest($1::run_change[]) AS given
  WHERE run.execution_id = given.execution_id AND run.lease_epoch = given.epoch AND run.sequence = given.base
  RETURNING 1
), stepped AS (
  INSERT INTO node_executions (
    execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico,
    from_cache, input_key
  )
  SELECT * FROM unnest($2::step_record[])
  WHERE (SELECT count(*) FROM changed) = $5
), spent AS (
  INSERT INTO token_usage_logs (
    execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
  )
  SELECT * FROM unnest($3::usage_line[])
  WHERE (SELECT count(*) FROM changed) = $5
), put_out AS (
  INSERT INTO outputs (
    execution_id, owner, position, instance, step, value, tags, at
  )
  SELECT * FROM unnest($4::output_record[])
  WHERE (SELECT count(*) FROM changed) = $5
)
SELECT count(*) AS "changed!", pg_current_xact_id()::text::bigint AS "transaction!" FROM changed
