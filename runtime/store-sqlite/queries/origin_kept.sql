SELECT kept AS "kept!" FROM workflow_executions WHERE run_id = ?
