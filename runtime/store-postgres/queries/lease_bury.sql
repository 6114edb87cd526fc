UPDATE workflow_executions SET lease_until = clock_us() WHERE run_id = $1 AND lease_epoch = $2 AND lease_process IS NOT NULL
