SELECT execution_id AS "execution_id!", lease_epoch, limit_pico, held_pico, settled_pico, unknown_pico, breaches
FROM workflow_executions WHERE run_id = $1
