UPDATE run_triggers SET state = 'ended'
WHERE state = 'started'
  AND EXISTS (
    SELECT 1 FROM workflow_executions AS run
    WHERE run.run_id = run_triggers.run_id AND run.status NOT IN ('running', 'suspended')
  )
