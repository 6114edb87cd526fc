SELECT execution_id AS "execution_id!", flow AS "flow!", status AS "status!" FROM workflow_executions WHERE run_id = $1
