INSERT INTO workflows (flow, plan_id, created_at, changed_at)
VALUES (?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER), CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
ON CONFLICT (team_id, flow) DO UPDATE SET plan_id = excluded.plan_id, changed_at = excluded.changed_at
