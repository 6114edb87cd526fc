-- The run as this very beginning left it, or as another process has taken it up since. Another one with its id began at another time.
SELECT execution_id FROM workflow_executions
WHERE run_id = $1 AND created_at = $2 AND (lease_epoch > 1 OR lease_process = $3 AND sequence = $4)
