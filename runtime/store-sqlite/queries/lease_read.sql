SELECT execution_id AS "execution_id!", lease_epoch AS "lease_epoch!", lease_process, lease_host, lease_number, lease_since, lease_until,
       CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) AS "now!: i64"
FROM workflow_executions WHERE run_id = ?
