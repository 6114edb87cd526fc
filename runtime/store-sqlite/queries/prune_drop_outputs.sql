DELETE FROM outputs
WHERE (execution_id, owner, position) IN (
  SELECT one.execution_id, one.owner, one.position FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN outputs AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 3 AND run.ended_at IS NOT NULL
  LIMIT ?1
)
