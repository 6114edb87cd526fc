UPDATE run_triggers SET state = 'ended'
WHERE state IN ('queued', 'due', 'started') AND state = 'started' AND run_id IN (SELECT run_id FROM workflow_executions WHERE kept = 3 AND ended_at IS NOT NULL)
