UPDATE instances SET state = NULL, yielded = NULL, input = NULL
WHERE (execution_id, path) IN (
  SELECT one.execution_id, one.path FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN instances AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 1 AND run.ended_at IS NOT NULL AND (one.state IS NOT NULL OR one.yielded IS NOT NULL OR one.input IS NOT NULL)
  LIMIT ?1
)
