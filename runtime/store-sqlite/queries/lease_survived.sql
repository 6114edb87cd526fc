UPDATE workflow_executions SET lost_count = max(lost_count - 1, 0) WHERE run_id = ? AND lease_epoch > ?
