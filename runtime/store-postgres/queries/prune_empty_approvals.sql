UPDATE approvals SET text = ''
WHERE (execution_id, step) IN (
  SELECT one.execution_id, one.step FROM approvals AS one
  WHERE one.execution_id IN (SELECT execution_id FROM workflow_executions WHERE kept = 1 AND ended_at IS NOT NULL) AND (one.text <> '')
  LIMIT $1
)
