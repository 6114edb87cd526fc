UPDATE workflow_executions
SET lease_epoch = lease_epoch + 1, lease_process = ?, lease_host = ?, lease_number = ?,
    lease_since = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER),
    lease_until = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?, lost_count = 0
WHERE execution_id = ?
RETURNING lease_epoch AS "lease_epoch!"
