-- Runs that nobody executes and that have something to do, oldest first. A lease that was never given back was lost: that is counted
-- for as long as no step was recorded in between.
UPDATE workflow_executions
SET lease_epoch = lease_epoch + 1, lease_process = ?1, lease_host = ?2, lease_number = ?3,
    lease_since = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER),
    lease_until = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?4,
    lost_count = CASE
      WHEN lease_until IS NULL THEN 0
      WHEN lost_steps = (SELECT count(*) FROM node_executions AS step WHERE step.execution_id = workflow_executions.execution_id AND step.status <> 'retried')
        THEN lost_count + 1
      ELSE 1
    END,
    lost_steps = CASE
      WHEN lease_until IS NULL THEN lost_steps
      ELSE (SELECT count(*) FROM node_executions AS step WHERE step.execution_id = workflow_executions.execution_id AND step.status <> 'retried')
    END
WHERE execution_id IN (
  SELECT run.execution_id
  FROM workflow_executions AS run INDEXED BY workflow_executions_live
  WHERE run.status IN ('running', 'suspended')
    AND (run.lease_until IS NULL OR run.lease_until <= CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
    AND (
      run.status = 'running'
      OR EXISTS (
        SELECT 1 FROM run_requests AS request
        WHERE request.execution_id = run.execution_id AND request.taken_at IS NULL AND request.kind <> 'pause'
      )
    )
  ORDER BY run.execution_id
  LIMIT ?5
)
RETURNING run_id AS "run_id!", lease_epoch AS "lease_epoch!", lost_count AS "lost_count!"
