-- Runs that nobody executes and that have something to do, oldest first. Rows that another claim looks at are passed over. A lease
-- that was never given back was lost: that is counted for as long as no step was recorded in between.
WITH free AS (
  SELECT run.execution_id,
    CASE WHEN run.lease_until IS NOT NULL THEN
      (SELECT count(*) FROM node_executions AS step WHERE step.execution_id = run.execution_id AND step.status <> 'retried')
    END AS recorded
  FROM workflow_executions AS run
  WHERE (run.lease_until IS NULL OR run.lease_until <= clock_us())
    AND run.status IN ('running', 'suspended')
    AND (
      run.status = 'running'
      OR EXISTS (
        SELECT 1 FROM run_requests AS request
        WHERE request.execution_id = run.execution_id AND request.taken_at IS NULL AND request.kind <> 'pause'
      )
    )
  ORDER BY run.execution_id
  LIMIT $5
  FOR NO KEY UPDATE OF run SKIP LOCKED
)
UPDATE workflow_executions AS run
SET lease_epoch = run.lease_epoch + 1, lease_process = $1, lease_host = $2, lease_number = $3,
    lease_since = clock.now, lease_until = clock.now + $4,
    lost_count = CASE WHEN free.recorded IS NULL THEN 0 WHEN free.recorded = run.lost_steps THEN run.lost_count + 1 ELSE 1 END,
    lost_steps = coalesce(free.recorded, run.lost_steps)
FROM free, (SELECT clock_us() AS now) AS clock
WHERE run.execution_id = free.execution_id
RETURNING run.run_id AS "run_id!", run.lease_epoch AS "lease_epoch!", run.lost_count AS "lost_count!"
