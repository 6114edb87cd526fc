-- The run as this very beginning left it. Another one with its id, even of the same process, began at another time.
SELECT execution_id FROM workflow_executions
WHERE run_id = $1 AND lease_epoch = 1 AND lease_process = $2 AND sequence = $3 AND created_at = $4
