UPDATE instances SET state = NULL, yielded = NULL, input = NULL
WHERE (execution_id, path) IN (
  SELECT one.execution_id, one.path FROM instances AS one
  WHERE one.execution_id IN (SELECT execution_id FROM workflow_executions WHERE kept = 1 AND ended_at IS NOT NULL) AND (one.state IS NOT NULL OR one.yielded IS NOT NULL OR one.input IS NOT NULL)
  LIMIT $1
)
