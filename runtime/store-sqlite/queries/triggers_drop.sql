UPDATE run_triggers SET state = 'passed_over', reason = 'the flow was taken out of force'
WHERE flow = ? AND state IN ('queued', 'due') AND kind <> 'webhook'
