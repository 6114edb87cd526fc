-- Tells who waits for work when there is some.
WITH released AS (
  UPDATE workflow_executions
  SET lease_process = NULL, lease_host = NULL, lease_number = NULL, lease_since = NULL, lease_until = NULL
  WHERE run_id = $1 AND lease_epoch = $2 AND lease_process IS NOT NULL
  RETURNING status
)
SELECT pg_notify('pmflow_news', '')::text FROM released WHERE status = 'running'
