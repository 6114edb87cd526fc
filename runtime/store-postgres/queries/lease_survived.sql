UPDATE workflow_executions SET lost_count = greatest(lost_count - 1, 0) WHERE run_id = $1 AND lease_epoch > $2
