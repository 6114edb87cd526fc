SELECT execution_id AS "execution_id!", lease_epoch AS "lease_epoch!", lease_process, lease_host, lease_number, lease_since, lease_until,
       clock_us() AS "now!"
FROM workflow_executions WHERE run_id = $1
