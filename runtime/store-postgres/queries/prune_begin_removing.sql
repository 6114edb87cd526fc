-- What has taken over from one of them in between keeps it. A writer of earlier is refused from here on.
UPDATE workflow_executions AS run SET kept = 3, input = '', root_state = '', lease_epoch = run.lease_epoch + 1
WHERE run.execution_id = ANY($1::bigint[])
  AND NOT EXISTS (
    SELECT 1 FROM workflow_executions AS later WHERE later.origin = run.run_id AND later.kept = 0
  )
