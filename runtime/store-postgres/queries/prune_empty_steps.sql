UPDATE node_executions SET result = NULL
WHERE (execution_id, step, attempt) IN (
  SELECT one.execution_id, one.step, one.attempt FROM node_executions AS one
  WHERE one.execution_id IN (SELECT execution_id FROM workflow_executions WHERE kept = 1 AND ended_at IS NOT NULL) AND (one.result IS NOT NULL)
  LIMIT $1
)
