-- What nearly every transition writes, in one statement, for each statement has its price. `base` is the sequence that the group
-- found: a run that moved on or was taken over since is not changed, and not counted,
-- and nothing is stored besides unless all ($74) were.
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
), stepped AS (
  INSERT INTO node_executions (
    execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico,
    from_cache, input_key
  )
  SELECT * FROM unnest(
    $26::bigint[], $27::text[], $28::text[], $29::text[], $30::bigint[], $31::text[], $32::text[], $33::text[], $34::bigint[],
    $35::bigint[], $36::text[], $37::text[], $38::text[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[],
    $43::bigint[], $44::boolean[], $45::bigint[], $46::boolean[], $47::text[]
  )
  WHERE (SELECT count(*) FROM changed) = $74
), spent AS (
  INSERT INTO token_usage_logs (
    execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
  )
  SELECT * FROM unnest(
    $48::bigint[], $49::text[], $50::bigint[], $51::bigint[], $52::boolean[], $53::text[], $54::text[], $55::bigint[],
    $56::text[], $57::text[], $58::bigint[], $59::bigint[], $60::bigint[], $61::bigint[], $62::bigint[], $63::boolean[],
    $64::text[], $65::bigint[]
  )
  WHERE (SELECT count(*) FROM changed) = $74
), put_out AS (
  INSERT INTO outputs (
    execution_id, owner, position, instance, step, value, tags, at
  )
  SELECT * FROM unnest(
    $66::bigint[], $67::text[], $68::text[], $69::text[], $70::text[], $71::text[], $72::text[], $73::bigint[]
  )
  WHERE (SELECT count(*) FROM changed) = $74
)
SELECT count(*) AS "changed!", pg_current_xact_id()::text::bigint AS "transaction!" FROM changed
