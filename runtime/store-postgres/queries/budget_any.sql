-- Whether anything could apply to the run besides what its plan declares.
SELECT run.lease_epoch AS "lease_epoch!", EXISTS (SELECT 1 FROM budget_limits) AS "standing!",
       EXISTS (SELECT 1 FROM budget_shares AS share WHERE share.execution_id = run.execution_id) AS "shares!"
FROM workflow_executions AS run
WHERE run.run_id = $1
