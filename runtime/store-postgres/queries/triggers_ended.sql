UPDATE run_triggers AS trigger SET state = 'ended'
FROM workflow_executions AS run
WHERE trigger.state = 'started' AND run.run_id = trigger.run_id AND run.status NOT IN ('running', 'suspended')
