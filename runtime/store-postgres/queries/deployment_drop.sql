WITH passed_over AS (
  UPDATE run_triggers SET state = 'passed_over', reason = 'the flow was taken out of force'
  WHERE flow = $1 AND state IN ('queued', 'due') AND kind <> 'webhook'
)
DELETE FROM deployments WHERE flow = $1
