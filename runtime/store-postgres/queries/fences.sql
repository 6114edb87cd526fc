-- How the given runs stand; a run that is not stored gives no row.
SELECT run.run_id AS "run_id!", run.execution_id AS "execution_id!", run.root_path AS "root_path!", run.flow AS "flow!",
       run.plan_id AS "plan_id!", run.simulated AS "simulated!", run.status AS "status!", run.sequence AS "sequence!",
       run.lease_epoch AS "lease_epoch!"
FROM workflow_executions AS run
WHERE run.run_id = ANY($1::text[])
