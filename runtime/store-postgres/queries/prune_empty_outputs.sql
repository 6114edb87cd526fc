UPDATE outputs SET value = ''
WHERE (execution_id, owner, position) IN (
  SELECT one.execution_id, one.owner, one.position FROM outputs AS one
  WHERE one.execution_id IN (SELECT execution_id FROM workflow_executions WHERE kept = 1 AND ended_at IS NOT NULL) AND (one.value <> '')
  LIMIT $1
)
