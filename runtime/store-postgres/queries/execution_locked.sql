SELECT execution_id AS "execution_id!", status AS "status!" FROM workflow_executions WHERE run_id = $1 FOR NO KEY UPDATE
