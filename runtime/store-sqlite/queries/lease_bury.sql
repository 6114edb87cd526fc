UPDATE workflow_executions SET lease_until = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)
WHERE run_id = ? AND lease_epoch = ? AND lease_process IS NOT NULL
