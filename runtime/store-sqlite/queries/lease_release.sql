UPDATE workflow_executions
SET lease_process = NULL, lease_host = NULL, lease_number = NULL, lease_since = NULL, lease_until = NULL
WHERE run_id = ? AND lease_epoch = ?
