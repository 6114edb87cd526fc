-- Nothing when somebody else was faster since the lease was read.
UPDATE workflow_executions
SET lease_epoch = lease_epoch + 1, lease_process = $1, lease_host = $2, lease_number = $3,
    lease_since = clock.now, lease_until = clock.now + $4, lost_count = 0
FROM (SELECT clock_us() AS now) AS clock
WHERE execution_id = $5 AND lease_epoch = $6
RETURNING lease_epoch AS "lease_epoch!"
