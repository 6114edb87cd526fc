SELECT deployment.flow, deployment.plan_id, deployment.body, deployment.deployed_by, deployment.at,
  deployment.paused AS "paused: bool", deployment.decided_until, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) AS "now!: i64",
  (
    SELECT count(*) FROM run_triggers AS trigger JOIN workflow_executions AS run ON run.run_id = trigger.run_id
    WHERE trigger.flow = deployment.flow AND trigger.kind = 'schedule' AND trigger.state = 'started'
      AND run.status IN ('running', 'suspended')
  ) AS "running!: i64",
  (
    SELECT count(*) FROM run_triggers AS trigger
    WHERE trigger.flow = deployment.flow AND trigger.kind = 'schedule' AND trigger.state IN ('queued', 'due')
  ) AS "waiting!: i64"
FROM deployments AS deployment ORDER BY deployment.team_id, deployment.flow
