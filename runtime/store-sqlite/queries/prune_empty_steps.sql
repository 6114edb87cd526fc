UPDATE node_executions SET result = NULL
WHERE (execution_id, step, attempt) IN (
  SELECT one.execution_id, one.step, one.attempt FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN node_executions AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 1 AND run.ended_at IS NOT NULL AND (one.result IS NOT NULL)
  LIMIT ?1
)
