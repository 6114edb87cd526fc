DELETE FROM run_requests
WHERE (request_id) IN (
  SELECT one.request_id FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN run_requests AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 3 AND run.ended_at IS NOT NULL
  LIMIT ?1
)
