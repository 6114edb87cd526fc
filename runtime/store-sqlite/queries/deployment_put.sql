INSERT INTO deployments (flow, plan_id, body, deployed_by, at, paused, decided_until)
VALUES (?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER), 0, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
ON CONFLICT (team_id, flow) DO UPDATE
SET plan_id = excluded.plan_id, body = excluded.body, deployed_by = excluded.deployed_by, at = excluded.at,
    decided_until = excluded.decided_until
