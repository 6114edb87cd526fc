DELETE FROM bindings
WHERE (execution_id, instance, name) IN (
  SELECT one.execution_id, one.instance, one.name FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN bindings AS one ON one.execution_id = run.execution_id
  WHERE run.kept IN (1, 3) AND run.ended_at IS NOT NULL
  LIMIT ?1
)
