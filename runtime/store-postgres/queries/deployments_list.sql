SELECT deployment.flow, deployment.plan_id, deployment.body, deployment.deployed_by, deployment.at, deployment.paused,
  deployment.decided_until, clock_us() AS "now!",
  (
    SELECT count(*) FROM run_triggers AS trigger JOIN workflow_executions AS run ON run.run_id = trigger.run_id
    WHERE trigger.flow = deployment.flow AND trigger.kind = 'schedule' AND trigger.state = 'started'
      AND run.status IN ('running', 'suspended')
  ) AS "running!",
  (
    SELECT count(*) FROM run_triggers AS trigger
    WHERE trigger.flow = deployment.flow AND trigger.kind = 'schedule' AND trigger.state IN ('queued', 'due')
  ) AS "waiting!"
FROM deployments AS deployment ORDER BY deployment.flow
