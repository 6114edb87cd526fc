-- Asked once its row is locked: a run that began in between counts.
SELECT EXISTS (SELECT 1 FROM workflow_executions AS run WHERE run.plan_id = $1)
    OR EXISTS (SELECT 1 FROM deployments AS deployed WHERE deployed.plan_id = $1)
    OR EXISTS (SELECT 1 FROM workflows AS present WHERE present.plan_id = $1) AS "needed!"
