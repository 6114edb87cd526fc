SELECT coalesce(max(execution_id), 0) AS "last!: i64" FROM workflow_executions
