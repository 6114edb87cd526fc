SELECT path AS "path!", position AS "position!", status AS "status!", failure, input, ended_at AS "ended_at!"
FROM instances
WHERE execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = $1)
  AND status IN ('failed', 'quarantined') AND path > $2
ORDER BY path
LIMIT $3
