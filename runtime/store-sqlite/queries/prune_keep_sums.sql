UPDATE workflow_executions SET kept = 4 WHERE kept = 3 AND ended_at IS NOT NULL
