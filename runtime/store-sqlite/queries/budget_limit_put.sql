INSERT INTO budget_limits (name, scope, subject, period, body, set_by, at)
VALUES (?, ?, ?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
ON CONFLICT (team_id, name, scope, subject, period) DO UPDATE
SET body = excluded.body, set_by = excluded.set_by, at = excluded.at
