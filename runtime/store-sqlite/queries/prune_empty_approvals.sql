UPDATE approvals SET text = ''
WHERE (execution_id, step) IN (
  SELECT one.execution_id, one.step FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN approvals AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 1 AND run.ended_at IS NOT NULL AND (one.text <> '')
  LIMIT ?1
)
