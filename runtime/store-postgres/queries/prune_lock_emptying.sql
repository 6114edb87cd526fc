-- Not what somebody holds or takes over from just now, and not what a run that is whole took over from.
SELECT run.execution_id AS "execution_id!" FROM workflow_executions AS run
WHERE run.kept = 0 AND run.ended_at < $1 AND ($2::text IS NULL OR run.flow = $2)
  AND run.status IN ('succeeded', 'failed', 'cancelled') AND run.held_pico = 0
  AND (run.lease_until IS NULL OR run.lease_until <= clock_us())
  AND NOT EXISTS (
    SELECT 1 FROM workflow_executions AS later WHERE later.origin = run.run_id AND later.kept = 0
  )
ORDER BY run.ended_at
LIMIT $3
FOR UPDATE OF run SKIP LOCKED
