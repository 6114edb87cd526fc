INSERT INTO budget_limits (name, scope, subject, period, body, set_by, at)
VALUES ($1, $2, $3, $4, $5, $6, clock_us())
ON CONFLICT (team_id, name, scope, subject, period) DO UPDATE
SET body = excluded.body, set_by = excluded.set_by, at = excluded.at
