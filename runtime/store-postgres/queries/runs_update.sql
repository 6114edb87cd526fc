-- `base` is the sequence that the group found: a run that moved on or was taken over since is not changed, and not counted.
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
  FROM unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
  $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
  $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::text[], $25::text[]
) AS given (execution_id, epoch, base, status, sequence, changed_at, ended_at, failure, state, limit_pico, held_pico, settled_pico, unknown_pico, breaches, items_started, items_done, items_failed, rows_read, outputs, model_calls, cache_hits, input_tokens, output_tokens, root_status, root_state)
  WHERE run.execution_id = given.execution_id AND run.lease_epoch = given.epoch AND run.sequence = given.base
  RETURNING 1
)
SELECT count(*) AS "changed!", pg_current_xact_id()::text::bigint AS "transaction!" FROM changed
