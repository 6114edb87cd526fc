DELETE FROM token_usage_logs
WHERE (usage_id) IN (
  SELECT one.usage_id FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN token_usage_logs AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 3 AND run.ended_at IS NOT NULL AND run.simulated = 1
  LIMIT ?1
)
