INSERT INTO deployments (flow, plan_id, body, deployed_by, at, paused, decided_until)
SELECT $1, $2, $3, $4, clock.now, false, clock.now FROM (SELECT clock_us() AS now) AS clock
ON CONFLICT (team_id, flow) DO UPDATE
SET plan_id = excluded.plan_id, body = excluded.body, deployed_by = excluded.deployed_by, at = excluded.at,
    decided_until = excluded.decided_until
