SELECT value AS "value!" FROM outputs
WHERE execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = ?) AND owner = ?
ORDER BY position
