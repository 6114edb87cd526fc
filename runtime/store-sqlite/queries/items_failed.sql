SELECT path AS "path!", position AS "position!", status AS "status!", failure, input, ended_at AS "ended_at!"
FROM instances INDEXED BY instances_failed
WHERE execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = ?)
  AND status IN ('failed', 'quarantined') AND path > ?
ORDER BY path
LIMIT ?
