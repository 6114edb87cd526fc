DELETE FROM token_usage_logs
WHERE (usage_id) IN (
  SELECT one.usage_id FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  CROSS JOIN token_usage_logs AS one ON one.execution_id = run.execution_id
  WHERE run.kept = 4 AND run.ended_at IS NOT NULL AND run.ended_at < ?2
    AND NOT EXISTS (SELECT 1 FROM token_usage_logs AS newer WHERE newer.execution_id = run.execution_id AND newer.at >= ?2)
  LIMIT ?1
)
