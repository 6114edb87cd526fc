-- Newest first.
SELECT run.execution_id AS "execution_id!", run.run_id AS "run_id!", run.plan_id AS "plan_id!", run.flow AS "flow!", run.status AS "status!",
       run.sequence AS "sequence!", run.created_at AS "created_at!", run.changed_at AS "changed_at!", run.ended_at, run.failure,
       run.limit_pico, run.held_pico AS "held_pico!", run.settled_pico AS "settled_pico!", run.unknown_pico AS "unknown_pico!",
       run.breaches AS "breaches!", run.items_started AS "items_started!", run.items_done AS "items_done!",
       run.items_failed AS "items_failed!", run.rows_read AS "rows_read!", run.outputs AS "outputs!",
       run.model_calls AS "model_calls!", run.cache_hits AS "cache_hits!", run.input_tokens AS "input_tokens!",
       run.output_tokens AS "output_tokens!", run.simulated AS "simulated!: bool", run.setup AS "setup!", run.kept AS "kept!",
       run.lease_epoch AS "lease_epoch!", run.lease_process, run.lease_host, run.lease_number, run.lease_since, run.lease_until,
       CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) AS "now!: i64",
       EXISTS (
         SELECT 1 FROM run_requests AS request
         WHERE request.execution_id = run.execution_id AND request.kind = 'cancel' AND request.taken_at IS NULL
       ) AS "cancel_requested!: bool"
FROM workflow_executions AS run
WHERE run.execution_id < ?1
  AND (?2 IS NULL OR run.flow = ?2)
  AND (?3 IS NULL OR run.status = ?3)
  AND (?4 IS NULL OR run.created_at >= ?4)
  AND (?5 IS NULL OR run.created_at < ?5)
ORDER BY run.execution_id DESC
LIMIT ?6
