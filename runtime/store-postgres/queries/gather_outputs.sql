SELECT value AS "value!" FROM outputs
WHERE execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = $1) AND owner = $2
ORDER BY position
