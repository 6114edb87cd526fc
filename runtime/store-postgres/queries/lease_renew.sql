-- In the order of the runs' numbers, as transitions lock them.
UPDATE workflow_executions AS run
SET lease_until = clock_us() + $1
FROM (
  SELECT held.execution_id
  FROM unnest($2::text[], $3::bigint[]) AS given (run_id, epoch)
  JOIN workflow_executions AS held ON held.run_id = given.run_id AND held.lease_epoch = given.epoch
  WHERE held.lease_process IS NOT NULL
  ORDER BY held.execution_id
  FOR NO KEY UPDATE OF held
) AS locked
WHERE run.execution_id = locked.execution_id
RETURNING run.run_id AS "run_id!", run.lease_epoch AS "lease_epoch!", run.lease_until AS "lease_until!"
