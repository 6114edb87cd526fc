DELETE FROM token_usage_logs
WHERE (execution_id, usage_id) IN (
  SELECT one.execution_id, one.usage_id FROM workflow_executions AS run
  JOIN token_usage_logs AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 3 AND run.ended_at IS NOT NULL AND run.simulated
  LIMIT $1
)
