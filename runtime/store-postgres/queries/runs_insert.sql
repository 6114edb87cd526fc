-- New runs, each held by the process that made it. One whose id is taken gives no row, and nothing of it is stored. Lines of
-- the ledger are given only with a run that is given alone.
WITH begun AS (
  INSERT INTO workflow_executions (
    run_id, plan_id, flow, root_path, simulated, started_by, setup, input, created_at, lease_process, lease_host,
    lease_number, status, sequence, changed_at, ended_at, failure, state, limit_pico, held_pico, settled_pico,
    unknown_pico, breaches, items_started, items_done, items_failed, rows_read, outputs, model_calls, cache_hits,
    input_tokens, output_tokens, origin, root_status, root_state, lease_epoch, lease_since, lease_until
  )
  SELECT given.*, 1, clock.now, clock.now + $1
  FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::text[], $10::bigint[],
    $11::text[], $12::text[], $13::bigint[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::text[],
    $19::text[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[],
    $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[],
    $33::bigint[], $34::text[], $35::text[], $36::text[]
  ) AS given, (SELECT clock_us() AS now) AS clock
  ON CONFLICT (run_id) DO NOTHING
  RETURNING run_id, execution_id
), spent AS (
  INSERT INTO token_usage_logs (
    execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
  )
  SELECT begun.execution_id, given.*
  FROM begun, unnest(
    $37::text[], $38::bigint[], $39::bigint[], $40::boolean[], $41::text[], $42::text[], $43::bigint[], $44::text[],
    $45::text[], $46::bigint[], $47::bigint[], $48::bigint[], $49::bigint[], $50::bigint[], $51::boolean[], $52::text[],
    $53::bigint[]
  ) AS given
)
SELECT run_id AS "run_id!", execution_id AS "execution_id!", pg_current_xact_id()::text::bigint AS "transaction!" FROM begun
