UPDATE workflow_executions SET kept = 2 WHERE kept = 1 AND ended_at IS NOT NULL
