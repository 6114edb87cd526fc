-- The lock keeps the run from being pruned until the one that takes over from it is there.
SELECT kept AS "kept!" FROM workflow_executions WHERE run_id = $1 FOR SHARE
