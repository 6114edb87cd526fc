-- New runs, each held by the process that made it. One whose id is taken gives no row, and nothing of it is stored. Lines of
-- the ledger are given only with a run that is given alone.
WITH begun AS (
  INSERT INTO workflow_executions (
    run_id, plan_id, flow, root_path, simulated, started_by, setup, input, created_at, lease_process, lease_host,
    lease_number, status, sequence, changed_at, ended_at, failure, state, limit_pico, held_pico, settled_pico,
    unknown_pico, breaches, items_started, items_done, items_failed, rows_read, outputs, model_calls, cache_hits,
    input_tokens, output_tokens, origin, root_status, root_state, lease_epoch, lease_since, lease_until
  )
  SELECT
    given.run, given.plan_id, given.flow, given.root_path, given.simulated, given.started_by, given.setup, given.input,
    given.created_at, given.lease_process, given.lease_host, given.lease_number, given.status, given.sequence,
    given.changed_at, given.ended_at, given.failure, given.state, given.limit_pico, given.held_pico, given.settled_pico,
    given.unknown_pico, given.breaches, given.items_started, given.items_done, given.items_failed, given.rows_read,
    given.outputs, given.model_calls, given.cache_hits, given.input_tokens, given.output_tokens, given.origin,
    given.root_status, given.root_state, 1, clock.now, clock.now + $1
  FROM unnest($2::run_insertion[]) AS given, (SELECT clock_us() AS now) AS clock
  ON CONFLICT (run_id) DO NOTHING
  RETURNING run_id, execution_id
), spent AS (
  INSERT INTO token_usage_logs (
    execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
  )
  SELECT
    begun.execution_id, given.kind, given.held_pico, given.charged_pico, given.breach, given.instance, given.step,
    given.attempt, given.prompt, given.model, given.input_tokens, given.cache_read_tokens, given.cache_write_tokens,
    given.output_tokens, given.reasoning_tokens, given.has_usage, given.idempotency_key, given.at
  FROM begun, unnest($3::usage_line[]) AS given
)
SELECT run_id AS "run_id!", execution_id AS "execution_id!", pg_current_xact_id()::text::bigint AS "transaction!" FROM begun
